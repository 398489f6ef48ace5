//! What happened in a run, one JSON object a line, in the order in which it happened.
//!
//! The verdict is given from this file and the snapshots alone, so it can be recomputed from the run's folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use args::CloudId;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// `processes`, `containers` or `sim`.
        target: String,
        /// Where the trades come from, as `--trades` takes it.
        trades: String,
        /// The generator's seed, and that of everything random in the harness.
        seed: u64,
    },
    /// A cloud takes messages.
    CloudReady {
        /// Which one.
        cloud: CloudId,
    },
    /// The first message is on its way to a cloud's queue.
    PublishStarted {
        /// To which one.
        cloud: CloudId,
    },
    /// A message of trades is on the producer's disk. What a producer that was killed had left there is told again by
    /// the next.
    Spooled {
        /// The number of the message in this run.
        message: u64,
        /// Its symbol.
        symbol: String,
        /// The trade ids in it, as ranges: first and last.
        trade_ids: Vec<(u64, u64)>,
    },
    /// A message of trades was accepted by a cloud's queue.
    Accepted {
        /// By which one.
        cloud: CloudId,
        /// The number of the message in this run, the same for both clouds.
        message: u64,
        /// Its symbol.
        symbol: String,
        /// The trade ids in it, as ranges: first and last.
        trade_ids: Vec<(u64, u64)>,
        /// Whether no cloud had accepted it before.
        is_first: bool,
    },
    /// A message that no function can decode was accepted by a cloud's queue.
    PoisonAccepted {
        /// By which one.
        cloud: CloudId,
        /// Its content.
        body: String,
    },
    /// A publish did not succeed, or nobody knows whether it did; it is tried again.
    PublishFailed {
        /// By which cloud.
        cloud: CloudId,
        /// What the client said.
        error: String,
    },
    /// A producer was started.
    ProducerStarted {
        /// Its process.
        pid: u32,
        /// Messages that it found on its disk.
        recovered: u64,
    },
    /// A producer has published all that its source had.
    ProducerDone {
        /// Trades that it took from the source.
        trades: u64,
    },
    /// The producer thinks of a cloud otherwise than before.
    Health {
        /// Which one.
        cloud: CloudId,
        /// `healthy`, `suspect`, `down` or `recovering`.
        state: String,
    },
    /// The producer has seen another birth mark in a cloud, which may have lost what it held.
    Reborn {
        /// Which one.
        cloud: CloudId,
        /// Whether it had something alone, which is published again.
        is_any: bool,
    },
    /// The producer publishes to these clouds from now on.
    Routed {
        /// Where messages go.
        publish: Vec<String>,
        /// Who gets, beside them, what no cloud has acknowledged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hedge: Option<String>,
        /// The epoch of the latest order by hand.
        epoch: u64,
        /// Why.
        why: String,
    },
    /// The producer's disk is full, or what it may have of it.
    SpoolFull {
        /// What it says.
        detail: String,
    },
    /// A cloud has copied what it lacked from the other one.
    Replicated {
        /// Into which one.
        cloud: CloudId,
        /// Objects.
        objects: u64,
        /// Trades in them.
        trades: u64,
        /// Which ones, by symbol, as ranges: first and last.
        trade_ids: BTreeMap<String, Vec<(u64, u64)>>,
        /// How long the run took.
        took_ms: u64,
    },
    /// A run of replicate failed; the next one tries again.
    ReplicateFailed {
        /// Into which cloud it was to copy.
        cloud: CloudId,
        /// What it said.
        error: String,
    },
    /// Calls of functions that a proxy has seen in the run; written down at its end.
    Requests {
        /// From whom to what, such as `aws-functions to storage`.
        link: String,
        /// Such as `dynamodb`.
        service: String,
        /// Such as `PutItem`.
        operation: String,
        /// How many.
        count: u64,
    },
    /// A fault is in force from now on.
    FaultBegun {
        /// Where.
        cloud: CloudId,
        /// Which, such as `kill_cloud`; unique in the run together with the cloud.
        fault: String,
        /// What it is to do.
        detail: String,
    },
    /// A fault took effect.
    FaultFired {
        /// Where.
        cloud: CloudId,
        /// Which, such as `kill_function`.
        fault: String,
        /// What it hit, such as a process id.
        detail: String,
    },
    /// A fault is over.
    FaultHealed {
        /// Where.
        cloud: CloudId,
        /// Which.
        fault: String,
    },
    /// A process that had died was started again.
    Restarted {
        /// Where.
        cloud: CloudId,
        /// Its name.
        process: String,
    },
    /// All trades are in the candles of a cloud.
    CandlesComplete {
        /// Which cloud.
        cloud: CloudId,
    },
    /// A cloud came to rest: its candles are complete, and all poison is in its dead-letter queue.
    Converged {
        /// Which cloud.
        cloud: CloudId,
    },
    /// A cloud did not come to rest in time; what is missing was last seen so.
    NotConverged {
        /// Which cloud.
        cloud: CloudId,
        /// What was waited for.
        detail: String,
    },
}

