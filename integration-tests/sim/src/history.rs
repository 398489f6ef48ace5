//! The history of a run: its events, one JSON object a line, in the order in which they happened. Those of the producer
//! are as it emits them, [`producer::Event`].
//!
//! The verdict is given from this file and the snapshots alone, so it can be recomputed from the run's folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use args::CloudId;
use candle::Symbol;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::fault::Fault;

/// An event of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    RunStarted {
        /// `processes`, `containers` or `sim`.
        target: String,
        /// Source of the trades, in the form that `--trades` takes.
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
    /// A message that no function can decode was accepted by a cloud's queue.
    PoisonAccepted {
        /// By which one.
        cloud: CloudId,
        /// Its content.
        body: String,
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
        /// The run's duration.
        took_ms: u64,
    },
    /// A run of replicate failed; the next one tries again.
    ReplicateFailed {
        /// Into which cloud it was to copy.
        cloud: CloudId,
        /// Its error.
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
        /// Their number.
        count: u64,
    },
    /// A fault is in force from now on.
    FaultBegun {
        /// The cloud that has it.
        cloud: CloudId,
        /// The fault.
        fault: Fault,
        /// A description of its effect.
        detail: String,
    },
    /// A fault took effect.
    FaultFired {
        /// The cloud that has it.
        cloud: CloudId,
        /// The fault.
        fault: Fault,
        /// The object that it hit, such as a process id.
        detail: String,
    },
    /// A fault is over.
    FaultHealed {
        /// The cloud that had it.
        cloud: CloudId,
        /// The fault.
        fault: Fault,
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
        /// The awaited event.
        detail: String,
    },
    /// An event of the producer. Its name is none of those above, so a line says by itself who wrote it.
    #[serde(untagged)]
    Producer(producer::Event),
}

/// The trades of a message that a cloud has acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    /// Microseconds since the run began.
    pub at_us: u64,
    /// The cloud.
    pub cloud: CloudId,
    /// The symbol.
    pub symbol: &'a Symbol,
    /// The trade ids, as ranges: first and last.
    pub ids: &'a [(u64, u64)],
    /// True if no cloud had acknowledged the message before.
    pub is_first: bool,
}

/// All acknowledgements of clouds, in their order. The event itself has the number of the message alone, so its trades are
/// those of the event in which it was spooled.
pub fn accepted(history: &[Entry]) -> impl Iterator<Item = Accepted<'_>> {
    let messages = messages(history);
    history.iter().filter_map(move |entry| {
        let Event::Producer(producer::Event::Accepted { target, sequence, is_first }) =
            &entry.event
        else {
            return None;
        };
        let (symbol, ids) = *messages.get(sequence)?;
        let (at_us, is_first) = (entry.at_us, *is_first);
        Some(Accepted { at_us, cloud: CloudId::of_target(target)?, symbol, ids, is_first })
    })
}

type Messages<'a> = BTreeMap<u64, (&'a Symbol, &'a [(u64, u64)])>;

/// Symbol and trade ids of each message that was spooled.
fn messages(history: &[Entry]) -> Messages<'_> {
    let spooled = history.iter().filter_map(|entry| match &entry.event {
        Event::Producer(producer::Event::Spooled { sequence, symbol, ids, .. }) => {
            Some((*sequence, (symbol, ids.as_slice())))
        }
        _ => None,
    });
    spooled.collect()
}

/// The number of ids in ranges.
#[must_use]
pub fn count(ids: &[(u64, u64)]) -> u64 {
    ids.iter().map(|(first, last)| last - first + 1).sum()
}

/// Counts over a history that is being written, for a scenario that waits for them.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Trades that any cloud has acknowledged.
    pub accepted_trades: u64,
    /// Messages that each cloud has acknowledged.
    pub accepted_by: BTreeMap<CloudId, usize>,
    /// The targets of the latest route.
    pub publish: Vec<String>,
    /// True once a producer has published all that its source had.
    pub is_done: bool,
    /// The trades of each message that no cloud has acknowledged.
    waiting: BTreeMap<u64, u64>,
}

impl Tally {
    fn take(&mut self, event: &producer::Event) {
        use producer::Event;
        match event {
            Event::Spooled { sequence, ids, .. } => {
                self.waiting.insert(*sequence, count(ids));
            }
            Event::Accepted { target, sequence, is_first } => {
                if let Some(cloud) = CloudId::of_target(target) {
                    *self.accepted_by.entry(cloud).or_default() += 1;
                }
                if *is_first {
                    self.accepted_trades += self.waiting.remove(sequence).unwrap_or(0);
                }
            }
            Event::Routed { publish, .. } => self.publish.clone_from(publish),
            Event::Done { .. } => self.is_done = true,
            _ => {}
        }
    }
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
    tally: Tally,
    /// `None`: the history is kept in memory alone.
    file: Option<BufWriter<File>>,
}

