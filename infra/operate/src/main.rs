//! The program behind the command line's operation commands.

use std::process::ExitCode;

use clap::Parser;
use infra::Checkout;
use operate::commands::{self, Command};

/// Restores, replays and replicates; `cargo xtask` lists what it does and runs it.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    args::spare_loopback();
    commands::run(&Cli::parse().command, &Checkout::from_vars())
}