/// An event and when it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since the run began; virtual ones in `sim`.
    pub at_us: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// Writes events as they happen; clones write to the same file.
#[derive(Clone, Debug)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    /// `None` before the clouds are started; the second one is the system's clock, for what other processes tell.
    start: Option<(Instant, SystemTime)>,
    entries: Vec<Entry>,
    file: BufWriter<File>,
}

impl History {
    /// Starts a history at `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = BufWriter::new(File::create(path)?);
        let inner = Inner { start: None, entries: Vec::new(), file };
        Ok(Self { inner: Arc::new(Mutex::new(inner)) })
    }

    /// Time counts from here, on the clock of the runtime that this is called in.
    pub fn begin(&self) {
        let now = (Instant::now(), SystemTime::now());
        self.inner().start = Some(now);
    }

    /// Records that something happened now.
    pub fn record(&self, event: Event) {
        let elapsed = self.inner().start.map_or(Duration::ZERO, |(start, _)| start.elapsed());
        self.push(elapsed, event);
    }

    /// Records what another process saw at `unix_us`, microseconds since 1970.
    pub fn record_at(&self, unix_us: u64, event: Event) {
        let at = UNIX_EPOCH + Duration::from_micros(unix_us);
        let elapsed = self.inner().start.and_then(|(_, start)| at.duration_since(start).ok());
        self.push(elapsed.unwrap_or_default(), event);
    }

    fn push(&self, elapsed: Duration, event: Event) {
        let at_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let entry = Entry { at_us, event };
        let mut inner = self.inner();
        // A full disk must not end a run that is under way; `finish` reports it.
        if let Ok(line) = serde_json::to_string(&entry) {
            let _ = writeln!(inner.file, "{line}");
        }
        inner.entries.push(entry);
    }

    /// Events of a kind so far.
    #[must_use]
    pub fn count(&self, is_meant: impl Fn(&Event) -> bool) -> usize {
        self.inner().entries.iter().filter(|entry| is_meant(&entry.event)).count()
    }

    /// What `look` finds in the entries so far, which are nearly in the order in which things happened.
    pub fn look<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.inner().entries)
    }

    /// Completes the file, in the order in which things happened, and gives out the entries.
    pub fn finish(&self) -> io::Result<Vec<Entry>> {
        let mut inner = self.inner();
        let is_sorted = inner.entries.is_sorted_by_key(|entry| entry.at_us);
        inner.entries.sort_by_key(|entry| entry.at_us);
        if !is_sorted {
            // What other processes told came a little late.
            inner.file.flush()?;
            inner.file.get_mut().set_len(0)?;
            inner.file.get_mut().rewind()?;
            let Inner { entries, file, .. } = &mut *inner;
            for entry in entries {
                writeln!(file, "{}", serde_json::to_string(entry)?)?;
            }
        }
        inner.file.flush()?;
        inner.file.get_ref().sync_data()?;
        Ok(inner.entries.clone())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ids as ranges, first and last, in ascending order; each id once.
#[must_use]
pub fn id_ranges(ids: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut ids: Vec<u64> = ids.into_iter().collect();
    ids.sort_unstable();
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some((_, last)) if id <= last.saturating_add(1) => *last = id,
            _ => ranges.push((id, id)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_ranges() {
        assert_eq!(id_ranges([5, 3, 4, 4, 9]), [(3, 5), (9, 9)]);
        assert_eq!(id_ranges([]), []);
    }

    #[test]
    fn what_another_process_tells_late_stands_where_it_happened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let history = History::create(&path).unwrap();
        history.begin();
        let unix_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let pause = Duration::from_millis(5);
        std::thread::sleep(pause);
        history.record(Event::Converged { cloud: CloudId::Aws });
        let unix_us = u64::try_from(unix_us).unwrap() + 1_000;
        history.record_at(unix_us, Event::ProducerDone { trades: 1 });
        let entries = history.finish().unwrap();
        assert!(matches!(entries[0].event, Event::ProducerDone { .. }), "{entries:?}");
        let lines = std::fs::read_to_string(path).unwrap();
        let read: Vec<Entry> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, entries);
    }
}
