//! The types of `twincloud.toml`. A field is a key; its unit is in its name.
//!
//! What only some deployments need has a default, which is that of the Terraform variable it becomes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::containers::Containers;

/// Everything in `twincloud.toml`, for one environment, with placeholders filled in and values checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What every name starts with.
    pub project: Project,
    /// What is traded, and the candles that are made of it.
    pub trading: Trading,
    /// How trades are put into messages, kept and published.
    pub producer: Producer,
    /// Where messages go.
    #[serde(default)]
    pub route: Route,
    /// When a cloud is taken for down, and when for healthy again.
    #[serde(default)]
    pub health: Health,
    /// What both clouds' functions have in common.
    pub functions: Functions,
    /// How a lost compare-and-set is tried again.
    pub compare_and_set: CompareAndSet,
    /// Whose workflows may deploy.
    #[serde(default)]
    pub github: Github,
    /// When somebody is told, and who.
    #[serde(default)]
    pub alerts: Alerts,
    /// How Terraform is run.
    #[serde(default)]
    pub terraform: Terraform,
    /// What the clouds are, as containers.
    #[serde(default)]
    pub containers: Containers,
    /// Everything on AWS.
    pub aws: Aws,
    /// Everything on Google Cloud.
    pub gcp: Gcp,
    /// The environments that are this one in other regions of AWS.
    #[serde(skip)]
    pub regions: Vec<Region>,
}

impl Settings {
    /// The environment whose Google side is this one's: its own, unless it is another one in another region.
    #[must_use]
    pub fn home(&self) -> &str {
        self.project.region_of.as_deref().unwrap_or(&self.project.environment)
    }

    /// True if the producer has an instance in this cloud. An environment in another region has none: the producer is its home's.
    #[must_use]
    pub fn has_producer_at(&self, cloud: &str) -> bool {
        self.project.region_of.is_none()
            && self.producer.host.clouds.iter().any(|named| named == cloud)
    }

    /// A protected environment is destroyed only by its name, typed, and deployed by its own reviewed jobs.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.aws.deletion_protection || self.home() == "prod"
    }
}

/// An environment that is another one in another region of AWS, as far as that one has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its name.
    pub environment: String,
    /// The region, such as `eu-west-1`.
    pub region: String,
    /// The SQS queue of trades.
    pub queue: String,
    /// The `DynamoDB` table of candles.
    pub table: String,
    /// The role of its function that copies from the peer; none if that isn't made.
    pub replicate_role: Option<String>,
}

/// `[project]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    /// Starts every name.
    pub prefix: String,
    /// The environment that these settings are for.
    pub environment: String,
    /// The environment that this one is in another region of AWS: it begins with that one's settings and has its
    /// Google side. Only an overlay says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_of: Option<String>,
    /// Further tags (on Google Cloud: labels) of everything that is deployed.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// `[trading]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trading {
    /// Symbols as Binance writes them, `BTCUSDT`.
    pub symbols: Vec<String>,
    /// Lengths of candles: some of [`Trading::INTERVALS`].
    pub intervals: Vec<String>,
    /// A symbol that nobody trades: the functions accept it beside the others, so that a deploy can send one trade
    /// of it the whole way and touch no real candle.
    #[serde(default = "smoke_symbol")]
    pub smoke_symbol: String,
    /// How long a deploy's smoke test waits for its trade, in seconds: a cold function, and a redelivery or two.
    #[serde(default = "smoke_timeout_s")]
    pub smoke_timeout_s: u32,
}

fn smoke_timeout_s() -> u32 {
    120
}

fn smoke_symbol() -> String {
    "TWINCLOUDSMOKE".to_owned()
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
    /// How long a trade may wait for others to fill its message, in milliseconds.
    #[serde(default = "batch_age_ms")]
    pub batch_age_ms: u32,
    /// How messages are given to a cloud.
    #[serde(default)]
    pub publish: Publish,
    /// How messages are kept until a cloud has them.
    #[serde(default)]
    pub spool: Spool,
    /// How Binance is listened to.
    #[serde(default)]
    pub binance: Binance,
    /// The instances that run the producer.
    #[serde(default)]
    pub host: Host,
}

