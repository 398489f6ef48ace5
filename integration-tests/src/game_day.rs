//! `cargo xtask chaos --target cloud`: a game day on deployed clouds, with synthetic trades only, and a verdict; and its
//! rehearsal on the clouds of `cargo xtask up`, `--target up`.
//!
//! The run sends trades of `trading.smoke_symbol`, of days far in the future in which nothing is yet ([`window`]), and looks
//! at those alone. What is taken away is recorded before, and given back on every way out: by the run itself, by the
//! [`restore_watchdog`] if the run is killed, else by `cargo xtask chaos heal`.

pub mod restore_watchdog;
mod window;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{Chaos, DeployTarget, Heal, Place, Target, Trades};
use deploy::commands::{self, DeployContext};
use deploy::local::LocalClouds;
use operate::commands::clouds::{self, Ports};
use operate::game_day::{self, Record, Switch};
use serde::Serialize;

use crate::cloud::{Cloud, View};
use crate::evidence::About;
use crate::history::CloudId;
use crate::processes::supervised::GuardProgram;
use crate::report::Report;
use crate::run::{self, Checkout, Run, RunSpec};
use crate::scenarios::Scenario;
use crate::stage::{DeployedClouds, Pace, Play, TestCluster, outage};
use crate::testbed::{self, Injection, Step};
use cli::Failure;
use cli::Progress;
use sim::chaos::{self, conclude};
use window::Window;

/// The fault of a scenario, and the switches that it throws.
struct Taken {
    injection: Injection,
    switches: Vec<Switch>,
}

/// The calls of a scenario, and those that undo them.
#[derive(Serialize)]
struct Plan {
    scenario: &'static str,
    calls: Vec<Call>,
}

#[derive(Serialize)]
struct Call {
    throw: String,
    undo: String,
}

impl Plan {
    fn new(scenario: &Scenario, outage: &Taken) -> Self {
        let call = |switch: &Switch| Call { throw: switch.call(), undo: switch.undo_call() };
        Self { scenario: scenario.name, calls: outage.switches.iter().map(call).collect() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        for Call { throw, undo } in &self.calls {
            writeln!(f, "  - {throw}")?;
            writeln!(f, "  + {undo}")?;
        }
        Ok(())
    }
}

/// Runs the scenarios that were asked for on what is deployed, and gives a verdict on each.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    check(args)?;
    let scenarios = chaos::asked(args)?;
    let site = DeployContext::open(&place(args), checkout)?;
    Record::none(&site)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let progress = Progress::default();
    progress.now("reading what there is to switch off");
    let mut planned = Vec::new();
    for scenario in scenarios {
        let taken = runtime.block_on(Box::pin(taken(&site, &scenario)))?;
        planned.push((scenario, taken));
    }
    let plans = planned.iter().map(|(scenario, taken)| Plan::new(scenario, taken));
    let plans: Vec<Plan> = plans.collect();
    progress.finish();
    if args.dry_run && args.json {
        println!("{}", serde_json::to_string_pretty(&plans).context("write the plan as JSON")?);
    } else {
        // With --json, standard output is for the reports.
        let show = |plan: &Plan| if args.json { eprint!("{plan}") } else { print!("{plan}") };
        plans.iter().for_each(show);
    }
    if args.dry_run {
        return Ok(());
    }
    commands::agree_on(&site, "take this away for a while", args.yes, args.confirm.as_deref())?;
    let mut reports = Vec::new();
    for (scenario, taken) in planned {
        let report = runtime.block_on(Box::pin(one(&scenario, taken, args, &site, checkout)));
        match report {
            Ok(report) => reports.push(report),
            // Earlier results are kept; with a record in place no further scenario may begin.
            Err(Failure::Failed(error)) if !reports.is_empty() => {
                progress.note(format!("{}: {error:#}", scenario.name));
                reports.push(Report::unfinished(scenario.name, &format!("{error:#}")));
                break;
            }
            Err(failure) => return Err(failure),
        }
    }
    conclude(args, &reports)
}

