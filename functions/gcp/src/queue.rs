//! The queue in Pub/Sub: publishing to a topic for the producer, receiving from a pull subscription for tools.
//! The services are fed by their push subscription and do not receive.

mod pull;

use std::time::Duration;

use futures::future::join_all;
use google_cloud_auth::credentials::Credentials;
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use google_cloud_pubsub::client::Publisher;
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::retry_policy::RetryableErrors;
use pipeline::ports::{Fault, MessageId, PortError, Queue, Receipt, Received};
use tokio::time::{Instant, sleep};

use crate::clients::no_credentials;
use pull::Pull;

const SERVICE: &str = "pubsub";
/// The longest wait of a receive for a first message, and its polling interval.
const RECEIVE_WAIT: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(20);
/// The longest wait of a message for others of the same call.
const BATCH_DELAY: Duration = Duration::from_millis(1);

/// The endpoint of Pub/Sub.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Endpoint {
    /// The real service, with Application Default Credentials.
    Global,
    /// The real service's endpoint in a region, by its URL, with the same credentials.
    Regional(String),
    /// An emulator, by its URL, without credentials.
    Emulator(String),
}

impl Endpoint {
    /// The emulator's, if there is one; the region's, if there is one; else the global one.
    fn of(emulator: Option<&str>, region: Option<&str>) -> Self {
        match (emulator, region) {
            (Some(url), _) => Self::Emulator(url.trim_end_matches('/').to_owned()),
            (None, Some(region)) => {
                Self::Regional(format!("https://{region}-pubsub.googleapis.com"))
            }
            (None, None) => Self::Global,
        }
    }

    /// The URL, or `None` for the client library's default.
    fn url(&self) -> Option<&str> {
        match self {
            Self::Global => None,
            Self::Regional(url) | Self::Emulator(url) => Some(url),
        }
    }

    /// The credentials, or `None` for Application Default Credentials.
    fn credentials(&self) -> Option<Credentials> {
        self.is_emulator().then(no_credentials)
    }

    fn is_emulator(&self) -> bool {
        matches!(self, Self::Emulator(_))
    }
}

/// A topic, and a pull subscription to it or to another one.
#[derive(Clone, Debug)]
pub struct PubSubQueue {
    publisher: Publisher,
    pull: Pull,
}

impl PubSubQueue {
    /// Publishes to `topic` and receives from `subscription` of `project`, at an emulator's `endpoint` or at the
    /// real service. Connects lazily.
    pub async fn connect(
        endpoint: Option<&str>,
        project: &str,
        topic: &str,
        subscription: &str,
    ) -> anyhow::Result<Self> {
        Self::with_patience(Endpoint::of(endpoint, None), project, topic, subscription, None).await
    }

    /// [`PubSubQueue::connect`] for a caller that retries by itself: a publish is tried once, for `deadline` at most. With a
    /// `region`, the real service's endpoint in that region is used, which keeps messages there.
    pub async fn connect_once(
        emulator: Option<&str>,
        region: Option<&str>,
        project: &str,
        topic: &str,
        deadline: Duration,
    ) -> anyhow::Result<Self> {
        let endpoint = Endpoint::of(emulator, region);
        Self::with_patience(endpoint, project, topic, "", Some(deadline)).await
    }

    async fn with_patience(
        endpoint: Endpoint,
        project: &str,
        topic: &str,
        subscription: &str,
        once: Option<Duration>,
    ) -> anyhow::Result<Self> {
        let topic = format!("projects/{project}/topics/{topic}");
        let mut publisher = Publisher::builder(topic).set_delay_threshold(BATCH_DELAY);
        if let Some(deadline) = once {
            let once = RetryableErrors.with_attempt_limit(1).with_time_limit(deadline);
            publisher = publisher.with_retry_policy(once);
        }
        if let Some(url) = endpoint.url() {
            publisher = publisher.with_endpoint(url);
        }
        if let Some(credentials) = endpoint.credentials() {
            publisher = publisher.with_credentials(credentials);
        }
        let publisher = publisher.build().await?;
        let subscription = format!("projects/{project}/subscriptions/{subscription}");
        Ok(Self { publisher, pull: Pull::new(&endpoint, &subscription)? })
    }
}

impl Queue for PubSubQueue {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let publish = |body| self.publisher.publish(Message::new().set_data(body));
        let published = bodies.into_iter().map(publish).collect::<Vec<_>>();
        // Not flushed: that would wait for all messages in flight, including those of an earlier call that hang.
        let answers = join_all(published).await.into_iter();
        answers.map(|answer| answer.map(MessageId).map_err(|e| publish_error(&e))).collect()
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let until = Instant::now() + RECEIVE_WAIT;
        loop {
            let received = self.pull.pull(max).await?;
            if !received.is_empty() || Instant::now() >= until {
                return Ok(received);
            }
            sleep(POLL).await;
        }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.pull.acknowledge(receipt).await
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.pull.release(receipt).await
    }
}

fn publish_error(error: &PublishError) -> PortError {
    match error {
        PublishError::Rpc(error) => crate::error::port_error(SERVICE, "Publish", error),
        _ => PortError::new(SERVICE, "Publish", Fault::Unknown, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_emulator_is_asked_without_credentials() {
        let region = Endpoint::of(None, Some("europe-west1"));
        assert_eq!(region.url(), Some("https://europe-west1-pubsub.googleapis.com"));
        let emulator = Endpoint::of(Some("http://127.0.0.1:1/"), Some("europe-west1"));
        assert_eq!(emulator.url(), Some("http://127.0.0.1:1"));
        let global = Endpoint::of(None, None);
        assert_eq!(global.url(), None);
        for (endpoint, anonymous) in [(region, false), (emulator, true), (global, false)] {
            assert_eq!(endpoint.credentials().is_some(), anonymous, "{endpoint:?}");
            let pull = Pull::new(&endpoint, "projects/p/subscriptions/s").expect("a client");
            assert_eq!(pull.is_anonymous(), anonymous, "{endpoint:?}");
        }
    }
}
