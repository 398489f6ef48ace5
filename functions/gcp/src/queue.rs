//! The queue in Pub/Sub: publishing to a topic for the producer, receiving from a pull subscription for tools.
//! The services are fed by their push subscription and do not receive.

mod pull;

use std::time::Duration;

use futures::future::join_all;
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
/// How long a receive waits for a first message, and how often it looks.
const RECEIVE_WAIT: Duration = Duration::from_millis(500);
const POLL: Duration = Duration::from_millis(20);
/// How long a message waits for others of the same call.
const BATCH_DELAY: Duration = Duration::from_millis(1);

/// A topic, and a pull subscription to it or to another one.
#[derive(Clone, Debug)]
pub struct PubSubQueue {
    publisher: Publisher,
    pull: Pull,
}

impl PubSubQueue {
    /// Publishes to `topic` and receives from `subscription` of `project`, at an emulator's `endpoint` or at the
    /// real service. Nobody need be there yet.
    pub async fn connect(
        endpoint: Option<&str>,
        project: &str,
        topic: &str,
        subscription: &str,
    ) -> anyhow::Result<Self> {
        Self::with_patience(endpoint, project, topic, subscription, None).await
    }

    /// [`PubSubQueue::connect`] for one who publishes again by himself: a publish is tried once, for so long at most.
    pub async fn connect_once(
        endpoint: Option<&str>,
        project: &str,
        topic: &str,
        deadline: Duration,
    ) -> anyhow::Result<Self> {
        Self::with_patience(endpoint, project, topic, "", Some(deadline)).await
    }

    async fn with_patience(
        endpoint: Option<&str>,
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
        if let Some(endpoint) = endpoint {
            publisher = publisher.with_endpoint(endpoint).with_credentials(no_credentials());
        }
        let publisher = publisher.build().await?;
        let subscription = format!("projects/{project}/subscriptions/{subscription}");
        Ok(Self { publisher, pull: Pull::new(endpoint, &subscription)? })
    }
}

impl Queue for PubSubQueue {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let publish = |body| self.publisher.publish(Message::new().set_data(body));
        let published = bodies.into_iter().map(publish).collect::<Vec<_>>();
        // Not flushed: that would wait for all that is under way, also for what hangs since an earlier call.
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
