//! `cargo xtask doctor`, `build`, `test`, `fuzz`, `bench`, `lint`, `terraform` and `ci`.

use clap::{Args, ValueEnum};

/// Prints what this machine has, what it lacks, and how to get it.
#[derive(Args, Clone, Debug)]
pub struct Doctor {
    /// Print the findings as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Builds the functions and packs what is deployed.
#[derive(Args, Clone, Debug)]
pub struct Build {
    /// Print the manifest as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs all tests, those on the emulators too.
#[derive(Args, Clone, Debug)]
pub struct Test {
    /// Fail where the emulators can't run, instead of leaving their tests out.
    #[arg(long)]
    pub require_emulators: bool,
    /// Run only the tests of crates that differ from REV, and of those that use them; needs cargo-nextest.
    #[arg(long, value_name = "REV", num_args = 0..=1, default_missing_value = "HEAD")]
    pub changed: Option<String>,
    /// Arguments for the test runner, after `--`; such as a part of a test's name.
    #[arg(last = true)]
    pub filter: Vec<String>,
}

/// Runs the decoders' fuzz targets for a bounded time.
#[derive(Args, Clone, Debug)]
pub struct Fuzz {
    /// Seconds for each target.
    #[arg(long, default_value_t = 30)]
    pub seconds: u32,
    /// Do nothing where a nightly compiler or cargo-fuzz is missing, and say so.
    #[arg(long)]
    pub if_available: bool,
}

/// Measures what the documents claim.
#[derive(Args, Clone, Debug)]
pub struct Bench {
    /// The measurements to make [default: all].
    #[arg(value_enum)]
    pub what: Vec<Benchmark>,
    /// Print the figures of `stack` as JSON.
    #[arg(long)]
    pub json: bool,
}

/// A measurement of `bench`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Benchmark {
    /// Decoding and folding, trades a second on one core; memory of a candle.
    Fold,
    /// Size of the zip; cold start of the bootstrap beside a hello-world bootstrap, in one run.
    ColdStart,
    /// Latency that the fault proxy adds to a call, and its throughput, beside haproxy and noxious, in one run.
    Proxy,
    /// Time in which `deploy aws` makes its stack on the emulator, beside Terraform with the same resources, in one
    /// run; some minutes, as Terraform takes one each time.
    Stack,
}

/// Checks format, lints, dependencies, templates, Terraform roots and workflows.
#[derive(Args, Clone, Debug)]
pub struct Lint {
    /// Fail where a checker is missing, instead of leaving its check out.
    #[arg(long)]
    pub require_tools: bool,
}

/// Formats, validates and tests both Terraform roots.
#[derive(Args, Clone, Debug)]
pub struct Terraform {
    /// Fail where Terraform or a provider can't be had, instead of leaving out what needs it.
    #[arg(long)]
    pub require_providers: bool,
}

/// Runs what CI runs.
#[derive(Args, Clone, Debug)]
pub struct Ci {
    /// Seconds for each fuzz target.
    #[arg(long, default_value_t = 10)]
    pub fuzz_seconds: u32,
}
