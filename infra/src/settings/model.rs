//! The types of `twincloud.toml`. A field is a key; its unit is in its name.
//!
//! What only some deployments need has a default, which is that of the Terraform variable it becomes. Tables that the producer gets
//! as they are, such as `[health]`, are types of `producer-config`; `layers.rs` lays the file over their defaults.

use std::collections::BTreeMap;

use producer_config::{Binance, HealthConfig, Publish, Route, Spool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::containers::Containers;

/// Everything in `twincloud.toml`, for one environment, with placeholders filled in and values checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Names and tags of the project.
    pub project: Project,
    /// Traded symbols, and the candles that are made of their trades.
    pub trading: Trading,
    /// The producer: batches of trades, the spool that keeps them, and publishing.
    pub producer: Producer,
    /// Targets of messages, and the choice between them.
    pub route: Route,
    /// Thresholds between a healthy cloud and one that is down.
    pub health: HealthConfig,
    /// Settings of the functions in both clouds.
    pub functions: Functions,
    /// Retries of a lost compare-and-set.
    pub compare_and_set: CompareAndSet,
    /// The GitHub repository whose workflows may deploy.
    #[serde(default)]
    pub github: Github,
    /// Thresholds of alerts, and their addressee.
    #[serde(default)]
    pub alerts: Alerts,
    /// The Terraform program on this machine.
    #[serde(default)]
    pub terraform: Terraform,
    /// Containers of the target `containers`; nothing of them is deployed.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trading {
    /// Symbols as Binance writes them, `BTCUSDT`.
    pub symbols: Vec<String>,
    /// Lengths of candles, of `1m`, `5m`, `15m`, `1h` and `1d`.
    pub intervals: Vec<String>,
    /// A symbol that no exchange has: the functions accept it beside the others, so that a deploy can send one trade
    /// of it the whole way and touch no real candle.
    #[serde(default = "smoke_symbol")]
    pub smoke_symbol: String,
    /// Longest wait of a deploy's smoke test for its trade, in seconds: a cold function, and a redelivery or two.
    #[serde(default = "smoke_timeout_s")]
    #[schemars(range(min = 1, max = 900))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// Most trades in one message.
    // The most that a message may have: see `candle::message::MAX_TRADES`.
    #[schemars(range(min = 1, max = 2_500))]
    pub batch_max_trades: u32,
    /// Largest message, in bytes, before base64.
    // A quarter of a mebibyte, the least that SQS and its emulators take.
    #[schemars(range(min = 1_000, max = 262_144))]
    pub batch_max_bytes: u32,
    /// Longest wait of a trade for others to fill its message, in milliseconds.
    #[serde(default = "batch_age_ms")]
    #[schemars(range(min = 1, max = 60_000))]
    pub batch_age_ms: u32,
    /// Publishing to each cloud.
    pub publish: Publish,
    /// The spool, which keeps messages on disk until a cloud has acknowledged them.
    pub spool: Spool,
    /// The connection to Binance.
    pub binance: Binance,
    /// The instances that run the producer.
    #[serde(default)]
    pub host: Host,
}

/// `[producer.host]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    /// The clouds with a producer instance: `aws`, `gcp`, both or none.
    pub clouds: Vec<String>,
    /// Size of the spool's disk, in gibibytes.
    #[schemars(range(min = 10, max = 1_024))]
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

/// `[functions]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Functions {
    /// `RUST_LOG`, such as `info` or `info,pipeline=debug`.
    pub log: String,
}

/// `[compare_and_set]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareAndSet {
    /// Tries in all, the first one counted.
    #[schemars(range(min = 1, max = 1_000))]
    pub attempts: u32,
    /// Longest pause before the second try, in milliseconds; doubles with each.
    #[schemars(range(min = 1, max = 60_000))]
    pub base_ms: u64,
    /// Longest pause of all, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub cap_ms: u64,
}

