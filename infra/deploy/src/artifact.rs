//! The bucket that function code is uploaded to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::create_bucket::CreateBucketError;
use aws_sdk_s3::operation::head_object::HeadObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use infra::package::{Artifact, Digest};
use infra::render::CodeObject;

use crate::aws::{ATTEMPT_TIMEOUT, in_words};

/// The slowest expected upload: a quarter of a megabit a second.
const SLOW_BYTES_A_SECOND: u64 = 32 * 1024;

/// S3's first region, which must not be named when a bucket is created in it.
const FIRST_REGION: &str = "us-east-1";

/// The reason why an artifact isn't in its bucket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file differs from the manifest.
    #[error("{} isn't what manifest.json says (SHA-256 {found}, not {expected}); package again", path.display())]
    Changed {
        /// The artifact's file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The manifest's.
        expected: String,
    },
    /// The artifact can't be read.
    #[error(transparent)]
    Package(#[from] infra::package::Error),
    /// S3 refused the request or didn't answer.
    #[error("{action} s3://{bucket}/{key}: {problem}")]
    Call {
        /// The operation.
        action: &'static str,
        /// The bucket.
        bucket: String,
        /// The object, or the empty text for the bucket itself.
        key: String,
        /// The error, with the next step if there is one.
        problem: String,
    },
    /// Another account has a bucket of this name; the names are shared by all accounts.
    #[error(
        "the bucket name {bucket} is taken by another account; choose another aws.artifact_bucket_prefix"
    )]
    Taken {
        /// The bucket.
        bucket: String,
    },
}

/// Uploads an artifact under a key that contains its hash, so that it is uploaded once and never
/// replaced by another content. `folder` is the manifest's.
pub async fn upload_artifact(
    config: &SdkConfig,
    bucket: &str,
    folder: &Path,
    artifact: &Artifact,
) -> Result<CodeObject, Error> {
    let path = folder.join(&artifact.path);
    let digest = Digest::of_file(&path)?;
    if digest.sha256 != artifact.sha256 {
        let (found, expected) = (digest.sha256, artifact.sha256.clone());
        return Err(Error::Changed { path, found, expected });
    }
    let code = code_object(artifact);
    let failed = |action, problem| Error::Call {
        action,
        bucket: bucket.to_owned(),
        key: code.key.clone(),
        problem,
    };

    let client = client(config);
    match client.head_object().bucket(bucket).key(&code.key).send().await {
        Ok(_) => return Ok(code),
        Err(error) if error.as_service_error().is_some_and(HeadObjectError::is_not_found) => {}
        Err(error) => return Err(failed("look for", in_words(&error))),
    }
    let content = ByteStream::from_path(&path)
        .await
        .map_err(|error| failed("read the artifact for", error.to_string()))?;
    client
        .put_object()
        .bucket(bucket)
        .key(&code.key)
        .body(content)
        .customize()
        .config_override(
            aws_sdk_s3::config::Builder::new().timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(upload_timeout(digest.bytes))
                    .build(),
            ),
        )
        .send()
        .await
        .map_err(|error| failed("upload", in_words(&error)))?;
    Ok(code)
}

/// The timeout of a call, plus the time of its bytes on a slow line.
fn upload_timeout(bytes: u64) -> Duration {
    ATTEMPT_TIMEOUT + Duration::from_secs(bytes / SLOW_BYTES_A_SECOND)
}

/// The place of an artifact in its bucket, whether uploaded or not.
#[must_use]
pub fn code_object(artifact: &Artifact) -> CodeObject {
    let extension = Path::new(&artifact.path).extension();
    let extension = extension.map_or("bin".into(), |extension| extension.to_string_lossy());
    let digest = Digest { bytes: artifact.bytes, sha256: artifact.sha256.clone() };
    CodeObject {
        key: format!("{}/{}.{extension}", artifact.name, artifact.sha256),
        sha256_base64: digest.sha256_base64(),
    }
}

/// Creates a bucket. An existing one of this account is success.
///
/// The account's own artifact bucket is created by `bootstrap.yaml`; this is for emulators and
/// tests.
pub async fn create_bucket(config: &SdkConfig, bucket: &str) -> Result<(), Error> {
    let region = config.region().map_or(FIRST_REGION, |region| region.as_ref());
    let location = (region != FIRST_REGION).then(|| {
        CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build()
    });
    let answer = client(config)
        .create_bucket()
        .bucket(bucket)
        .set_create_bucket_configuration(location)
        .send()
        .await;
    match answer {
        Ok(_) => Ok(()),
        Err(error) => refused(bucket, &error),
    }
}

fn refused<R: std::fmt::Debug + 'static>(
    bucket: &str,
    error: &SdkError<CreateBucketError, R>,
) -> Result<(), Error> {
    let bucket = bucket.to_owned();
    match error.as_service_error() {
        Some(error) if error.is_bucket_already_owned_by_you() => Ok(()),
        Some(error) if error.is_bucket_already_exists() => Err(Error::Taken { bucket }),
        _ => Err(Error::Call {
            action: "create the bucket",
            bucket,
            key: String::new(),
            problem: in_words(error),
        }),
    }
}

/// Emulators have no host names for buckets, so there the bucket is in the path.
pub(crate) fn client(config: &SdkConfig) -> Client {
    let emulated = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(emulated).build();
    Client::from_conf(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_the_time_of_a_slow_line() {
        assert_eq!(upload_timeout(0), ATTEMPT_TIMEOUT);
        // A zip of 4 MiB at 0.5 Mbit/s takes 67 s.
        assert!(upload_timeout(4 << 20) > Duration::from_secs(67));
    }
}
