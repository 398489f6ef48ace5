//! `cargo xtask chaos`: scenarios, one after the other, each a run of its own with its own folder and verdict.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{Chaos, ChaosCommand, Target, Trades};
use cli::Progress;
use fault_proxy::Level;
use sim::chaos::{asked, conclude, input, set_route, settings, trades};

use crate::containers::Fault;
use crate::delivery;
use crate::environments::emulated::{Backend, Deployment, Proxies};
use crate::evidence::About;
use crate::game_day;
use crate::processes::supervised::GuardProgram;
use crate::report::Report;
use crate::run::{self, Checkout, Run, RunSpec};
use crate::scenarios::Scenario;
use crate::stage::{ClusterSpec, TestCluster};
use crate::testbed::{self, Capability};
use cli::Failure;

/// The pause between two runs of replicate: the schedule at its shortest.
const REPLICATE_PAUSE: Duration = Duration::from_millis(300);

/// Runs the scenarios that were asked for, and gives a verdict on each.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    if let Some(ChaosCommand::Heal(args)) = &args.command {
        return game_day::heal(args, checkout);
    }
    if args.target.is_deployed() && !args.list {
        return game_day::run(args, checkout);
    }
    sim::chaos::check(args)?;
    if args.target == Target::Sim || args.list || args.planted {
        let why = anyhow!(
            "simulated clouds, lists and planted bugs have a program of their own, which `cargo xtask chaos` runs"
        );
        return Err(Failure::Usage(why));
    }
    let scenarios = asked(args)?;
    let progress = Progress::default();
    let settings = checkout.settings(&args.sets).map_err(Failure::usage)?;
    let backend = Backend::find(args.target, &settings, args.aws_emulator, &progress)
        .map_err(Failure::MissingPrerequisite)?;
    if scenarios.iter().any(|scenario| scenario.needs().contains(&Capability::CrashFunction)) {
        backend.require(Fault::KillFunction)?;
    }
    let args =
        &Chaos { target: backend.target(), aws_emulator: backend.aws_emulator(), ..args.clone() };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let mut reports = Vec::new();
    for scenario in &scenarios {
        let one = Box::pin(one(scenario, args, checkout, &backend, &progress));
        let report = runtime.block_on(one);
        // Earlier results are kept whatever comes after them.
        match report {
            Ok(report) => reports.push(report),
            Err(Failure::Failed(error)) if scenarios.len() > 1 => {
                progress.note(format!("{}: {error:#}", scenario.name));
                reports.push(Report::unfinished(scenario.name, &format!("{error:#}")));
            }
            Err(failure) => return Err(failure),
        }
    }
    conclude(args, &reports)
}

/// One run.
async fn one(
    scenario: &Scenario,
    args: &Chaos,
    checkout: &Checkout,
    backend: &Backend,
    progress: &Progress,
) -> Result<Report, Failure> {
    let steps = (scenario.steps)();
    let (trades, seed) = trades(args);
    // In containers nothing stands between the emulator and the service that could keep them.
    let has_pauses = backend.target() == Target::Processes;
    let (mut settings, limits) = settings(checkout, &args.sets, delivery::FACTOR, has_pauses)?;
    set_route(&mut settings, scenario.route);
    let about = About {
        scenario: Some(scenario.name.to_owned()),
        note: Some(limits),
        faults_asked: testbed::faults(&steps),
        reproduce: reproduce(scenario, args, &trades, seed),
        ..About::new(args.target, seed)
    };
    let order = RunSpec {
        trades,
        symbols: args.symbols.clone(),
        is_strict: args.strict_input,
        poison: scenario.poison,
        batch: None,
        seed,
        start: None,
    };
    let kind = format!("chaos-{}", scenario.name);
    let run = Run::prepare(&kind, checkout, settings, &order, about)?;
    let script = ClusterSpec {
        deployment: Deployment {
            backend: backend.clone(),
            guard: GuardProgram::own(),
            run_dir: run.dir.path.clone(),
            artifacts: checkout.artifacts.clone(),
            settings: run.settings.clone(),
            gcp_image: None,
            proxies: Some(Proxies { level: Level::Http, seed }),
        },
        workload: run.workload.clone(),
        intervals: run.intervals.clone(),
        rate: Some(args.rate()),
        replicate_pause: REPLICATE_PAUSE,
    };
    let say = |what: &str| progress.now(format!("{}: {what}", scenario.name));
    let work = async {
        run.history.begin();
        let mut stage = Box::pin(TestCluster::start(script, run.history.clone(), say))
            .await
            .map_err(Failure::MissingPrerequisite)?;
        say(scenario.about);
        Box::pin(testbed::play(&steps, &mut stage, say)).await.context("play the scenario")?;
        let snapshots = Box::pin(stage.finish(say)).await?;
        let report = run.conclude(&snapshots, args.json, progress)?;
        Box::pin(stage.stop()).await?;
        Ok(report)
    };
    let done = run::until_interrupted(Box::pin(work)).await;
    // The history is worth most where there is no verdict.
    let _ = run.history.finish();
    done.map_err(|failure| match failure {
        Failure::Failed(error) => {
            let folder = run.dir.path.display();
            Failure::Failed(
                error.context(format!("{}; what happened is in {folder}", scenario.name)),
            )
        }
        other => other,
    })
}

fn reproduce(scenario: &Scenario, args: &Chaos, trades: &Trades, seed: u64) -> String {
    let mut words = vec![
        format!("cargo xtask chaos --scenario {}", scenario.name),
        format!("--target {}", args.target),
        format!("--trades {trades} --seed {seed} --rate {}", args.rate()),
    ];
    words.extend(args.aws_emulator.map(|emulator| format!("--aws-emulator {emulator}")));
    words.extend(input(args));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.join(" ")
}
