//! `cargo xtask e2e`: one run, from the trades to the verdict.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow};
use args::{E2e, Target, Trades};
use candle::{Interval, Symbol};
use infra::Settings;
use infra::package::image::ImageReference;
use producer::BatchLimits;
use tokio::signal::unix::{SignalKind, signal};
use toolbox::Tools;

use crate::history::{CloudName, Event, History};
use crate::invariants::{self, Evidence, Verdict};
use crate::outcome::Failure;
use crate::processes::fetch;
use crate::processes::supervised::GuardProgram;
use crate::progress::Progress;
use crate::recompute;
use crate::report::{self, Report};
use crate::run_dir::RunDir;
use crate::snapshot::{self, Snapshot};
use crate::targets::Drive;
use crate::targets::processes::{Deployment, Processes};
use crate::targets::sim::Sim;
use crate::workload::{Recipe, Workload};

/// With faults and without a rate, publishing is spread over this long for each fault, so that they hit the middle.
const SECONDS_PER_KILL: u64 = 2;
/// With a rate, a message holds what comes in a quarter of a second, as a producer that batches by time has it.
const MESSAGES_PER_S: u32 = 4;
const KILL_RETRY: Duration = Duration::from_millis(20);

/// Where the checkout and its artifacts are.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The folder of twincloud.toml.
    pub root: PathBuf,
    /// Where `cargo xtask build` leaves the artifacts.
    pub artifacts: PathBuf,
}

/// Runs, prints the report and leaves the run's folder.
pub fn run(args: &E2e, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let (run, place) = Run::prepare(args, checkout, &progress)?;
    let verdict = match place {
        Place::Sim { note } => run.sim(note, &progress)?,
        Place::Processes(tools) => {
            let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
            runtime.block_on(Box::pin(run.processes(*tools, &progress)))?
        }
    };
    if verdict == Verdict::Broken { Err(Failure::Verdict) } else { Ok(()) }
}

struct Run {
    args: E2e,
    checkout: Checkout,
    settings: Settings,
    gcp_image: Option<ImageReference>,
    seed: u64,
    dir: RunDir,
    drive: Drive,
    begun: Instant,
}

enum Place {
    Processes(Box<Tools>),
    Sim { note: String },
}

impl Run {
    fn prepare(
        args: &E2e,
        checkout: &Checkout,
        progress: &Progress,
    ) -> Result<(Self, Place), Failure> {
        let usage = |error| Failure::Usage(error);
        let seed = seed(&args.trades);
        let mut settings = settings(&checkout.root, &args.sets).map_err(usage)?;
        progress.now(format!("reading {}", args.trades));
        let recipe = recipe(args, &settings, seed).map_err(usage)?;
        let workload = Arc::new(Workload::prepare(&recipe).map_err(usage)?);
        // The functions take what is sent, whatever the settings name.
        settings.trading.symbols = workload.symbols.iter().map(ToString::to_string).collect();

        let gcp_image = args.gcp_image.as_deref().map(str::parse::<ImageReference>).transpose();
        let gcp_image = gcp_image.context("read --gcp-image").map_err(usage)?;
        let place = choose(args, progress)?;
        let dir = RunDir::create(&checkout.root, "e2e")?;
        let history =
            History::create(&dir.path.join("history.jsonl")).context("create the history")?;
        let target = match &place {
            Place::Processes(_) => Target::Processes,
            Place::Sim { .. } => Target::Sim,
        };
        history.record(Event::RunStarted {
            target: target.to_string(),
            trades: recipe.trades.to_string(),
            seed,
        });
        let rate = args.rate.or_else(|| {
            let seconds = 2 + SECONDS_PER_KILL * u64::from(args.kill_functions);
            let spread = u32::try_from(workload.frames.len() as u64 / seconds).unwrap_or(u32::MAX);
            (args.kill_functions > 0).then_some(spread.max(1))
        });
        let intervals = settings.trading.intervals.iter().map(|text| text.parse());
        let intervals = intervals.collect::<Result<_, _>>().context("read trading.intervals");
        let intervals = intervals.map_err(usage)?;
        let drive = Drive { workload, intervals, rate, history };
        let args = E2e { target, trades: recipe.trades, ..args.clone() };
        let checkout = checkout.clone();
        let begun = Instant::now();
        Ok((Self { args, checkout, settings, gcp_image, seed, dir, drive, begun }, place))
    }

    fn sim(&self, note: String, progress: &Progress) -> anyhow::Result<Verdict> {
        if self.args.keep {
            progress.note("note: --keep has nothing to keep on sim");
        }
        let sim = Sim {
            seed: self.seed,
            max_receive_count: self.settings.aws.queue.max_receive_count,
            crashes: self.args.kill_functions,
        };
        let snapshots = sim.run(&self.drive, |what| progress.now(what))?;
        self.conclude(snapshots.into(), Some(note), progress)
    }

