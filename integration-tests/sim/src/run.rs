//! What all runs have in common: settings and trades before, evidence and verdict after.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use args::{AwsEmulator, Target, Trades};
use candle::{Interval, Symbol};
pub use infra::Checkout;
use infra::Settings;
use producer::{BatchLimits, Start};

use crate::evidence::{About, Evidence};
use crate::history::{CloudId, Event, History};
use crate::invariants::Verdict;
use crate::report::{self, Report};
use crate::run_dir::RunDir;
use crate::run_files;
use crate::snapshot::Snapshot;
use crate::workload::{Recipe, Workload};
use cli::Failure;
use cli::Progress;

/// Trades to send in a run, and their packing.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Source of the trades.
    pub trades: Trades,
    /// Symbols to take from a recording; empty: all.
    pub symbols: Vec<String>,
    /// Messages that can't be decoded.
    pub poison: u32,
    /// Trades in a message, at most; `None`: as the settings say.
    pub batch: Option<u32>,
    /// Of everything random.
    pub seed: u64,
    /// Start of generated trades; `None`: the default one.
    pub start: Option<Start>,
    /// A line of a recording that is refused or cut short costs all of it.
    pub is_strict: bool,
}

/// A run, from its folder to its verdict.
#[derive(Debug)]
pub struct Run {
    /// Names and sizes; the symbols are those that are sent.
    pub settings: Settings,
    /// Its folder.
    pub dir: RunDir,
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// The history.
    pub history: History,
    /// Content of `run.json`.
    pub about: About,
    begun: Instant,
}

impl Run {
    /// Makes the folder, and writes down what will be sent. `about` says what is run, apart from intervals and time.
    pub fn prepare(
        kind: &str,
        checkout: &Checkout,
        mut settings: Settings,
        order: &RunSpec,
        about: About,
    ) -> Result<Self, Failure> {
        let usage = Failure::Usage;
        let recipe = recipe(order, &settings).map_err(usage)?;
        let workload = Arc::new(Workload::prepare(&recipe).map_err(usage)?);
        // The functions take what is sent, whatever the settings name.
        settings.trading.symbols = workload.symbols.iter().map(ToString::to_string).collect();
        // Lambda takes only so many; in memory there is no such limit.
        if about.target != Target::Sim.to_string()
            && let Some(problem) = settings.too_many_symbols()
        {
            let few = "or take some of them by --symbol, or all of them on --target sim";
            return Err(usage(anyhow!("{}: {problem}; {few}", order.trades)));
        }
        let intervals = settings.trading.intervals.iter().map(|text| text.parse());
        let intervals: Result<Vec<Interval>, _> = intervals.collect();
        let intervals = intervals.context("read trading.intervals").map_err(usage)?;
        let dir = RunDir::create(&checkout.root, kind)?;
        run_files::write(&dir.path, "trades.jsonl", &(workload.frames.join("\n") + "\n"))?;
        let history = History::create(&dir.path.join("history.jsonl"));
        let history = history.context("create the history")?;
        history.record(Event::RunStarted {
            target: about.target.clone(),
            trades: order.trades.to_string(),
            seed: order.seed,
        });
        let about = About {
            intervals: settings.trading.intervals.clone(),
            recording: workload.recording.clone(),
            ..about
        };
        let begun = Instant::now();
        Ok(Self { settings, dir, workload, intervals, history, about, begun })
    }

    /// Leaves the files, gives the verdict from them and prints the report.
    pub fn conclude(
        &self,
        snapshots: &BTreeMap<CloudId, Snapshot>,
        json: bool,
        progress: &Progress,
    ) -> anyhow::Result<Report> {
        progress.now("recomputing, and checking the invariants");
        let duration_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.history.finish().context("write the history")?;
        let about = About { duration_ms, ..self.about.clone() };
        Evidence::write(&self.dir.path, &about, snapshots)?;
        verdict(&self.dir.path, json, progress)
    }
}

/// The verdict on a run's folder, from its files alone; leaves `report.json` and `report.html` there and prints the report.
pub fn verdict(dir: &Path, json: bool, progress: &Progress) -> anyhow::Result<Report> {
    let evidence = Evidence::read(dir)?;
    let report = Report::of(&evidence);
    let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
    run_files::write(dir, "report.json", &format!("{text}\n"))?;
    run_files::write(dir, "report.html", &report::html(&report, &evidence)?)?;
    progress.finish();
    if json {
        println!("{text}");
    } else {
        println!("{report}");
        println!("files      {}", dir.display());
    }
    Ok(report)
}

