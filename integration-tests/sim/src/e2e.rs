//! `cargo xtask e2e` on simulated clouds, and what its runs have in common, wherever they are.

use anyhow::anyhow;
use args::{E2e, Target, Trades};
use cli::Progress;

use crate::chaos;
use crate::delivery;
use crate::evidence::About;
use crate::history::CloudId;
use crate::run::{self, Checkout, Run, RunSpec};
use crate::scenarios::Route;
use crate::schedule::{Fault, Planned, Schedule};
use crate::simulation::{NOTE, Plan, Simulation};
use cli::Failure;

/// With faults and without a rate, publishing is spread over this long for each fault, so that they hit the middle.
const SECONDS_PER_KILL: u64 = 2;
/// Trades a second of a simulated run for which no rate was asked, in virtual time.
const SIMULATED_RATE: u32 = 10_000;
/// With a rate, a message holds what comes in a quarter of a second, as a producer that batches by time has it.
const MESSAGES_PER_S: u32 = 4;

/// Runs on simulated clouds, prints the report and leaves the run's folder.
pub fn run(args: &E2e, checkout: &Checkout) -> Result<(), Failure> {
    run::check_aws_emulator(args.aws_emulator, args.target)?;
    if !matches!(args.target, Target::Sim | Target::Auto) {
        return Err(Failure::Usage(anyhow!(
            "this program has simulated clouds alone; `cargo xtask e2e --target {}` runs the one for that",
            args.target
        )));
    }
    if args.gcp_image.is_some() {
        return Err(Failure::Usage(anyhow!(
            "--gcp-image needs --target processes or containers: on sim nothing is run"
        )));
    }
    let progress = Progress::default();
    let report = toolbox::Report::collect(&toolbox::Env::from_process());
    let lacking = if args.target == Target::Auto { report.lacking_for_processes() } else { None };
    let Some(lacking) = lacking else { return simulated(args, checkout, NOTE, &progress) };
    progress.note(format!("target: sim, because processes can't be had: {lacking}"));
    simulated(args, checkout, &format!("{NOTE} For one on them: {lacking}"), &progress)
}

/// The run on simulated clouds; `note` is what the report says of the limits of its verdict.
pub fn simulated(
    args: &E2e,
    checkout: &Checkout,
    note: &str,
    progress: &Progress,
) -> Result<(), Failure> {
    let (trades, seed) = run::seeded(args.trades.clone(), None);
    let (mut settings, limits) = chaos::settings(checkout, &args.sets, delivery::FACTOR, true)?;
    chaos::set_route(&mut settings, Route::Mirror);
    progress.now(format!("reading {trades}"));
    let args =
        &E2e { target: Target::Sim, aws_emulator: None, trades: trades.clone(), ..args.clone() };
    let about = About { note: Some(format!("{note} {limits}")), ..about(args, seed) };
    let run = Run::prepare("e2e", checkout, settings, &order(args, trades, seed), about)?;
    if args.keep {
        progress.note("note: --keep has nothing to keep on sim");
    }
    let rate = rate(args, &run).unwrap_or(SIMULATED_RATE);
    let flow_ms = run.workload.frames.len() as u64 * 1_000 / u64::from(rate);
    let simulation = Simulation {
        seed,
        plan: Plan::Schedule(crashes(args.kill_functions, flow_ms)),
        divisor: delivery::FACTOR,
        workload: run.workload.clone(),
        intervals: run.intervals.clone(),
        rate,
        history: run.history.clone(),
        spool: run.dir.path.join("spool"),
        settings: run.settings.clone(),
        mutant: None,
    };
    progress.now("publishing, and waiting for the clouds to converge");
    let snapshots = simulation.run()?;
    run::outcome(run.conclude(&snapshots, args.json, progress)?.verdict)
}

/// So many crashes of a function of each cloud, spread over the time in which trades flow.
fn crashes(count: u32, flow_ms: u64) -> Schedule {
    let at_ms = |number: u32| flow_ms * u64::from(number) / u64::from(count + 1);
    let crash = |number, cloud| {
        let fault = Fault::CrashFunction { times: 1 };
        Planned { at_ms: at_ms(number), for_ms: 0, cloud, fault }
    };
    let both = |number| [CloudId::Aws, CloudId::Gcp].map(|cloud| crash(number, cloud));
    Schedule { faults: (1..=count).flat_map(both).collect(), ..Schedule::default() }
}

/// The load of a run of `e2e`.
#[must_use]
pub fn order(args: &E2e, trades: Trades, seed: u64) -> RunSpec {
    RunSpec {
        trades,
        symbols: args.symbols.clone(),
        poison: args.poison,
        start: None,
        is_strict: args.strict_input,
        batch: args.rate.map(|rate| rate.div_ceil(MESSAGES_PER_S)),
        seed,
    }
}

/// The content of `run.json` for a run of `e2e`; `args` name the target that was taken.
#[must_use]
pub fn about(args: &E2e, seed: u64) -> About {
    About {
        faults_asked: 2 * args.kill_functions as usize,
        reproduce: reproduce(args),
        ..About::new(args.target, seed)
    }
}

/// Trades a second; `None`: as fast as they go.
#[must_use]
pub fn rate(args: &E2e, run: &Run) -> Option<u32> {
    args.rate.or_else(|| {
        let seconds = 2 + SECONDS_PER_KILL * u64::from(args.kill_functions);
        let spread = u32::try_from(run.workload.frames.len() as u64 / seconds).unwrap_or(u32::MAX);
        (args.kill_functions > 0).then_some(spread.max(1))
    })
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
