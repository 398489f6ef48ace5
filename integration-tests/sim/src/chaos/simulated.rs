//! `cargo xtask chaos --target sim`: faults by the clock on clouds in memory, scenarios as schedules, schedules by the
//! thousand, and the bugs that must be found.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use args::{Chaos, Target, Trades};
use candle::Interval;
use infra::Settings;

use super::{conclude, of_those, set_route, trades};
use crate::delivery;
use crate::evidence::{About, Evidence};
use crate::history::{Entry, History};
use crate::invariants::{self, Finding, Verdict};
use crate::planted::Plant;
use crate::recompute::{self, PublishedTrades};
use crate::report::{self, Report};
use crate::run::{self, Checkout, Order, Run};
use crate::schedule::{Bounds, Schedule, has_full_length, named, random, shrink};
use crate::simulation::{NOTE, Play};
use crate::workload::Workload;
use cli::Failure;
use cli::Progress;

/// Of a random schedule: seconds of trades, trades a second, faults at most.
const FLOW_S: u32 = 6;
const RATE: u32 = 150;
const FAULTS: usize = 5;
/// Schedules between two words of progress.
const TELL: u64 = 100;
/// Of a run with a planted bug: long enough for an hour to end.
const PLANTED_TRADES: u64 = 6_000;
const PLANTED_RATE: u32 = 1_000;
const PLANTED_SEED: u64 = 3;

/// What was asked for on sim.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let plant = args.plant.as_deref().map(|name| {
        let names = Plant::ALL.map(Plant::name).join(", ");
        let unknown = || Failure::Usage(anyhow!("no bug is called {name}; there are {names}"));
        Plant::named(name).ok_or_else(unknown)
    });
    let plant = plant.transpose()?;
    if let Some(count) = args.schedules {
        return many(args, checkout, count, plant, &progress);
    }
    let plays = match &args.schedule {
        Some(path) => vec![("schedule".to_owned(), read(path)?, Some(path.clone()))],
        None => scenarios(args)?,
    };
    let mut reports = Vec::new();
    for (name, schedule, path) in plays {
        let what = What { name: &name, schedule, path: path.as_deref(), plant };
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

struct What<'a> {
    name: &'a str,
    schedule: Schedule,
    path: Option<&'a Path>,
    plant: Option<Plant>,
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
    let order = order(args, trades, seed);
    let run = Run::prepare(&format!("chaos-{}", what.name), checkout, settings, &order, about)?;
    let flow_ms = run.workload.frames.len() as u64 * 1_000 / u64::from(args.rate());
    if let Some(why) = what.schedule.asks_for_loss(flow_ms) {
        progress.note(format!("note: this schedule may lose trades without any defect: {why}"));
    }
    progress.now(format!("{}: playing", what.name));
    let play = Play {
        seed,
        schedule: what.schedule.clone(),
        workload: Arc::clone(&run.workload),
        intervals: run.intervals.clone(),
        rate: args.rate(),
        history: run.history.clone(),
        spool: run.dir.path.join("spool"),
        settings: run.settings.clone(),
        plant: what.plant,
    };
    let played = play.run();
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
    words.extend(what.plant.iter().map(|plant| format!("--plant {plant}")));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.join(" ")
}

/// The trades to send.
fn order(args: &Chaos, trades: Trades, seed: u64) -> Order {
    Order {
        trades,
        symbols: args.symbols.clone(),
        is_strict: args.strict_input,
        poison: 0,
        batch: None,
        seed,
        start: None,
    }
}

/// What many runs have in common.
struct Bench {
    settings: Settings,
    workload: Arc<Workload>,
    published: PublishedTrades,
    intervals: Vec<Interval>,
    rate: u32,
}

/// A run without a folder.
struct Judged {
    findings: Vec<Finding>,
}

impl Judged {
    fn broken(&self) -> BTreeSet<&'static str> {
        let broken = self.findings.iter().filter(|finding| finding.verdict == Verdict::Broken);
        broken.map(|finding| finding.name).collect()
    }
}

