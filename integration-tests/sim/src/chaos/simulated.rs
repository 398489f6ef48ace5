//! `cargo xtask chaos --target sim`: faults by the clock on clouds in memory, scenarios as schedules, schedules by the
//! thousand, and the mutants that must be found.

mod bench;
pub mod mutants;
mod schedules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use args::{Chaos, Target, Trades};
use infra::Settings;

use super::{conclude, of_those, set_route, trades};
use crate::delivery;
use crate::evidence::About;
use crate::mutants::Mutant;
use crate::report::Report;
use crate::run::{Checkout, Run, RunSpec};
use crate::scenarios::Scenario;
use crate::schedule::{Schedule, has_full_length, named};
use crate::simulation::{NOTE, Simulation};
use cli::Failure;
use cli::Progress;

/// Plays what was asked for on sim.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let mutant = args.plant.as_deref().map(|name| {
        let names = Mutant::ALL.map(Mutant::name).join(", ");
        let unknown = || Failure::Usage(anyhow!("no bug is called {name}; there are {names}"));
        Mutant::named(name).ok_or_else(unknown)
    });
    let mutant = mutant.transpose()?;
    if let Some(count) = args.schedules {
        return schedules::run(args, checkout, count, mutant, &progress);
    }
    let plays = match &args.schedule {
        Some(path) => vec![("schedule".to_owned(), read(path)?, Some(path.clone()))],
        None => scenarios(args)?,
    };
    let mut reports = Vec::new();
    for (name, schedule, path) in plays {
        let what = What { name: &name, schedule, path: path.as_deref(), mutant };
        reports.push(one(&what, args, checkout, &progress)?);
    }
    conclude(args, &reports)
}

fn read(path: &Path) -> Result<Schedule, Failure> {
    let shown = path.display();
    let text = std::fs::read_to_string(path);
    let text =
        text.with_context(|| format!("read the schedule {shown}")).map_err(Failure::Usage)?;
    let schedule = Schedule::parse(&text).with_context(|| format!("read the schedule {shown}"));
    schedule.map_err(Failure::Usage)
}

/// Those that were asked for, as schedules; one that can't be played is no pass.
fn scenarios(args: &Chaos) -> Result<Vec<(String, Schedule, Option<PathBuf>)>, Failure> {
    let names: Vec<&str> = super::listed().map(|(name, _)| name).collect();
    let asked = of_those(&names, |name| name, args)?;
    let (mut plays, mut lacking) = (Vec::new(), Vec::new());
    for name in asked {
        match named(name) {
            Some(schedule) => plays.push((name.to_owned(), schedule, None)),
            None => lacking.push(name),
        }
    }
    if lacking.is_empty() {
        return Ok(plays);
    }
    let can: Vec<&str> = plays.iter().map(|(name, ..)| name.as_str()).collect();
    let can = if can.is_empty() {
        String::new()
    } else {
        format!("; of those asked for it can play --scenario {}", can.join(" --scenario "))
    };
    Err(Failure::MissingPrerequisite(anyhow!(
        "sim has no real programs and no network, which these need: {}; take --target processes for them{can}",
        lacking.join(", ")
    )))
}

/// A run that was asked for.
struct What<'a> {
    name: &'a str,
    schedule: Schedule,
    path: Option<&'a Path>,
    mutant: Option<Mutant>,
}

/// One run with a folder and a report.
fn one(
    what: &What<'_>,
    args: &Chaos,
    checkout: &Checkout,
    progress: &Progress,
) -> Result<Report, Failure> {
    let (trades, seed) = trades(args);
    let (settings, limits) = settings(what, checkout, &args.sets)?;
    let about = About {
        scenario: Some(what.name.to_owned()),
        note: Some(format!("{NOTE} {limits}")),
        faults_asked: what.schedule.faults.len(),
        reproduce: reproduce(what, args, &trades, args.rate(), seed),
        ..About::new(Target::Sim, seed)
    };
    let poison = Scenario::named(what.name).map_or(0, |scenario| scenario.poison);
    let order = RunSpec { poison, ..order(args, trades, seed) };
    let run = Run::prepare(&format!("chaos-{}", what.name), checkout, settings, &order, about)?;
    let flow_ms = run.workload.frames.len() as u64 * 1_000 / u64::from(args.rate());
    if let Some(why) = what.schedule.asks_for_loss(flow_ms) {
        progress.note(format!("note: this schedule may lose trades without any defect: {why}"));
    }
    progress.now(format!("{}: playing", what.name));
    let simulation = Simulation {
        seed,
        schedule: what.schedule.clone(),
        workload: Arc::clone(&run.workload),
        intervals: run.intervals.clone(),
        rate: args.rate(),
        history: run.history.clone(),
        spool: run.dir.path.join("spool"),
        settings: run.settings.clone(),
        mutant: what.mutant,
    };
    let played = simulation.run();
    // What happened is worth most where there is no verdict.
    let finished = run.history.finish();
    let snapshots = played.with_context(|| {
        format!("{}; what happened is in {}", what.name, run.dir.path.display())
    })?;
    finished.context("write the history")?;
    Ok(run.conclude(&snapshots, args.json, progress)?)
}

/// The settings, and what is played of delivery.
fn settings(
    what: &What<'_>,
    checkout: &Checkout,
    sets: &[String],
) -> Result<(Settings, String), Failure> {
    let factor = if has_full_length(what.name) { 1 } else { delivery::FACTOR };
    let (mut settings, limits) = super::settings(checkout, sets, factor, true)?;
    set_route(&mut settings, what.schedule.route.route());
    Ok((settings, limits))
}

fn reproduce(what: &What<'_>, args: &Chaos, trades: &Trades, rate: u32, seed: u64) -> String {
    let mut words = vec!["cargo xtask chaos --target sim".to_owned()];
    words.push(match what.path {
        Some(path) => format!("--schedule {}", path.display()),
        None => format!("--scenario {}", what.name),
    });
    words.push(format!("--trades {trades} --seed {seed} --rate {rate}"));
    words.extend(super::input(args));
    words.extend(what.mutant.iter().map(|mutant| format!("--plant {mutant}")));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.join(" ")
}

/// The trades to send.
fn order(args: &Chaos, trades: Trades, seed: u64) -> RunSpec {
    RunSpec {
        trades,
        symbols: args.symbols.clone(),
        is_strict: args.strict_input,
        poison: 0,
        batch: None,
        seed,
        start: None,
    }
}
