//! `cargo xtask restore`, `dlq`, `sync`, `failover` and `produce`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cloud::CloudId;
use crate::deploy::Place;

/// Rebuilds a cloud from the other, and proves by digests that both hold the same: exit code 1 if they don't.
#[derive(Args, Clone, Debug)]
pub struct Restore {
    /// The cloud to rebuild, which must be deployed.
    #[arg(value_enum)]
    pub cloud: CloudId,

    /// The cloud to copy from, which is only read.
    #[arg(long, value_enum, value_name = "CLOUD")]
    pub from: CloudId,

    /// Compare only hours and candles that are over, as others change while trades flow in.
    #[arg(long)]
    pub closed_hours: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print what was done, and the proof, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Looks at the messages that no function could process, sends them again, or deletes them.
#[derive(Args, Clone, Debug)]
pub struct DeadLetters {
    /// The action.
    #[command(subcommand)]
    pub command: DeadLettersCommand,
}

/// The actions on dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLettersCommand {
    /// List the dead letters, each with the reason why no function took it.
    List(DeadLettersOf),
    /// Print one dead letter whole.
    Show(ShowDeadLetter),
    /// Send dead letters to the queue again; each is taken off the dead-letter queue once the queue has it.
    Replay(ReplayDeadLetters),
    /// Delete dead letters for good.
    Drop(DropDeadLetters),
}

/// The cloud of the dead letters, and the form of the output.
#[derive(Args, Clone, Debug)]
pub struct DeadLettersOf {
    /// The cloud whose dead letters are meant.
    #[arg(value_enum)]
    pub cloud: CloudId,

    /// The most dead letters that one call looks at; a second call takes up the rest.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub max: u32,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The dead letter to print.
#[derive(Args, Clone, Debug)]
pub struct ShowDeadLetter {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub of: DeadLettersOf,

    /// The id of the dead letter, as `dlq list` prints it.
    pub id: String,
}

/// The dead letters to send again.
#[derive(Args, Clone, Debug)]
pub struct ReplayDeadLetters {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub of: DeadLettersOf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub which: Which,
}

/// The dead letters to delete.
#[derive(Args, Clone, Debug)]
pub struct DropDeadLetters {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub of: DeadLettersOf,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub which: Which,

    /// Don't ask before anything is deleted.
    #[arg(long)]
    pub yes: bool,
}

/// One dead letter or all.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// The id of one dead letter, as `dlq list` prints it.
    pub id: Option<String>,

    /// All dead letters of the cloud.
    #[arg(long)]
    pub all: bool,
}

/// Looks at replication between the clouds, pauses and resumes it, or does a pass of it from here.
#[derive(Args, Clone, Debug)]
pub struct Sync {
    /// The action.
    #[command(subcommand)]
    pub command: SyncCommand,
}

/// The actions on replication.
#[derive(Clone, Debug, Subcommand)]
pub enum SyncCommand {
    /// Resume the schedules by which each cloud copies from the other.
    Start(SyncPlace),
    /// Pause the schedules by which each cloud copies from the other.
    Stop(SyncPlace),
    /// Show both clouds side by side: schedule, last trades, gaps, lag, queue, dead letters.
    Status(SyncPlace),
    /// Show what `sync status` shows, again and again until Ctrl-C.
    Monitor(SyncMonitor),
    /// Copy once, from this machine, what a cloud lacks.
    Run(SyncRun),
}

/// The deployment, and the form of the output.
#[derive(Args, Clone, Debug)]
pub struct SyncPlace {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The deployment, the interval, and the form of the output.
#[derive(Args, Clone, Debug)]
pub struct SyncMonitor {
    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub at: SyncPlace,

    /// Seconds between two updates.
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub every: u32,
}

/// The cloud to copy to.
#[derive(Args, Clone, Debug)]
pub struct SyncRun {
    /// The cloud that gets what it lacks [default: both, one after the other].
    #[arg(long, value_enum, value_name = "CLOUD")]
    pub to: Option<CloudId>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub at: SyncPlace,
}

/// Overrides the route of all producers, or takes the override back.
#[derive(Args, Clone, Debug)]
pub struct Failover {
    /// One of route.targets, or auto: as the policy has it.
    #[arg(long, value_name = "TARGET|auto")]
    pub to: String,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,

    /// Print the order, and who has it, as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Takes trades to the queues of both clouds.
#[derive(Args, Clone, Debug)]
pub struct Produce {
    /// binance, generate:N[:SEED], or a recording: what a recorder of Binance wrote or a file of trades of
    /// data.binance.vision, plain, gzip or zip (docs/recordings.md).
    #[arg(long, value_name = "binance|FILE|generate:N[:SEED]")]
    pub source: String,

    /// A symbol to send, of trading.symbols; several by repeating [default: all].
    #[arg(long = "symbol", value_name = "SYMBOL")]
    pub symbols: Vec<String>,

    /// End with exit code 2 at the first line of a recording that is refused or cut short, in the place of counting it.
    #[arg(long)]
    pub strict_input: bool,

    /// Play a recording by its trades' times: real, max, or so many times as quick [default: max].
    #[arg(long, value_name = "real|max|N", conflicts_with = "rate")]
    pub speed: Option<String>,

    /// Send a recording evenly, so many trades a second.
    #[arg(long, value_name = "TRADES_PER_S", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Where messages are kept until a cloud has them [default: outputs/NAME/spool; on emulators: target/spool/NAME].
    #[arg(long, value_name = "DIR")]
    pub spool: Option<PathBuf>,

    /// Append events to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,

    /// Keep the producer's state in this file, as JSON [default: status.json in the spool's folder, where `sync status` looks].
    #[arg(long, value_name = "FILE")]
    pub status: Option<PathBuf>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "clap would show it as help")]
    pub place: Place,
}
