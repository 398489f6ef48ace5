//! The program behind `cargo xtask e2e`, `chaos`, `up`, `down`, `images` and `bench`, on emulators and on deployed clouds.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cli::Failure;
use harness::containers::{self, reaper};
use harness::game_day::restore_watchdog;
use harness::processes::{container, guard};
use harness::{chaos, cold_start, e2e, local, stack_bench};
use infra::Checkout;

/// The harness; `cargo xtask` lists what it does and runs it.
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
    /// Start local clouds that stay until `down`.
    Up(args::Up),
    /// Stop the local clouds that `up` started.
    Down(args::Down),
    /// Make the images of the emulators, for the target `containers`.
    Images(args::Images),
    /// Keep local clouds running: what `up` leaves behind.
    #[command(hide = true)]
    Serve(local::Serve),
    /// Hold a container: what the guard starts in the place of a program.
    #[command(hide = true)]
    Container(container::Args),
    /// Remove a run's containers once the run is over: what the guard starts in the place of a program.
    #[command(hide = true)]
    Reaper(reaper::Args),
    /// Give back what a game day has taken away once the run is over: what the guard starts in the place of a program.
    #[command(hide = true, name = restore_watchdog::NAME)]
    RestoreWatchdog(restore_watchdog::Args),
    /// Measure the cold start of the Lambda bootstrap.
    #[command(hide = true)]
    BenchColdStart(cold_start::Args),
    /// Measure how long the stack takes on AWS's emulator, and Terraform for the same.
    #[command(hide = true)]
    BenchStack(stack_bench::Args),
}

fn main() -> ExitCode {
    args::spare_loopback();
    // Before clap: what follows `guard` is another program's words.
    let mut words = env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "guard") {
        return guard::run(words.collect::<Vec<OsString>>());
    }
    let checkout = Checkout::from_vars();
    let done = match Cli::parse().command {
        Command::E2e(args) => e2e::run(&args, &checkout),
        Command::Chaos(args) => chaos::run(&args, &checkout),
        Command::Up(args) => local::up(&args, &checkout),
        Command::Down(_) => local::down(&checkout),
        Command::Images(args) => containers::images::run(&args),
        Command::Serve(args) => local::serve(&args, &checkout),
        Command::Container(args) => return container::hold(&args),
        Command::Reaper(args) => reaper::run(&args),
        Command::RestoreWatchdog(args) => restore_watchdog::run(&args, &checkout),
        Command::BenchColdStart(args) => cold_start::run(&args).map_err(Failure::from),
        Command::BenchStack(args) => stack_bench::run(&args, &checkout),
    };
    done.map_or_else(|failure| failure.exit_code(), |()| ExitCode::SUCCESS)
}
