//! State of a producer, in a small JSON file that is replaced as a whole, at most a second old while it
//! runs.
//!
//! An older file is of a producer that has ended or hangs: [`Status::is_current`].

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use candle::Symbol;
use pipeline::health::State;
use serde::{Deserialize, Serialize};

/// The version of the format.
pub const VERSION: u32 = 1;
/// The age from which a status is no longer of a running producer, in microseconds.
const STALE_US: u64 = 5_000_000;

/// State of a producer. Times are in microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The version of this format.
    pub version: u32,
    /// The producer's process id.
    pub pid: u32,
    /// The time of its start.
    pub started_at_us: u64,
    /// The time at which this was written.
    pub updated_at_us: u64,
    /// Its current phase.
    pub phase: Phase,
    /// The current faults, as text; empty if the producer is healthy.
    #[serde(default)]
    pub troubles: Vec<String>,
    /// The source of trades.
    pub source: String,
    /// The policy, such as `mirror`.
    pub policy: String,
    /// The targets of the next messages.
    pub route: RouteStatus,
    /// The epoch of the latest routing override; 0: there was none.
    pub epoch: u64,
    /// The latest routing override.
    pub order: Option<OverrideStatus>,
    /// The reason why nothing is published, if so.
    pub fenced: Option<String>,
    /// The targets, in the order of the settings.
    pub targets: Vec<TargetStatus>,
    /// The symbols that were seen.
    pub symbols: BTreeMap<Symbol, SymbolStatus>,
    /// The messages on disk.
    pub spool: SpoolStatus,
    /// Counts since its start.
    pub totals: Totals,
}

/// Phase of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Taking trades.
    Running,
    /// The source has ended, and the route's targets have all of it.
    Done,
    /// Ended by a signal.
    Stopped,
    /// Failed.
    Failed,
}

/// The targets of the next messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// Targets that get the messages.
    pub publish: Vec<String>,
    /// The target that also gets messages without any acknowledgement.
    pub hedge: Option<String>,
    /// Targets that come next.
    pub standby: Vec<String>,
    /// The reason for this route.
    pub why: String,
    /// Services that are not healthy.
    pub notes: Vec<String>,
}

/// A routing override.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverrideStatus {
    /// The target; `None`: by the policy.
    pub to: Option<String>,
    /// Its author.
    pub by: String,
    /// The time at which it was set, in milliseconds.
    pub at_ms: u64,
}

/// A target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetStatus {
    /// Its name.
    pub name: String,
    /// Its health state.
    pub health: State,
    /// Latency of a publish, in microseconds.
    pub latency_us: Option<u64>,
    /// Messages that it has acknowledged.
    pub accepted_messages: u64,
    /// The same, in the second before this was written.
    pub accepted_messages_per_s: u64,
    /// Publishes of a message that failed or whose outcome is unknown.
    pub failed_messages: u64,
    /// The latest error.
    pub last_error: Option<String>,
}

/// A symbol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SymbolStatus {
    /// The greatest trade id on disk.
    pub spooled_id: Option<u64>,
    /// The greatest trade id that a target has.
    pub accepted_id: Option<u64>,
    /// Trades missing from the stream that could not be fetched: `[first, last]` each, the latest ones.
    pub gaps: Vec<(u64, u64)>,
    /// Ids without a trade: the row in its place was none, or Binance has no such trade.
    #[serde(default)]
    pub passed_over: u64,
}

/// The messages on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolStatus {
    /// Bytes of all segments.
    pub bytes: u64,
    /// The most bytes allowed.
    pub max_bytes: u64,
    /// Messages that no target has acknowledged.
    pub messages_waiting: u64,
}

/// Counts of a producer since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Trades on disk.
    pub spooled_trades: u64,
    /// The same, in the second before this was written.
    pub spooled_trades_per_s: u64,
    /// Trades that a target has acknowledged.
    pub accepted_trades: u64,
    /// The same, in the second before this was written.
    pub accepted_trades_per_s: u64,
    /// Messages on disk.
    pub spooled_messages: u64,
}

impl Status {
    /// Reads the file that a producer writes.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }

    /// Replaces the file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        std::fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(&part, path)
    }

    /// True if the producer was running and wrote this within the last seconds.
    #[must_use]
    pub fn is_current(&self, now_us: u64) -> bool {
        self.phase == Phase::Running && now_us.saturating_sub(self.updated_at_us) < STALE_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_from_its_file() {
        let status = Status {
            version: VERSION,
            pid: 7,
            started_at_us: 1,
            updated_at_us: 2,
            phase: Phase::Running,
            troubles: vec!["no stream".to_owned()],
            source: "binance".to_owned(),
            policy: "mirror".to_owned(),
            route: RouteStatus { publish: vec!["aws".to_owned()], ..RouteStatus::default() },
            epoch: 3,
            order: Some(OverrideStatus { to: None, by: "me".to_owned(), at_ms: 4 }),
            fenced: None,
            targets: vec![TargetStatus {
                name: "aws".to_owned(),
                health: State::Recovering,
                latency_us: Some(5),
                accepted_messages: 6,
                accepted_messages_per_s: 7,
                failed_messages: 8,
                last_error: Some("sqs SendMessageBatch: no".to_owned()),
            }],
            symbols: BTreeMap::from([(
                "BTCUSDT".parse().unwrap(),
                SymbolStatus {
                    spooled_id: Some(9),
                    accepted_id: None,
                    gaps: vec![(1, 2)],
                    passed_over: 4,
                },
            )]),
            spool: SpoolStatus { bytes: 1, max_bytes: 2, messages_waiting: 3 },
            totals: Totals::default(),
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.json");
        status.write(&path).unwrap();
        assert_eq!(Status::read(&path).unwrap(), status);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        assert!(status.is_current(2 + STALE_US - 1) && !status.is_current(2 + STALE_US));
    }
}
