//! JSON over HTTP, with a timeout on every call.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde::de::DeserializeOwned;

use super::Error;

/// A service's URL, and a client for it.
pub(super) struct Http {
    client: reqwest::Client,
    base: String,
    token: Option<&'static str>,
}

/// An answer of the service.
pub(super) struct Answer {
    action: &'static str,
    name: String,
    pub(super) status: StatusCode,
    body: Vec<u8>,
}

impl Http {
    pub(super) fn new(base: &str, timeout: Duration) -> Result<Self, Error> {
        let client = reqwest::Client::builder().no_proxy().timeout(timeout).build();
        let client = client.map_err(|source| Error::Request {
            action: "open a client for",
            name: base.to_owned(),
            source,
        })?;
        Ok(Self { client, base: base.trim_end_matches('/').to_owned(), token: None })
    }

    pub(super) fn with_token(self, token: &'static str) -> Self {
        Self { token: Some(token), ..self }
    }

    /// A request to the base URL with these further segments, which are escaped.
    pub(super) fn request<'a>(
        &self,
        method: Method,
        segments: impl IntoIterator<Item = &'a str>,
    ) -> Result<RequestBuilder, Error> {
        let refused = || Error::NotAnEmulator { endpoint: self.base.clone() };
        let mut url = Url::parse(&self.base).map_err(|_| refused())?;
        url.path_segments_mut().map_err(|()| refused())?.pop_if_empty().extend(segments);
        let request = self.client.request(method, url);
        Ok(match self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }
}

/// Sends the request. `action` and `name` are for error messages.
pub(super) async fn send(
    request: RequestBuilder,
    action: &'static str,
    name: &str,
) -> Result<Answer, Error> {
    let failed = |source| Error::Request { action, name: name.to_owned(), source };
    let answer = request.send().await.map_err(failed)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(failed)?.to_vec();
    Ok(Answer { action, name: name.to_owned(), status, body })
}

impl Answer {
    /// The answer if it is a success.
    pub(super) fn good(self) -> Result<Self, Error> {
        if self.status.is_success() { Ok(self) } else { Err(self.refused()) }
    }

    /// The answer if it is a success; `None` if the resource is missing.
    pub(super) fn if_there(self) -> Result<Option<Self>, Error> {
        if self.status == StatusCode::NOT_FOUND { Ok(None) } else { self.good().map(Some) }
    }

    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Refused {
            action: self.action,
            name: self.name.clone(),
            status: self.status.as_u16(),
            answer: format!("an answer that isn't understood: {error}"),
        })
    }

    pub(super) fn refused(&self) -> Error {
        Error::Refused {
            action: self.action,
            name: self.name.clone(),
            status: self.status.as_u16(),
            answer: self.message(),
        }
    }

    /// The answer's error message, which Google puts into `error.message`.
    fn message(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let said = json["error"]["message"].as_str().or_else(|| json["error"].as_str());
        let said = said.map_or_else(|| String::from_utf8_lossy(&self.body), Into::into);
        said.trim().to_owned()
    }
}
