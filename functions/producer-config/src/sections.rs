//! Sections of the configuration that are tables of `twincloud.toml`, with their defaults, ranges and units.

use serde::{Deserialize, Serialize};

/// `[producer.publish]`, for each cloud by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct Publish {
    /// Most messages given at once.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub messages: u32,
    /// Most bytes given at once; one message goes however large it is.
    #[cfg_attr(feature = "schema", schemars(range(min = 1_000, max = 10_000_000)))]
    pub bytes: u32,
    /// Slow answer: one that takes longer counts against the health of the cloud, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 50, max = 60_000)))]
    pub slow_ms: u32,
    /// Time after which a request counts as unanswered and its messages are published again, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 100, max = 60_000)))]
    pub deadline_ms: u32,
    /// Longest pause after a first failure, in milliseconds; doubles with each.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60_000)))]
    pub backoff_base_ms: u32,
    /// Longest pause of all, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60_000)))]
    pub backoff_cap_ms: u32,
    /// Interval between probes of a cloud without traffic, with a message that others have, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 50, max = 600_000)))]
    pub probe_ms: u32,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            messages: 40,
            bytes: 1_000_000,
            slow_ms: 500,
            deadline_ms: 3_000,
            backoff_base_ms: 20,
            backoff_cap_ms: 1_000,
            probe_ms: 1_000,
        }
    }
}

/// `[producer.spool]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct Spool {
    /// Policy of forcing messages to disk (`fsync`).
    pub sync: SpoolSync,
    /// Interval of forcing to disk where `sync` is `interval`, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 60_000)))]
    pub sync_interval_ms: u32,
    /// Most of it, in mebibytes; a full one holds the source up.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_048_576)))]
    pub max_mb: u32,
    /// Size of its files, in mebibytes.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_024)))]
    pub segment_mb: u32,
    /// Time for which messages that one cloud has acknowledged are kept for the others, in seconds; a failover
    /// publishes them again.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 604_800)))]
    pub window_s: u32,
    /// Interval of saving acknowledgements and the position in the source, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 10, max = 10_000)))]
    pub checkpoint_ms: u32,
}

/// Policy of forcing messages to disk. `kill -9` loses nothing with any of them; a loss of power may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SpoolSync {
    /// Before anything is published; messages that come together are forced together.
    Always,
    /// At an interval.
    Interval,
    /// Never by the producer: the kernel decides.
    Never,
}

impl Default for Spool {
    fn default() -> Self {
        Self {
            sync: SpoolSync::Always,
            sync_interval_ms: 1_000,
            max_mb: 1_024,
            segment_mb: 8,
            window_s: 300,
            checkpoint_ms: 100,
        }
    }
}

/// `[producer.binance]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct Binance {
    /// The URL that trades come from, such as `wss://data-stream.binance.vision`.
    pub stream_url: String,
    /// The URL that missed trades are fetched from; where there is none, gaps are only reported.
    // Without a deserializer of its own, a missing key would be taken for null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub rest_url: Option<String>,
    /// The largest gap to fetch while the stream waits, in trades; a larger one is fetched beside it, in pieces of so many.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 100_000_000)))]
    pub gap_max_trades: u32,
}

impl Default for Binance {
    fn default() -> Self {
        Self {
            stream_url: "wss://data-stream.binance.vision".to_owned(),
            rest_url: Some("https://data-api.binance.vision".to_owned()),
            gap_max_trades: 100_000,
        }
    }
}