impl Bench {
    fn new(settings: Settings, order: &Order, rate: u32) -> Result<Self, Failure> {
        let recipe = run::recipe(order, &settings).map_err(Failure::Usage)?;
        let workload = Workload::prepare(&recipe).map_err(Failure::Usage)?;
        let published = recompute::parse(&(workload.frames.join("\n") + "\n"))?;
        let intervals = settings.trading.intervals.iter().map(|text| text.parse());
        let intervals = intervals.collect::<Result<_, _>>().context("read trading.intervals")?;
        Ok(Self { settings, workload: Arc::new(workload), published, intervals, rate })
    }

    fn flow_ms(&self) -> u64 {
        self.workload.frames.len() as u64 * 1_000 / u64::from(self.rate)
    }

    /// Plays a schedule and judges it, all in memory but for the spool.
    fn judge(
        &self,
        seed: u64,
        schedule: &Schedule,
        plant: Option<Plant>,
    ) -> anyhow::Result<Judged> {
        let dir = scratch()?;
        let history = History::create(&dir.path().join("history.jsonl"))?;
        let mut settings = self.settings.clone();
        set_route(&mut settings, schedule.route.route());
        let play = Play {
            seed,
            schedule: schedule.clone(),
            workload: Arc::clone(&self.workload),
            intervals: self.intervals.clone(),
            rate: self.rate,
            history: history.clone(),
            spool: dir.path().join("spool"),
            settings,
            plant,
        };
        let played = play.run();
        let history = history.look(<[Entry]>::to_vec);
        let snapshots = match played {
            Ok(snapshots) => snapshots,
            Err(error) => {
                let (verdict, detail) = (Verdict::Broken, format!("{error:#}"));
                let findings = vec![Finding { name: report::ENDED, verdict, detail }];
                return Ok(Judged { findings });
            }
        };
        let about = About { faults_asked: schedule.faults.len(), ..About::new(Target::Sim, seed) };
        let evidence = Evidence {
            about,
            history,
            frames: self.workload.frames.len(),
            published: self.published.clone(),
            intervals: self.intervals.clone(),
            snapshots,
        };
        Ok(Judged { findings: invariants::check(&evidence) })
    }
}

/// Where nothing has to stay: memory, if the system has such a folder.
fn scratch() -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.or_else(|_| tempfile::tempdir()).context("make a folder for the spool")
}

/// Plays `count` schedules on all processors; the first one that fails is shrunk and left as a file.
fn many(
    args: &Chaos,
    checkout: &Checkout,
    count: u32,
    plant: Option<Plant>,
    progress: &Progress,
) -> Result<(), Failure> {
    let trades = args
        .trades
        .clone()
        .unwrap_or(Trades::Generate { count: u64::from(RATE * FLOW_S), seed: None });
    let (trades, seed) = run::seeded(trades, args.seed);
    let (settings, _) = super::settings(checkout, &args.sets, delivery::FACTOR, true)?;
    let bench = Bench::new(settings, &order(args, trades.clone(), 1), RATE)?;
    let bounds = Bounds { flow_ms: bench.flow_ms(), faults: FAULTS };
    let (next, played, faults) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let work = || -> anyhow::Result<Option<u64>> {
        while !stop.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= u64::from(count) {
                break;
            }
            let of_it = seed.wrapping_add(number);
            let schedule = random(of_it, bounds);
            let judged = bench.judge(of_it, &schedule, plant)?;
            faults.fetch_add(schedule.faults.len() as u64, Ordering::Relaxed);
            let done = played.fetch_add(1, Ordering::Relaxed) + 1;
            if !judged.broken().is_empty() {
                stop.store(true, Ordering::Relaxed);
                return Ok(Some(of_it));
            }
            if done % TELL == 0 {
                progress.now(format!("{done} of {count} schedules hold"));
            }
        }
        Ok(None)
    };
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let found: anyhow::Result<Vec<Option<u64>>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| {
            worker.join().unwrap_or_else(|_| Err(anyhow!("a schedule's run panicked")))
        };
        workers.into_iter().map(join).collect()
    });
    let took = began.elapsed();
    let (played, faults) = (played.into_inner(), faults.into_inner());
    let a_minute = u128::from(played) * 60_000 / took.as_millis().max(1);
    progress.finish();
    let say = |failed: Option<u64>| {
        if args.json {
            let value = serde_json::json!({
                "schedules": played, "faults": faults, "seed": seed, "failed": failed,
                "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX), "a_minute": a_minute,
            });
            println!("{value}");
        } else {
            println!(
                "{played} schedules with {faults} faults from seed {seed} in {took:.1?}: {a_minute} a minute"
            );
        }
    };
    let Some(failed) = found?.into_iter().flatten().min() else {
        say(None);
        return Ok(());
    };
    say(Some(failed));
    shrunk(failed, &bench, bounds, plant, (args, &trades), checkout, progress)
}

