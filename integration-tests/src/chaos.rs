//! `cargo xtask chaos`: scenarios, one after the other, each a run of its own with its own folder and verdict.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{Chaos, ChaosCommand, KilledCloud, Target, Trades, Verify};
use fault_proxy::Level;
use infra::Settings;
use infra::settings::Policy;

use crate::chaos_sim;
use crate::containers::Fault;
use crate::delivery;
use crate::evidence::About;
use crate::game_day;
use crate::history::CloudName;
use crate::invariants::Verdict;
use crate::outcome::Failure;
use crate::processes::supervised::GuardProgram;
use crate::progress::Progress;
use crate::report::{self, Report};
use crate::run::{self, Checkout, Order, Run};
use crate::scenarios::{ALL, Route, Scenario};
use crate::schedule::ONLY_ON_SIM;
use crate::stage::{Script, Stage};
use crate::targets::emulated::{Backend, Deployment, Proxies};

/// The pause between two runs of replicate: the schedule at its shortest.
const REPLICATE_PAUSE: Duration = Duration::from_millis(300);

/// Runs the scenarios that were asked for, and gives a verdict on each.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    if let Some(ChaosCommand::Heal(args)) = &args.command {
        return game_day::heal(args, checkout);
    }
    if args.target.is_deployed() {
        return game_day::run(args, checkout);
    }
    if args.list {
        list(args.json, listed());
        return Ok(());
    }
    if args.env.is_some() || args.dry_run || args.confirm.is_some() {
        return Err(Failure::Usage(anyhow!(
            "--env, --dry-run and --confirm are for game days: --target cloud or up"
        )));
    }
    if args.planted {
        return chaos_sim::planted(args, checkout);
    }
    run::check_aws_emulator(args.aws_emulator, args.target)?;
    if args.target == Target::Sim {
        return chaos_sim::run(args, checkout);
    }
    if args.schedule.is_some() || args.schedules.is_some() || args.plant.is_some() {
        let why = anyhow!("schedules are played on sim only; add --target sim");
        return Err(Failure::Lacking(why));
    }
    let scenarios = asked(args)?;
    let progress = Progress::default();
    let settings = checkout.settings(&args.sets)?;
    let backend = Backend::find(args.target, &settings, args.aws_emulator, &progress)
        .map_err(Failure::Lacking)?;
    if scenarios.iter().any(|scenario| scenario.kills_functions) {
        backend.require(Fault::KillFunction)?;
    }
    let args =
        &Chaos { target: backend.target(), aws_emulator: backend.aws_emulator(), ..args.clone() };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let mut reports = Vec::new();
    for scenario in &scenarios {
        let one = Box::pin(one(scenario, args, checkout, &backend, &progress));
        let report = runtime.block_on(one);
        // What was found so far is left whatever comes after it.
        match report {
            Ok(report) => reports.push(report),
            Err(Failure::Broken(error)) if scenarios.len() > 1 => {
                progress.note(format!("{}: {error:#}", scenario.name));
                reports.push(Report::unfinished(scenario.name, &format!("{error:#}")));
            }
            Err(failure) => return Err(failure),
        }
    }
    conclude(args, &reports)
}

/// Prints a table of several runs, leaves what was asked for, and gives the verdict on all.
pub(crate) fn conclude(args: &Chaos, reports: &[Report]) -> Result<(), Failure> {
    if reports.len() > 1 && !args.json {
        println!("{}", report::Table(reports));
    }
    if let Some(path) = &args.junit {
        leave(path, &report::junit(reports))?;
    }
    if let Some(path) = &args.summary {
        append(path, &report::markdown(reports))?;
    }
    let is_broken = reports.iter().any(|report| report.verdict == Verdict::Broken);
    run::outcome(if is_broken { Verdict::Broken } else { Verdict::Holds })
}

/// The verdict on a folder.
pub fn verify(args: &Verify) -> Result<(), Failure> {
    if !args.folder.is_dir() {
        let folder = args.folder.display();
        return Err(Failure::Usage(anyhow!(
            "{folder} is no folder of a run; runs leave theirs in target/runs"
        )));
    }
    let report = run::verdict(&args.folder, args.json, &Progress::default())?;
    run::outcome(report.verdict)
}

/// Prints names and what they are about.
pub(crate) fn list(json: bool, all: impl Iterator<Item = (&'static str, &'static str)> + Clone) {
    let width = all.clone().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, about) in all {
        if json {
            println!("{}", serde_json::json!({ "name": name, "about": about }));
        } else {
            println!("{name:width$}  {about}");
        }
    }
}

/// The scenarios of all targets that are a run's own, with a line on each.
pub(crate) fn listed() -> impl Iterator<Item = (&'static str, &'static str)> + Clone {
    let anywhere = ALL.iter().map(|scenario| (scenario.name, scenario.about));
    anywhere.chain(ONLY_ON_SIM.iter().copied())
}

