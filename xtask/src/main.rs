//! `cargo xtask`: the one command line of this repository.
//!
//! Thin on purpose: it finds tools, builds, and hands over to the program that does the work. No SDK here, so that
//! it is there seconds after a fresh clone.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod build;
mod changed;
mod ci;
mod doctor;
mod exit;
mod fuzz;
mod heavy;
mod image;
mod lint;
mod render;
mod terraform;
mod test;
mod workspace;

/// One event pipeline on AWS and on Google Cloud: builds it, runs it on both, and gives a verdict.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print what this machine has, what it lacks, and how to get it.
    Doctor(doctor::Args),
    /// Build the functions and pack what is deployed: zips, images, manifest.json.
    Build(build::Args),
    /// Start local clouds that stay until `down`.
    Up(args::Up),
    /// Stop the local clouds that `up` started.
    Down(args::Down),
    /// Send trades through both clouds and give a verdict.
    E2e(args::E2e),
    /// Break a cloud, or something in it, while trades flow, and give a verdict.
    Chaos(args::Chaos),
    /// Give the verdict on a run again, from the files that it left.
    Verify(args::Verify),
    /// Write the values that Terraform, the stack and a shell take, from twincloud.toml.
    Render(args::Render),
    /// Print what a deploy would change, and change nothing.
    Plan(args::Plan),
    /// Deploy one cloud or both, and send a trade through as a smoke test.
    Deploy(args::Deploy),
    /// Delete what was deployed, and show that nothing is left.
    Destroy(args::Destroy),
    /// Print the outputs of a deployment: names, URLs, ARNs.
    Outputs(args::Outputs),
    /// Show both clouds side by side.
    Status(args::Status),
    /// Print what was changed since the last deploy, other than by a deploy.
    Drift(args::Drift),
    /// Rebuild one cloud from the other, and compare both by digests.
    Restore(args::Restore),
    /// List dead letters, send them again, or delete them.
    Dlq(args::DeadLetters),
    /// Show replication between the clouds, pause and resume it, or copy once.
    Sync(args::Sync),
    /// Override the route of all producers, or take the override back.
    Failover(args::Failover),
    /// Send trades to the queues of both clouds.
    Produce(args::Produce),
    /// Push the images of the Google services to a registry.
    Image(args::Image),
    /// Make the images of the emulators, for the target `containers`.
    Images(args::Images),
    /// Run all tests, those on the emulators too.
    Test(test::Args),
    /// Run the decoders' fuzz targets for a bounded time.
    Fuzz(fuzz::Args),
    /// Measure what the documents claim.
    Bench(bench::Args),
    /// Check format, lints, dependencies, templates, Terraform roots and workflows.
    Lint(lint::Args),
    /// Format, validate and test both Terraform roots; the tests mock the providers.
    Terraform(terraform::Args),
    /// Run what CI runs: lint, terraform, build, fuzz, e2e, test.
    Ci(ci::Args),
}

fn main() -> ExitCode {
    args::spare_loopback();
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Doctor(args) => doctor::run(args),
        Command::Build(args) => build::run(args),
        Command::Up(_) | Command::Down(_) | Command::Images(_) => heavy::harness(),
        Command::Verify(_) => heavy::verify(),
        Command::E2e(args) => heavy::e2e(args),
        Command::Chaos(args) => heavy::chaos(args),
        Command::Render(args) => render::run(args),
        Command::Plan(args) => heavy::deploy_artifacts(args.place.target, args.json),
        Command::Deploy(args) => heavy::deploy_artifacts(args.place.target, args.json),
        Command::Destroy(args) => heavy::deploy(args.json),
        Command::Outputs(args) => heavy::deploy(args.json),
        Command::Status(args) => heavy::deploy(args.json),
        Command::Drift(args) => heavy::deploy(args.json),
        Command::Restore(_)
        | Command::Dlq(_)
        | Command::Sync(_)
        | Command::Failover(_)
        | Command::Produce(_) => heavy::operate(),
        Command::Image(args) => image::run(args),
        Command::Test(args) => test::run(args),
        Command::Fuzz(args) => fuzz::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Lint(args) => lint::run(args),
        Command::Terraform(args) => terraform::run(args),
        Command::Ci(args) => ci::run(args),
    };
    exit::code(done)
}