/// `[producer.host]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// The clouds with a producer instance: `aws`, `gcp`, both or none.
    pub clouds: Vec<String>,
    /// Size of the spool's disk, in gibibytes.
    pub disk_gb: u32,
    /// The subnet on AWS; none: the default one of the region's zone a.
    pub aws_subnet: Option<String>,
    /// The zone at Google; none: the region's zone b.
    pub gcp_zone: Option<String>,
}

impl Default for Host {
    fn default() -> Self {
        Self { clouds: Vec::new(), disk_gb: 10, aws_subnet: None, gcp_zone: None }
    }
}

fn batch_age_ms() -> u32 {
    1_000
}

/// `[producer.publish]`, for each cloud by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Most messages given at once.
    pub messages: u32,
    /// Most bytes given at once; one message goes however large it is.
    pub bytes: u32,
    /// An answer that takes longer speaks against the cloud, in milliseconds.
    pub slow_ms: u32,
    /// After so long nobody knows what happened, and the messages are given again, in milliseconds.
    pub deadline_ms: u32,
    /// Longest pause after a first failure, in milliseconds; doubles with each.
    pub backoff_base_ms: u32,
    /// Longest pause of all, in milliseconds.
    pub backoff_cap_ms: u32,
    /// How often a cloud without traffic is tried with a message that others have, in milliseconds.
    pub canary_ms: u32,
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
            canary_ms: 1_000,
        }
    }
}

/// `[producer.spool]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spool {
    /// When messages are forced to disk.
    pub sync: SpoolSync,
    /// How often, where `sync` is `interval`, in milliseconds.
    pub sync_interval_ms: u32,
    /// Most of it, in mebibytes; a full one holds the source up.
    pub max_mb: u32,
    /// Size of its files, in mebibytes.
    pub segment_mb: u32,
    /// How long what one cloud has is kept for the others, in seconds; it is published again on failover.
    pub window_s: u32,
    /// How often acknowledgements and the place in the source are written down, in milliseconds.
    pub checkpoint_ms: u32,
}

/// When messages are forced to disk. `kill -9` loses nothing either way; this is about losing power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpoolSync {
    /// Before anything is published; messages that come together are forced together.
    Always,
    /// Now and then.
    Interval,
    /// When the kernel likes.
    Never,
}

impl SpoolSync {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Interval => "interval",
            Self::Never => "never",
        }
    }
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
#[serde(deny_unknown_fields, default)]
pub struct Binance {
    /// The URL that trades come from, such as `wss://data-stream.binance.vision`.
    pub stream_url: String,
    /// Where missed ones are fetched; where there is none, they are only told.
    pub rest_url: Option<String>,
    /// The largest gap to fetch while the stream waits, in trades; a larger one is fetched beside it, in pieces of so many.
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

/// `[route]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// How targets are chosen.
    pub policy: Policy,
    /// `aws`, `gcp`, or one of them in another region, such as `aws-eu-west-1`; in the order of preference by hand.
    pub targets: Vec<String>,
    /// What a million messages cost, in millionths of any one currency, by target; without: 0.
    pub costs: BTreeMap<String, u64>,
    /// Shares under the policy `weighted`, by target; without: 1.
    pub weights: BTreeMap<String, u32>,
    /// How much quicker another primary must be, in per cent, under the policy `primary-by-latency`.
    pub latency_margin_percent: u32,
    /// How long a better primary must have been healthy before it is failed back to, in seconds.
    pub failback_s: u32,
    /// A producer that could read no cloud's orders for so long publishes nothing, in seconds.
    pub lease_s: u32,
}

/// How targets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// All of them.
    Mirror,
    /// The first one; the others take over.
    PrimaryByHand,
    /// The cheapest; the others take over.
    PrimaryByCost,
    /// The quickest; the others take over.
    PrimaryByLatency,
    /// Each message goes to one of them.
    Weighted,
}

impl Policy {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mirror => "mirror",
            Self::PrimaryByHand => "primary-by-hand",
            Self::PrimaryByCost => "primary-by-cost",
            Self::PrimaryByLatency => "primary-by-latency",
            Self::Weighted => "weighted",
        }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self {
            policy: Policy::Mirror,
            targets: vec!["aws".to_owned(), "gcp".to_owned()],
            costs: BTreeMap::new(),
            weights: BTreeMap::new(),
            latency_margin_percent: 20,
            failback_s: 30,
            lease_s: 15,
        }
    }
}