fn asked(args: &Chaos) -> Result<Vec<Scenario>, Failure> {
    let is_asked = |(name, _): &&(&str, &str)| args.scenarios.iter().any(|asked| asked == name);
    if let Some((name, about)) = ONLY_ON_SIM.iter().find(is_asked) {
        return Err(Failure::Lacking(anyhow!(
            "the scenario {name} can't be had on the target {}; take --target sim for it: {about}",
            args.target
        )));
    }
    of_those(ALL, |scenario| scenario.name, args)
}

/// The ones that were asked for, of those that there are.
pub(crate) fn of_those<S: Copy>(
    all: &[S],
    name: impl Fn(&S) -> &'static str,
    args: &Chaos,
) -> Result<Vec<S>, Failure> {
    if args.all {
        return Ok(all.to_vec());
    }
    let killed = args.kill.map(|cloud| match cloud {
        KilledCloud::Aws => "kill-aws".to_owned(),
        KilledCloud::Gcp => "kill-gcp".to_owned(),
    });
    let names: Vec<&String> = args.scenarios.iter().chain(&killed).collect();
    if names.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "say what to break: --kill aws, --kill gcp, --scenario NAME, or --all; --list shows the names"
        )));
    }
    let found = names.into_iter().map(|asked| {
        all.iter().copied().find(|scenario| name(scenario) == asked).ok_or_else(|| {
            Failure::Usage(anyhow!(
                "there is no scenario {asked} on the target {}; `--list` shows the names",
                args.target
            ))
        })
    });
    found.collect()
}

/// What is sent, and the seed of everything random.
pub(crate) fn trades(args: &Chaos) -> (Trades, u64) {
    let made = || Trades::Generate {
        count: u64::from(args.rate()) * u64::from(args.duration()),
        seed: args.seed,
    };
    run::seeded(args.trades.clone().unwrap_or_else(made), args.seed)
}

/// One run.
async fn one(
    scenario: &Scenario,
    args: &Chaos,
    checkout: &Checkout,
    backend: &Backend,
    progress: &Progress,
) -> Result<Report, Failure> {
    let (trades, seed) = trades(args);
    // In containers nothing stands between the emulator and the service that could keep them.
    let has_pauses = backend.target() == Target::Processes;
    let (mut settings, limits) = settings(checkout, &args.sets, delivery::FACTOR, has_pauses)?;
    set_route(&mut settings, scenario.route);
    let about = About {
        scenario: Some(scenario.name.to_owned()),
        note: Some(limits),
        faults_asked: 1,
        reproduce: reproduce(scenario, args, &trades, seed),
        ..About::new(args.target, seed)
    };
    let order = Order {
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
    let script = Script {
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
        let mut stage = Box::pin(Stage::start(script, run.history.clone(), say))
            .await
            .map_err(Failure::Lacking)?;
        say(scenario.about);
        scenario.act(&mut stage).await.context("play the scenario")?;
        let snapshots = Box::pin(stage.finish(say)).await?;
        let report = run.conclude(&snapshots, args.json, progress)?;
        Box::pin(stage.stop()).await?;
        Ok(report)
    };
    let done = run::until_interrupted(Box::pin(work)).await;
    // What happened is worth most where there is no verdict.
    let _ = run.history.finish();
    done.map_err(|failure| match failure {
        Failure::Broken(error) => {
            let folder = run.dir.path.display();
            Failure::Broken(
                error.context(format!("{}; what happened is in {folder}", scenario.name)),
            )
        }
        other => other,
    })
}

/// The emulators' settings with the product's own limits of delivery, times divided by `factor`, and what is played of them.
/// A key that `--set` or a variable names stays as it is.
pub(crate) fn settings(
    checkout: &Checkout,
    sets: &[String],
    factor: u32,
    has_pauses: bool,
) -> Result<(Settings, String), Failure> {
    let mut settings = checkout.settings(sets)?;
    let named = delivery::named(sets, std::env::vars());
    let is_named = |key: &str| named.iter().any(|named| named == key);
    let limits = delivery::play(&mut settings, &checkout.shipped()?, factor, has_pauses, is_named);
    Ok((settings, limits))
}

pub(crate) fn set_route(settings: &mut Settings, route: Route) {
    match route {
        Route::Mirror => settings.route.policy = Policy::Mirror,
        Route::Primary(primary) => {
            settings.route.policy = Policy::PrimaryByHand;
            let mut targets = [CloudName::Aws, CloudName::Gcp];
            targets.sort_by_key(|cloud| *cloud != primary);
            settings.route.targets = targets.map(|cloud| cloud.to_string()).to_vec();
        }
    }
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

/// The choice of trades of a recording, as the command line says it.
pub(crate) fn input(args: &Chaos) -> impl Iterator<Item = String> {
    let symbols = args.symbols.iter().map(|symbol| format!("--symbol {symbol}"));
    symbols.chain(args.strict_input.then(|| "--strict-input".to_owned()))
}

fn leave(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("open {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