/// Makes a failing schedule small, leaves it, and runs it once more with a folder and a report.
fn shrunk(
    seed: u64,
    bench: &Bench,
    bounds: Bounds,
    plant: Option<Plant>,
    (args, trades): (&Chaos, &Trades),
    checkout: &Checkout,
    progress: &Progress,
) -> Result<(), Failure> {
    let schedule = random(seed, bounds);
    let broken =
        |schedule: &Schedule| bench.judge(seed, schedule, plant).map(|judged| judged.broken());
    let first = broken(&schedule)?;
    progress.now(format!("seed {seed} fails; making its {} faults fewer", schedule.faults.len()));
    let fails = |candidate: &Schedule| broken(candidate).is_ok_and(|now| !now.is_disjoint(&first));
    let least = shrink(schedule, bounds.flow_ms, fails);
    let path = checkout.root.join(format!("target/runs/schedule-{seed}.toml"));
    let text = least.text().context("write the schedule")?;
    let broken: Vec<&str> = first.into_iter().collect();
    let head = format!("# Broken: {}.\n", broken.join(", "));
    std::fs::create_dir_all(checkout.root.join("target/runs")).context("create target/runs")?;
    std::fs::write(&path, head + &text).with_context(|| format!("write {}", path.display()))?;
    let shown = Path::new("target/runs").join(format!("schedule-{seed}.toml"));
    progress.note(format!("the smallest schedule that still fails: {}", path.display()));
    let args = Chaos {
        trades: Some(trades.clone()),
        seed: Some(seed),
        rate: Some(RATE),
        schedules: None,
        ..args.clone()
    };
    let what = What { name: "schedule", schedule: least, path: Some(&shown), plant };
    let report = one(&what, &args, checkout, progress)?;
    conclude(&args, &[report])?;
    Err(Failure::Failed(anyhow!(
        "seed {seed} fails, and its shrunk schedule does not: {}",
        shown.display()
    )))
}

/// Above the table.
const PLANTED_HEAD: &str = "\
# Bugs that the harness must find

Each is put between the real code and the clouds of `sim`; the same run without it holds. This page is what
`cargo xtask chaos --planted` prints; a test compares them.

";

/// The table of planted bugs and of what catches them.
pub fn planted(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let trades = Trades::Generate { count: PLANTED_TRADES, seed: Some(PLANTED_SEED) };
    let (settings, _) = super::settings(checkout, &args.sets, delivery::FACTOR, true)?;
    let bench = Bench::new(settings, &order(args, trades, PLANTED_SEED), PLANTED_RATE)?;
    let mut table = String::from(PLANTED_HEAD);
    table.push_str("| bug | what it does | must break | breaks |\n|---|---|---|---|\n");
    let mut missed = Vec::new();
    for plant in Plant::ALL {
        progress.now(format!("{plant}: {}", plant.about()));
        let schedule = plant.schedule();
        let sound = bench.judge(PLANTED_SEED, &schedule, None)?;
        if !sound.broken().is_empty() {
            let why = format!("{plant}: without the bug, {:?} are broken", sound.broken());
            missed.push(why);
        }
        let broken = bench.judge(PLANTED_SEED, &schedule, Some(plant))?;
        let names: Vec<&str> = broken.broken().into_iter().collect();
        let _ = writeln!(
            table,
            "| `{plant}` | {} | {} | {} |",
            plant.about(),
            plant.expected(),
            names.join(", ")
        );
        if !names.contains(&plant.expected()) {
            let found = broken.findings.iter().filter(|found| found.verdict == Verdict::Broken);
            let found: Vec<_> =
                found.map(|found| format!("{}: {}", found.name, found.detail)).collect();
            missed.push(format!("{plant}: {:?} holds; broken are {found:?}", plant.expected()));
        }
    }
    progress.finish();
    print!("{table}");
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(anyhow!(
        "not all bugs are caught, or not by what must: {}",
        missed.join("; ")
    )))
}
