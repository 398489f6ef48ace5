//! What the settings become outside: the functions' environment, and the parameters and tags of the stack.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::names;
use crate::settings::Settings;

/// `infra/aws/stack.yaml`, the template of everything on AWS.
pub const STACK_TEMPLATE: &str = include_str!("../aws/stack.yaml");

/// Function code in a bucket, where `CloudFormation` finds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeLocation {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key; holds the content's hash, so another content is another key.
    pub key: String,
}

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

    pub(crate) fn function_env(&self) -> BTreeMap<String, String> {
        owned([
            ("TWINCLOUD_SYMBOLS", self.trading.symbols.join(",")),
            ("TWINCLOUD_INTERVALS", self.trading.intervals.join(",")),
            ("TWINCLOUD_CAS_ATTEMPTS", self.compare_and_set.attempts.to_string()),
            ("TWINCLOUD_CAS_BASE_MS", self.compare_and_set.base_ms.to_string()),
            ("TWINCLOUD_CAS_CAP_MS", self.compare_and_set.cap_ms.to_string()),
            ("RUST_LOG", self.functions.log.clone()),
        ])
    }
}

/// The values of `stack.yaml`'s parameters, all of them. `endpoint` is an emulator's URL, for the
/// function to find it; on AWS there is none.
#[must_use]
pub fn stack_parameters(
    settings: &Settings,
    code: &CodeLocation,
    endpoint: Option<&str>,
) -> BTreeMap<String, String> {
    let mut parameters = stack_parameters_without_code(settings, endpoint);
    parameters.extend(owned([
        ("ArtifactBucket", code.bucket.clone()),
        ("ArtifactKey", code.key.clone()),
    ]));
    parameters
}

/// [`stack_parameters`] before the code is uploaded: without the two that say where it is.
#[must_use]
pub fn stack_parameters_without_code(
    settings: &Settings,
    endpoint: Option<&str>,
) -> BTreeMap<String, String> {
    let aws = &settings.aws;
    let env = settings.function_env();
    let from_env = |name: &str| env.get(name).cloned().unwrap_or_default();
    owned([
        ("QueueName", aws.queue.name.clone()),
        ("DeadLetterQueueName", aws.queue.dead_letter_name.clone()),
        ("VisibilityTimeoutSeconds", aws.queue.visibility_timeout_s.to_string()),
        ("MaxReceiveCount", aws.queue.max_receive_count.to_string()),
        ("MessageRetentionSeconds", aws.queue.retention_s.to_string()),
        ("DeadLetterRetentionSeconds", aws.queue.dead_letter_retention_s.to_string()),
        ("TableName", aws.table.clone()),
        ("ArchiveBucketBase", names::aws_bucket_base(settings)),
        ("FunctionName", aws.ingest.name.clone()),
        ("Architecture", aws.ingest.architecture.as_str().to_owned()),
        ("MemoryMegabytes", aws.ingest.memory_mb.to_string()),
        ("TimeoutSeconds", aws.ingest.timeout_s.to_string()),
        ("BatchSize", aws.ingest.batch_size.to_string()),
        ("BatchWindowSeconds", aws.ingest.batch_window_s.to_string()),
        ("MaximumConcurrency", aws.ingest.max_concurrency.to_string()),
        ("LogRetentionDays", aws.ingest.log_retention_days.to_string()),
        ("Symbols", from_env("TWINCLOUD_SYMBOLS")),
        ("Intervals", from_env("TWINCLOUD_INTERVALS")),
        ("CompareAndSetAttempts", from_env("TWINCLOUD_CAS_ATTEMPTS")),
        ("CompareAndSetBaseMilliseconds", from_env("TWINCLOUD_CAS_BASE_MS")),
        ("CompareAndSetCapMilliseconds", from_env("TWINCLOUD_CAS_CAP_MS")),
        ("LogFilter", from_env("RUST_LOG")),
        ("EndpointUrl", endpoint.unwrap_or_default().to_owned()),
    ])
}

/// Tags of everything that is deployed; the inventory after a destroy looks for them.
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
