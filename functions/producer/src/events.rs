//! The events of a producer: the relay emits them, the program writes them to a file as JSON lines, and the harness reads
//! them from there into the history of a run.
//!
//! ```json
//! {"at_us":1732561200000000,"event":"accepted","target":"aws","sequence":5,"is_first":true}
//! ```
//!
//! A file is appended to: each start of a producer begins with `started`, which has the version of the format. A line that
//! `kill -9` cut short is the last of its start; the next one begins on a line of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use candle::message::Batch;
use candle::{IdRanges, Symbol};
use pipeline::health::State;
use pipeline::route::Route;
use serde::{Deserialize, Serialize};

use crate::Counts;

/// The version of the format, which changes when a reader of the one before could misread it.
pub const VERSION: u32 = 2;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The time, in microseconds since the epoch of Unix.
    pub at_us: u64,
    /// The event.
    #[serde(flatten)]
    pub event: Event,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A producer has started and opened its spool.
    Started {
        /// The version of the lines that follow, [`VERSION`]; the first one had no number.
        #[serde(default = "first_version")]
        version: u32,
        /// The id of its process.
        pid: u32,
        /// Messages that were in the spool.
        recovered_messages: u64,
        /// Bytes that were cut off the spool: a message whose writing was cut short.
        torn_bytes: u64,
    },
    /// The source is read from this position.
    Resumed {
        /// The source.
        source: String,
        /// Number of its trades that are skipped, since they are spooled.
        taken: u64,
        /// The reason for the position.
        why: String,
    },
    /// A message is on disk.
    Spooled {
        /// Its number in the spool; never given twice.
        sequence: u64,
        /// The symbol of its trades.
        symbol: Symbol,
        /// Their ids: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// True if it was in the spool at the start; an earlier producer reported it too, unless it was killed in between.
        #[serde(default, skip_serializing_if = "is_false")]
        recovered: bool,
    },
    /// A target has acknowledged a message.
    Accepted {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// True if it is the first acknowledgement that this producer knows of: from now on its trades count as accepted.
        is_first: bool,
    },
    /// A publish ended without an answer, so a target may have the message or not; it is sent again.
    Unknown {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// The reason, such as a timeout.
        why: String,
    },
    /// A target does not have a message: it refused it, or could not be reached. The message is sent again.
    Refused {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// The error.
        why: String,
    },
    /// The health state of a target has changed.
    Health {
        /// The target.
        target: String,
        /// The new state.
        state: State,
    },
    /// A cloud has another incarnation id than before, or none any more: it may have lost its data.
    IncarnationChanged {
        /// The cloud, or AWS in another region.
        cloud: String,
        /// True if it alone had acknowledged messages; those are published again.
        is_any: bool,
    },
    /// The route has changed, or the reason of it. Written at the start, and with every override.
    Routed {
        /// The targets; none: nothing is published.
        publish: Vec<String>,
        /// The hedge: the target that also gets messages without any acknowledgement, because the others are suspect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hedge: Option<String>,
        /// The epoch of the latest override; 0: there was none.
        epoch: u64,
        /// The reason.
        why: String,
    },
    /// The spool is full: the source waits.
    Full {
        /// The reason, and the next step.
        why: String,
    },
    /// Trades that did not come from the stream.
    Gap {
        /// Their symbol.
        symbol: Symbol,
        /// Their ids: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// True if they were fetched; else they are missing.
        filled: bool,
        /// The reason why they are missing.
        why: String,
    },
    /// Ids that have no trade; they are not requested again.
    PassedOver {
        /// The symbol whose ids they are.
        symbol: Symbol,
        /// The ids: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// The rows that stood in place of trades.
        why: String,
    },
    /// The connection to the stream.
    Stream {
        /// True if it is established.
        connected: bool,
        /// The reason if it is not.
        why: String,
    },
    /// The stream has a connection, but no trade has come. Written once until a trade comes.
    Quiet {
        /// The seconds since the last trade, or since the start, over all connections.
        lasting_s: u64,
    },
    /// After `quiet`, the stream has brought a trade.
    Trading,
    /// Counts of the lines of a recording that has ended, by kind.
    Read(Counts),
    /// The source has ended, and the route's targets have acknowledged all of it.
    Done {
        /// Trades taken from the source by this producer.
        trades: u64,
        /// Messages made of them.
        messages: u64,
    },
    /// A signal ended the producer; the trades that it has taken are spooled.
    Stopped {
        /// The signal, such as `SIGTERM`.
        signal: String,
    },
}

impl Event {
    /// The event of a message on disk.
    #[must_use]
    pub fn spooled(sequence: u64, batch: &Batch, recovered: bool) -> Self {
        let ids: IdRanges = batch.trades.iter().map(|trade| trade.id).collect();
        Self::Spooled { sequence, symbol: batch.symbol.clone(), ids: ids.pairs(), recovered }
    }

