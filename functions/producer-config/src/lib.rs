//! The configuration of the program `producer`, as one typed value.
//!
//! `infra` fills it from the settings, and the program reads it from the variable [`VARIABLE`] or from a file, both times as JSON.
//! Where a key is a setting, it has that setting's name in `twincloud.toml`, and the sections [`Publish`], [`Spool`], [`Binance`],
//! [`Route`] and [`HealthConfig`] are those of the settings themselves: a key of theirs is added here, and is a setting, too.
//!
//! A missing key is an error, even where the setting has a default: `infra` writes every key, so one that is missing is of
//! another version. An unknown key is passed over: an older program takes the configuration of a newer version.

mod read;
mod route;
mod sections;

use std::collections::BTreeMap;

use candle::Symbol;
pub use pipeline::health::HealthConfig;
use serde::{Deserialize, Serialize};

pub use read::{ConfigError, VARIABLE};
pub use route::{Policy, Route, UnknownTarget};
pub use sections::{Binance, Publish, Spool, SpoolSync};

/// All that a producer has to know, apart from credentials, endpoints of emulators, and the arguments of its command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProducerConfig {
    /// The symbols that may be sent.
    pub trading: Trading,
    /// Batches, publishing, the spool and the exchange.
    pub producer: Producer,
    /// Targets of messages, and the choice between them.
    pub route: Route,
    /// Thresholds between a healthy cloud and one that is down.
    pub health: HealthConfig,
    /// The queues and tables of AWS.
    pub aws: Aws,
    /// The topic and the database of Google Cloud.
    pub gcp: Gcp,
}

/// The symbols that may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trading {
    /// Traded symbols; to the functions, a message of another one is poison.
    pub symbols: Vec<Symbol>,
}

/// Batches, publishing, the spool and the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Producer {
    /// Most trades in one message.
    pub batch_max_trades: u32,
    /// Largest message, in bytes, before base64.
    pub batch_max_bytes: u32,
    /// Longest wait of a trade for others to fill its message, in milliseconds.
    pub batch_age_ms: u32,
    /// Publishing to each cloud.
    pub publish: Publish,
    /// The spool, which keeps messages on disk until a cloud has acknowledged them.
    pub spool: Spool,
    /// The connection to Binance.
    pub binance: Binance,
}

/// The queues and tables of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aws {
    /// The region of a target that names none.
    pub region: String,
    /// The SQS queue.
    pub queue: String,
    /// The table of candles, with the override store.
    pub table: String,
    /// The queues and tables of further regions, by region.
    pub regions: BTreeMap<String, AwsRegion>,
}

/// The queue and the table of a further region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsRegion {
    /// The SQS queue.
    pub queue: String,
    /// The table of candles.
    pub table: String,
}

impl Aws {
    /// The queue in a region; that of [`Aws::region`], where the region has no entry.
    #[must_use]
    pub fn queue_in(&self, region: &str) -> &str {
        self.regions.get(region).map_or(&self.queue, |there| &there.queue)
    }

    /// The table in a region, likewise.
    #[must_use]
    pub fn table_in(&self, region: &str) -> &str {
        self.regions.get(region).map_or(&self.table, |there| &there.table)
    }
}

/// The topic and the database of Google Cloud.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gcp {
    /// The project's id.
    pub project: String,
    /// The Pub/Sub topic.
    pub topic: String,
    /// The Firestore database.
    pub database: String,
    /// The collection of charts, with the override store.
    pub collection: String,
}