impl History {
    /// Starts a history at `path`.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self::new(Some(BufWriter::new(File::create(path)?))))
    }

    /// Starts a history that is kept in memory alone.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(None)
    }

    fn new(file: Option<BufWriter<File>>) -> Self {
        let inner = Inner { start: None, entries: Vec::new(), tally: Tally::default(), file };
        Self { inner: Arc::new(Mutex::new(inner)) }
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
        if let Some(file) = &mut inner.file
            && let Ok(line) = serde_json::to_string(&entry)
        {
            let _ = writeln!(file, "{line}");
        }
        if let Event::Producer(event) = &entry.event {
            inner.tally.take(event);
        }
        inner.entries.push(entry);
    }

    /// Events of a kind so far.
    #[must_use]
    pub fn count(&self, is_meant: impl Fn(&Event) -> bool) -> usize {
        self.inner().entries.iter().filter(|entry| is_meant(&entry.event)).count()
    }

    /// A value of the counts so far.
    pub fn tally<T>(&self, read: impl FnOnce(&Tally) -> T) -> T {
        read(&self.inner().tally)
    }

    /// A value of the entries so far, which are nearly in the order in which things happened.
    pub fn look<T>(&self, look: impl FnOnce(&[Entry]) -> T) -> T {
        look(&self.inner().entries)
    }

    /// Gives out the entries so far and forgets them.
    #[must_use]
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.inner().entries)
    }

    /// Completes the file, in the order in which things happened, and gives out the entries.
    pub fn finish(&self) -> io::Result<Vec<Entry>> {
        let mut inner = self.inner();
        let is_sorted = inner.entries.is_sorted_by_key(|entry| entry.at_us);
        inner.entries.sort_by_key(|entry| entry.at_us);
        let Inner { entries, file, .. } = &mut *inner;
        let Some(file) = file else { return Ok(entries.clone()) };
        if !is_sorted {
            // Entries of other processes come a little late.
            file.flush()?;
            file.get_mut().set_len(0)?;
            file.get_mut().rewind()?;
            for entry in &*entries {
                writeln!(file, "{}", serde_json::to_string(entry)?)?;
            }
        }
        file.flush()?;
        file.get_ref().sync_data()?;
        Ok(entries.clone())
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
    use crate::fault::FaultKind;

    /// An event of each name that a run itself writes.
    fn of_the_run() -> Vec<Event> {
        let (cloud, detail, count) = (CloudId::Aws, String::new, 1);
        let fault = Fault::new(1, FaultKind::KillCloud);
        let (link, service, operation) = (detail(), detail(), detail());
        let trade_ids = BTreeMap::new();
        vec![
            Event::RunStarted { target: detail(), trades: detail(), seed: 1 },
            Event::CloudReady { cloud },
            Event::PublishStarted { cloud },
            Event::PoisonAccepted { cloud, body: detail() },
            Event::Replicated { cloud, objects: 1, trades: 1, trade_ids, took_ms: 1 },
            Event::ReplicateFailed { cloud, error: detail() },
            Event::Requests { link, service, operation, count },
            Event::FaultBegun { cloud, fault, detail: detail() },
            Event::FaultFired { cloud, fault, detail: detail() },
            Event::FaultHealed { cloud, fault },
            Event::Restarted { cloud, process: detail() },
            Event::CandlesComplete { cloud },
            Event::Converged { cloud },
            Event::NotConverged { cloud, detail: detail() },
        ]
    }

    #[test]
    fn each_name_belongs_to_the_run_or_to_the_producer() {
        for event in of_the_run() {
            let json = serde_json::to_value(&event).unwrap();
            let error = serde_json::from_value::<producer::Event>(json.clone()).unwrap_err();
            assert!(error.to_string().contains("unknown variant"), "{json}: {error}");
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }

    #[test]
    fn a_line_of_the_producer_is_one_of_the_history() {
        let line = r#"{"at_us":7,"event":"accepted","target":"aws","sequence":5,"is_first":true}"#;
        let entry: Entry = serde_json::from_str(line).unwrap();
        assert!(matches!(entry.event, Event::Producer(_)), "{entry:?}");
        assert_eq!(serde_json::to_string(&entry).unwrap(), line);
    }

    #[test]
    fn trades_are_counted_once_a_message() {
        use producer::Event as Told;
        let folder = tempfile::tempdir().unwrap();
        let history = History::create(&folder.path().join("history.jsonl")).unwrap();
        let symbol: Symbol = "BTCUSDT".parse().unwrap();
        let spooled = |sequence, ids: &[(u64, u64)], recovered| Told::Spooled {
            sequence,
            symbol: symbol.clone(),
            ids: ids.to_vec(),
            recovered,
        };
        let accepted = |target: &str, sequence, is_first| Told::Accepted {
            target: target.to_owned(),
            sequence,
            is_first,
        };
        let events = [
            spooled(1, &[(1, 3), (5, 5)], false),
            accepted("aws", 1, true),
            accepted("gcp", 1, false),
            spooled(2, &[(6, 6)], false),
            spooled(2, &[(6, 6)], true),
            accepted("gcp", 2, true),
        ];
        for event in events {
            history.record(Event::Producer(event));
        }
        assert_eq!(history.tally(|tally| tally.accepted_trades), 5);
        assert_eq!(
            history.tally(|tally| tally.accepted_by.clone()),
            [(CloudId::Aws, 1), (CloudId::Gcp, 2)].into()
        );
        let entries = history.finish().unwrap();
        let found: Vec<_> =
            super::accepted(&entries).map(|found| (found.cloud, found.ids)).collect();
        let first: &[(u64, u64)] = &[(1, 3), (5, 5)];
        assert_eq!(
            found,
            [(CloudId::Aws, first), (CloudId::Gcp, first), (CloudId::Gcp, &[(6, 6)])]
        );
    }

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
        let done = Event::Producer(producer::Event::Done { trades: 1, messages: 1 });
        history.record_at(unix_us, done.clone());
        let entries = history.finish().unwrap();
        assert_eq!(entries[0].event, done, "{entries:?}");
        let lines = std::fs::read_to_string(path).unwrap();
        let read: Vec<Entry> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, entries);
    }
}
