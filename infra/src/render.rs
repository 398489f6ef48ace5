//! Values rendered from the settings: the functions' environment, and the parameters and tags of the stacks.

use std::collections::BTreeMap;

use crate::known::ResolvedOutputs;
pub use crate::known::{Code, CodeObject};
use crate::names;
use crate::settings::{Region, Settings};

mod producer;
mod revision;

/// `infra/aws/stack.yaml`, the template of everything on AWS.
pub const STACK_TEMPLATE: &str = include_str!("../aws/stack.yaml");

/// `infra/aws/bootstrap.yaml`, the template of the two buckets that a deployment starts with.
pub const BOOTSTRAP_TEMPLATE: &str = include_str!("../aws/bootstrap.yaml");

impl Settings {
    /// The environment of the AWS functions. `account` is the twelve-digit number of the account.
    #[must_use]
    pub fn aws_function_env(&self, account: &str) -> BTreeMap<String, String> {
        let mut env = self.function_env();
        env.extend(owned([
            ("TWINCLOUD_TABLE", self.aws.table.clone()),
            ("TWINCLOUD_BUCKET", names::aws_bucket(self, account)),
        ]));
        env
    }

    /// The environment of the AWS function that replicates from Google Cloud. Unknown values are empty; the function then
    /// has no access.
    #[must_use]
    pub fn aws_replicate_env(
        &self,
        account: &str,
        known: &ResolvedOutputs,
    ) -> BTreeMap<String, String> {
        let mut env = self.aws_function_env(account);
        env.extend(owned([
            ("TWINCLOUD_PEER_BUCKET", names::gcp_bucket(self)),
            ("TWINCLOUD_PEER_ENDPOINT", known.gcs_endpoint.clone().unwrap_or_default()),
            ("TWINCLOUD_PEER_AUDIENCE", known.google_audience_for_aws.clone().unwrap_or_default()),
        ]));
        env
    }

    /// The environment of the Google functions.
    #[must_use]
    pub fn gcp_function_env(&self) -> BTreeMap<String, String> {
        let mut env = self.function_env();
        env.extend(owned([
            ("TWINCLOUD_BUCKET", names::gcp_bucket(self)),
            ("TWINCLOUD_GCP_PROJECT", self.gcp.project.clone()),
            ("TWINCLOUD_FIRESTORE_DATABASE", self.gcp.firestore.database.clone()),
            ("TWINCLOUD_FIRESTORE_COLLECTION", self.gcp.firestore.collection.clone()),
        ]));
        env
    }

    /// The environment of the Google function that replicates from each region of AWS. Unknown values are empty, and the
    /// function then has no access; unknown regions are omitted.
    #[must_use]
    pub fn gcp_replicate_env(&self, known: &ResolvedOutputs) -> BTreeMap<String, String> {
        let bucket = known.aws_account.as_ref().map(|account| names::aws_bucket(self, account));
        let mut env = self.gcp_function_env();
        env.extend(owned([
            ("TWINCLOUD_PEER_BUCKET", bucket.unwrap_or_default()),
            ("TWINCLOUD_PEER_REGION", self.aws.region.clone()),
            ("TWINCLOUD_PEER_ENDPOINT", known.aws_endpoint.clone().unwrap_or_default()),
            ("TWINCLOUD_PEER_ROLE", known.google_reader_role_arn.clone().unwrap_or_default()),
            ("TWINCLOUD_PEER_AUDIENCE", self.aws.foundation.google_audience.clone()),
        ]));
        let deployed = self.regions.iter().filter_map(|r| Some((r, way_in(r, known).ok()?)));
        for (number, (region, WayIn { bucket, role })) in (2..).zip(deployed) {
            let values = [
                ("BUCKET", bucket),
                ("REGION", region.region.clone()),
                ("ENDPOINT", known.aws_endpoint.clone().unwrap_or_default()),
                ("ROLE", role),
                ("AUDIENCE", self.aws.foundation.google_audience.clone()),
            ];
            let named = |(name, value)| (format!("TWINCLOUD_PEER_{number}_{name}"), value);
            env.extend(values.map(named));
        }
        env
    }

    /// The regions that Google can't replicate from yet, each with the next step.
    #[must_use]
    pub fn regions_left_out(&self, known: &ResolvedOutputs) -> Vec<String> {
        let left_out = self.regions.iter().filter_map(|region| {
            let part = way_in(region, known).err()?;
            let Region { environment, region, .. } = region;
            Some(format!("{environment} in {region}: `cargo xtask deploy {part} --env {environment}` comes first"))
        });
        left_out.collect()
    }

