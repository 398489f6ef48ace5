//! A client of Google's REST APIs, for operations on single resources.

use std::time::Duration;

use anyhow::Context as _;
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials, anonymous};
use reqwest::{Method, StatusCode};
use serde_json::Value;

const ANSWER: Duration = Duration::from_secs(10);

/// An API's refusal.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {answer}")]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    answer: String,
}

/// One of Google's APIs.
pub(crate) struct Api {
    http: reqwest::Client,
    credentials: Credentials,
    base: String,
    name: &'static str,
}

impl Api {
    /// A client of the real API, with Application Default Credentials. `name` is for error messages.
    pub(crate) fn new(base: &str, name: &'static str) -> anyhow::Result<Self> {
        let credentials =
            Builder::default().build().context("find credentials for Google Cloud")?;
        Self::at(base, name, credentials)
    }

    /// A client of an emulator, without credentials.
    pub(crate) fn emulated(base: &str, name: &'static str) -> anyhow::Result<Self> {
        Self::at(base, name, anonymous::Builder::new().build())
    }

    fn at(base: &str, name: &'static str, credentials: Credentials) -> anyhow::Result<Self> {
        let http = outbound::client(base, ANSWER)?;
        Ok(Self { http, credentials, base: base.trim_end_matches('/').to_owned(), name })
    }

    /// Sends a request for `path`, such as `/v1/projects/P/topics/T:getIamPolicy`. A refusal is a [`Refused`] below
    /// its context.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let what = || format!("{method} {path} at {}", self.name);
        let headers = self.credentials.headers(http::Extensions::new()).await;
        let headers = match headers.with_context(what)? {
            CacheableResource::New { data, .. } => data,
            CacheableResource::NotModified => http::HeaderMap::new(),
        };
        let url = format!("{}{path}", self.base);
        let mut request = self.http.request(method.clone(), url).headers(headers);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(what)?;
        let (status, answer) = (answer.status(), answer.text().await.with_context(what)?);
        if !status.is_success() {
            let answer = answer.trim().to_owned();
            return Err(anyhow::Error::new(Refused { status, answer }).context(what()));
        }
        serde_json::from_str(&answer).with_context(what)
    }
}
