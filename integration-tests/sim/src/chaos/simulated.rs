//! `cargo xtask chaos --target sim`: scenarios and schedules on clouds in memory, schedules by the thousand, and the mutants
//! that must be found.

mod bench;
pub mod mutants;
mod schedules;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use args::{Chaos, Target, Trades};

use super::{conclude, set_route, trades};
use crate::delivery;
use crate::evidence::About;
use crate::mutants::Mutant;
use crate::report::Report;
use crate::run::{Checkout, Run, RunSpec};
use crate::scenarios::{Route, Scenario};
use crate::schedule::Schedule;
use crate::simulation::{NOTE, Plan, Simulation};
use crate::testbed::Step;
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
        Some(path) => vec![Play::Schedule(read(path)?, path)],
        None => super::asked(args)?.into_iter().map(Play::Scenario).collect(),
    };
    let mut reports = Vec::new();
    for play in plays {
        reports.push(one(&Asked { play, mutant }, args, checkout, &progress)?);
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

/// The faults of a run, as they were asked for.
enum Play<'a> {
    Scenario(Scenario),
    Schedule(Schedule, &'a Path),
}

impl Play<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Scenario(scenario) => scenario.name,
            Self::Schedule(..) => "schedule",
        }
    }

    fn route(&self) -> Route {
        match self {
            Self::Scenario(scenario) => scenario.route,
            Self::Schedule(schedule, _) => schedule.route.route(),
        }
    }

    fn plan(&self) -> Plan {
        match self {
            Self::Scenario(scenario) => Plan::Steps((scenario.steps)()),
            Self::Schedule(schedule, _) => Plan::Schedule(schedule.clone()),
        }
    }

    fn poison(&self) -> u32 {
        match self {
            Self::Scenario(scenario) => scenario.poison,
            Self::Schedule(..) => 0,
        }
    }

    /// The number by which times of the real clouds are divided: time is virtual here, so a scenario that waits for such a
    /// time waits in full.
    fn divisor(&self) -> u32 {
        let waits = |scenario: &Scenario| {
            (scenario.steps)().iter().any(|step| matches!(step, Step::WaitDivided(_)))
        };
        match self {
            Self::Scenario(scenario) if waits(scenario) => 1,
            _ => delivery::FACTOR,
        }
    }

    /// Why the run may lose trades without any defect.
    fn asks_for_loss(&self, flow_ms: u64) -> Option<String> {
        match self {
            Self::Scenario(_) => None,
            Self::Schedule(schedule, _) => schedule.asks_for_loss(flow_ms),
        }
    }
}

/// A run that was asked for.
struct Asked<'a> {
    play: Play<'a>,
    mutant: Option<Mutant>,
}

/// One run with a folder and a report.
fn one(
    asked: &Asked<'_>,
    args: &Chaos,
    checkout: &Checkout,
    progress: &Progress,
) -> Result<Report, Failure> {
    let Asked { play, mutant } = asked;
    let (name, plan, divisor) = (play.name(), play.plan(), play.divisor());
    let (trades, seed) = trades(args);
    let (mut settings, limits) = super::settings(checkout, &args.sets, divisor, true)?;
    set_route(&mut settings, play.route());
    let about = About {
        scenario: Some(name.to_owned()),
        note: Some(format!("{NOTE} {limits}")),
        faults_asked: plan.faults(),
        reproduce: reproduce(asked, args, &trades, seed),
        ..About::new(Target::Sim, seed)
    };
    let order = RunSpec { poison: play.poison(), ..order(args, trades, seed) };
    let run = Run::prepare(&format!("chaos-{name}"), checkout, settings, &order, about)?;
    let flow_ms = run.workload.frames.len() as u64 * 1_000 / u64::from(args.rate());
    if let Some(why) = play.asks_for_loss(flow_ms) {
        progress.note(format!("note: this schedule may lose trades without any defect: {why}"));
    }
    progress.now(format!("{name}: playing"));
    let simulation = Simulation {
        seed,
        plan,
        divisor,
        workload: Arc::clone(&run.workload),
        intervals: run.intervals.clone(),
        rate: args.rate(),
        history: run.history.clone(),
        spool: run.dir.path.join("spool"),
        settings: run.settings.clone(),
        mutant: *mutant,
    };
    let played = simulation.run();
    // The history is worth most where there is no verdict.
    let finished = run.history.finish();
    let snapshots = played
        .with_context(|| format!("{name}; what happened is in {}", run.dir.path.display()))?;
    finished.context("write the history")?;
    Ok(run.conclude(&snapshots, args.json, progress)?)
}

fn reproduce(asked: &Asked<'_>, args: &Chaos, trades: &Trades, seed: u64) -> String {
    let mut words = vec!["cargo xtask chaos --target sim".to_owned()];
    words.push(match &asked.play {
        Play::Schedule(_, path) => format!("--schedule {}", path.display()),
        Play::Scenario(scenario) => format!("--scenario {}", scenario.name),
    });
    words.push(format!("--trades {trades} --seed {seed} --rate {}", args.rate()));
    words.extend(super::input(args));
    words.extend(asked.mutant.iter().map(|mutant| format!("--plant {mutant}")));
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
