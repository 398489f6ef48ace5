//! The operator's commands: `cargo xtask restore`, `dlq`, `sync`, `failover`, `produce`.

pub mod clouds;
mod dlq;
mod failover;
mod produce;
mod restore;
pub(crate) mod schedule;
mod sync;

use std::process::ExitCode;

use args::{SyncCommand, SyncPlace};
use cli::Failure;
use deploy::commands::to_end;
use infra::Checkout;
use tokio::signal::unix::{SignalKind, signal};

/// One of the commands.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
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
}

/// Runs a command to its end, or until Ctrl-C or SIGTERM.
#[must_use]
pub fn run(command: &Command, checkout: &Checkout) -> ExitCode {
    to_end(until_interrupted(command, checkout))
}

async fn until_interrupted(command: &Command, checkout: &Checkout) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        done = dispatch(command, checkout) => done,
        _ = interrupt.recv() => interrupted(command),
        _ = terminate.recv() => interrupted(command),
    }
}

/// All commands can be stopped at any point.
fn interrupted(command: &Command) -> Result<(), Failure> {
    let text = match command {
        Command::Sync(args::Sync { command: SyncCommand::Monitor(_) }) => return Ok(()),
        Command::Restore(_) | Command::Sync(_) => {
            "interrupted: give the same command again, and it goes on from there"
        }
        Command::Failover(_) | Command::Produce(_) => "interrupted",
        Command::Dlq(_) => {
            "interrupted: dead letters that were being looked at come back when their time is over"
        }
    };
    Err(Failure::Interrupted(text.to_owned()))
}

async fn dispatch(command: &Command, checkout: &Checkout) -> Result<(), Failure> {
    match command {
        Command::Restore(args) => Box::pin(restore::run(args, checkout)).await,
        Command::Dlq(args) => Box::pin(dlq::run(&args.command, checkout)).await,
        Command::Failover(args) => Box::pin(failover::run(args, checkout)).await,
        Command::Produce(args) => produce::run(args, checkout),
        Command::Sync(args) => match &args.command {
            SyncCommand::Start(SyncPlace { place, json }) => {
                schedule::set(place, *json, checkout, schedule::Desired::Running).await
            }
            SyncCommand::Stop(SyncPlace { place, json }) => {
                schedule::set(place, *json, checkout, schedule::Desired::Paused).await
            }
            SyncCommand::Status(args) => Box::pin(sync::status(args, checkout)).await,
            SyncCommand::Monitor(args) => Box::pin(sync::monitor(args, checkout)).await,
            SyncCommand::Run(args) => Box::pin(restore::sync(args, checkout)).await,
        },
    }
}
