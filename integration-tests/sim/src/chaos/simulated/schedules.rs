//! `cargo xtask chaos --schedules N`: random schedules on all cores, and the first one that fails, made small.

use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use args::{Chaos, Trades};
use cli::{Failure, Progress};

use super::bench::Bench;
use super::{Asked, Play, one, order};
use crate::chaos::{self, conclude};
use crate::delivery;
use crate::mutants::Mutant;
use crate::run::{self, Checkout};
use crate::schedule::{Bounds, Schedule, random, shrink};

/// Of a random schedule: seconds of trades, trades a second, faults at most.
const FLOW_S: u32 = 6;
const RATE: u32 = 150;
const FAULTS: usize = 5;
/// Schedules between two messages of progress.
const TELL: u64 = 100;
/// The time within which the runs that go on must end, once the command is interrupted.
const LAST_RUNS: Duration = Duration::from_secs(2);
/// The exit code of an interrupted command.
const INTERRUPTED: i32 = 130;

/// Schedules of one seed after the other, and the mutant that all of them are played with.
struct Schedules {
    bench: Bench,
    bounds: Bounds,
    mutant: Option<Mutant>,
    /// The seed of the first one; the next ones have the next numbers.
    seed: u64,
    count: u64,
    interrupted: Arc<AtomicBool>,
}

/// The result of all schedules up to the first one that fails. It is the same for any number of threads.
struct Outcome {
    schedules: u64,
    faults: u64,
    /// The seed of the one that fails.
    failed: Option<u64>,
}

/// Plays `count` schedules; the first one that fails is shrunk and left as a file.
pub(super) fn run(
    args: &Chaos,
    checkout: &Checkout,
    count: u32,
    mutant: Option<Mutant>,
    progress: &Progress,
) -> Result<(), Failure> {
    let trades = args
        .trades
        .clone()
        .unwrap_or(Trades::Generate { count: u64::from(RATE * FLOW_S), seed: None });
    let (trades, seed) = run::seeded(trades, args.seed);
    let (settings, _) = chaos::settings(checkout, &args.sets, delivery::FACTOR, true)?;
    let bench = Bench::new(settings, &order(args, trades.clone(), 1), RATE)?;
    let bounds = Bounds { flow_ms: bench.flow_ms(), faults: FAULTS };
    let schedules =
        Schedules { bench, bounds, mutant, seed, count: count.into(), interrupted: interrupted() };
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = args.jobs.map_or_else(cores, |jobs| jobs as usize);
    let began = Instant::now();
    let Outcome { schedules: played, faults, failed } = schedules.play(jobs, progress)?;
    let took = began.elapsed();
    progress.finish();
    schedules.check_interrupted()?;
    let a_minute = u128::from(played) * 60_000 / took.as_millis().max(1);
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
    match failed {
        Some(failed) => schedules.shrunk(failed, (args, &trades), checkout, progress),
        None => Ok(()),
    }
}

impl Schedules {
    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn check_interrupted(&self) -> Result<(), Failure> {
        if self.is_interrupted() { Err(Failure::Interrupted(String::new())) } else { Ok(()) }
    }

    /// Plays them on so many threads, up to the first one that fails.
    fn play(&self, jobs: usize, progress: &Progress) -> anyhow::Result<Outcome> {
        let (next, played) = (AtomicU64::new(0), AtomicU64::new(0));
        // Numbers are given out in their order, so all before a failing one are played to the end.
        let end = AtomicU64::new(self.count);
        let work = || -> anyhow::Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end.load(Ordering::Relaxed) || self.is_interrupted() {
                    return Ok(());
                }
                let seed = self.seed.wrapping_add(number);
                let judged = self.bench.judge(seed, &random(seed, self.bounds), self.mutant);
                let judged = judged.inspect_err(|_| end.store(0, Ordering::Relaxed))?;
                if !judged.broken().is_empty() {
                    end.fetch_min(number, Ordering::Relaxed);
                }
                let done = played.fetch_add(1, Ordering::Relaxed) + 1;
                if done % TELL == 0 {
                    progress.now(format!("{done} of {} schedules played", self.count));
                }
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            let join = |worker: thread::ScopedJoinHandle<'_, _>| {
                worker.join().unwrap_or_else(|_| Err(anyhow!("a schedule's run panicked")))
            };
            workers.into_iter().try_for_each(join)
        })?;
        let end = end.into_inner();
        let is_broken = end < self.count;
        let schedules = end + u64::from(is_broken);
        let seeds = (0..schedules).map(|number| self.seed.wrapping_add(number));
        let faults = seeds.map(|seed| random(seed, self.bounds).faults.len() as u64).sum();
        let failed = is_broken.then(|| self.seed.wrapping_add(end));
        Ok(Outcome { schedules, faults, failed })
    }

    /// Makes a failing schedule small, leaves it, and runs it once more with a folder and a report.
    fn shrunk(
        &self,
        seed: u64,
        (args, trades): (&Chaos, &Trades),
        checkout: &Checkout,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let schedule = random(seed, self.bounds);
        let broken = |schedule: &Schedule| {
            self.bench.judge(seed, schedule, self.mutant).map(|judged| judged.broken())
        };
        let first = broken(&schedule)?;
        progress
            .now(format!("seed {seed} fails; making its {} faults fewer", schedule.faults.len()));
        let fails = |candidate: &Schedule| {
            !self.is_interrupted() && broken(candidate).is_ok_and(|now| !now.is_disjoint(&first))
        };
        let least = shrink(schedule, self.bounds.flow_ms, fails);
        self.check_interrupted()?;
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
        let mutant = self.mutant;
        let asked = Asked { play: Play::Schedule(least, &shown), mutant };
        let report = one(&asked, &args, checkout, progress)?;
        conclude(&args, &[report])?;
        Err(Failure::Failed(anyhow!(
            "seed {seed} fails, and its shrunk schedule does not: {}",
            shown.display()
        )))
    }
}

/// Becomes true once the command is interrupted. The runs that go on then end and remove their files; where one does not, the
/// whole program ends without them.
fn interrupted() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    let (listens, is_listening) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        let signal = runtime.block_on(async {
            let mut signal = pin!(run::interrupted());
            tokio::select! {
                biased;
                signal = &mut signal => return signal,
                // It has been asked once, so it listens.
                () = std::future::ready(()) => drop(listens),
            }
            signal.await
        });
        if signal.is_ok() {
            seen.store(true, Ordering::Relaxed);
            thread::sleep(LAST_RUNS);
            std::process::exit(INTERRUPTED);
        }
    });
    // Ends with the sender.
    let _: Result<(), _> = is_listening.recv();
    interrupted
}
