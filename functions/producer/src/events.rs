//! What a producer writes down of what happens, as JSON lines: for the harness, and for whoever wants to know.
//!
//! ```json
//! {"at_us":1732561200000000,"event":"accepted","target":"aws","sequence":5,"is_first":true}
//! ```
//!
//! A file is appended to: each start of a producer begins with `started`. A line that `kill -9` cut short is the last of
//! its start; the next one begins on a line of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use candle::Symbol;
use pipeline::health::State;
use serde::{Deserialize, Serialize};

use crate::Counts;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in microseconds since the epoch of Unix.
    pub at_us: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A producer runs, and has its spool.
    Started {
        /// Its process.
        pid: u32,
        /// Messages that were in the spool.
        recovered_messages: u64,
        /// Bytes that were cut off the spool: a message whose writing was cut short.
        torn_bytes: u64,
    },
    /// Where the source is taken up.
    Resumed {
        /// The source.
        source: String,
        /// Trades of it that are passed over, since they are spooled.
        taken: u64,
        /// Why there, and not elsewhere.
        why: String,
    },
    /// A message is on disk.
    Spooled {
        /// Its number in the spool; never given twice.
        sequence: u64,
        /// What its trades are of.
        symbol: Symbol,
        /// Their ids: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// It was there when the producer started; an earlier one has told of it too, unless it was killed in between.
        #[serde(default, skip_serializing_if = "is_false")]
        recovered: bool,
    },
    /// A target has acknowledged a message.
    Accepted {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// No target had, as far as this producer knows: its trades count as accepted from now on.
        is_first: bool,
    },
    /// Nobody knows whether a target has a message; it is sent again.
    Unknown {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// What is known.
        why: String,
    },
    /// A target does not have a message: it said no, or nobody was there. It is sent again.
    Refused {
        /// The target.
        target: String,
        /// The message.
        sequence: u64,
        /// What it said.
        why: String,
    },
    /// A target is thought of otherwise than before.
    Health {
        /// The target.
        target: String,
        /// What it is thought to be.
        state: State,
    },
    /// A cloud bears another birth mark than before, or none any more: it may have lost what it held.
    Reborn {
        /// The cloud, or AWS in another region.
        cloud: String,
        /// There was something that only it had; it is published again.
        is_any: bool,
    },
    /// Messages go here from now on. Told at the start, and with every order.
    Routed {
        /// The targets; none: nothing is published.
        publish: Vec<String>,
        /// Who gets, beside them, what no target has acknowledged: they are suspect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hedge: Option<String>,
        /// The epoch of the latest order by hand; 0: there was none.
        epoch: u64,
        /// Why.
        why: String,
    },
    /// Nothing more fits into the spool: the source waits.
    Full {
        /// Why, and what to do.
        why: String,
    },
    /// Trades that did not come from the stream.
    Gap {
        /// What they are of.
        symbol: Symbol,
        /// Their ids: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// They were fetched; else they are missing.
        filled: bool,
        /// Why they are missing.
        why: String,
    },
    /// Ids that no trade comes of, and that are asked for no more.
    PassedOver {
        /// The symbol whose ids they are.
        symbol: Symbol,
        /// They: `[first, last]` each.
        ids: Vec<(u64, u64)>,
        /// A description of the rows that stood in the place of trades.
        why: String,
    },
    /// The connection to the stream.
    Stream {
        /// Whether it is there.
        connected: bool,
        /// Why not.
        why: String,
    },
    /// The stream has a connection, but no trade has come: told once until a trade comes.
    Quiet {
        /// The seconds since the last trade, or since the start, over all connections.
        lasting_s: u64,
    },
    /// After `quiet`, the stream has brought a trade.
    Trading,
    /// The lines of a recording that has ended, by what became of them.
    Read(Counts),
    /// The source has ended and the route's targets have all of it.
    Done {
        /// Trades taken from the source by this producer.
        trades: u64,
        /// Messages made of them.
        messages: u64,
    },
    /// A signal ended the producer; what it has taken is spooled.
    Stopped {
        /// Such as `SIGTERM`.
        signal: String,
    },
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
            Event::Started { pid: 1, recovered_messages: 2, torn_bytes: 3 },
            Event::Resumed { source: "generate:9:1".to_owned(), taken: 4, why: why.clone() },
            Event::Spooled { sequence, symbol: symbol.clone(), ids: ids.clone(), recovered: false },
            Event::Spooled { sequence, symbol: symbol.clone(), ids: ids.clone(), recovered: true },
            Event::Accepted { target: target.clone(), sequence, is_first: true },
            Event::Unknown { target: target.clone(), sequence, why: why.clone() },
            Event::Refused { target: target.clone(), sequence, why: why.clone() },
            Event::Health { target: target.clone(), state: State::Suspect },
            Event::Reborn { cloud: target.clone(), is_any: true },
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