/// `[health]`: points are what failures count; see `functions/pipeline/src/health.rs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Health {
    /// What a refusal counts; a timeout counts 1.
    pub refused_points: u32,
    /// Points at which a healthy cloud is suspect.
    pub suspect_points: u32,
    /// Points at which a suspect cloud is down.
    pub down_points: u32,
    /// Least time between suspect and down, in milliseconds.
    pub suspect_ms: u32,
    /// Successes in a row that clear a suspect cloud.
    pub clear_successes: u32,
    /// Least time that a cloud stays down, in milliseconds.
    pub down_ms: u32,
    /// Successes in a row that a recovering cloud needs.
    pub recover_successes: u32,
    /// Least time that a cloud is recovering, in milliseconds.
    pub recovering_ms: u32,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            refused_points: 2,
            suspect_points: 2,
            down_points: 6,
            suspect_ms: 300,
            clear_successes: 3,
            down_ms: 1_000,
            recover_successes: 3,
            recovering_ms: 3_000,
        }
    }
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

/// `[github]`, for both clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Github {
    /// The only repository whose workflows may sign in, as `OWNER/NAME`.
    pub repository: Option<String>,
    /// GitHub's number of the owner, which tokens of newer repositories carry behind the name.
    pub owner_id: Option<u64>,
    /// GitHub's number of the repository, likewise.
    pub repository_id: Option<u64>,
    /// GitHub environments whose jobs may deploy; none means the one with this environment's name. See
    /// [`Settings::github_environments`].
    pub environments: Vec<String>,
    /// Branches whose jobs may deploy without an environment.
    pub branches: Vec<String>,
    /// Whether jobs of pull requests may plan, which reads only.
    pub pull_requests: bool,
}

impl Default for Github {
    fn default() -> Self {
        Self {
            repository: None,
            owner_id: None,
            repository_id: None,
            environments: vec![],
            branches: vec![],
            pull_requests: true,
        }
    }
}

impl Settings {
    /// The GitHub environments whose jobs may deploy this environment: its own name, unless the settings name others.
    #[must_use]
    pub fn github_environments(&self) -> Vec<String> {
        if self.github.environments.is_empty() {
            return vec![self.project.environment.clone()];
        }
        self.github.environments.clone()
    }

    /// The repository as GitHub's tokens name it: by names alone, and with the numbers where the settings have them.
    fn github_names(&self) -> Vec<String> {
        let Some((owner, name)) =
            self.github.repository.as_deref().and_then(|repository| repository.split_once('/'))
        else {
            return Vec::new();
        };
        let mut names = vec![format!("repo:{owner}/{name}")];
        if let (Some(owner_id), Some(id)) = (self.github.owner_id, self.github.repository_id) {
            names.push(format!("repo:{owner}@{owner_id}/{name}@{id}"));
        }
        names
    }

    /// The subjects of GitHub's tokens that may deploy, whole, as both Terraform roots put them together.
    #[must_use]
    pub fn github_deploy_subjects(&self) -> Vec<String> {
        let environments = self.github_environments();
        let environments = environments.iter().map(|name| format!("environment:{name}"));
        let branches = self.github.branches.iter().map(|name| format!("ref:refs/heads/{name}"));
        self.github_subjects(environments.chain(branches))
    }

    /// Those that may plan, beside them.
    #[must_use]
    pub fn github_plan_subjects(&self) -> Vec<String> {
        self.github_subjects(self.github.pull_requests.then(|| "pull_request".to_owned()))
    }

    fn github_subjects(&self, jobs: impl IntoIterator<Item = String>) -> Vec<String> {
        let names = self.github_names();
        jobs.into_iter()
            .flat_map(|job| names.iter().map(move |name| format!("{name}:{job}")))
            .collect()
    }
}

/// `[alerts]`, for both clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Where alerts go by e-mail.
    pub email: Option<String>,
    /// Age of the oldest message that waits, in seconds, above which there is an alert.
    pub oldest_unacked_s: u32,
    /// Share of requests that fail, in percent, above which there is an alert.
    pub error_percent: u32,
    /// Age of the oldest trade that one cloud has and the other lacks, in seconds, above which there is an alert.
    pub replication_lag_s: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { email: None, oldest_unacked_s: 1_500, error_percent: 5, replication_lag_s: 1_800 }
    }
}

