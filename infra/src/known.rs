//! Values that a deployment gets from the clouds, from builds and from uploads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Values known only after something was deployed, built or uploaded. A missing one is null in the files, or omitted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResolvedOutputs {
    /// The AWS account's number, twelve digits.
    pub aws_account: Option<String>,
    /// The object of the uploaded code of the AWS functions.
    pub code: Option<Code>,
    /// An AWS emulator's URL, for the functions of both clouds to find it.
    pub aws_endpoint: Option<String>,
    /// A Cloud Storage emulator's URL, for the AWS function that copies from it.
    pub gcs_endpoint: Option<String>,
    /// The topic that the stack's alarms publish to: `terraform/`'s output `alert_topic_arn`.
    pub alert_topic_arn: Option<String>,
    /// The permissions boundary of the stack's roles: `terraform/`'s output `functions_boundary_arn`.
    pub functions_boundary_arn: Option<String>,
    /// The role by which the Google side reads AWS's archive: `terraform/`'s output `google_reader_role_arn`.
    pub google_reader_role_arn: Option<String>,
    /// The audience for which the AWS side signs in at Google: `terraform-gcp/`'s output `aws_workload_identity_audience`.
    pub google_audience_for_aws: Option<String>,
    /// Image of the Google ingest service, by digest: `HOST/PATH@sha256:DIGEST`.
    pub ingest_image: Option<String>,
    /// Image of the Google replicate service, by digest.
    pub replicate_image: Option<String>,
    /// Values for the producer's instances. Boxed to keep the futures of all commands small.
    pub producer: Box<KnownProducer>,
    /// Unique id of the Google account that replicates: `terraform-gcp/`'s output `replicate_service_account_unique_id`.
    pub google_replicate_subject: Option<String>,
    /// The deployments of this environment in other regions, by the names of their environments.
    pub regions: BTreeMap<String, KnownRegion>,
}

impl ResolvedOutputs {
    /// The values that are not known yet but will be, each with its source.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        [
            (self.aws_account.is_none(), "the AWS account's number: from the credentials"),
            (self.code.is_none(), "where the AWS functions' code is: from its upload"),
            (self.ingest_image.is_none(), "the ingest image's digest: from its push"),
            (self.replicate_image.is_none(), "the replicate image's digest: from its push"),
            (
                self.google_replicate_subject.is_none(),
                "the id of Google's replicate account: from terraform-gcp's outputs",
            ),
            (self.alert_topic_arn.is_none(), "the topic of alerts: from terraform's outputs"),
            (
                self.functions_boundary_arn.is_none(),
                "the boundary of the stack's roles: from terraform's outputs",
            ),
            (
                self.google_reader_role_arn.is_none(),
                "the role by which Google reads AWS's archive: from terraform's outputs",
            ),
            (
                self.google_audience_for_aws.is_none(),
                "the audience by which AWS reads Google's archive: from terraform-gcp's outputs",
            ),
        ]
        .into_iter()
        .filter_map(|(missing, what)| missing.then_some(what))
        .collect()
    }
}

/// The functions' code in a bucket, for `CloudFormation`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// The bucket's name.
    pub bucket: String,
    /// The ingest function.
    pub ingest: CodeObject,
    /// The replicate function; without its code it isn't created.
    pub replicate: Option<CodeObject>,
}

/// One function's zip in that bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeObject {
    /// The object's key; contains the content's hash, so other content has another key.
    pub key: String,
    /// SHA-256 of the zip in base64, as Lambda gives it.
    pub sha256_base64: String,
}

/// Outputs about the producer and its instances.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnownProducer {
    /// The image of the producer, by digest.
    pub image: Option<String>,
    /// The object key of the program in the artifact bucket, `producer/SHA256.bin`.
    pub program: Option<String>,
    /// Unique id of the service account of the instance on Google Cloud: `terraform-gcp/`'s output
    /// `producer_service_account_unique_id`.
    pub google_subject: Option<String>,
    /// The role that the instance on Google Cloud assumes on AWS: `terraform/`'s output `google_producer_role_arn`.
    pub google_role_arn: Option<String>,
}

/// Outputs of an environment that is another one in another region of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KnownRegion {
    /// The bucket of its archive: its stack's output `BucketName`.
    pub bucket: Option<String>,
    /// The role by which the Google side reads it: its `terraform/`'s output `google_reader_role_arn`.
    pub google_reader_role_arn: Option<String>,
}
