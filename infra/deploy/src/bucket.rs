//! Empties a bucket with all its versions: a bucket with objects can't be deleted.

use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::artifact::client;
use crate::aws::in_words;

/// A key that no object has, in the folder that the grants of the archive and every other bucket cover.
const NO_OBJECT: &str = "trades/.no-such-object";

/// The reason why a bucket isn't empty.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// S3 refused the request or didn't answer.
    #[error("{action} bucket {bucket}: {problem}")]
    Call {
        /// The operation.
        action: &'static str,
        /// The bucket.
        bucket: String,
        /// The error, with the next step if there is one.
        problem: String,
    },
    /// Some objects could not be deleted.
    #[error("empty bucket {bucket}: {count} objects stay, the first is {key}: {problem}")]
    Kept {
        /// The bucket.
        bucket: String,
        /// Their number, in one request.
        count: usize,
        /// The first of them.
        key: String,
        /// The reason.
        problem: String,
    },
}

/// Deletes all objects and versions in a bucket, and returns their number. `progress` gets that number as it grows. A
/// missing bucket counts as empty.
pub async fn empty(
    config: &SdkConfig,
    bucket: &str,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64, Error> {
    let client = client(config);
    let mut deleted = 0;
    // Each page is deleted before the next is listed, so the first page is always the next one.
    loop {
        let Some(found) = page(&client, bucket).await? else { return Ok(deleted) };
        if found.is_empty() {
            return Ok(deleted);
        }
        deleted += delete(&client, bucket, found).await?;
        progress(deleted);
    }
}

/// An error if a bucket has objects that these credentials can't delete. Changes nothing: the permission is tested on a
/// version that no object has.
pub async fn can_be_emptied(config: &SdkConfig, bucket: &str) -> Result<(), Error> {
    let client = client(config);
    match page(&client, bucket).await? {
        Some(found) if !found.is_empty() => {}
        _ => return Ok(()),
    }
    let asked = client.delete_object().bucket(bucket).key(NO_OBJECT).version_id("null");
    match asked.send().await {
        Err(error) if error.code() == Some("AccessDenied") => Err(failed("empty", bucket, &error)),
        _ => Ok(()),
    }
}

/// Number of objects in a bucket, counted up to `limit`; `None` if there is no such bucket.
pub async fn count(config: &SdkConfig, bucket: &str, limit: i32) -> Result<Option<usize>, Error> {
    let answer = client(config).list_objects_v2().bucket(bucket).max_keys(limit).send().await;
    match answer {
        Ok(page) => Ok(Some(page.contents().len())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("look into", bucket, &error)),
    }
}

async fn page(client: &Client, bucket: &str) -> Result<Option<Vec<ObjectIdentifier>>, Error> {
    let answer = client.list_object_versions().bucket(bucket).send().await;
    match answer {
        Ok(page) => Ok(Some(identifiers(&page))),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(failed("list the versions in", bucket, &error)),
    }
}

fn identifiers(page: &ListObjectVersionsOutput) -> Vec<ObjectIdentifier> {
    let versions = page.versions().iter().map(|version| (version.key(), version.version_id()));
    let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
    versions
        .chain(markers)
        .filter_map(|(key, version)| {
            let object = ObjectIdentifier::builder().key(key?);
            object.set_version_id(version.map(str::to_owned)).build().ok()
        })
        .collect()
}

async fn delete(
    client: &Client,
    bucket: &str,
    objects: Vec<ObjectIdentifier>,
) -> Result<u64, Error> {
    let count = objects.len() as u64;
    let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build();
    let delete = delete.map_err(|error| Error::Call {
        action: "empty",
        bucket: bucket.to_owned(),
        problem: error.to_string(),
    })?;
    let answer = client.delete_objects().bucket(bucket).delete(delete).send().await;
    let answer = answer.map_err(|error| failed("empty", bucket, &error))?;
    match answer.errors() {
        [] => Ok(count),
        errors @ [first, ..] => Err(Error::Kept {
            bucket: bucket.to_owned(),
            count: errors.len(),
            key: first.key().unwrap_or_default().to_owned(),
            problem: format!(
                "{} ({})",
                first.message().unwrap_or("no message"),
                first.code().unwrap_or("no code")
            ),
        }),
    }
}

fn failed<E, R>(action: &'static str, bucket: &str, error: &SdkError<E, R>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    Error::Call { action, bucket: bucket.to_owned(), problem: in_words(error) }
}

fn is_absent<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("NoSuchBucket")
}