    pub(crate) fn function_env(&self) -> BTreeMap<String, String> {
        let mut symbols = self.trading.symbols.clone();
        symbols.push(self.trading.smoke_symbol.clone());
        owned([
            ("TWINCLOUD_SYMBOLS", symbols.join(",")),
            ("TWINCLOUD_INTERVALS", self.trading.intervals.join(",")),
            ("TWINCLOUD_CAS_ATTEMPTS", self.compare_and_set.attempts.to_string()),
            ("TWINCLOUD_CAS_BASE_MS", self.compare_and_set.base_ms.to_string()),
            ("TWINCLOUD_CAS_CAP_MS", self.compare_and_set.cap_ms.to_string()),
            ("RUST_LOG", self.functions.log.clone()),
        ])
    }
}

/// The access of Google to the archive of another region.
struct WayIn {
    bucket: String,
    /// Empty on an emulator, which requires none.
    role: String,
}

/// The access, or the part of that region's deployment to be deployed first.
fn way_in(region: &Region, known: &ResolvedOutputs) -> Result<WayIn, &'static str> {
    let there = known.regions.get(&region.environment).cloned().unwrap_or_default();
    let bucket = there.bucket.ok_or("aws")?;
    let role = match (there.google_reader_role_arn, &known.aws_endpoint) {
        (Some(role), _) => role,
        (None, Some(_)) => String::new(),
        (None, None) => return Err("foundation"),
    };
    Ok(WayIn { bucket, role })
}

/// The values of all of `stack.yaml`'s parameters. Without the code of the replicate function, none of its resources are
/// created. The code in `known` is ignored.
#[must_use]
pub fn stack_parameters(
    settings: &Settings,
    code: &Code,
    known: &ResolvedOutputs,
) -> BTreeMap<String, String> {
    let mut parameters = stack_parameters_without_code(settings, known);
    let replicate = code.replicate.as_ref();
    parameters.extend(owned([
        ("ArtifactBucket", code.bucket.clone()),
        ("ArtifactKey", code.ingest.key.clone()),
        ("CodeSha256", code.ingest.sha256_base64.clone()),
        ("ReplicateArtifactKey", replicate.map(|code| code.key.clone()).unwrap_or_default()),
    ]));
    if replicate.is_none() {
        parameters.insert("ReplicateEnabled".to_owned(), "false".to_owned());
    }
    let revision = revision::of(STACK_TEMPLATE, "IngestFunction", "Revision", &parameters);
    parameters.insert("Revision".to_owned(), revision);
    parameters
}

/// The parameters of a stack with other code and no other change.
#[must_use]
pub fn with_code(
    mut parameters: BTreeMap<String, String>,
    code: &Code,
) -> BTreeMap<String, String> {
    parameters.extend(owned([
        ("ArtifactBucket", code.bucket.clone()),
        ("ArtifactKey", code.ingest.key.clone()),
        ("CodeSha256", code.ingest.sha256_base64.clone()),
    ]));
    if let Some(replicate) = &code.replicate {
        parameters.insert("ReplicateArtifactKey".to_owned(), replicate.key.clone());
    }
    let revision = revision::of(STACK_TEMPLATE, "IngestFunction", "Revision", &parameters);
    parameters.insert("Revision".to_owned(), revision);
    parameters
}

/// [`stack_parameters`] before the code is uploaded: without those about the code.
#[must_use]
pub fn stack_parameters_without_code(
    settings: &Settings,
    known: &ResolvedOutputs,
) -> BTreeMap<String, String> {
    let aws = &settings.aws;
    let mut parameters = owned([
        ("QueueName", aws.queue.name.clone()),
        ("DeadLetterQueueName", aws.queue.dead_letter_name.clone()),
        ("VisibilityTimeoutSeconds", aws.queue.visibility_timeout_s.to_string()),
        ("MaxReceiveCount", aws.queue.max_receive_count.to_string()),
        ("MessageRetentionSeconds", aws.queue.retention_s.to_string()),
        ("DeadLetterRetentionSeconds", aws.queue.dead_letter_retention_s.to_string()),
        ("TableName", aws.table.clone()),
        ("DeletionProtection", aws.deletion_protection.to_string()),
        ("ArchiveBucketBase", names::aws_bucket_base(settings)),
        ("StandardIaDays", aws.archive.standard_ia_days.to_string()),
        ("GlacierIrDays", aws.archive.glacier_ir_days.to_string()),
        ("DeepArchiveDays", aws.archive.deep_archive_days.to_string()),
        ("NoncurrentDays", aws.archive.noncurrent_days.to_string()),
        ("FunctionName", aws.ingest.name.clone()),
        ("Architecture", aws.ingest.architecture.as_str().to_owned()),
        ("MemoryMegabytes", aws.ingest.memory_mb.to_string()),
        ("TimeoutSeconds", aws.ingest.timeout_s.to_string()),
        ("BatchSize", aws.ingest.batch_size.to_string()),
        ("BatchWindowSeconds", aws.ingest.batch_window_s.to_string()),
        ("MaximumConcurrency", aws.ingest.max_concurrency.to_string()),
        ("LogRetentionDays", aws.ingest.log_retention_days.to_string()),
        ("AlertTopicArn", known.alert_topic_arn.clone().unwrap_or_default()),
        ("OldestMessageSeconds", settings.alerts.oldest_unacked_s.to_string()),
        ("ReplicationLagSeconds", settings.alerts.replication_lag_s.to_string()),
        ("MetricNamespace", settings.project.prefix.clone()),
        ("PermissionsBoundaryArn", known.functions_boundary_arn.clone().unwrap_or_default()),
    ]);
    parameters.extend(environment(settings, known));
    parameters.extend(replicate(settings, known));
    parameters
}

