//! `cargo xtask chaos --planted`: each mutant must break the invariant that is there for it.

use std::fmt::Write as _;

use anyhow::anyhow;
use args::{Chaos, Trades};
use cli::{Failure, Progress};

use super::bench::Bench;
use super::order;
use crate::chaos;
use crate::delivery;
use crate::invariants::Verdict;
use crate::mutants::Mutant;
use crate::run::{Checkout, RunSpec};

/// The load of a run with a mutant: long enough for an hour to end.
const TRADES: u64 = 6_000;
const RATE: u32 = 1_000;
const SEED: u64 = 3;

/// The text above the table.
const HEAD: &str = "\
# Bugs that the harness must find

Each is put between the real code and the clouds of `sim`; the same run without it holds. This page is what
`cargo xtask chaos --planted` prints; a test compares them.

";

/// Prints the table of mutants and of the invariants that catch them.
pub fn run(args: &Chaos, checkout: &Checkout) -> Result<(), Failure> {
    let progress = Progress::default();
    let (settings, _) = chaos::settings(checkout, &args.sets, delivery::FACTOR, true)?;
    let bench = |mutant: Mutant| {
        let trades = Trades::Generate { count: TRADES, seed: Some(SEED) };
        let order = RunSpec { poison: mutant.poison(), ..order(args, trades, SEED) };
        Bench::new(settings.clone(), &order, RATE)
    };
    let mut table = String::from(HEAD);
    table.push_str("| bug | what it does | must break | breaks |\n|---|---|---|---|\n");
    let mut missed = Vec::new();
    for mutant in Mutant::ALL {
        progress.now(format!("{mutant}: {}", mutant.about()));
        let (bench, schedule) = (bench(mutant)?, mutant.schedule());
        let sound = bench.judge(SEED, &schedule, None)?;
        if !sound.broken().is_empty() {
            let why = format!("{mutant}: without the bug, {:?} are broken", sound.broken());
            missed.push(why);
        }
        let broken = bench.judge(SEED, &schedule, Some(mutant))?;
        let names: Vec<&str> = broken.broken().into_iter().collect();
        let _ = writeln!(
            table,
            "| `{mutant}` | {} | {} | {} |",
            mutant.about(),
            mutant.expected(),
            names.join(", ")
        );
        if !names.contains(&mutant.expected()) {
            let found = broken.findings.iter().filter(|found| found.verdict == Verdict::Broken);
            let found: Vec<_> =
                found.map(|found| format!("{}: {}", found.name, found.detail)).collect();
            missed.push(format!("{mutant}: {:?} holds; broken are {found:?}", mutant.expected()));
        }
    }
    progress.finish();
    print!("{table}");
    if missed.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(anyhow!(
        "not all bugs are caught, or not by what must: {}",
        missed.join("; ")
    )))
}
