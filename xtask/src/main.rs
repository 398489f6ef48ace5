//! `cargo xtask`: the single command line of this repository.
//!
//! Thin on purpose: it finds tools, builds, and runs the program that does the work. It links no SDK, so that it
//! is built within seconds of a fresh clone.

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser as _;

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
mod release;
mod render;
mod terraform;
mod test;
mod workspace;

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
