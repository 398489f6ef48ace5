//! The archive in Cloud Storage: put-if-absent is `ifGenerationMatch=0`.
//!
//! Objects go through the official client. Listing goes over the JSON API: the client's listing is gRPC only,
//! which no emulator speaks.

use std::time::Duration;

use bytes::Bytes;
use google_cloud_auth::credentials::{Builder, Credentials};
use google_cloud_gax::error::rpc::Code;
use google_cloud_storage::client::Storage;
use pipeline::ports::{Archive, Fault, Incoming, PortError, Put};
use serde::Deserialize;

use crate::clients::{headers, no_credentials};
use crate::error::port_error;

const SERVICE: &str = "storage";
const LIST: &str = "objects.list";
const ENDPOINT: &str = "https://storage.googleapis.com";
/// The timeout of one page of a listing.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// The most names of one page of a listing.
const PAGE: usize = 1000;

/// Objects in a bucket.
#[derive(Clone, Debug)]
pub struct GcsArchive {
    client: Storage,
    http: reqwest::Client,
    credentials: Credentials,
    endpoint: String,
    bucket: String,
}

impl GcsArchive {
    /// The archive in `bucket`, at an emulator's `endpoint` or at the real service.
    pub async fn connect(endpoint: Option<&str>, bucket: &str) -> anyhow::Result<Self> {
        let credentials = match endpoint {
            Some(_) => no_credentials(),
            None => Builder::default().build()?,
        };
        Self::connect_as(endpoint, bucket, credentials).await
    }

    /// The archive in `bucket`, with these credentials.
    pub async fn connect_as(
        endpoint: Option<&str>,
        bucket: &str,
        credentials: Credentials,
    ) -> anyhow::Result<Self> {
        let builder = Storage::builder();
        let builder = match endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint),
            None => builder,
        };
        Ok(Self {
            client: builder.with_credentials(credentials.clone()).build().await?,
            http: outbound::client(endpoint.unwrap_or(ENDPOINT), LIST_TIMEOUT)?,
            credentials,
            endpoint: endpoint.unwrap_or(ENDPOINT).trim_end_matches('/').to_owned(),
            bucket: bucket.to_owned(),
        })
    }

    fn bucket_path(&self) -> String {
        format!("projects/_/buckets/{}", self.bucket)
    }

    async fn list_page(
        &self,
        folder: &str,
        after: Option<&str>,
        max_results: usize,
    ) -> Result<Page, PortError> {
        let headers = headers(&self.credentials).await.map_err(|e| unknown(&e))?;
        let mut url = reqwest::Url::parse(&format!("{}/storage/v1/b", self.endpoint))
            .map_err(|e| PortError::new(SERVICE, LIST, Fault::Refused, &e))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([self.bucket.as_str(), "o"]);
        }
        url.query_pairs_mut()
            .append_pair("prefix", folder)
            .append_pair("maxResults", &max_results.to_string())
            .append_pair("fields", "items/name,nextPageToken");
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("startOffset", after);
        }
        let response = self.http.get(url).headers(headers).send().await.map_err(|e| unknown(&e))?;
        if let Err(error) = response.error_for_status_ref() {
            let code = response.status();
            let passing = code.is_server_error() || matches!(code.as_u16(), 408 | 429);
            let fault = if passing { Fault::Unknown } else { Fault::Refused };
            return Err(PortError::new(SERVICE, LIST, fault, &error));
        }
        let body = response.bytes().await.map_err(|e| unknown(&e))?;
        serde_json::from_slice(&body).map_err(|e| unknown(&e))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Object>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
}

fn unknown(error: &(dyn std::error::Error + 'static)) -> PortError {
    PortError::new(SERVICE, LIST, Fault::Unknown, error)
}

impl Archive for GcsArchive {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        let write = self.client.write_object(self.bucket_path(), name, bytes);
        let write = write.set_if_generation_match(0).set_content_type("application/gzip");
        match Box::pin(write.send_buffered()).await {
            Ok(_) => Ok(Put::Created),
            Err(error) if error.http_status_code() == Some(412) => Ok(Put::Present),
            Err(error) => Err(port_error(SERVICE, "objects.insert", &error)),
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let failed = |error| port_error(SERVICE, "objects.get", &error);
        let mut response = match self.client.read_object(self.bucket_path(), name).send().await {
            Ok(response) => response,
            Err(error) if error.http_status_code() == Some(404) => return Ok(None),
            Err(error) if error.status().is_some_and(|status| status.code == Code::NotFound) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let announced = u64::try_from(response.object().size).ok();
        let mut content = Incoming::new(SERVICE, "objects.get", announced)?;
        while let Some(chunk) = response.next().await {
            content.push(&chunk.map_err(failed)?)?;
        }
        Ok(Some(content.whole()))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        let folder = format!("{}/", prefix.trim_end_matches('/'));
        let mut names: Vec<String> = Vec::new();
        loop {
            let last = names.last().map(String::as_str).or(after).map(ToOwned::to_owned);
            // startOffset includes the name itself.
            let wanted = limit - names.len() + usize::from(last.is_some());
            let page = self.list_page(&folder, last.as_deref(), wanted.min(PAGE)).await?;
            let new = page.items.into_iter().map(|object| object.name);
            names.extend(new.filter(|name| last.as_ref() != Some(name)));
            names.truncate(limit);
            if page.next_page_token.is_none() || names.len() >= limit {
                return Ok(names);
            }
        }
    }
}
