//! The raw archive's bucket, over JSON: no emulator supports the client's gRPC.

use infra::Settings;
use infra::names;
use infra::render::tags;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Error;
use super::error::CALL_TIMEOUT;
use super::http::{Http, send};
use super::properties::Properties;

/// The most objects of one page of a listing.
const PAGE: &str = "500";
/// The most times that a bucket is emptied while another writer fills it.
const EMPTY_PASSES: u32 = 3;

/// Buckets at an endpoint.
pub(super) struct Storage {
    http: Http,
}

/// The properties of the raw archive's bucket to compare: neither its labels, which no emulator keeps, nor its location,
/// which fake-gcs-server always reports as `US-CENTRAL1`.
pub(super) fn wanted() -> Properties {
    properties(true)
}

/// The location, which is set at the creation and never changed.
fn location(settings: &Settings) -> &str {
    settings.gcp.archive.location.as_ref().unwrap_or(&settings.gcp.region)
}

fn properties(versioning: bool) -> Properties {
    [("versioning.enabled".to_owned(), versioning.to_string())].into()
}

#[derive(Deserialize)]
struct Bucket {
    #[serde(default)]
    versioning: Versioning,
}

#[derive(Default, Deserialize)]
struct Versioning {
    #[serde(default)]
    enabled: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Object>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    #[serde(default)]
    generation: String,
}

impl Storage {
    pub(super) fn new(endpoint: &str) -> Result<Self, Error> {
        Ok(Self { http: Http::new(endpoint, CALL_TIMEOUT)? })
    }

    /// The bucket's properties, if it exists.
    pub(super) async fn bucket(&self, name: &str) -> Result<Option<Properties>, Error> {
        let request = self.http.request(Method::GET, ["storage", "v1", "b", name])?;
        let answer = send(request, "read bucket", name).await?;
        if answer.status == StatusCode::FORBIDDEN {
            return Err(Error::Taken { bucket: name.to_owned() });
        }
        let Some(answer) = answer.if_there()? else { return Ok(None) };
        let bucket: Bucket = answer.json()?;
        Ok(Some(properties(bucket.versioning.enabled)))
    }

    /// Creates the raw archive's bucket. An existing one of this project is success.
    pub(super) async fn create(&self, settings: &Settings) -> Result<(), Error> {
        let name = names::gcp_bucket(settings);
        let bucket = json!({
            "name": name,
            "location": location(settings),
            "labels": tags(settings),
            "versioning": { "enabled": true },
        });
        let request = self.http.request(Method::POST, ["storage", "v1", "b"])?;
        let request = request.query(&[("project", &settings.gcp.project)]).json(&bucket);
        let answer = send(request, "create bucket", &name).await?;
        if answer.status != StatusCode::CONFLICT {
            return answer.good().map(drop);
        }
        // The bucket exists. Reading it shows if it is this project's.
        self.bucket(&name).await?.map(drop).ok_or(Error::Taken { bucket: name })
    }

    /// Applies the only changeable property: versioning.
    pub(super) async fn update(&self, name: &str) -> Result<(), Error> {
        let change = json!({ "versioning": { "enabled": true } });
        self.patch(name, &change).await
    }

    async fn patch(&self, name: &str, change: &Value) -> Result<(), Error> {
        let request = self.http.request(Method::PATCH, ["storage", "v1", "b", name])?;
        send(request.json(change), "update bucket", name).await?.good().map(drop)
    }

    /// Deletes an empty bucket. A missing one is success.
    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        let request = self.http.request(Method::DELETE, ["storage", "v1", "b", name])?;
        let answer = send(request, "delete bucket", name).await?;
        if matches!(answer.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED) {
            return Err(Error::NotEmpty { bucket: name.to_owned() });
        }
        answer.if_there().map(drop)
    }

    /// Deletes a bucket with all objects and versions. A missing one is success.
    pub(super) async fn delete_with_content(&self, name: &str) -> Result<(), Error> {
        let mut passes_left = EMPTY_PASSES;
        loop {
            self.empty(name).await?;
            passes_left -= 1;
            match self.delete(name).await {
                // Another writer added an object in the meantime.
                Err(Error::NotEmpty { .. }) if passes_left > 0 => {}
                Err(Error::NotEmpty { bucket }) => return Err(Error::Filled { bucket }),
                deleted => return deleted,
            }
        }
    }

    /// Deletes all versions once. Old ones stay on fake-gcs-server, which can't delete them but deletes the bucket
    /// anyway.
    async fn empty(&self, name: &str) -> Result<(), Error> {
        let mut next = None;
        loop {
            let page = self.page(name, next.as_deref()).await?;
            for object in &page.items {
                self.delete_object(name, object).await?;
            }
            let token = page.next_page_token.filter(|token| !token.is_empty());
            // A repeated token would be an endless loop.
            if token.is_none() || token == next {
                return Ok(());
            }
            next = token;
        }
    }

    async fn page(&self, name: &str, next: Option<&str>) -> Result<Page, Error> {
        let request = self.http.request(Method::GET, ["storage", "v1", "b", name, "o"])?;
        let request = request.query(&[("versions", "true"), ("maxResults", PAGE)]);
        let request = request.query(&next.map(|next| [("pageToken", next)]));
        match send(request, "list bucket", name).await?.if_there()? {
            Some(answer) => answer.json(),
            None => Ok(Page::default()),
        }
    }

    async fn delete_object(&self, bucket: &str, object: &Object) -> Result<(), Error> {
        let segments = ["storage", "v1", "b", bucket, "o", &object.name];
        let request = self.http.request(Method::DELETE, segments)?;
        let request = request.query(&[("generation", &object.generation)]);
        let name = format!("{bucket}/{}", object.name);
        send(request, "delete object", &name).await?.if_there().map(drop)
    }
}
