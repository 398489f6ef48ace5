//! A read-only client of Cloud Storage: for the lock of a Terraform state, and to check if a bucket has objects.

use std::time::Duration;

use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

/// Cloud Storage itself.
const ENDPOINT: &str = "https://storage.googleapis.com/storage/v1";
/// The timeout of an answer.
const ANSWER: Duration = Duration::from_secs(15);

/// The reason why a read failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No credentials.
    #[error(
        "find credentials for Google Cloud: {0}; `gcloud auth application-default login` makes them"
    )]
    NoCredentials(String),
    /// The endpoint is no URL.
    #[error("`{0}` is not the URL of Cloud Storage's JSON API")]
    NoEndpoint(String),
    /// No answer.
    #[error("read gs://{place}")]
    NotAnswered {
        /// The bucket, or the object in it.
        place: String,
        /// The error of the HTTP client.
        #[source]
        source: reqwest::Error,
    },
    /// Cloud Storage refused the request.
    #[error("read gs://{place}: {status}: {answer}")]
    Refused {
        /// The bucket, or the object in it.
        place: String,
        /// The status.
        status: StatusCode,
        /// The answer's text.
        answer: String,
    },
    /// The answer can't be read.
    #[error("read what was said of gs://{place}")]
    Unreadable {
        /// The bucket, or the object in it.
        place: String,
        /// The reason.
        #[source]
        source: serde_json::Error,
    },
}

/// Cloud Storage's JSON API.
pub(crate) struct CloudStorage {
    http: reqwest::Client,
    base: Url,
    token: Token,
}

/// An access token, or the credentials that issue it.
pub(crate) enum Token {
    Given(String),
    Found(AccessTokenCredentials),
}

impl Token {
    /// The given token, or else Application Default Credentials.
    pub(crate) fn find(given: Option<&str>) -> Result<Self, Error> {
        if let Some(given) = given {
            return Ok(Self::Given(given.to_owned()));
        }
        let found = Builder::default().build_access_token_credentials();
        found.map(Self::Found).map_err(|error| Error::NoCredentials(error.to_string()))
    }

    pub(crate) async fn text(&self) -> Result<String, Error> {
        match self {
            Self::Given(token) => Ok(token.clone()),
            Self::Found(credentials) => {
                let token = credentials.access_token().await;
                Ok(token.map_err(|error| Error::NoCredentials(error.to_string()))?.token)
            }
        }
    }
}

/// An object's content, with its generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) generation: String,
    pub(crate) content: Vec<u8>,
}

impl CloudStorage {
    /// Opens a client with a given access token, or with Application Default Credentials. `endpoint` is the URL of the JSON
    /// API, such as `http://127.0.0.1:4443/storage/v1/`; by default it is Google's.
    pub(crate) fn open(endpoint: Option<&str>, token: Option<&str>) -> Result<Self, Error> {
        let token = Token::find(token)?;
        let client = reqwest::Client::builder().timeout(ANSWER);
        // A named endpoint is a nearby emulator, which no proxy can reach.
        let client = if endpoint.is_some() { client.no_proxy() } else { client };
        let http = client.build().map_err(|error| Error::NoCredentials(error.to_string()))?;
        let endpoint = endpoint.unwrap_or(ENDPOINT);
        let base = Url::parse(endpoint).map_err(|_| Error::NoEndpoint(endpoint.to_owned()))?;
        Ok(Self { http, base, token })
    }

    /// The current object; `None` if there is no such object or bucket.
    pub(crate) async fn object(&self, bucket: &str, name: &str) -> Result<Option<Object>, Error> {
        #[derive(Deserialize)]
        struct Metadata {
            generation: String,
        }
        let place = format!("{bucket}/{name}");
        let segments = ["b", bucket, "o", name];
        let Some(answer) = self.get(&segments, &[("fields", "generation")], &place).await? else {
            return Ok(None);
        };
        let Metadata { generation } = serde_json::from_slice(&answer)
            .map_err(|source| Error::Unreadable { place: place.clone(), source })?;
        // Of the same generation: the object may have been replaced since.
        let query = [("alt", "media"), ("generation", generation.as_str())];
        let content = self.get(&segments, &query, &place).await?;
        Ok(content.map(|content| Object { generation, content }))
    }

    /// True if a bucket has an object, or a version of one that was overwritten or deleted; false if there is no such bucket.
    pub(crate) async fn holds_anything(&self, bucket: &str) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            items: Vec<serde_json::Value>,
        }
        let query = [("versions", "true"), ("maxResults", "1")];
        let Some(answer) = self.get(&["b", bucket, "o"], &query, bucket).await? else {
            return Ok(false);
        };
        let page: Page = serde_json::from_slice(&answer)
            .map_err(|source| Error::Unreadable { place: bucket.to_owned(), source })?;
        Ok(!page.items.is_empty())
    }

    async fn get(
        &self,
        segments: &[&str],
        query: &[(&str, &str)],
        place: &str,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url.query_pairs_mut().extend_pairs(query);
        let token = self.token.text().await?;
        let not_answered = |source| Error::NotAnswered { place: place.to_owned(), source };
        let answer = self.http.get(url).bearer_auth(token).send().await.map_err(not_answered)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(not_answered)?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body.to_vec())),
            status => {
                let answer = String::from_utf8_lossy(&body).trim().to_owned();
                Err(Error::Refused { place: place.to_owned(), status, answer })
            }
        }
    }
}