    /// The event of a route, with the route's own reason.
    #[must_use]
    pub fn routed(route: &Route, epoch: u64) -> Self {
        let change = route.change.as_ref();
        let change =
            change.map(|change| format!("{} from {} to {}", change.why, change.from, change.to));
        let all: Vec<_> = change.into_iter().chain(route.notes.iter().cloned()).collect();
        let all = if all.is_empty() {
            "by the policy and the overrides".to_owned()
        } else {
            all.join("; ")
        };
        Self::routed_because(route, epoch, all)
    }

    /// The event of a route, with a given reason.
    #[must_use]
    pub fn routed_because(route: &Route, epoch: u64, why: impl Into<String>) -> Self {
        let publish = route.publish.iter().map(|(name, _)| name.clone()).collect();
        Self::Routed { publish, hedge: route.hedge.clone(), epoch, why: why.into() }
    }
}

fn first_version() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Microseconds since the epoch of Unix.
#[must_use]
pub fn now_us() -> u64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

/// A file of events, each written at once and whole.
#[derive(Debug)]
pub struct Log(File);

impl Log {
    /// Opens or makes the file; after a line that was cut short a new one begins.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
        }
        Ok(Self(file))
    }

    /// Appends a line.
    pub fn write(&mut self, event: Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(&Entry { at_us: now_us(), event })?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> Counts {
        let kind = candle::binance::Kind::Garbage;
        let told = crate::recording::Told { member: None, line: 3, kind, why: "no".to_owned() };
        let refused = [(kind, 1)].into();
        Counts { lines: 4, refused, told: vec![told], ..Counts::default() }
    }

    fn every_event() -> Vec<Event> {
        let (target, sequence, why) = ("aws".to_owned(), 5, "größe".to_owned());
        let symbol: Symbol = "BTCUSDT".parse().unwrap();
        let ids = vec![(1, 7), (9, 9)];
        vec![
            Event::Started { version: VERSION, pid: 1, recovered_messages: 2, torn_bytes: 3 },
            Event::Resumed { source: "generate:9:1".to_owned(), taken: 4, why: why.clone() },
            Event::Spooled { sequence, symbol: symbol.clone(), ids: ids.clone(), recovered: false },
            Event::Spooled { sequence, symbol: symbol.clone(), ids: ids.clone(), recovered: true },
            Event::Accepted { target: target.clone(), sequence, is_first: true },
            Event::Unknown { target: target.clone(), sequence, why: why.clone() },
            Event::Refused { target: target.clone(), sequence, why: why.clone() },
            Event::Health { target: target.clone(), state: State::Suspect },
            Event::IncarnationChanged { cloud: target.clone(), is_any: true },
            Event::Routed { publish: vec![], hedge: None, epoch: 0, why: why.clone() },
            Event::Routed {
                publish: vec![target.clone()],
                hedge: Some("gcp".to_owned()),
                epoch: u64::MAX,
                why: why.clone(),
            },
            Event::Full { why: why.clone() },
            Event::Gap { symbol: symbol.clone(), ids: ids.clone(), filled: true, why: why.clone() },
            Event::PassedOver { symbol, ids, why: why.clone() },
            Event::Stream { connected: false, why },
            Event::Quiet { lasting_s: 1_800 },
            Event::Trading,
            Event::Read(counts()),
            Event::Done { trades: 8, messages: 9 },
            Event::Stopped { signal: "SIGINT".to_owned() },
        ]
    }

    #[test]
    fn every_event_comes_back_from_its_line() {
        for event in every_event() {
            let entry = Entry { at_us: 1_732_561_200_000_000, event };
            let line = serde_json::to_string(&entry).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<Entry>(&line).unwrap(), entry, "{line}");
        }
    }

    #[test]
    fn lines_look_as_they_are_documented() {
        let line = |event| serde_json::to_string(&Entry { at_us: 7, event }).unwrap();
        let events = every_event();
        assert_eq!(
            line(events[2].clone()),
            r#"{"at_us":7,"event":"spooled","sequence":5,"symbol":"BTCUSDT","ids":[[1,7],[9,9]]}"#
        );
        assert_eq!(
            line(events[4].clone()),
            r#"{"at_us":7,"event":"accepted","target":"aws","sequence":5,"is_first":true}"#
        );
        assert_eq!(
            line(events[7].clone()),
            r#"{"at_us":7,"event":"health","target":"aws","state":"suspect"}"#
        );
    }

    #[test]
    fn a_line_that_was_cut_short_is_the_last_of_its_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        for event in every_event().into_iter().take(2) {
            Log::open(&path).unwrap().write(event).unwrap();
        }
        let whole = std::fs::read_to_string(&path).unwrap();
        assert_eq!(whole.lines().count(), 2);
        std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        Log::open(&path).unwrap().write(every_event().remove(0)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let read: Vec<_> = text.lines().map(serde_json::from_str::<Entry>).collect();
        assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    }

    #[test]
    fn the_readme_lists_every_event() {
        let readme = include_str!("../README.md");
        for event in every_event() {
            let value = serde_json::to_value(&event).unwrap();
            let name = value["event"].as_str().unwrap();
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }
}
