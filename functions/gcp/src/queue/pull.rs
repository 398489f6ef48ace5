//! Pulls over the JSON API, one request at a time: each pull returns at most what it asked for, and the answer confirms an
//! acknowledgement or release. The client library has only a stream, which keeps getting messages while it is open and
//! acknowledges in the background: a tool that reads a few messages and ends would hide others until their lease ends.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use google_cloud_auth::credentials::{Builder, Credentials};
use http::{HeaderName, HeaderValue, StatusCode};
use pipeline::ports::{Fault, MessageId, PortError, Receipt, Received};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{Endpoint, SERVICE};
use crate::clients::headers;

const API: &str = "https://pubsub.googleapis.com";
const ANSWER: Duration = Duration::from_secs(10);
/// The time for which the service waits for a first message. The service must end the wait: messages delivered to a client that
/// has disconnected stay hidden until their lease ends.
const WAIT: Duration = Duration::from_secs(3);
/// The header that gives Google's front ends a call's timeout, in seconds.
const SERVER_TIMEOUT: HeaderName = HeaderName::from_static("x-server-timeout");
/// The most messages of one pull.
const PULL_MAX: usize = 1_000;

/// A pull subscription.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    http: reqwest::Client,
    /// Loaded by the first request: a caller that only publishes may have no credentials to pull with.
    credentials: OnceCell<Credentials>,
    /// True if a pull waits for a first message. An immediate answer, which Google discourages, is often empty although the
    /// queue has messages; an emulator's never is, but an emulator waits without end, even for a client that has disconnected.
    waits: bool,
    /// The URL of the subscription, to which a verb is appended.
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pulled {
    #[serde(default)]
    received_messages: Vec<Delivery>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    ack_id: String,
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    #[serde(default)]
    data: String,
}

impl Pull {
    pub(super) fn new(endpoint: &Endpoint, subscription: &str) -> reqwest::Result<Self> {
        let api = endpoint.url().unwrap_or(API);
        let is_emulator = endpoint.is_emulator();
        let credentials = OnceCell::new_with(endpoint.credentials());
        let (http, url) = (outbound::client(api, ANSWER)?, format!("{api}/v1/{subscription}"));
        Ok(Self { http, credentials, waits: !is_emulator, url })
    }

    /// True if no credentials are loaded.
    #[cfg(test)]
    pub(super) fn is_anonymous(&self) -> bool {
        self.credentials.initialized() && !self.waits
    }

    /// The messages that come within a moment; may be none although the queue has some.
    pub(super) async fn pull(&self, max: usize) -> Result<Vec<Received>, PortError> {
        const PULL: &str = "Pull";
        let max = max.clamp(1, PULL_MAX);
        let mut body = json!({ "maxMessages": max });
        if !self.waits {
            body["returnImmediately"] = json!(true);
        }
        let answer = self.ask("pull", PULL, &body).await?;
        let pulled: Pulled = serde_json::from_slice(&answer)
            .map_err(|e| PortError::new(SERVICE, PULL, Fault::Unknown, &e))?;
        let received = pulled.received_messages.into_iter().map(|Delivery { ack_id, message }| {
            let data = STANDARD.decode(message.data);
            let body = data.map_err(|e| PortError::new(SERVICE, PULL, Fault::Corrupt, &e))?;
            let id = MessageId(message.message_id);
            Ok(Received { id, receipt: Receipt(ack_id), body: body.into() })
        });
        received.collect()
    }

    pub(super) async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        let body = json!({ "ackIds": [receipt.0] });
        self.ask("acknowledge", "Acknowledge", &body).await.map(drop)
    }

    pub(super) async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        let body = json!({ "ackIds": [receipt.0], "ackDeadlineSeconds": 0 });
        self.ask("modifyAckDeadline", "ModifyAckDeadline", &body).await.map(drop)
    }

    async fn ask(
        &self,
        verb: &str,
        operation: &'static str,
        body: &Value,
    ) -> Result<Bytes, PortError> {
        let unknown = |e: &(dyn std::error::Error + 'static)| {
            PortError::new(SERVICE, operation, Fault::Unknown, e)
        };
        let credentials = self.credentials.get_or_try_init(async || Builder::default().build());
        let credentials = credentials
            .await
            .map_err(|e| PortError::new(SERVICE, operation, Fault::Refused, &e))?;
        let mut headers = headers(credentials).await.map_err(|e| unknown(&e))?;
        if self.waits {
            headers.insert(SERVER_TIMEOUT, HeaderValue::from(WAIT.as_secs()));
        }
        let url = format!("{}:{verb}", self.url);
        let answer = self.http.post(url).headers(headers).json(body).send().await;
        let answer = answer.map_err(|e| unknown(&e))?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(|e| unknown(&e))?;
        if status.is_success() {
            return Ok(text);
        }
        if self.waits && verb == "pull" && status == StatusCode::GATEWAY_TIMEOUT {
            // The wait is over, and no message came.
            return Ok(Bytes::from_static(b"{}"));
        }
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let fault = if passing { Fault::Unknown } else { Fault::Refused };
        let detail = format!("{status}: {}", String::from_utf8_lossy(&text).trim());
        Err(PortError { service: SERVICE, operation, fault, detail })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    /// Answers one request, and returns it.
    async fn service(status: &'static str, answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let request = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a request");
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut part = [0; 1024];
                let count = stream.read(&mut part).await.expect("more of it");
                request.push_str(&String::from_utf8_lossy(&part[..count]));
            }
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", answer.len());
            stream.write_all((head + answer).as_bytes()).await.expect("answered");
            request
        });
        (endpoint, request)
    }

    const ONE: &str =
        r#"{"receivedMessages":[{"ackId":"a","message":{"messageId":"1","data":"e30="}}]}"#;

    #[tokio::test]
    async fn the_service_is_asked_to_wait_and_an_emulator_is_not() {
        for waits in [true, false] {
            let (endpoint, request) = service("200 OK", ONE).await;
            let pull = Pull::new(&Endpoint::Emulator(endpoint), "projects/p/subscriptions/s")
                .expect("a client");
            let received = Pull { waits, ..pull }.pull(10).await.expect("received");
            assert_eq!(received.len(), 1);
            let request = request.await.expect("a request");
            assert_eq!(request.contains("x-server-timeout: 3"), waits, "{request}");
            assert_eq!(request.contains("returnImmediately"), !waits, "{request}");
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_over_is_an_empty_answer_and_a_service_that_is_away_is_not() {
        let pull = async |status| {
            let (endpoint, _request) = service(status, "{}").await;
            let pull = Pull::new(&Endpoint::Emulator(endpoint), "projects/p/subscriptions/s")
                .expect("a client");
            let pulled = Pull { waits: true, ..pull }.pull(10).await;
            pulled.map(|received| received.len()).map_err(|error| error.fault)
        };
        assert_eq!(pull("200 OK").await, Ok(0));
        assert_eq!(pull("504 Gateway Timeout").await, Ok(0));
        assert_eq!(pull("503 Service Unavailable").await, Err(Fault::Unknown));
        assert_eq!(pull("403 Forbidden").await, Err(Fault::Refused));
    }
}
