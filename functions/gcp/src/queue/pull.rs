//! Pulling over the JSON API, one request at a time: what is received is what was asked for, and an answer says that it
//! was acknowledged or given back. The client has a stream only, which is given back messages while it is open and
//! acknowledges in the background: a tool that looks and ends would hide messages from others until their lease is over.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use google_cloud_auth::credentials::{Builder, Credentials};
use pipeline::ports::{Fault, MessageId, PortError, Receipt, Received};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::SERVICE;
use crate::clients::{headers, no_credentials};

const API: &str = "https://pubsub.googleapis.com";
const ANSWER: Duration = Duration::from_secs(10);
/// What one request pulls at most.
const PULL_MAX: usize = 1_000;

/// A pull subscription.
#[derive(Clone, Debug)]
pub(super) struct Pull {
    http: reqwest::Client,
    /// Looked for by the first request: one that only publishes may have none to pull with.
    credentials: OnceCell<Credentials>,
    /// That of the subscription, to which a verb is added.
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
    pub(super) fn new(endpoint: Option<&str>, subscription: &str) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER).build()?;
        let credentials = OnceCell::new_with(endpoint.map(|_| no_credentials()));
        let url = format!("{}/v1/{subscription}", endpoint.unwrap_or(API).trim_end_matches('/'));
        Ok(Self { http, credentials, url })
    }

    /// What is there now, which may be nothing although messages are.
    pub(super) async fn pull(&self, max: usize) -> Result<Vec<Received>, PortError> {
        const PULL: &str = "Pull";
        let max = max.clamp(1, PULL_MAX);
        let body = json!({ "maxMessages": max, "returnImmediately": true });
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
        let headers = headers(credentials).await.map_err(|e| unknown(&e))?;
        let url = format!("{}:{verb}", self.url);
        let answer = self.http.post(url).headers(headers).json(body).send().await;
        let answer = answer.map_err(|e| unknown(&e))?;
        let status = answer.status();
        let text = answer.bytes().await.map_err(|e| unknown(&e))?;
        if status.is_success() {
            return Ok(text);
        }
        let passing = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
        let fault = if passing { Fault::Unknown } else { Fault::Refused };
        let detail = format!("{status}: {}", String::from_utf8_lossy(&text).trim());
        Err(PortError { service: SERVICE, operation, fault, detail })
    }
}