/// `[terraform]`: the program that applies both roots, as it is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terraform {
    /// Name or path of the program. Where there is none: `terraform`, else `tofu`.
    pub program: Option<String>,
    /// A mirror of providers. Where there is none: the registry, or what the program's own configuration says.
    pub plugin_dir: Option<String>,
}

/// `[aws]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The only account that anything is deployed to, by its number; where there is none, that of earlier deploys.
    #[serde(default)]
    pub account: Option<String>,
    /// Such as `us-east-1`.
    pub region: String,
    /// The `DynamoDB` table of candles.
    pub table: String,
    /// Start of the raw archive's bucket name; see [`crate::names::aws_bucket`].
    pub bucket_prefix: String,
    /// Start of the name of the bucket that function code is uploaded to.
    pub artifact_bucket_prefix: String,
    /// Whether the table refuses to be deleted.
    #[serde(default)]
    pub deletion_protection: bool,
    /// The queue of trades and its dead-letter queue.
    pub queue: Queue,
    /// The Lambda function that ingests.
    pub ingest: AwsIngest,
    /// The Lambda function that copies from the peer.
    #[serde(default)]
    pub replicate: AwsReplicate,
    /// How the raw archive's objects age.
    #[serde(default)]
    pub archive: AwsArchive,
    /// What an account has once, and who may get in: `terraform/`.
    #[serde(default)]
    pub foundation: Foundation,
    /// The budget of the account.
    #[serde(default)]
    pub budget: AwsBudget,
    /// Where Terraform keeps what it knows of `terraform/`.
    #[serde(default)]
    pub state: AwsState,
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

impl Queue {
    /// The time for which every delivery of a message may fail, in seconds, without the message being a dead letter.
    #[must_use]
    pub fn outlasts_s(&self) -> u64 {
        u64::from(self.max_receive_count.saturating_sub(1)) * u64::from(self.visibility_timeout_s)
    }
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

/// `[aws.replicate]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsReplicate {
    /// Whether there is one.
    pub enabled: bool,
    /// The Lambda function; where there is none, it is named after the prefix.
    pub name: Option<String>,
    /// Name, not ARN, of the role that it runs with, which Google Cloud lets read its raw archive; where there is
    /// none, it is named after prefix and environment.
    pub role: Option<String>,
    /// Memory in mebibytes; processor time goes with it.
    pub memory_mb: u32,
    /// Longest run, in seconds.
    pub timeout_s: u32,
    /// How often it runs, in minutes.
    pub schedule_minutes: u32,
    /// Whether the schedule is paused.
    pub paused: bool,
    /// Whether one invocation is set aside for it from what the account has, and is then the only one at a time.
    pub reserve_concurrency: bool,
    /// How long logs are kept, in days.
    pub log_retention_days: u32,
}

impl Default for AwsReplicate {
    fn default() -> Self {
        Self {
            enabled: true,
            name: None,
            role: None,
            memory_mb: 256,
            timeout_s: 300,
            schedule_minutes: 1,
            paused: false,
            reserve_concurrency: false,
            log_retention_days: 30,
        }
    }
}

/// `[aws.archive]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsArchive {
    /// Age at which an object moves to Standard-IA, in days.
    pub standard_ia_days: u32,
    /// Age at which an object moves to Glacier Instant Retrieval, in days.
    pub glacier_ir_days: u32,
    /// Age at which an object moves to Glacier Deep Archive, in days; 0 is never.
    pub deep_archive_days: u32,
    /// How long an overwritten or deleted object can be brought back, in days.
    pub noncurrent_days: u32,
}

impl Default for AwsArchive {
    fn default() -> Self {
        Self {
            standard_ia_days: 30,
            glacier_ir_days: 90,
            deep_archive_days: 365,
            noncurrent_days: 30,
        }
    }
}

/// `[aws.foundation]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Foundation {
    /// Whether the account's provider for GitHub's tokens is made; an account can have one.
    pub create_github_oidc_provider: bool,
    /// Whether the deploy role may make only roles with the functions' permissions boundary.
    pub require_functions_boundary: bool,
    /// Whether the deploy role may empty the raw archive.
    pub allow_destroy: bool,
    /// The audience that the Google side asks its identity token for.
    pub google_audience: String,
    /// Services through which the account's principals may use the key: some of [`Foundation::KEY_SERVICES`].
    pub key_services: Vec<String>,
    /// How long a deleted key can be brought back, in days.
    pub key_deletion_window_days: u32,
}