/// The variables that both functions read.
fn environment(settings: &Settings, known: &ResolvedOutputs) -> BTreeMap<String, String> {
    let env = settings.function_env();
    let from_env = |name: &str| env.get(name).cloned().unwrap_or_default();
    owned([
        ("Symbols", from_env("TWINCLOUD_SYMBOLS")),
        ("Intervals", from_env("TWINCLOUD_INTERVALS")),
        ("CompareAndSetAttempts", from_env("TWINCLOUD_CAS_ATTEMPTS")),
        ("CompareAndSetBaseMilliseconds", from_env("TWINCLOUD_CAS_BASE_MS")),
        ("CompareAndSetCapMilliseconds", from_env("TWINCLOUD_CAS_CAP_MS")),
        ("LogFilter", from_env("RUST_LOG")),
        ("EndpointUrl", known.aws_endpoint.clone().unwrap_or_default()),
    ])
}

/// The parameters of the replicate function.
fn replicate(settings: &Settings, known: &ResolvedOutputs) -> BTreeMap<String, String> {
    let replicate = &settings.aws.replicate;
    let env = settings.aws_replicate_env("", known);
    let from_env = |name: &str| env.get(name).cloned().unwrap_or_default();
    let rate = match replicate.schedule_minutes {
        1 => "rate(1 minute)".to_owned(),
        minutes => format!("rate({minutes} minutes)"),
    };
    let state = if replicate.paused { "DISABLED" } else { "ENABLED" };
    owned([
        ("ReplicateEnabled", replicate.enabled.to_string()),
        ("ReplicateFunctionName", names::aws_replicate(settings)),
        ("ReplicateRoleName", names::aws_replicate_role(settings)),
        ("ReplicateMemoryMegabytes", replicate.memory_mb.to_string()),
        ("ReplicateTimeoutSeconds", replicate.timeout_s.to_string()),
        ("ReplicateReserveConcurrency", replicate.reserve_concurrency.to_string()),
        ("ReplicateLogRetentionDays", replicate.log_retention_days.to_string()),
        ("ReplicateSchedule", rate),
        ("ReplicateScheduleState", state.to_owned()),
        ("PeerBucket", from_env("TWINCLOUD_PEER_BUCKET")),
        ("PeerEndpoint", from_env("TWINCLOUD_PEER_ENDPOINT")),
        ("PeerAudience", from_env("TWINCLOUD_PEER_AUDIENCE")),
    ])
}

/// The values of all of `bootstrap.yaml`'s parameters.
#[must_use]
pub fn bootstrap_parameters(settings: &Settings) -> BTreeMap<String, String> {
    owned([
        ("StateBucketBase", names::aws_state_bucket_base(settings).unwrap_or_default()),
        ("ArtifactBucketBase", names::aws_artifact_bucket_base(settings)),
        ("NoncurrentDays", settings.aws.state.noncurrent_days.to_string()),
    ])
}

/// Tags of all deployed resources; the inventory after a destroy looks for them.
#[must_use]
pub fn tags(settings: &Settings) -> BTreeMap<String, String> {
    let mut tags = settings.project.tags.clone();
    tags.extend(owned([
        ("project", settings.project.prefix.clone()),
        ("environment", settings.project.environment.clone()),
        ("managed-by", "twincloud".to_owned()),
    ]));
    tags
}

pub(crate) fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