/// A broken verdict is exit code 1.
pub fn outcome(verdict: Verdict) -> Result<(), Failure> {
    if verdict == Verdict::Broken { Err(Failure::CheckFailed) } else { Ok(()) }
}

/// The trades with their seed, and the seed of everything else: the one that was asked for, else the trades', else a new
/// one.
#[must_use]
pub fn seeded(trades: Trades, asked: Option<u64>) -> (Trades, u64) {
    let of_trades = match &trades {
        Trades::Generate { seed, .. } => *seed,
        Trades::File(_) => None,
    };
    let new = || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff)
    };
    let seed = asked.or(of_trades).unwrap_or_else(new);
    let trades = match trades {
        Trades::Generate { count, seed: None } => Trades::Generate { count, seed: Some(seed) },
        trades => trades,
    };
    (trades, seed)
}

/// Inputs of a workload.
pub fn recipe(order: &RunSpec, settings: &Settings) -> anyhow::Result<Recipe> {
    let symbol = |text: &String| text.parse::<Symbol>().with_context(|| format!("--symbol {text}"));
    let most = settings.producer.batch_max_trades;
    let default = settings.trading.symbols.first().context("settings: trading.symbols is empty")?;
    Ok(Recipe {
        trades: order.trades.clone(),
        symbols: order.symbols.iter().map(symbol).collect::<Result<_, _>>()?,
        default_symbol: symbol(default)?,
        limits: BatchLimits {
            max_trades: order.batch.map_or(most, |batch| most.min(batch)) as usize,
            max_bytes: settings.producer.batch_max_bytes as usize,
        },
        poison: order.poison,
        seed: order.seed,
        start: order.start,
        is_strict: order.is_strict,
    })
}

/// A choice of AWS's emulator is one between images.
pub fn check_aws_emulator(asked: Option<AwsEmulator>, target: Target) -> Result<(), Failure> {
    if asked.is_some() && target != Target::Containers {
        return Err(Failure::Usage(anyhow!("--aws-emulator needs --target containers")));
    }
    Ok(())
}

/// Runs `work` until it is done or a person or a supervisor ends it; what it holds is dropped then.
pub async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        interrupted = interrupted() => {
            interrupted?;
            Err(Failure::Interrupted(String::new()))
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
#[cfg(unix)]
pub async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn interrupted() -> anyhow::Result<()> {
    tokio::signal::ctrl_c().await.context("listen for Ctrl-C")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording of one trade of each of so many symbols is refused before anything is started, as a mistake of the caller's.
    #[test]
    fn more_symbols_than_lambda_takes_are_a_usage_error_but_on_sim() {
        use std::fmt::Write as _;

        let dir = tempfile::tempdir().expect("a folder");
        let checkout = Checkout { root: dir.path().to_owned(), artifacts: dir.path().to_owned() };
        let mut recording = String::new();
        for n in 0..450 {
            let _ = writeln!(
                recording,
                r#"{{"e":"trade","E":1723161255343,"s":"AA{n:04}USDT","t":{n},"p":"1.0","q":"1.0","T":1723161255342,"m":true,"M":true}}"#
            );
        }
        let path = dir.path().join("many.jsonl");
        std::fs::write(&path, recording).expect("written");
        let settings = crate::delivery::tests::settings("local", &[]);
        let order = RunSpec {
            trades: Trades::File(path),
            symbols: Vec::new(),
            poison: 0,
            batch: None,
            seed: 1,
            start: None,
            is_strict: false,
        };
        let prepare = |target| {
            Run::prepare("e2e", &checkout, settings.clone(), &order, About::new(target, 1))
        };
        let Err(Failure::Usage(error)) = prepare(Target::Processes) else {
            panic!("no usage error");
        };
        let text = error.to_string();
        assert!(text.contains("450 symbols don't fit, the first "), "{text}");
        assert!(text.contains("--symbol"), "{text}");
        prepare(Target::Sim).expect("no limit in memory");
    }
}