impl Foundation {
    /// The services that can use the key.
    pub const KEY_SERVICES: [&str; 5] = ["sns", "sqs", "s3", "dynamodb", "lambda"];
}

impl Default for Foundation {
    fn default() -> Self {
        Self {
            create_github_oidc_provider: true,
            require_functions_boundary: true,
            allow_destroy: false,
            google_audience: "sts.amazonaws.com".to_owned(),
            key_services: vec!["sns".to_owned()],
            key_deletion_window_days: 30,
        }
    }
}

/// `[aws.budget]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsBudget {
    /// Budget of a month in US dollars; 0 is none.
    pub monthly_usd: u32,
    /// Whether it counts only what has this project's tag.
    pub by_tag: bool,
}

impl Default for AwsBudget {
    fn default() -> Self {
        Self { monthly_usd: 50, by_tag: false }
    }
}

/// `[aws.state]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AwsState {
    /// Start of the name of the bucket that `bootstrap.yaml` makes for the state; where there is none, it is named
    /// after the prefix. See [`crate::names::aws_state_bucket`].
    pub bucket_prefix: Option<String>,
    /// A bucket that is there already, in its place; then none is made.
    pub bucket: Option<String>,
    /// The state's key in it.
    pub key: String,
    /// How long an overwritten state, or deleted function code, can be brought back, in days.
    pub noncurrent_days: u32,
}

impl Default for AwsState {
    fn default() -> Self {
        Self {
            bucket_prefix: None,
            bucket: None,
            key: "terraform/terraform.tfstate".to_owned(),
            noncurrent_days: 90,
        }
    }
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
    /// The Artifact Registry repository of images; where there is none, it is named after prefix and environment.
    #[serde(default)]
    pub image_repository: Option<String>,
    /// Id of the pool of identities from outside; where there is none, it is named after prefix and environment.
    #[serde(default)]
    pub workload_identity_pool: Option<String>,
    /// Ends the ids of custom roles, as a deleted one's is taken for weeks.
    #[serde(default)]
    pub role_suffix: Option<String>,
    /// IAM members with the operator's rights: `sync`, `dlq`, `failover`, `restore`.
    #[serde(default)]
    pub operators: Vec<String>,
    /// IAM members with the further rights of a game day.
    #[serde(default)]
    pub game_day_operators: Vec<String>,
    /// The topic of trades, its subscription, and their dead letters.
    pub pubsub: Pubsub,
    /// Where candles are kept.
    pub firestore: Firestore,
    /// The raw archive's bucket.
    #[serde(default)]
    pub archive: Archive,
    /// The Cloud Run service that ingests.
    pub ingest: GcpIngest,
    /// The Cloud Run service that copies from the peer.
    #[serde(default)]
    pub replicate: GcpReplicate,
    /// How the services' images are made.
    #[serde(default)]
    pub images: Images,
    /// The budget of the project.
    #[serde(default)]
    pub budget: GcpBudget,
    /// Where Terraform keeps what it knows of `terraform-gcp/`.
    #[serde(default)]
    pub state: GcpState,
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
    /// Who may publish trades, as IAM members: `serviceAccount:…`.
    #[serde(default)]
    pub publishers: Vec<String>,
}

impl Pubsub {
    /// The pause after a failed delivery, in milliseconds, where `failed` went before it: each is twice the one before,
    /// within its bounds.
    #[must_use]
    pub fn pause_ms(&self, failed: u32) -> u64 {
        let doubled = u64::from(self.min_backoff_ms) << failed.min(32);
        doubled.min(u64::from(self.max_backoff_ms))
    }

    /// The time for which every delivery of a message may fail, in milliseconds, without the message being a dead letter.
    #[must_use]
    pub fn outlasts_ms(&self) -> u64 {
        (0..self.max_delivery_attempts.saturating_sub(1)).map(|failed| self.pause_ms(failed)).sum()
    }
}

