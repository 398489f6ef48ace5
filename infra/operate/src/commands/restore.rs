//! `cargo xtask restore` and `sync run`: copies objects that one cloud lacks from the other.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use args::CloudId;
use candle::Hour;
use cli::Failure;
use cli::Progress as Shown;
use deploy::commands::{DeployContext, now_ms, print};
use futures::future::try_join;
use infra::Checkout;
use pipeline::ports::{Archive, CandleStore};
use serde::Serialize;

use super::clouds;
use crate::Cloud;
use crate::compare::Scope;
use crate::pull::{Pulled, pull};
use crate::restore::{Progress, Restored, restore};

/// The interval between two progress messages.
const SAID_EVERY: Duration = Duration::from_millis(500);

/// The result of a restoration.
#[derive(Serialize)]
struct Done {
    cloud: String,
    from: String,
    #[serde(flatten)]
    restored: Restored,
    trades_per_s: u64,
    proved: bool,
}

pub(super) async fn run(args: &args::Restore, checkout: &Checkout) -> Result<(), Failure> {
    if args.cloud == args.from {
        return Err(Failure::usage(anyhow!(
            "{} can't be restored from itself: give the other cloud as --from",
            args.cloud
        )));
    }
    let site = DeployContext::open(&args.place, checkout)?;
    let (aws, gcp) = Box::pin(try_join(clouds::aws(&site), clouds::gcp(&site))).await?;
    let done = match args.cloud {
        CloudId::Aws => Box::pin(one(&site, args, &aws.cloud, &gcp.cloud)).await?,
        CloudId::Gcp => Box::pin(one(&site, args, &gcp.cloud, &aws.cloud)).await?,
    };
    print(&done, args.json)?;
    if done.proved { Ok(()) } else { Err(Failure::CheckFailed) }
}

async fn one<A, S, P, T>(
    site: &DeployContext,
    args: &args::Restore,
    here: &Cloud<A, S>,
    peer: &Cloud<P, T>,
) -> Result<Done, Failure>
where
    A: Archive + Clone,
    S: CandleStore + Clone,
    P: Archive + Clone,
    T: CandleStore,
{
    let config = clouds::ingest_config(site)?;
    let scope = Scope {
        symbols: clouds::symbols(site)?,
        intervals: config.intervals.clone(),
        before: args.closed_hours.then(|| Hour::at(now_ms())),
    };
    let shown = Shown::default();
    let mut said = Instant::now();
    let mut watch = |progress: Progress<'_>| match progress {
        Progress::Listing => shown.now("comparing the archives"),
        Progress::Proving => shown.now("comparing archives and candles"),
        Progress::Copying { done, missing } => {
            if said.elapsed() >= SAID_EVERY {
                said = Instant::now();
                shown.now(copying(done, missing));
            }
        }
    };
    let restored = restore(here, peer, &config, &scope, clouds::seed(), &mut watch).await;
    shown.finish();
    let restored = restored?;
    let (cloud, from) = (args.cloud.to_string(), args.from.to_string());
    let trades_per_s = restored.pulled.rate();
    let proved = restored.is_proved();
    Ok(Done { cloud, from, restored, trades_per_s, proved })
}

/// `120 of 600 objects, 60000 trades, 21000 trades/s, 12 s to go`.
fn copying(done: &Pulled, missing: usize) -> String {
    let left = missing.saturating_sub(done.objects) as u64;
    let eta_s = left * done.took_ms / (done.objects as u64).max(1) / 1000;
    let eta = if done.objects > 0 { format!(", {eta_s} s to go") } else { String::new() };
    format!(
        "{} of {missing} objects, {} trades, {} trades/s{eta}",
        done.objects,
        done.trades,
        done.rate()
    )
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cloud, from, restored: Restored { pulled, proof }, proved, .. } = self;
        writeln!(f, "{cloud} from {from}: {pulled}")?;
        write!(f, "{proof}")?;
        if *proved {
            return writeln!(f, "proved: {cloud} and {from} hold the same");
        }
        writeln!(f, "NOT proved: {cloud} and {from} do not hold the same")?;
        if !pulled.is_whole() {
            writeln!(
                f,
                "  objects that {from} can't give are named above; take them from a version or a backup of its bucket"
            )?;
        }
        if proof.archives.extra.count > 0 {
            writeln!(
                f,
                "  what only {cloud} has gets to {from} by `cargo xtask sync run --to {from}`"
            )?;
        }
        if pulled.is_whole() && proof.archives.missing.count > 0 {
            writeln!(
                f,
                "  trades came in meanwhile: `--closed-hours` leaves out what still changes"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Pulled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, trades, took_ms, .. } = self;
        write!(f, "{objects} objects with {trades} trades copied in {took_ms} ms")?;
        if *trades > 0 {
            write!(f, ", {} trades/s", self.rate())?;
        }
        for (what, names) in [
            ("corrupted, not copied", &self.corrupted),
            ("listed, not delivered", &self.undelivered),
            ("symbols that are not traded here", &self.other_symbols),
        ] {
            if names.count > 0 {
                write!(f, "\n{what}: {names}")?;
            }
        }
        Ok(())
    }
}

/// The result of `sync run`.
#[derive(Serialize)]
struct Passes(Vec<Pass>);

#[derive(Serialize)]
struct Pass {
    to: String,
    #[serde(flatten)]
    pulled: Pulled,
}

impl fmt::Display for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|Pass { to, pulled }| writeln!(f, "to {to}: {pulled}"))
    }
}

pub(super) async fn sync(args: &args::SyncRun, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.at.place, checkout)?;
    let (aws, gcp) = Box::pin(try_join(clouds::aws(&site), clouds::gcp(&site))).await?;
    let mut passes = Passes(Vec::new());
    for to in args.to.map_or(vec![CloudId::Aws, CloudId::Gcp], |to| vec![to]) {
        let pulled = match to {
            CloudId::Aws => pass(&site, to, &aws.cloud, &gcp.cloud.archive).await?,
            CloudId::Gcp => pass(&site, to, &gcp.cloud, &aws.cloud.archive).await?,
        };
        passes.0.push(Pass { to: to.to_string(), pulled });
    }
    print(&passes, args.at.json)?;
    let whole = passes.0.iter().all(|pass| pass.pulled.is_whole());
    if whole { Ok(()) } else { Err(Failure::CheckFailed) }
}

async fn pass<A, S, P>(
    site: &DeployContext,
    to: CloudId,
    here: &Cloud<A, S>,
    peer: &P,
) -> Result<Pulled, Failure>
where
    A: Archive + Clone,
    S: CandleStore + Clone,
    P: Archive + Clone,
{
    let config = clouds::ingest_config(site)?;
    let shown = Shown::default();
    let mut said = Instant::now();
    let mut watch = |done: &Pulled| {
        if said.elapsed() >= SAID_EVERY {
            said = Instant::now();
            shown.now(format!("to {to}: {} objects, {} trades", done.objects, done.trades));
        }
    };
    let pulled = pull(here, peer, &config, clouds::seed(), &mut watch).await;
    shown.finish();
    Ok(pulled?)
}
