//! `cargo xtask e2e`: one run, from the trades to the verdict.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{E2e, Target};
use fault_proxy::Level;
use infra::Settings;
use infra::package::image::ImageReference;

use crate::containers::Fault;
use crate::evidence::About;
use crate::invariants::Verdict;
use crate::outcome::Failure;
use crate::processes::supervised::GuardProgram;
use crate::progress::Progress;
use crate::run::{self, Checkout, Order, Run};
use crate::stage::{Script, Stage};
use crate::targets::Drive;
use crate::targets::emulated::{Backend, Deployment, Proxies};
use crate::targets::sim::{self, Sim};

/// With faults and without a rate, publishing is spread over this long for each fault, so that they hit the middle.
const SECONDS_PER_KILL: u64 = 2;
/// With a rate, a message holds what comes in a quarter of a second, as a producer that batches by time has it.
const MESSAGES_PER_S: u32 = 4;

/// Runs, prints the report and leaves the run's folder.
pub fn run(args: &E2e, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let (trades, seed) = run::seeded(args.trades.clone(), None);
    let settings = checkout.settings(&args.sets)?;
    let image = args.gcp_image.as_deref().map(str::parse::<ImageReference>).transpose();
    let image = image.context("read --gcp-image").map_err(Failure::Usage)?;
    let place = choose(args, &settings, &progress)?;
    progress.now(format!("reading {trades}"));
    let (target, aws_emulator) = match &place {
        Place::Emulators(backend) => (backend.target(), backend.aws_emulator()),
        Place::Sim { .. } => (Target::Sim, None),
    };
    let args = &E2e { target, aws_emulator, trades: trades.clone(), ..args.clone() };
    let order = Order {
        trades,
        symbols: args.symbols.clone(),
        poison: args.poison,
        start: None,
        is_strict: args.strict_input,
        batch: args.rate.map(|rate| rate.div_ceil(MESSAGES_PER_S)),
        seed,
    };
    let about = About {
        gcp_image: image.as_ref().map(ToString::to_string),
        note: match &place {
            Place::Sim { note } => Some(note.clone()),
            Place::Emulators(_) => None,
        },
        faults_asked: 2 * args.kill_functions as usize,
        reproduce: reproduce(args),
        ..About::new(target, seed)
    };
    let run = Run::prepare("e2e", checkout, settings, &order, about)?;
    let rate = args.rate.or_else(|| {
        let seconds = 2 + SECONDS_PER_KILL * u64::from(args.kill_functions);
        let spread = u32::try_from(run.workload.frames.len() as u64 / seconds).unwrap_or(u32::MAX);
        (args.kill_functions > 0).then_some(spread.max(1))
    });
    let verdict = match place {
        Place::Sim { .. } => sim(&run, args, rate, &progress)?,
        Place::Emulators(backend) => {
            let script = Script {
                deployment: Deployment {
                    backend,
                    guard: GuardProgram::own(),
                    run_dir: run.dir.path.clone(),
                    artifacts: checkout.artifacts.clone(),
                    settings: run.settings.clone(),
                    gcp_image: image,
                    proxies: Some(Proxies { level: Level::Http, seed }),
                },
                workload: run.workload.clone(),
                intervals: run.intervals.clone(),
                rate,
                replicate_pause: Duration::from_millis(500),
            };
            let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
            runtime.block_on(Box::pin(emulated(&run, args, script, &progress)))?
        }
    };
    run::outcome(verdict)
}

enum Place {
    Emulators(Backend),
    Sim { note: String },
}

fn sim(run: &Run, args: &E2e, rate: Option<u32>, progress: &Progress) -> anyhow::Result<Verdict> {
    if args.keep {
        progress.note("note: --keep has nothing to keep on sim");
    }
    let sim = Sim {
        seed: run.about.seed,
        max_receive_count: run.settings.aws.queue.max_receive_count,
        crashes: args.kill_functions,
    };
    let drive = Drive {
        workload: run.workload.clone(),
        intervals: run.intervals.clone(),
        rate,
        history: run.history.clone(),
    };
    let snapshots = sim.run(&drive, |what| progress.now(what))?;
    Ok(run.conclude(&snapshots.into(), args.json, progress)?.verdict)
}