/// `[github]`, for both clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Github {
    /// The only repository whose workflows may sign in, as `OWNER/NAME`.
    pub repository: Option<String>,
    /// GitHub's number of the owner, which tokens of newer repositories carry behind the name.
    pub owner_id: Option<u64>,
    /// GitHub's number of the repository, likewise.
    pub repository_id: Option<u64>,
    /// GitHub environments whose jobs may deploy; none means the one with this environment's name.
    pub environments: Vec<String>,
    /// Branches whose jobs may deploy without an environment.
    pub branches: Vec<String>,
    /// True to let jobs of pull requests plan, which reads only.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// E-mail address that alerts go to.
    pub email: Option<String>,
    /// Age of the oldest message that waits, in seconds, above which there is an alert.
    #[schemars(range(min = 60, max = 2_678_400))]
    pub oldest_unacked_s: u32,
    /// Share of requests that fail, in percent, above which there is an alert.
    #[schemars(range(min = 1, max = 100))]
    pub error_percent: u32,
    /// Age of the oldest trade that one cloud has and the other lacks, in seconds, above which there is an alert.
    // So long can a metric's absence be waited for.
    #[schemars(range(min = 120, max = 82_800))]
    pub replication_lag_s: u32,
}

impl Default for Alerts {
    fn default() -> Self {
        Self { email: None, oldest_unacked_s: 1_500, error_percent: 5, replication_lag_s: 1_800 }
    }
}

/// `[terraform]`: the program that applies both roots, as it is on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Terraform {
    /// Name or path of the program. Where there is none: `terraform`, else `tofu`.
    pub program: Option<String>,
    /// A mirror of providers. Where there is none: the registry, or what the program's own configuration says.
    pub plugin_dir: Option<String>,
}

/// `[aws]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// The only account that anything is deployed to, by its number; where there is none, that of earlier deploys.
    #[serde(default)]
    pub account: Option<String>,
    /// The region, such as `us-east-1`.
    pub region: String,
    /// The `DynamoDB` table of candles.
    pub table: String,
    /// Start of the name of the raw archive's bucket, which goes on with the environment and the account.
    pub bucket_prefix: String,
    /// Start of the name of the bucket that function code is uploaded to.
    pub artifact_bucket_prefix: String,
    /// True to protect the table from being deleted; switch it off and deploy before a destroy.
    #[serde(default)]
    pub deletion_protection: bool,
    /// The queue of trades and its dead-letter queue.
    pub queue: Queue,
    /// The Lambda function that ingests.
    pub ingest: AwsIngest,
    /// The Lambda function that copies from the peer.
    #[serde(default)]
    pub replicate: AwsReplicate,
    /// Storage classes of the raw archive's objects by age.
    #[serde(default)]
    pub archive: AwsArchive,
    /// Resources that an account has once, and its roles: `terraform/`.
    #[serde(default)]
    pub foundation: Foundation,
    /// The budget of the account.
    #[serde(default)]
    pub budget: AwsBudget,
    /// The state of `terraform/`.
    #[serde(default)]
    pub state: AwsState,
}

/// `[aws.queue]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The SQS queue of trades.
    pub name: String,
    /// The SQS queue of messages that can't be processed.
    pub dead_letter_name: String,
    /// Time for which a delivered message stays hidden, in seconds.
    #[schemars(range(min = 0, max = 43_200))]
    pub visibility_timeout_s: u32,
    /// Deliveries before a message is a dead letter.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_receive_count: u32,
    /// Time for which the queue keeps a message, in seconds.
    #[schemars(range(min = 60, max = 1_209_600))]
    pub retention_s: u32,
    /// Time for which the dead-letter queue keeps a message, in seconds.
    #[schemars(range(min = 60, max = 1_209_600))]
    pub dead_letter_retention_s: u32,
}

impl Queue {
    /// The time for which every delivery of a message may fail, in seconds, without the message being a dead letter.
    #[must_use]
    pub fn outlasts_s(&self) -> u64 {
        u64::from(self.max_receive_count.saturating_sub(1)) * u64::from(self.visibility_timeout_s)
    }
}

/// Processor of a function, as Lambda names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsIngest {
    /// The Lambda function.
    pub name: String,
    /// The processor that it runs on.
    pub architecture: Architecture,
    /// Memory in mebibytes; processor time goes with it.
    #[schemars(range(min = 128, max = 10_240))]
    pub memory_mb: u32,
    /// Longest run of one invocation, in seconds.
    #[schemars(range(min = 1, max = 900))]
    pub timeout_s: u32,
    /// Most messages in one invocation.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: u32,
    /// Longest wait of the event source mapping for a full batch, in seconds.
    #[schemars(range(min = 0, max = 300))]
    pub batch_window_s: u32,
    /// Most invocations at once by the event source mapping.
    #[schemars(range(min = 2, max = 1_000))]
    pub max_concurrency: u32,
    /// Retention of logs, in days: one of those that the service has, such as 7, 30, 90 or 365.
    pub log_retention_days: u32,
}