/// The fault of a scenario and its switches. A scenario that deployed clouds can play has one fault.
async fn taken(site: &DeployContext, scenario: &Scenario) -> Result<Taken, Failure> {
    let begun = (scenario.steps)().into_iter().find_map(|step| match step {
        Step::Begin(injection) => Some(injection),
        _ => None,
    });
    let injection = begun.with_context(|| format!("{} breaks nothing", scenario.name))?;
    let outage = outage(injection.fault)
        .with_context(|| format!("no switch of a cloud does {injection}"))?;
    let switches = Box::pin(game_day::plan(site, injection.cloud, outage)).await?;
    Ok(Taken { injection, switches })
}

/// Undoes what the record of a game day says.
pub fn heal(args: &Heal, checkout: &Checkout) -> Result<(), Failure> {
    let checkout = checkout.clone();
    let environment = match &args.env {
        Some(environment) => environment.clone(),
        None => {
            DeployContext::open(&place_of(None, &[], Target::Cloud), &checkout)?
                .settings
                .project
                .environment
        }
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let say = |what: &str| eprintln!("{what}");
    let healed = runtime.block_on(Box::pin(game_day::heal(&checkout, &environment, say)))?;
    if healed.is_none() && !args.json {
        println!("there is no record of a game day of {environment}, so there is nothing to undo");
        return Ok(());
    }
    let healed = healed.unwrap_or_default();
    commands::print(&healed, args.json)?;
    if healed.left.is_empty() { Ok(()) } else { Err(Failure::CheckFailed) }
}

fn check(args: &Chaos) -> Result<(), Failure> {
    run::check_aws_emulator(args.aws_emulator, args.target)?;
    if args.schedule.is_some() || args.schedules.is_some() || args.planted || args.plant.is_some() {
        let why = anyhow!("schedules and planted bugs are for sim only; add --target sim");
        return Err(Failure::MissingPrerequisite(why));
    }
    if args.trades.is_some() {
        return Err(Failure::Usage(anyhow!(
            "a game day makes its trades up, so that no real candle gets one; leave --trades out"
        )));
    }
    Ok(())
}

fn place(args: &Chaos) -> Place {
    place_of(args.env.clone(), &args.sets, args.target)
}

fn place_of(env: Option<String>, sets: &[String], target: Target) -> Place {
    let target = if target == Target::Up { DeployTarget::Processes } else { DeployTarget::Cloud };
    Place { env, sets: sets.to_vec(), target }
}

/// One run.
async fn one(
    scenario: &Scenario,
    taken: Taken,
    args: &Chaos,
    site: &DeployContext,
    checkout: &Checkout,
) -> Result<Report, Failure> {
    let progress = Progress::default();
    let steps = (scenario.steps)();
    let say = |what: &str| progress.now(format!("{}: {what}", scenario.name));
    say("looking for days without a candle");
    let (aws, gcp) = tokio::try_join!(Box::pin(clouds::aws(site)), Box::pin(clouds::gcp(site)))?;
    let symbol = site.smoke_symbol()?;
    let (trades, seed) = chaos::trades(args);
    let Trades::Generate { count, .. } = trades else {
        return Err(Failure::Usage(anyhow!("a game day makes its trades up")));
    };
    let longest = *site.intervals()?.last().context("settings: trading.intervals is empty")?;
    let stores = (&aws.cloud.store, &gcp.cloud.store);
    let window = Window::find(stores, &symbol, longest, count, seed).await?;
    let mut settings = site.settings.clone();
    chaos::set_route(&mut settings, scenario.route);
    settings.trading.symbols = vec![symbol.to_string()];
    let about = About {
        scenario: Some(scenario.name.to_owned()),
        note: Some(format!(
            "Of both clouds, only trades of {symbol} in {window} were looked at; what the functions call was not."
        )),
        faults_asked: testbed::faults(&steps),
        reproduce: reproduce(scenario, args, seed),
        ..About::new(args.target, seed)
    };
    let order = RunSpec {
        trades,
        symbols: Vec::new(),
        poison: 0,
        batch: None,
        seed,
        start: Some(window.start()),
        is_strict: false,
    };
    let kind = format!("game-day-{}", scenario.name);
    let run = Run::prepare(&kind, checkout, settings, &order, about)?;
    let pace = pace(args.target);
    let view = View { window: Some(window.range()), stall: pace.stall };
    let Taken { injection, switches } = taken;
    let play = Play {
        guard: GuardProgram::own(),
        run_dir: run.dir.path.clone(),
        workload: Arc::clone(&run.workload),
        intervals: run.intervals.clone(),
        rate: args.rate(),
    };
    // Before trades flow: while there is a record no other game day begins, and one that finds a record leaves it alone.
    let record = Record::begin(site, &args.sets, injection.cloud, scenario.name, switches)?;
    let clouds = DeployedClouds {
        aws: cloud(CloudId::Aws, aws, view.clone()),
        gcp: cloud(CloudId::Gcp, gcp, view),
        producer_env: producer_env(site, &run),
        pace,
        site,
        injection,
        record: &record,
        symbols: run.workload.symbols.clone(),
    };
    let environment = &site.settings.project.environment;
    let restore_watchdog =
        restore_watchdog::start(&play.guard, environment, &run.dir.path, checkout).await;
    let work = async {
        let mut restore_watchdog = restore_watchdog.context(
            "start the watchdog that undoes it if this run is killed; nothing was taken away",
        )?;
        run.history.begin();
        say("trades flow");
        let mut stage = Box::pin(TestCluster::play(clouds, play, run.history.clone())).await?;
        say(scenario.about);
        Box::pin(testbed::play(&steps, &mut stage, say)).await.context("play the scenario")?;
        say("all is given back");
        let snapshots = Box::pin(stage.finish(say)).await?;
        let report = run.conclude(&snapshots, args.json, &progress)?;
        Box::pin(stage.stop()).await?;
        restore_watchdog.stop().await.context("end the restore watchdog")?;
        Ok(report)
    };
    let done = run::until_interrupted(Box::pin(work)).await;
    let _ = run.history.finish();
    if done.is_err() {
        give_back(site, checkout, &progress).await;
    }
    done.map_err(|failure| match failure {
        Failure::Failed(error) => {
            let folder = run.dir.path.display();
            let what = format!("{}; what happened is in {folder}", scenario.name);
            Failure::Failed(error.context(what))
        }
        other => other,
    })
}

/// Undoes every switch, whatever happened to the run.
async fn give_back(site: &DeployContext, checkout: &Checkout, progress: &Progress) {
    progress.now("giving back what was taken away; this is not to be interrupted");
    let environment = &site.settings.project.environment;
    let say = |what: &str| progress.note(what);
    let healed = Box::pin(game_day::heal(checkout, environment, say)).await;
    let left = match healed {
        Ok(healed) => healed.is_some_and(|healed| !healed.left.is_empty()),
        Err(_) => true,
    };
    if left {
        progress.note(format!(
            "not all could be undone: `cargo xtask chaos heal --env {environment}` tries again"
        ));
    }
    progress.finish();
}

fn pace(target: Target) -> Pace {
    let s = Duration::from_secs;
    if target == Target::Up {
        return Pace { timeout: s(60), stall: s(150), away: s(3), quiet: s(2), compare: s(1) };
    }
    // A change of rights takes minutes to be known everywhere, and Google's schedule comes round every five.
    Pace { timeout: s(900), stall: s(900), away: s(60), quiet: s(30), compare: s(10) }
}

fn cloud<Q, A, S>(name: CloudId, ports: Ports<Q, A, S>, view: View) -> Cloud<Q, A, S> {
    let Ports { queue, dead_letters, cloud: operate::Cloud { archive, store } } = ports;
    Cloud { name, queue, dead_letters, archive, store, view }
}

/// The settings, and how this run itself signs in at both clouds.
fn producer_env(site: &DeployContext, run: &Run) -> BTreeMap<String, String> {
    let own = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let local = site.local.as_ref().map(LocalClouds::variables).unwrap_or_default();
    own.chain(run.settings.producer_env()).chain(local).collect()
}

fn reproduce(scenario: &Scenario, args: &Chaos, seed: u64) -> String {
    let mut words = vec![
        format!("cargo xtask chaos --scenario {} --target {}", scenario.name, args.target),
        format!("--seed {seed} --rate {} --duration {}", args.rate(), args.duration()),
    ];
    words.extend(args.env.iter().map(|env| format!("--env {env}")));
    words.extend(args.sets.iter().map(|set| format!("--set {set}")));
    words.join(" ")
}