    async fn processes(&self, tools: Tools, progress: &Progress) -> Result<Verdict, Failure> {
        let deployment = Deployment {
            tools,
            guard: GuardProgram::own(),
            run_dir: self.dir.path.clone(),
            artifacts: self.checkout.artifacts.clone(),
            settings: self.settings.clone(),
            gcp_image: self.gcp_image.clone(),
        };
        let say = |what: &str| progress.now(what);
        let run = async {
            self.drive.history.begin();
            let mut processes = Box::pin(Processes::start(&deployment, &self.drive.history, say))
                .await
                .map_err(Failure::Lacking)?;
            let (aws, gcp) = (processes.aws.clone(), processes.gcp.clone());
            let snapshots = tokio::select! {
                snapshots = self.drive.both(&aws, &gcp, say) => snapshots?,
                never = self.kill_functions(&mut processes) => match never {},
            };
            Ok((self.conclude(snapshots.into(), None, progress)?, processes))
        };
        let (verdict, processes) = until_interrupted(Box::pin(run)).await?;
        if self.args.keep {
            eprintln!("The clouds stay until Ctrl-C. To point AWS's and Google's tools to them:");
            for (name, value) in processes.endpoints() {
                eprintln!("  export {name}={value}");
            }
            interrupted().await?;
        }
        processes.stop().await?;
        Ok(verdict)
    }

    /// Kills both functions at points spread over the run: a kill is due when its share of messages is accepted.
    async fn kill_functions(&self, processes: &mut Processes) -> std::convert::Infallible {
        let kills = self.args.kill_functions as usize;
        let messages = self.drive.workload.messages.len() * 2;
        for kill in 1..=kills {
            while self.drive.history.accepted() < messages * kill / (kills + 1) {
                tokio::time::sleep(KILL_RETRY).await;
            }
            let bootstrap = loop {
                // There is none until the first call, and none between a crash and the next call.
                match processes.kill_bootstrap() {
                    Some(pid) => break pid,
                    None => tokio::time::sleep(KILL_RETRY).await,
                }
            };
            self.fired(CloudName::Aws, format!("kill -9 {bootstrap}"));
            let service = loop {
                // There is none between a crash and the restart.
                match processes.kill_service().await {
                    Some(how) => break how,
                    None => tokio::time::sleep(KILL_RETRY).await,
                }
            };
            self.fired(CloudName::Gcp, service);
        }
        std::future::pending().await
    }

    fn fired(&self, cloud: CloudName, detail: String) {
        let fault = "kill_function".to_owned();
        self.drive.history.record(Event::FaultFired { cloud, fault, detail });
    }

    /// Gives the verdict, leaves the files and prints the report.
    fn conclude(
        &self,
        snapshots: BTreeMap<CloudName, Snapshot>,
        note: Option<String>,
        progress: &Progress,
    ) -> anyhow::Result<Verdict> {
        progress.now("recomputing, and checking the invariants");
        let report = self.report(snapshots, note)?;
        let json = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
        snapshot::write(&self.dir.path, "report.json", &format!("{json}\n"))?;
        progress.finish();
        if self.args.json {
            println!("{json}");
        } else {
            println!("{report}");
            println!("files      {}", self.dir.path.display());
        }
        Ok(report.verdict)
    }

    fn report(
        &self,
        snapshots: BTreeMap<CloudName, Snapshot>,
        note: Option<String>,
    ) -> anyhow::Result<Report> {
        let dir = &self.dir.path;
        let workload = &self.drive.workload;
        let frames = workload.frames.join("\n") + "\n";
        snapshot::write(dir, "trades.jsonl", &frames)?;
        for (cloud, snapshot) in &snapshots {
            snapshot.write(dir, *cloud)?;
        }
        let published = recompute::parse(&frames).context("parse the published frames")?;
        let expected = recompute::candles_csv(&published, Interval::M1.duration_ms());
        snapshot::write(dir, "candles-expected.csv", &expected)?;
        let evidence = Evidence {
            history: self.drive.history.finish().context("write the history")?,
            published,
            intervals: self.drive.intervals.clone(),
            snapshots,
            faults_asked: 2 * self.args.kill_functions as usize,
        };
        let invariants = invariants::check(&evidence);
        let broken = invariants.iter().any(|finding| finding.verdict == Verdict::Broken);
        let cloud = |name| (name, report::Cloud::of(name, &evidence, workload.frames.len()));
        Ok(Report {
            verdict: if broken { Verdict::Broken } else { Verdict::Holds },
            target: self.args.target.to_string(),
            gcp_image: self.gcp_image.as_ref().map(ToString::to_string),
            note,
            seed: self.seed,
            duration_ms: u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            trades: report::Trades {
                published: workload.frames.len(),
                accepted: evidence.accepted_anywhere(),
                unique: workload.unique,
            },
            clouds: [CloudName::Aws, CloudName::Gcp].map(cloud).into(),
            invariants,
            reproduce: reproduce(&self.args),
        })
    }
}

