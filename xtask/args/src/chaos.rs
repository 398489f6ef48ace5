//! `cargo xtask chaos` and `cargo xtask verify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{AwsEmulator, CloudId, Target, Trades};

/// Breaks a cloud, or something in it, while trades flow, and gives a verdict.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Chaos {
    /// What else there is to do.
    #[command(subcommand)]
    pub command: Option<ChaosCommand>,

    /// List the scenarios and run none.
    #[arg(long)]
    pub list: bool,

    /// Kill a cloud with all that it holds: short for `--scenario kill-aws` or `kill-gcp`.
    #[arg(long, value_name = "CLOUD", conflicts_with_all = ["all", "scenarios"])]
    pub kill: Option<CloudId>,

    /// A scenario to run, of those in `--list`; several by repeating.
    #[arg(long = "scenario", value_name = "NAME", conflicts_with = "all")]
    pub scenarios: Vec<String>,

    /// Run all scenarios, one after the other.
    #[arg(long)]
    pub all: bool,

    /// Play the schedule of faults in a TOML file; needs `--target sim`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["all", "scenarios", "kill"])]
    pub schedule: Option<PathBuf>,

    /// Play N schedules made up from the seed, and shrink the first one that fails; needs `--target sim`.
    #[arg(long, value_name = "N", conflicts_with_all = ["all", "scenarios", "kill", "schedule"],
        value_parser = clap::value_parser!(u32).range(1..))]
    pub schedules: Option<u32>,

    /// Schedules to play at the same time with `--schedules` [default: one on each core].
    #[arg(long, short, value_name = "N", requires = "schedules", value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs: Option<u32>,

    /// Test the harness: put one bug after the other into the pipeline on sim, and print which invariants catch it, as a
    /// table in Markdown.
    #[arg(long, conflicts_with_all = ["all", "scenarios", "kill", "schedule", "schedules"])]
    pub planted: bool,

    /// Put a bug, of those that `--planted` names, into the pipeline on sim.
    #[arg(long, value_name = "NAME", hide = true)]
    pub plant: Option<String>,

    /// Where the clouds run. `cloud` is a game day: part of what is deployed is taken away by switches of the clouds' own
    /// APIs, and given back on every way out; `up` is its rehearsal.
    #[arg(long, value_enum, default_value_t = Target::Processes)]
    pub target: Target,

    /// The environment of a game day, of those in twincloud.toml [default: its project.environment; on `up`: local].
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// Print each call of a game day, and the one that undoes it, and change nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Don't ask before a game day. A protected environment still needs the stack's name: `--confirm`.
    #[arg(long)]
    pub yes: bool,

    /// The name of the stack, PREFIX-ENVIRONMENT, which a protected environment needs; without it, it is asked for.
    #[arg(long, value_name = "STACK")]
    pub confirm: Option<String>,

    /// The emulator of AWS on the target `containers` [default: as `[containers]` in twincloud.toml has it].
    #[arg(long, value_enum, value_name = "EMULATOR")]
    pub aws_emulator: Option<AwsEmulator>,

    /// The seed of the trades and of everything else that is random [default: a new one, which the report names].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Trades to publish a second [default: 2000; on a game day 200]. Until the scenario has been played, the last fifth of the
    /// trades goes at a twentieth of it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,

    /// Seconds for which trades are published at the full rate; longer if the scenario takes longer [default: 14; on `up` 60; on `cloud`, where a change takes minutes to take
    /// effect everywhere, 900].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub duration: Option<u32>,

    /// Trades to send instead of generated ones: a recording (docs/recordings.md), or `generate:N[:SEED]`.
    #[arg(long, value_name = "FILE|generate:N[:SEED]", conflicts_with = "duration")]
    pub trades: Option<Trades>,

    /// Symbol to send, of those in the recording; several by repeating [default: all].
    #[arg(long = "symbol", value_name = "SYMBOL", requires = "trades")]
    pub symbols: Vec<String>,

    /// End with exit code 2 at the first line of a recording that is refused or cut short, in the place of counting it.
    #[arg(long, requires = "trades")]
    pub strict_input: bool,

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

impl Chaos {
    /// Trades a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.rate.unwrap_or(if self.target.is_deployed() { 200 } else { 2000 })
    }

    /// How long trades are published, in seconds.
    #[must_use]
    pub fn duration(&self) -> u32 {
        self.duration.unwrap_or(match self.target {
            Target::Cloud => 900,
            Target::Up => 60,
            Target::Auto | Target::Processes | Target::Containers | Target::Sim => 14,
        })
    }
}

/// What else than scenarios there is.
#[derive(Clone, Debug, Subcommand)]
pub enum ChaosCommand {
    /// Undo what a game day has changed and not undone itself, from its record.
    Heal(Heal),
}

/// Undoes a game day.
#[derive(Args, Clone, Debug)]
pub struct Heal {
    /// The environment, of those in twincloud.toml [default: its project.environment]; that of `up` is local.
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,

    /// Print what was undone as JSON.
    #[arg(long)]
    pub json: bool,
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
