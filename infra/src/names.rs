//! Names composed of several settings, each defined once.

use crate::settings::Settings;

/// The environment of the emulators, where redelivery takes seconds.
pub const LOCAL_ENVIRONMENT: &str = "local";

/// The `CloudFormation` stack: `blockchain-core-dev`.
#[must_use]
pub fn stack(settings: &Settings) -> String {
    let project = &settings.project;
    format!("{}-{}", project.prefix, project.environment)
}

/// The prefix of the raw archive's bucket, to which `stack.yaml` appends the account's number.
#[must_use]
pub fn aws_bucket_base(settings: &Settings) -> String {
    format!("{}-{}", settings.aws.bucket_prefix, settings.project.environment)
}

/// The raw archive's bucket in the AWS account with this number.
#[must_use]
pub fn aws_bucket(settings: &Settings, account: &str) -> String {
    format!("{}-{account}", aws_bucket_base(settings))
}

/// The prefix of the bucket that function code is uploaded to, before the account's number.
#[must_use]
pub fn aws_artifact_bucket_base(settings: &Settings) -> String {
    format!("{}-{}", settings.aws.artifact_bucket_prefix, settings.project.environment)
}

/// The bucket that function code is uploaded to, in the AWS account with this number.
#[must_use]
pub fn aws_artifact_bucket(settings: &Settings, account: &str) -> String {
    format!("{}-{account}", aws_artifact_bucket_base(settings))
}

/// The `CloudFormation` stack of the two buckets that a deployment starts with: `blockchain-core-dev-bootstrap`.
#[must_use]
pub fn bootstrap_stack(settings: &Settings) -> String {
    format!("{}-bootstrap", stack(settings))
}

/// The prefix of the bucket that `bootstrap.yaml` creates for Terraform's state, before the account's number;
/// `None` if the settings name an existing bucket.
#[must_use]
pub fn aws_state_bucket_base(settings: &Settings) -> Option<String> {
    let state = &settings.aws.state;
    if state.bucket.is_some() {
        return None;
    }
    let project = &settings.project;
    let prefix = state.bucket_prefix.clone().unwrap_or_else(|| format!("{}-state", project.prefix));
    Some(format!("{prefix}-{}", project.environment))
}

/// The bucket of Terraform's state, in the AWS account with this number.
#[must_use]
pub fn aws_state_bucket(settings: &Settings, account: &str) -> String {
    match (&settings.aws.state.bucket, aws_state_bucket_base(settings)) {
        (None, Some(base)) => format!("{base}-{account}"),
        (given, _) => given.clone().unwrap_or_default(),
    }
}

/// The Lambda function that replicates from the peer.
#[must_use]
pub fn aws_replicate(settings: &Settings) -> String {
    let name = settings.aws.replicate.name.clone();
    name.unwrap_or_else(|| format!("{}-replicate", settings.project.prefix))
}

/// The name of its role, by which Google Cloud identifies it.
#[must_use]
pub fn aws_replicate_role(settings: &Settings) -> String {
    let role = settings.aws.replicate.role.clone();
    role.unwrap_or_else(|| format!("{}-replicate", stack(settings)))
}

/// The roles that `terraform/` creates, without the stack's name and a dash before them.
pub const FOUNDATION_ROLES: [&str; 5] =
    ["deploy", "google-producer", "google-reader", "plan", "producer"];

/// The name of the role of the producer's machine on AWS, as `terraform/` creates it.
#[must_use]
pub fn aws_producer_role(settings: &Settings) -> String {
    format!("{}-producer", stack(settings))
}

/// The raw archive's bucket on Google Cloud.
#[must_use]
pub fn gcp_bucket(settings: &Settings) -> String {
    format!("{}-{}-{}", settings.gcp.bucket_prefix, settings.home(), settings.gcp.project)
}

/// A topic's full name, `projects/P/topics/T`.
#[must_use]
pub fn topic_path(settings: &Settings, topic: &str) -> String {
    format!("projects/{}/topics/{topic}", settings.gcp.project)
}

/// A subscription's full name, `projects/P/subscriptions/S`.
#[must_use]
pub fn subscription_path(settings: &Settings, subscription: &str) -> String {
    format!("projects/{}/subscriptions/{subscription}", settings.gcp.project)
}