/// `[aws.replicate]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsReplicate {
    /// True to deploy the function.
    pub enabled: bool,
    /// The Lambda function; where there is none, it is named after the prefix.
    pub name: Option<String>,
    /// Name, not ARN, of the role that it runs with, which Google Cloud lets read its raw archive; where there is
    /// none, it is named after prefix and environment.
    pub role: Option<String>,
    /// Memory in mebibytes; processor time goes with it.
    #[schemars(range(min = 128, max = 10_240))]
    pub memory_mb: u32,
    /// Longest run, in seconds.
    #[schemars(range(min = 1, max = 900))]
    pub timeout_s: u32,
    /// Interval of its runs, in minutes.
    #[schemars(range(min = 1, max = 1_440))]
    pub schedule_minutes: u32,
    /// True to pause the schedule.
    pub paused: bool,
    /// True to reserve one concurrent execution of the account's for it, so that two never overlap.
    pub reserve_concurrency: bool,
    /// Retention of logs, in days: one of those that the service has, such as 7, 30, 90 or 365.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsArchive {
    /// Age at which an object moves to Standard-IA, in days.
    // S3 moves no object younger than 30 days.
    #[schemars(range(min = 30, max = 36_500))]
    pub standard_ia_days: u32,
    /// Age at which an object moves to Glacier Instant Retrieval, in days.
    #[schemars(range(min = 60, max = 36_500))]
    pub glacier_ir_days: u32,
    /// Age at which an object moves to Glacier Deep Archive, in days; 0 is never.
    #[schemars(range(min = 0, max = 36_500))]
    pub deep_archive_days: u32,
    /// Time for which an overwritten or deleted object can be restored, in days.
    #[schemars(range(min = 1, max = 36_500))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Foundation {
    /// True to make the account's provider for GitHub's tokens; an account can have one.
    pub create_github_oidc_provider: bool,
    /// True to let the deploy role make only roles with the functions' permissions boundary.
    pub require_functions_boundary: bool,
    /// True to let the deploy role empty the raw archive.
    pub allow_destroy: bool,
    /// The audience that the Google side asks its identity token for.
    pub google_audience: String,
    /// Services through which the account's principals may use the key, of `sns`, `sqs`, `s3`, `dynamodb` and `lambda`.
    pub key_services: Vec<String>,
    /// Time for which a deleted key can be restored, in days.
    #[schemars(range(min = 7, max = 30))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsBudget {
    /// Budget of a month in US dollars; 0 is none.
    pub monthly_usd: u32,
    /// True to count only resources with this project's tag, not the whole account.
    pub by_tag: bool,
}

impl Default for AwsBudget {
    fn default() -> Self {
        Self { monthly_usd: 50, by_tag: false }
    }
}

/// `[aws.state]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AwsState {
    /// Start of the name of the bucket that `bootstrap.yaml` makes for the state; where there is none, it is named
    /// after the prefix.
    pub bucket_prefix: Option<String>,
    /// A bucket that is there already, in its place; then none is made.
    pub bucket: Option<String>,
    /// The state's key in it.
    pub key: String,
    /// Time for which an overwritten state, or deleted function code, can be restored, in days.
    #[schemars(range(min = 1, max = 36_500))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gcp {
    /// The project's id.
    pub project: String,
    /// The region, such as `us-central1`.
    pub region: String,
    /// Start of the name of the raw archive's bucket, which goes on with the environment and the project.
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
    /// The database of candles.
    pub firestore: Firestore,
    /// The raw archive's bucket.
    #[serde(default)]
    pub archive: Archive,
    /// The Cloud Run service that ingests.
    pub ingest: GcpIngest,
    /// The Cloud Run service that copies from the peer.
    #[serde(default)]
    pub replicate: GcpReplicate,
    /// Images of the services.
    #[serde(default)]
    pub images: Images,
    /// The budget of the project.
    #[serde(default)]
    pub budget: GcpBudget,
    /// The state of `terraform-gcp/`.
    #[serde(default)]
    pub state: GcpState,
}

