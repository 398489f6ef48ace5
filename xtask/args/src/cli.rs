//! The command line of `cargo xtask`, whole.

use clap::{Parser, Subcommand};

use crate::{
    Bench, Build, Chaos, Ci, DeadLetters, Deploy, Destroy, Doctor, Down, Drift, E2e, Failover,
    Fuzz, Image, Images, Lint, Outputs, Plan, Produce, Render, Restore, Status, Sync, Terraform,
    Test, Up, Verify,
};

/// One event pipeline on AWS and on Google Cloud: builds it, runs it on both, and gives a verdict.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `cargo xtask`.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print what this machine has, what it lacks, and how to get it.
    Doctor(Doctor),
    /// Build the functions and pack what is deployed: zips, images, manifest.json.
    Build(Build),
    /// Start local clouds that stay until `down`.
    Up(Up),
    /// Stop the local clouds that `up` started.
    Down(Down),
    /// Send trades through both clouds and give a verdict.
    E2e(E2e),
    /// Break a cloud, or something in it, while trades flow, and give a verdict.
    Chaos(Chaos),
    /// Give the verdict on a run again, from the files that it left.
    Verify(Verify),
    /// Write the values that Terraform, the stack and a shell take, from twincloud.toml.
    Render(Render),
    /// Print what a deploy would change, and change nothing.
    Plan(Plan),
    /// Deploy one cloud or both, and send a trade through as a smoke test.
    Deploy(Deploy),
    /// Delete what was deployed, and show that nothing is left.
    Destroy(Destroy),
    /// Print the outputs of a deployment: names, URLs, ARNs.
    Outputs(Outputs),
    /// Show both clouds side by side.
    Status(Status),
    /// Print what was changed since the last deploy, other than by a deploy.
    Drift(Drift),
    /// Rebuild one cloud from the other, and compare both by digests.
    Restore(Restore),
    /// List dead letters, send them again, or delete them.
    Dlq(DeadLetters),
    /// Show replication between the clouds, pause and resume it, or copy once.
    Sync(Sync),
    /// Override the route of all producers, or take the override back.
    Failover(Failover),
    /// Send trades to the queues of both clouds.
    Produce(Produce),
    /// Push the images of the Google services to a registry.
    Image(Image),
    /// Make the images of the emulators, for the target `containers`.
    Images(Images),
    /// Run all tests, those on the emulators too.
    Test(Test),
    /// Run the decoders' fuzz targets for a bounded time.
    Fuzz(Fuzz),
    /// Measure what the documents claim.
    Bench(Bench),
    /// Check format, lints, dependencies, templates, Terraform roots and workflows.
    Lint(Lint),
    /// Format, validate and test both Terraform roots; the tests mock the providers.
    Terraform(Terraform),
    /// Run what CI runs: lint, terraform, build, fuzz, e2e, test.
    Ci(Ci),
}