/// `[gcp.firestore]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Firestore {
    /// The database; `(default)` is the one that every project may have for free.
    pub database: String,
    /// The collection of candles.
    pub collection: String,
    /// A region or multi-region; where there is none, `gcp.region`.
    #[serde(default)]
    pub location: Option<String>,
    /// Whether the database refuses to be deleted.
    #[serde(default = "yes")]
    pub delete_protection: bool,
    /// Whether the database can be read as it was at any minute of the last 7 days.
    #[serde(default = "yes")]
    pub point_in_time_recovery: bool,
}

fn yes() -> bool {
    true
}

/// `[gcp.archive]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// A region or multi-region; where there is none, `gcp.region`.
    pub location: Option<String>,
    /// Whether destroying the bucket deletes what is in it.
    pub force_destroy: bool,
    /// Age at which an object moves to Nearline, in days.
    pub nearline_days: u32,
    /// Age at which an object moves to Coldline, in days.
    pub coldline_days: u32,
    /// Age at which an object moves to Archive, in days.
    pub archive_days: u32,
    /// How long an overwritten or deleted object can be brought back, in days.
    pub noncurrent_days: u32,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            location: None,
            force_destroy: false,
            nearline_days: 30,
            coldline_days: 90,
            archive_days: 365,
            noncurrent_days: 30,
        }
    }
}

/// `[gcp.ingest]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcpIngest {
    /// The Cloud Run service.
    pub service: String,
    /// Requests that one instance takes at once.
    pub concurrency: u32,
    /// Instances that are always there.
    #[serde(default)]
    pub min_instances: u32,
    /// Most instances.
    #[serde(default = "max_instances")]
    pub max_instances: u32,
    /// Processors of an instance: one of [`CPUS`](GcpIngest::CPUS).
    #[serde(default = "cpu")]
    pub cpu: String,
    /// Memory of an instance, such as `512Mi`.
    #[serde(default = "memory")]
    pub memory: String,
}

impl GcpIngest {
    /// The processors that an instance of a service can have.
    pub const CPUS: [&str; 4] = ["1", "2", "4", "8"];
}

fn max_instances() -> u32 {
    10
}

fn cpu() -> String {
    "1".to_owned()
}

fn memory() -> String {
    "512Mi".to_owned()
}

/// `[gcp.replicate]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcpReplicate {
    /// The Cloud Run service; where there is none, it is named after the prefix.
    pub service: Option<String>,
    /// Processors of an instance: one of [`CPUS`](GcpIngest::CPUS).
    pub cpu: String,
    /// Memory of an instance, such as `512Mi`.
    pub memory: String,
    /// When to replicate, as cron in UTC.
    pub schedule: String,
    /// What the schedule posts to.
    pub path: String,
    /// Longest run, in seconds.
    pub timeout_s: u32,
    /// Whether the schedule is paused.
    pub paused: bool,
}

impl Default for GcpReplicate {
    fn default() -> Self {
        Self {
            service: None,
            cpu: cpu(),
            memory: memory(),
            schedule: "*/5 * * * *".to_owned(),
            path: "/".to_owned(),
            timeout_s: 900,
            paused: false,
        }
    }
}

/// `[gcp.images]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// What a service's binary is put on, by digest; where there is none, on nothing (`scratch`).
    pub base: Option<String>,
    /// What the services are built for: one of [`Images::TARGETS`]; where there is none, this machine's own.
    pub target: Option<String>,
}

impl Images {
    /// The targets whose binaries can be static.
    pub const TARGETS: [&str; 4] = [
        "x86_64-unknown-linux-gnu",
        "x86_64-unknown-linux-musl",
        "aarch64-unknown-linux-gnu",
        "aarch64-unknown-linux-musl",
    ];
}

/// `[gcp.budget]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcpBudget {
    /// The billing account; where there is none, there is no budget.
    pub billing_account: Option<String>,
    /// Budget of a month in the billing account's currency.
    pub monthly: u32,
}

impl Default for GcpBudget {
    fn default() -> Self {
        Self { billing_account: None, monthly: 50 }
    }
}

/// `[gcp.state]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GcpState {
    /// The bucket of the state.
    pub bucket: Option<String>,
    /// What the state's name in it starts with.
    pub prefix: String,
}

impl Default for GcpState {
    fn default() -> Self {
        Self { bucket: None, prefix: "terraform-gcp".to_owned() }
    }
}
