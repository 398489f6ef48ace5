//! `cargo xtask e2e`: one run, from the trades to the verdict.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{E2e, Target};
use cli::Progress;
use fault_proxy::Level;
use infra::Settings;
use infra::package::image::ImageReference;
use sim::{e2e, simulation};

use crate::containers::Fault;
use crate::environments::emulated::{Backend, Deployment, Proxies};
use crate::evidence::About;
use crate::history::CloudId;
use crate::invariants::Verdict;
use crate::processes::supervised::GuardProgram;
use crate::run::{self, Checkout, Run};
use crate::stage::{ClusterSpec, TestCluster};
use cli::Failure;

/// Runs, prints the report and leaves the run's folder.
pub fn run(args: &E2e, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let (trades, seed) = run::seeded(args.trades.clone(), None);
    let settings = checkout.settings(&args.sets).map_err(Failure::usage)?;
    let image = args.gcp_image.as_deref().map(str::parse::<ImageReference>).transpose();
    let image = image.context("read --gcp-image").map_err(Failure::Usage)?;
    let backend = match choose(args, &settings, &progress)? {
        Place::Emulators(backend) => backend,
        Place::Sim { note } => return e2e::simulated(args, checkout, &note, &progress),
    };
    progress.now(format!("reading {trades}"));
    let (target, aws_emulator) = (backend.target(), backend.aws_emulator());
    let args = &E2e { target, aws_emulator, trades: trades.clone(), ..args.clone() };
    let about =
        About { gcp_image: image.as_ref().map(ToString::to_string), ..e2e::about(args, seed) };
    let run = Run::prepare("e2e", checkout, settings, &e2e::order(args, trades, seed), about)?;
    let script = ClusterSpec {
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
        rate: e2e::rate(args, &run),
        replicate_pause: Duration::from_millis(500),
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    run::outcome(runtime.block_on(Box::pin(emulated(&run, args, script, &progress)))?)
}

enum Place {
    Emulators(Backend),
    Sim { note: String },
}

async fn emulated(
    run: &Run,
    args: &E2e,
    script: ClusterSpec,
    progress: &Progress,
) -> Result<Verdict, Failure> {
    let say = |what: &str| progress.now(what);
    let work = async {
        run.history.begin();
        let mut stage = Box::pin(TestCluster::start(script, run.history.clone(), say))
            .await
            .map_err(Failure::MissingPrerequisite)?;
        stage.watch();
        stage.poison().await?;
        for kill in 1..=args.kill_functions as usize {
            stage.wait_until_accepted(100 * kill / (args.kill_functions as usize + 1)).await?;
            for cloud in [CloudId::Aws, CloudId::Gcp] {
                Box::pin(stage.kill_function(cloud)).await?;
            }
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
    if target == Target::Sim {
        let why = anyhow!(
            "simulated clouds have a program of their own, which `cargo xtask e2e --target sim` runs"
        );
        return Err(Failure::Usage(why));
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
            let note = format!("{} For one on them: {error:#}", simulation::NOTE);
            Ok(Place::Sim { note })
        }
        Err(error) => Err(Failure::MissingPrerequisite(error)),
    }
}