/// `[gcp.pubsub]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pubsub {
    /// The topic of trades.
    pub topic: String,
    /// The push subscription to the ingest service.
    pub subscription: String,
    /// The topic of messages that can't be processed.
    pub dead_letter_topic: String,
    /// The pull subscription that keeps them.
    pub dead_letter_subscription: String,
    /// Longest time of the service for one message, in seconds.
    #[schemars(range(min = 10, max = 600))]
    pub ack_deadline_s: u32,
    /// Deliveries before a message is a dead letter.
    #[schemars(range(min = 5, max = 100))]
    pub max_delivery_attempts: u32,
    /// Shortest pause before a redelivery, in milliseconds.
    #[schemars(range(min = 0, max = 600_000))]
    pub min_backoff_ms: u32,
    /// Longest pause before a redelivery, in milliseconds.
    #[schemars(range(min = 0, max = 600_000))]
    pub max_backoff_ms: u32,
    /// Time for which both subscriptions keep a message, in seconds.
    #[schemars(range(min = 600, max = 2_678_400))]
    pub retention_s: u32,
    /// IAM members that may publish trades, such as `serviceAccount:…`.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firestore {
    /// The database; `(default)` is the one that every project may have for free.
    pub database: String,
    /// The collection of candles.
    pub collection: String,
    /// A region or multi-region; where there is none, `gcp.region`.
    #[serde(default)]
    pub location: Option<String>,
    /// True to protect the database from being deleted.
    #[serde(default = "yes")]
    pub delete_protection: bool,
    /// True to keep the database as it was at each minute of the last 7 days.
    #[serde(default = "yes")]
    pub point_in_time_recovery: bool,
}

fn yes() -> bool {
    true
}

/// `[gcp.archive]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Archive {
    /// A region or multi-region; where there is none, `gcp.region`.
    pub location: Option<String>,
    /// True to let a destroy delete the objects of the bucket, too.
    pub force_destroy: bool,
    /// Age at which an object moves to Nearline, in days.
    #[schemars(range(min = 1, max = 36_500))]
    pub nearline_days: u32,
    /// Age at which an object moves to Coldline, in days.
    #[schemars(range(min = 2, max = 36_500))]
    pub coldline_days: u32,
    /// Age at which an object moves to Archive, in days.
    #[schemars(range(min = 3, max = 36_500))]
    pub archive_days: u32,
    /// Time for which an overwritten or deleted object can be restored, in days.
    #[schemars(range(min = 7, max = 36_500))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpIngest {
    /// The Cloud Run service.
    pub service: String,
    /// Requests that one instance takes at once.
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrency: u32,
    /// Instances that are always there.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub min_instances: u32,
    /// Most instances.
    #[serde(default = "max_instances")]
    #[schemars(range(min = 1, max = 1_000))]
    pub max_instances: u32,
    /// Processors of an instance: `1`, `2`, `4` or `8`.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GcpReplicate {
    /// The Cloud Run service; where there is none, it is named after the prefix.
    pub service: Option<String>,
    /// Processors of an instance: `1`, `2`, `4` or `8`.
    pub cpu: String,
    /// Memory of an instance, such as `512Mi`.
    pub memory: String,
    /// Schedule of the runs, as cron in UTC.
    pub schedule: String,
    /// Path that the schedule posts to.
    pub path: String,
    /// Longest run, in seconds.
    // As long as Cloud Scheduler waits.
    #[schemars(range(min = 15, max = 1_800))]
    pub timeout_s: u32,
    /// True to pause the schedule.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Images {
    /// Base image of the services, by digest; where there is none, `scratch`, as the binary is static.
    pub base: Option<String>,
    /// Target triple that the services are built for; where there is none, this machine's own.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GcpState {
    /// The bucket of the state.
    pub bucket: Option<String>,
    /// Start of the state's name in the bucket.
    pub prefix: String,
}

impl Default for GcpState {
    fn default() -> Self {
        Self { bucket: None, prefix: "terraform-gcp".to_owned() }
    }
}
