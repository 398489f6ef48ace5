//! `cargo xtask chaos` and `cargo xtask verify`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::{AwsEmulator, Target, Trades};

/// Breaks a cloud, or something in it, while trades flow, and gives a verdict.
#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Chaos {
    /// List the scenarios and run none.
    #[arg(long)]
    pub list: bool,

    /// Kill a cloud with all that it holds: short for `--scenario kill-aws` or `kill-gcp`.
    #[arg(long, value_name = "CLOUD", conflicts_with_all = ["all", "scenarios"])]
    pub kill: Option<KilledCloud>,

    /// A scenario to run, of those in `--list`; several by repeating.
    #[arg(long = "scenario", value_name = "NAME", conflicts_with = "all")]
    pub scenarios: Vec<String>,

    /// Run all scenarios, one after the other.
    #[arg(long)]
    pub all: bool,

    /// Play a schedule of faults of one's own, a TOML file; with `--target sim`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "scenarios", "kill"])]
    pub schedule: Option<PathBuf>,

    /// Play so many schedules made up from the seed, and shrink the first one that fails; with `--target sim`.
    #[arg(long, value_name = "N", conflicts_with_all = ["all", "scenarios", "kill", "schedule"],
        value_parser = clap::value_parser!(u32).range(1..))]
    pub schedules: Option<u32>,

    /// Test the harness: put one bug after the other into the pipeline on sim, and print which invariants catch it, as a
    /// table in Markdown.
    #[arg(long, conflicts_with_all = ["all", "scenarios", "kill", "schedule", "schedules"])]
    pub planted: bool,

    /// Put a bug, of those that `--planted` names, into the pipeline on sim.
    #[arg(long, value_name = "NAME", hide = true)]
    pub plant: Option<String>,

    /// Where the clouds run.
    #[arg(long, value_enum, default_value_t = Target::Processes)]
    pub target: Target,

    /// What AWS is on the target `containers` [default: as `[containers]` in twincloud.toml has it].
    #[arg(long, value_enum, value_name = "EMULATOR")]
    pub aws_emulator: Option<AwsEmulator>,

    /// Decides the trades and everything else that is random [default: a new one, which the report names].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Trades to publish a second.
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,

    /// How long trades are published, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub duration: u32,

    /// Trades to send instead of generated ones: a recording of Binance frames, or `generate:N[:SEED]`.
    #[arg(long, value_name = "FILE|generate:N[:SEED]", conflicts_with = "duration")]
    pub trades: Option<Trades>,

    /// Change a setting of twincloud.toml for this run; several by repeating.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,

    /// Leave a JUnit XML file with a test case for each invariant of each scenario.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// Append a summary in Markdown to this file, such as the one that GitHub names in `GITHUB_STEP_SUMMARY`.
    #[arg(long, value_name = "FILE")]
    pub summary: Option<PathBuf>,

    /// Print the reports as JSON on standard output, one a line.
    #[arg(long)]
    pub json: bool,
}

/// A cloud to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KilledCloud {
    /// AWS.
    Aws,
    /// Google Cloud.
    Gcp,
}

/// Gives the verdict on a run again, from the files that it left.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// The run's folder.
    #[arg(value_name = "FOLDER", default_value = "target/runs/latest")]
    pub folder: PathBuf,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
}
