//! The heavy half of the command line's day-two commands.

use std::process::ExitCode;

use clap::Parser;
use infra::Checkout;
use operate::commands::{self, Command};

#[derive(Parser)]
#[command(name = "operate", about = "Restores, replays and replicates", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    args::spare_loopback();
    commands::run(&Cli::parse().command, &Checkout::from_vars())
}
