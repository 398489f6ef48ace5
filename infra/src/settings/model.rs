//! The types of `twincloud.toml`. A field is a key; its unit is in its name.

use serde::{Deserialize, Serialize};

/// Everything in `twincloud.toml`, for one environment, with placeholders filled in and values checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What every name starts with.
    pub project: Project,
    /// What is traded, and the candles that are made of it.
    pub trading: Trading,
    /// How trades are put into messages.
    pub producer: Producer,
    /// What both clouds' functions have in common.
    pub functions: Functions,
    /// How a lost compare-and-set is tried again.
    pub compare_and_set: CompareAndSet,
    /// Everything on AWS.
    pub aws: Aws,
    /// Everything on Google Cloud.
    pub gcp: Gcp,
}

/// `[project]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Starts every name.
    pub prefix: String,
    /// The environment that these settings are for.
    pub environment: String,
}

/// `[trading]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trading {
    /// Symbols as Binance writes them, `BTCUSDT`.
    pub symbols: Vec<String>,
    /// Lengths of candles: some of [`Trading::INTERVALS`].
    pub intervals: Vec<String>,
}

impl Trading {
    /// The intervals that there are.
    pub const INTERVALS: [&str; 5] = ["1m", "5m", "15m", "1h", "1d"];
}

/// `[producer]`: a message is closed at whichever limit comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Most trades in one message.
    pub batch_max_trades: u32,
    /// Largest message, in bytes, before base64.
    pub batch_max_bytes: u32,
}

/// `[functions]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Functions {
    /// `RUST_LOG`, such as `info` or `info,pipeline=debug`.
    pub log: String,
}

/// `[compare_and_set]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareAndSet {
    /// Tries in all, the first one counted.
    pub attempts: u32,
    /// Longest pause before the second try, in milliseconds; doubles with each.
    pub base_ms: u64,
    /// Longest pause of all, in milliseconds.
    pub cap_ms: u64,
}

/// `[aws]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// Such as `us-east-1`.
    pub region: String,
    /// The `DynamoDB` table of candles.
    pub table: String,
    /// Start of the raw archive's bucket name; see [`crate::names::aws_bucket`].
    pub bucket_prefix: String,
    /// Start of the name of the bucket that function code is uploaded to.
    pub artifact_bucket_prefix: String,
    /// The queue of trades and its dead-letter queue.
    pub queue: Queue,
    /// The Lambda function that ingests.
    pub ingest: AwsIngest,
}

/// `[aws.queue]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The SQS queue of trades.
    pub name: String,
    /// Where messages go that can't be processed.
    pub dead_letter_name: String,
    /// How long a delivered message stays hidden, in seconds.
    pub visibility_timeout_s: u32,
    /// Deliveries before a message is a dead letter.
    pub max_receive_count: u32,
    /// How long the queue keeps a message, in seconds.
    pub retention_s: u32,
    /// How long the dead-letter queue keeps one, in seconds.
    pub dead_letter_retention_s: u32,
}

/// What the function's binary was built for, in Lambda's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit Arm (Graviton).
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// `x86_64` or `arm64`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// `[aws.ingest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsIngest {
    /// The Lambda function.
    pub name: String,
    /// The processor that it runs on.
    pub architecture: Architecture,
    /// Memory in mebibytes; processor time goes with it.
    pub memory_mb: u32,
    /// Longest run of one invocation, in seconds.
    pub timeout_s: u32,
    /// Most messages in one invocation.
    pub batch_size: u32,
    /// How long the mapping waits for a full batch, in seconds.
    pub batch_window_s: u32,
    /// Most invocations at once by the event source mapping.
    pub max_concurrency: u32,
    /// How long logs are kept, in days.
    pub log_retention_days: u32,
}

/// `[gcp]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gcp {
    /// The project's id.
    pub project: String,
    /// Such as `us-central1`.
    pub region: String,
    /// Start of the raw archive's bucket name; see [`crate::names::gcp_bucket`].
    pub bucket_prefix: String,
    /// The topic of trades, its subscription, and their dead letters.
    pub pubsub: Pubsub,
    /// Where candles are kept.
    pub firestore: Firestore,
    /// The Cloud Run service that ingests.
    pub ingest: GcpIngest,
}

/// `[gcp.pubsub]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pubsub {
    /// The topic of trades.
    pub topic: String,
    /// The push subscription to the ingest service.
    pub subscription: String,
    /// Where messages go that can't be processed.
    pub dead_letter_topic: String,
    /// The pull subscription that keeps them.
    pub dead_letter_subscription: String,
    /// How long the service may take for one message, in seconds.
    pub ack_deadline_s: u32,
    /// Deliveries before a message is a dead letter.
    pub max_delivery_attempts: u32,
    /// Shortest pause before a redelivery, in milliseconds.
    pub min_backoff_ms: u32,
    /// Longest pause before a redelivery, in milliseconds.
    pub max_backoff_ms: u32,
    /// How long both subscriptions keep a message, in seconds.
    pub retention_s: u32,
}

/// `[gcp.firestore]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firestore {
    /// The database; `(default)` is the one that every project may have for free.
    pub database: String,
    /// The collection of candles.
    pub collection: String,
}

/// `[gcp.ingest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcpIngest {
    /// The Cloud Run service.
    pub service: String,
    /// Requests that one instance takes at once.
    pub concurrency: u32,
}