fn seed(trades: &Trades) -> u64 {
    if let Trades::Generate { seed: Some(seed), .. } = trades {
        return *seed;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff)
}

fn settings(root: &Path, sets: &[String]) -> anyhow::Result<Settings> {
    let path = root.join(infra::settings::FILE);
    Ok(Settings::load(&path, Some("local"), sets, std::env::vars())?)
}

fn recipe(args: &E2e, settings: &Settings, seed: u64) -> anyhow::Result<Recipe> {
    let symbol = |text: &String| text.parse::<Symbol>().with_context(|| format!("--symbol {text}"));
    let most = settings.producer.batch_max_trades;
    let default = settings.trading.symbols.first().context("settings: trading.symbols is empty")?;
    let trades = match &args.trades {
        Trades::Generate { count, seed: None } => {
            Trades::Generate { count: *count, seed: Some(seed) }
        }
        trades => trades.clone(),
    };
    Ok(Recipe {
        trades,
        symbols: args.symbols.iter().map(symbol).collect::<Result<_, _>>()?,
        default_symbol: symbol(default)?,
        limits: BatchLimits {
            max_trades: args.rate.map_or(most, |rate| most.min(rate.div_ceil(MESSAGES_PER_S)))
                as usize,
            max_bytes: settings.producer.batch_max_bytes as usize,
        },
        poison: args.poison,
        seed,
    })
}

/// The place that was asked for, or for `auto` the best that can be had.
fn choose(args: &E2e, progress: &Progress) -> Result<Place, Failure> {
    let target = args.target;
    if target == Target::Sim && args.gcp_image.is_some() {
        return Err(Failure::Usage(anyhow!(
            "--gcp-image needs --target processes: on sim nothing is run"
        )));
    }
    if target == Target::Sim {
        return Ok(Place::Sim { note: SIM_NOTE.to_owned() });
    }
    match tools(progress) {
        Ok(tools) => {
            if target == Target::Auto {
                progress.note("target: processes, the best that this machine can");
            }
            Ok(Place::Processes(Box::new(tools)))
        }
        Err(error) if target == Target::Auto && args.gcp_image.is_none() => {
            progress.note(format!("target: sim, because processes can't be had: {error:#}"));
            let note = format!("{SIM_NOTE} For one on them: {error:#}");
            Ok(Place::Sim { note })
        }
        Err(error) => Err(Failure::Lacking(error.context("the target processes can't be had"))),
    }
}

const SIM_NOTE: &str =
    "clouds in memory and in one process: no verdict on the release binaries and the emulators.";

pub(crate) fn tools(progress: &Progress) -> anyhow::Result<Tools> {
    let env = toolbox::Env::from_process();
    if let Err(missing) = toolbox::Report::collect(&env).processes_target() {
        // What is fetched once the rest is there needs nobody's doing.
        let by_hand = missing.iter().filter(|item| !item.how_to_get.starts_with("nothing to do"));
        let by_hand = by_hand.map(|item| format!("{} ({})", item.name, item.how_to_get));
        let by_hand = by_hand.collect::<Vec<_>>().join(", ");
        anyhow::bail!("this machine lacks {by_hand}; `cargo xtask doctor` says more");
    }
    let say = progress.clone();
    let on_progress = fetch::OnProgress::new(move |now| match now {
        fetch::Progress::Step(what) => say.now(what),
        fetch::Progress::Bytes { what, done, total } => {
            say.now(format!("{what}: {} of {} MB", done / 1_000_000, total / 1_000_000));
        }
    });
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    Ok(runtime.block_on(fetch::tools(&env, &on_progress))?)
}

/// Runs `work` until it is done or a person or a supervisor ends it; what it holds is dropped then.
async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        interrupted = interrupted() => {
            interrupted?;
            Err(Failure::Interrupted)
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn interrupted() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn reproduce(args: &E2e) -> String {
    let mut words = vec![
        "cargo xtask e2e".to_owned(),
        format!("--target {}", args.target),
        format!("--trades {}", args.trades),
    ];
    words.extend(args.symbols.iter().map(|symbol| format!("--symbol {symbol}")));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.extend(args.gcp_image.iter().map(|image| format!("--gcp-image {image}")));
    words.extend(args.rate.map(|rate| format!("--rate {rate}")));
    words.extend((args.poison > 0).then(|| format!("--poison {}", args.poison)));
    let kills = args.kill_functions;
    words.extend((kills > 0).then(|| format!("--kill-functions {kills}")));
    words.join(" ")
}
