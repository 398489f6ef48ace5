//! Reads the lock file of a state where it is stored. The logs are not enough: only Terraform's S3 backend logs its lock,
//! neither its Cloud Storage backend nor `OpenTofu` does.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use jiff::Timestamp;
use serde::Deserialize;

use super::Root;
use super::run_folder::Moment;
use crate::aws::{aws_config, emulator_credentials, in_words};
use crate::cloud_storage::CloudStorage;

/// The timeout of a read.
const LIMIT: Duration = Duration::from_secs(30);

/// A held lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// The id for `force-unlock`.
    pub(super) id: String,
    /// `USER@HOST`.
    who: String,
    created: Timestamp,
}

/// The content of the file.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(rename = "ID")]
    id: String,
    who: String,
    created: String,
}

impl Held {
    /// `id` replaces the file's own one if the backend uses another.
    fn read(content: &[u8], id: Option<String>) -> Result<Self, String> {
        let info: Info = serde_json::from_slice(content)
            .map_err(|error| format!("read what the lock's file says: {error}"))?;
        let created = info.created.parse();
        let created =
            created.map_err(|error| format!("read since when the lock is held: {error}"))?;
        Ok(Self { id: id.unwrap_or(info.id), who: info.who, created })
    }

    /// True if a run of this machine took it, at one of these moments.
    pub(super) fn is_of(&self, host: Option<&str>, moments: &[Moment]) -> bool {
        let here = self.who.rsplit_once('@').is_some_and(|(_, at)| Some(at) == host);
        here && moments.iter().any(|moment| moment.holds(self.created))
    }
}

/// The place of a root's lock.
#[derive(Debug, PartialEq, Eq)]
enum File {
    S3 { bucket: String, key: String, region: String },
    CloudStorage { bucket: String, name: String },
}

impl File {
    /// From the root's backend settings; `None` for other kinds of backends.
    fn of(root: &Root) -> Option<Self> {
        let mut backend = root.backend_file.as_deref().map(values).unwrap_or_default();
        backend.extend(root.backend.clone());
        let bucket = backend.remove("bucket")?;
        match (backend.remove("key"), backend.remove("region"), backend.remove("prefix")) {
            (Some(key), Some(region), _) => {
                Some(Self::S3 { bucket, key: format!("{key}.tflock"), region })
            }
            (None, _, Some(prefix)) => {
                let prefix = prefix.trim_matches('/');
                Some(Self::CloudStorage { bucket, name: format!("{prefix}/default.tflock") })
            }
            _ => None,
        }
    }
}

/// The values of a rendered backend file: `KEY = "VALUE"`, one a line.
fn values(file: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_owned(), serde_json::from_str(value.trim()).ok()?))
    });
    pairs.collect()
}

/// The lock that is held on a root's state, by any run. The error is a text.
pub(super) async fn held(root: &Root) -> Result<Option<Held>, String> {
    let Some(file) = File::of(root) else { return Err("its place isn't known".to_owned()) };
    let reading = Box::pin(read(root, &file));
    tokio::time::timeout(LIMIT, reading)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", LIMIT.as_secs())))
}

async fn read(root: &Root, file: &File) -> Result<Option<Held>, String> {
    let told = |name: &str| {
        root.env.get(name).cloned().or_else(|| std::env::var(name).ok()).filter(|v| !v.is_empty())
    };
    match file {
        File::S3 { bucket, key, region } => {
            let endpoint = root.env.get("AWS_ENDPOINT_URL_S3");
            let credentials = endpoint.map(|_| emulator_credentials());
            let config = aws_config(endpoint.map(String::as_str), region, credentials).await;
            let client = crate::artifact::client(&config);
            let answer = match client.get_object().bucket(bucket).key(key).send().await {
                Ok(answer) => answer,
                Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchBucket")) => {
                    return Ok(None);
                }
                Err(error) => return Err(in_words(&error)),
            };
            let content = answer.body.collect().await.map_err(|error| error.to_string())?;
            Held::read(&content.into_bytes(), None).map(Some)
        }
        File::CloudStorage { bucket, name } => {
            let endpoint = root.backend.get("storage_custom_endpoint").cloned();
            let endpoint = endpoint
                .or_else(|| told("GOOGLE_BACKEND_STORAGE_CUSTOM_ENDPOINT"))
                .or_else(|| told("GOOGLE_STORAGE_CUSTOM_ENDPOINT"));
            let token = told("GOOGLE_OAUTH_ACCESS_TOKEN");
            let storage = CloudStorage::open(endpoint.as_deref(), token.as_deref());
            let object = match storage {
                Ok(storage) => storage.object(bucket, name).await,
                Err(error) => Err(error),
            };
            let object = object.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
            // On Cloud Storage the object's generation releases it.
            object.map(|object| Held::read(&object.content, Some(object.generation))).transpose()
        }
    }
}

/// This machine's name as in the program's locks.
pub(super) fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| {
        let output = std::process::Command::new("hostname").output().ok()?;
        String::from_utf8(output.stdout).ok()
    })?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
