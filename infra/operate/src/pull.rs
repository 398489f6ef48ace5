//! Replication run from this machine: copies everything that a cloud lacks and its peer has.

use std::future::ready;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deploy::commands::now_ms;
use pipeline::ports::{Archive, CandleStore, Cursor, PortError};
use pipeline::replicate::{Limits, Names, Replicate, Report};
use pipeline::{Fold, IngestConfig};
use serde::Serialize;
use tokio::time::sleep;

use crate::Cloud;

/// The time limit of one replicate run: long, since no function's limit applies.
const STEP: Duration = Duration::from_mins(10);
/// Failed runs in a row, without a copied object, before giving up, and the pause between them.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// The latest hour first, then all others.
const LIMITS: Limits = Limits {
    window: Duration::ZERO,
    deep_names_max: usize::MAX,
    answer: Duration::from_secs(10),
    tries: 4,
};

/// Objects copied, and those that could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Objects that were created in this cloud.
    pub objects: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Their trades, all of which are in candles.
    pub trades: usize,
    /// Objects that arrived by another way in the meantime.
    pub present: usize,
    /// Objects of the peer whose content does not match their name: not copied.
    pub corrupted: Names,
    /// Objects that the peer listed but did not deliver.
    pub undelivered: Names,
    /// Symbols of the peer that this deployment does not trade: not copied.
    pub other_symbols: Names,
    /// Duration of the copying.
    pub took_ms: u64,
}

/// The reason for giving up. Copied objects stay, and are not copied again.
#[derive(Debug, thiserror::Error)]
#[error("{why}; {} objects were copied before: give the same command again, and it goes on from there", pulled.objects)]
pub struct PullError {
    /// The last run's error.
    pub why: String,
    /// Objects copied before.
    pub pulled: Pulled,
}

impl Pulled {
    /// Trades a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.trades as u64 * 1000 / self.took_ms.max(1)
    }

    /// True if every object of the peer could be copied.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.corrupted.count == 0 && self.undelivered.count == 0
    }

    fn with(&self, report: &Report, begun: Instant) -> Self {
        Self {
            objects: self.objects + report.copied,
            bytes: self.bytes + report.bytes,
            trades: self.trades + report.trades,
            present: self.present + report.present,
            corrupted: both(&self.corrupted, &report.corrupted),
            undelivered: both(&self.undelivered, &report.undelivered),
            other_symbols: both(&self.other_symbols, &report.other_symbols),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Joins two lists; of names that are only counted it is unknown if they are the same.
fn both(earlier: &Names, later: &Names) -> Names {
    let mut names = earlier.clone();
    later.first.iter().for_each(|name| names.add(name));
    names.count += later.count - later.first.len();
    names
}

/// Copies into `here` the objects that only `peer` has, and folds them. `seed` spreads the waits between tries.
///
/// Can be stopped at any point: an object in this cloud's archive has its trades in the candles, and the next call
/// skips it.
pub async fn pull<A, S, P>(
    here: &Cloud<A, S>,
    peer: &P,
    config: &IngestConfig,
    seed: u64,
    on_progress: &mut (dyn FnMut(&Pulled) + Send),
) -> Result<Pulled, PullError>
where
    A: Archive + Clone,
    S: CandleStore + Clone,
    P: Archive + Clone,
{
    let fold = Fold::new(here.store.clone(), config.intervals.clone(), config.backoff(seed));
    let (archive, peer, cursor) = (here.archive.clone(), peer.clone(), Place::default());
    let replicate = Replicate::new(archive, fold, peer, cursor, &config.symbols, LIMITS, seed);
    let begun = Instant::now();
    let mut pulled = Pulled::default();
    let mut in_vain = 0;
    loop {
        let before = pulled;
        let deadline = tokio::time::Instant::now() + STEP;
        let mut watch = |report: &Report| on_progress(&before.with(report, begun));
        let report = replicate.watched(now_ms(), deadline, &mut watch).await;
        pulled = before.with(&report, begun);
        match report.failed {
            None if !report.out_of_time => return Ok(pulled),
            None => {}
            Some(why) => {
                in_vain = if report.copied > 0 { 0 } else { in_vain + 1 };
                if in_vain == TRIES {
                    return Err(PullError { why, pulled });
                }
                sleep(PAUSE).await;
            }
        }
    }
}

/// A cursor in memory, which is not saved.
#[derive(Debug, Default)]
struct Place(Mutex<Option<String>>);

impl Cursor for Place {
    fn load(&self) -> impl Future<Output = Result<Option<String>, PortError>> + Send {
        ready(Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    fn save(&self, text: &str) -> impl Future<Output = Result<(), PortError>> + Send {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
        ready(Ok(()))
    }

    /// Done by the cloud's own replication.
    fn ensure_incarnation(&self, _: &str) -> impl Future<Output = Result<(), PortError>> + Send {
        ready(Ok(()))
    }
}