async fn emulated(
    run: &Run,
    args: &E2e,
    script: Script,
    progress: &Progress,
) -> Result<Verdict, Failure> {
    let say = |what: &str| progress.now(what);
    let work = async {
        run.history.begin();
        let mut stage = Box::pin(Stage::start(script, run.history.clone(), say))
            .await
            .map_err(Failure::Lacking)?;
        stage.watch();
        stage.poison().await?;
        for kill in 1..=args.kill_functions as usize {
            stage.until_accepted(100 * kill / (args.kill_functions as usize + 1)).await?;
            stage.kill_lambda().await?;
            stage.kill_service().await?;
        }
        let snapshots = Box::pin(stage.finish(say)).await?;
        let report = run.conclude(&snapshots, args.json, progress)?;
        Ok((report.verdict, stage))
    };
    let (verdict, stage) = run::until_interrupted(Box::pin(work)).await?;
    if args.keep {
        eprintln!("The clouds stay until Ctrl-C. To point AWS's and Google's tools to them:");
        for (name, value) in stage.clouds.emulated.endpoints() {
            eprintln!("  export {name}={value}");
        }
        run::interrupted().await?;
    }
    Box::pin(stage.stop()).await?;
    Ok(verdict)
}

/// The place that was asked for, or for `auto` the best that can be had.
fn choose(args: &E2e, settings: &Settings, progress: &Progress) -> Result<Place, Failure> {
    let target = args.target;
    run::check_aws_emulator(args.aws_emulator, target)?;
    if target.is_deployed() {
        return Err(Failure::Usage(anyhow!(
            "e2e has clouds of its own; on what is deployed there is `cargo xtask chaos --target {target}`"
        )));
    }
    if target == Target::Sim && args.gcp_image.is_some() {
        return Err(Failure::Usage(anyhow!(
            "--gcp-image needs --target processes or containers: on sim nothing is run"
        )));
    }
    if target == Target::Sim {
        return Ok(Place::Sim { note: sim::NOTE.to_owned() });
    }
    match Backend::find(target, settings, args.aws_emulator, progress) {
        Ok(backend) => {
            if target == Target::Auto {
                progress.note("target: processes, the best that this machine can");
            }
            if args.kill_functions > 0 {
                backend.require(Fault::KillFunction)?;
            }
            Ok(Place::Emulators(backend))
        }
        Err(error) if target == Target::Auto && args.gcp_image.is_none() => {
            progress.note(format!("target: sim, because processes can't be had: {error:#}"));
            let note = format!("{} For one on them: {error:#}", sim::NOTE);
            Ok(Place::Sim { note })
        }
        Err(error) => Err(Failure::Lacking(error)),
    }
}

fn reproduce(args: &E2e) -> String {
    let mut words = vec![
        "cargo xtask e2e".to_owned(),
        format!("--target {}", args.target),
        format!("--trades {}", args.trades),
    ];
    words.extend(args.aws_emulator.map(|emulator| format!("--aws-emulator {emulator}")));
    words.extend(args.symbols.iter().map(|symbol| format!("--symbol {symbol}")));
    words.extend(args.strict_input.then(|| "--strict-input".to_owned()));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.extend(args.gcp_image.iter().map(|image| format!("--gcp-image {image}")));
    words.extend(args.rate.map(|rate| format!("--rate {rate}")));
    words.extend((args.poison > 0).then(|| format!("--poison {}", args.poison)));
    let kills = args.kill_functions;
    words.extend((kills > 0).then(|| format!("--kill-functions {kills}")));
    words.join(" ")
}
