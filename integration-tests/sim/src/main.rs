//! The program behind `cargo xtask e2e --target sim`, `chaos --target sim`, `chaos --list` and `verify`.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use infra::Checkout;
use sim::{chaos, e2e};

/// Runs on simulated clouds; `cargo xtask` lists what it does and runs it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send trades through both clouds and give a verdict.
    E2e(args::E2e),
    /// Break a cloud, or something in it, while trades flow, and give a verdict.
    Chaos(Box<args::Chaos>),
    /// Give the verdict on a run again, from the files that it left.
    Verify(args::Verify),
}

fn main() -> ExitCode {
    let checkout = Checkout::from_vars();
    let done = match Cli::parse().command {
        Command::E2e(args) => e2e::run(&args, &checkout),
        Command::Chaos(args) => chaos::run(&args, &checkout),
        Command::Verify(args) => chaos::verify(&args),
    };
    done.map_or_else(|failure| failure.exit_code(), |()| ExitCode::SUCCESS)
}
