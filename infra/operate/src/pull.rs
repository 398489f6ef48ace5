//! Replication from here: all that a cloud lacks and its peer has, in one go.

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

/// A run of replicate. Long, since it is not a function that ends after some minutes.
const STEP: Duration = Duration::from_mins(10);
/// Runs in a row that fail and bring nothing before it is given up, and the pause between them.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);
/// The latest hour first, then all others.
const LIMITS: Limits = Limits {
    window: Duration::ZERO,
    deep_names_max: usize::MAX,
    answer: Duration::from_secs(10),
    tries: 4,
};

/// What was copied, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// Objects that are here now.
    pub objects: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Their trades, all of which are in candles.
    pub trades: usize,
    /// Objects that came here another way in the meantime.
    pub present: usize,
    /// Objects of the peer whose content is not what their name says: not copied.
    pub corrupted: Names,
    /// Objects that the peer lists and did not give.
    pub undelivered: Names,
    /// Symbols of the peer that are not traded here: not copied.
    pub other_symbols: Names,
    /// How long it took.
    pub took_ms: u64,
}

/// Why it was given up. What was copied until then is here, and is not copied again.
#[derive(Debug, thiserror::Error)]
#[error("{why}; {} objects were copied before: give the same command again, and it goes on from there", pulled.objects)]
pub struct PullError {
    /// What the last run said.
    pub why: String,
    /// What was copied.
    pub pulled: Pulled,
}

impl Pulled {
    /// Trades a second.
    #[must_use]
    pub fn rate(&self) -> u64 {
        self.trades as u64 * 1000 / self.took_ms.max(1)
    }

    /// Whether nothing was left behind.
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

/// Of those that are only counted nobody knows whether they are the same.
fn both(earlier: &Names, later: &Names) -> Names {
    let mut names = earlier.clone();
    later.first.iter().for_each(|name| names.add(name));
    names.count += later.count - later.first.len();
    names
}

/// Copies into `here` what only `peer` has, and folds it. `seed` spreads the waits between tries.
///
/// It can be stopped anywhere: an object that is here is one whose trades are in candles, and the next call leaves it
/// out.
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

/// A cursor that is gone when the program is.
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

    /// The cloud's own replication leaves it.
    fn ensure_incarnation(&self, _: &str) -> impl Future<Output = Result<(), PortError>> + Send {
        ready(Ok(()))
    }
}
