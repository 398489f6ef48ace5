//! `cargo xtask chaos`: what its runs have in common, wherever they are.

pub mod simulated;

use std::path::Path;

use anyhow::{Context as _, anyhow};
use args::{Chaos, Target, Trades, Verify};
use cli::Progress;
use infra::Settings;
use infra::settings::Policy;

use crate::delivery;
use crate::history::CloudId;
use crate::invariants::Verdict;
use crate::report::{self, Report};
use crate::run::{self, Checkout};
use crate::scenarios::{ALL, Route, Scenario};
use crate::testbed::{self, Capability};
use cli::Failure;

/// Runs `chaos` as far as it needs no cloud: lists, planted bugs, and scenarios and schedules on simulated clouds.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    if args.list {
        list(args);
        return Ok(());
    }
    check(args)?;
    if args.planted {
        return simulated::mutants::run(args, checkout);
    }
    simulated::run(args, checkout)
}

/// Refuses what another target would be needed for.
pub fn check(args: &Chaos) -> Result<(), Failure> {
    if args.env.is_some() || args.dry_run || args.confirm.is_some() {
        return Err(Failure::Usage(anyhow!(
            "--env, --dry-run and --confirm are for game days: --target cloud or up"
        )));
    }
    let is_schedule = args.schedule.is_some() || args.schedules.is_some() || args.plant.is_some();
    if is_schedule && args.target != Target::Sim {
        let why = anyhow!("schedules are played on simulated clouds only; add --target sim");
        return Err(Failure::MissingPrerequisite(why));
    }
    run::check_aws_emulator(args.aws_emulator, args.target)
}

/// Prints a table of several runs, leaves what was asked for, and gives the verdict on all.
pub fn conclude(args: &Chaos, reports: &[Report]) -> Result<(), Failure> {
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

/// Prints the scenarios that the target can play. The default target is that of the list of all.
fn list(args: &Chaos) {
    let can = |scenario: &&Scenario| {
        args.target == Target::Processes
            || scenario.lacks(testbed::capabilities(args.target)).is_empty()
    };
    let width = ALL.iter().map(|scenario| scenario.name.len()).max().unwrap_or(0);
    for scenario in ALL.iter().filter(can) {
        let Scenario { name, about, .. } = scenario;
        if args.json {
            let needs: Vec<_> = scenario.needs().iter().map(ToString::to_string).collect();
            println!("{}", serde_json::json!({ "name": name, "about": about, "needs": needs }));
        } else {
            println!("{name:width$}  {about}");
        }
    }
}

/// The scenarios that were asked for. With `--all`, those that the target can play; a scenario that was named and can't be played
/// there is an error of the environment.
pub fn asked(args: &Chaos) -> Result<Vec<Scenario>, Failure> {
    let capabilities = testbed::capabilities(args.target);
    let can = |scenario: &Scenario| scenario.lacks(capabilities).is_empty();
    if args.all {
        for scenario in ALL.iter().filter(|scenario| !can(scenario)) {
            let lacks = words(&scenario.lacks(capabilities));
            eprintln!("left out: {} needs {lacks}, which {} lacks", scenario.name, args.target);
        }
        return Ok(ALL.iter().copied().filter(can).collect());
    }
    let killed = args.kill.map(|cloud| format!("kill-{cloud}"));
    let names: Vec<&String> = args.scenarios.iter().chain(&killed).collect();
    if names.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "say what to break: --kill aws, --kill gcp, --scenario NAME, or --all; --list shows the names"
        )));
    }
    let found = names.into_iter().map(|name| {
        let unknown =
            || Failure::Usage(anyhow!("there is no scenario {name}; `--list` shows the names"));
        Scenario::named(name).ok_or_else(unknown)
    });
    let found: Vec<Scenario> = found.collect::<Result<_, _>>()?;
    let lacking = found.iter().filter(|scenario| !can(scenario)).map(|scenario| {
        format!("{} needs {}", scenario.name, words(&scenario.lacks(capabilities)))
    });
    let lacking: Vec<String> = lacking.collect();
    if lacking.is_empty() {
        return Ok(found);
    }
    let can: Vec<&str> = found.iter().filter(|one| can(one)).map(|one| one.name).collect();
    let can = if can.is_empty() {
        String::new()
    } else {
        format!("; of those asked for it can play --scenario {}", can.join(" --scenario "))
    };
    Err(Failure::MissingPrerequisite(anyhow!(
        "the target {} can't play all of that: {}; docs/chaos.md says which target can{can}",
        args.target,
        lacking.join(", ")
    )))
}

fn words(capabilities: &[Capability]) -> String {
    let words: Vec<_> = capabilities.iter().map(ToString::to_string).collect();
    words.join(" and ")
}

/// The trades to send, and the seed of everything random.
#[must_use]
pub fn trades(args: &Chaos) -> (Trades, u64) {
    let made = || Trades::Generate {
        count: u64::from(args.rate()) * u64::from(args.duration()),
        seed: args.seed,
    };
    run::seeded(args.trades.clone().unwrap_or_else(made), args.seed)
}

/// The emulators' settings with the product's own limits of delivery, times divided by `factor`, and what is played of them.
/// A key that `--set` or a variable names stays as it is.
pub fn settings(
    checkout: &Checkout,
    sets: &[String],
    factor: u32,
    has_pauses: bool,
) -> Result<(Settings, String), Failure> {
    let mut settings = checkout.settings(sets).map_err(Failure::usage)?;
    let named = delivery::named(sets, std::env::vars());
    let is_named = |key: &str| named.iter().any(|named| named == key);
    let shipped = checkout.shipped().map_err(Failure::usage)?;
    let limits = delivery::play(&mut settings, &shipped, factor, has_pauses, is_named);
    Ok((settings, limits))
}

/// Sets where the producer is to send to.
pub fn set_route(settings: &mut Settings, route: Route) {
    match route {
        Route::Mirror => settings.route.policy = Policy::Mirror,
        Route::Primary(primary) => {
            settings.route.policy = Policy::PrimaryByHand;
            let mut targets = [CloudId::Aws, CloudId::Gcp];
            targets.sort_by_key(|cloud| *cloud != primary);
            settings.route.targets = targets.map(|cloud| cloud.to_string()).to_vec();
        }
    }
}

/// The choice of trades of a recording, as the command line says it.
pub fn input(args: &Chaos) -> impl Iterator<Item = String> {
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
