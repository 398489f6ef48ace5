//! The queue in Pub/Sub: publishing to a topic for the producer, receiving from a pull subscription for tools.
//! The services are fed by their push subscription and do not receive.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use google_cloud_pubsub::client::{Publisher, Subscriber};
use google_cloud_pubsub::error::PublishError;
use google_cloud_pubsub::model::Message;
use google_cloud_pubsub::retry_policy::RetryableErrors;
use google_cloud_pubsub::subscriber::handler::Handler;
use google_cloud_pubsub::subscriber::{MessageStream, ShutdownToken};
use pipeline::ports::{Fault, MessageId, PortError, Queue, Receipt, Received};
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::clients::no_credentials;

const SERVICE: &str = "pubsub";
/// How long a receive waits for a first message, and then for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const NEXT_WAIT: Duration = Duration::from_millis(20);
/// How long a message waits for others of the same call.
const BATCH_DELAY: Duration = Duration::from_millis(1);
/// Messages held here before anybody asks for them.
const PREFETCH: usize = 100;
/// How long the last acknowledgements may take.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

type Delivery = Result<(Message, Handler), PortError>;

/// A topic, and a pull subscription to it or to another one.
#[derive(Clone, Debug)]
pub struct PubSubQueue {
    publisher: Publisher,
    subscriber: Subscriber,
    subscription: String,
    /// Opened by the first receive: a topic that is only published to may have no pull subscription.
    deliveries: Arc<AsyncMutex<Option<Deliveries>>>,
    /// Deliveries that are neither acknowledged nor released; their leases are extended as long as they lie here.
    held: Arc<Mutex<Held>>,
}

/// The reading end of a stream of deliveries; the stream ends with it.
#[derive(Debug)]
struct Deliveries {
    receiver: mpsc::Receiver<Delivery>,
    reader: AbortHandle,
    shutdown: ShutdownToken,
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

#[derive(Debug, Default)]
struct Held {
    next_receipt: u64,
    handlers: BTreeMap<String, Handler>,
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
        let mut subscriber = Subscriber::builder();
        if let Some(endpoint) = endpoint {
            publisher = publisher.with_endpoint(endpoint).with_credentials(no_credentials());
            subscriber = subscriber.with_endpoint(endpoint).with_credentials(no_credentials());
        }
        let publisher = publisher.build().await?;
        let subscriber = subscriber.build().await?;
        let subscription = format!("projects/{project}/subscriptions/{subscription}");
        let (deliveries, held) = (Arc::default(), Arc::default());
        Ok(Self { publisher, subscriber, subscription, deliveries, held })
    }

    fn open(&self) -> Deliveries {
        let (sender, receiver) = mpsc::channel(PREFETCH);
        let stream = self.subscriber.subscribe(self.subscription.clone()).build();
        let shutdown = stream.shutdown_token();
        let reader = tokio::spawn(read(stream, sender)).abort_handle();
        Deliveries { receiver, reader, shutdown }
    }

    /// Sends what was acknowledged and released, and gives back all else that was received; for one that ends soon,
    /// as the client sends all this in the background. The next receive opens it again.
    pub async fn close(&self) {
        let Some(deliveries) = self.deliveries.lock().await.take() else { return };
        self.held.lock().unwrap_or_else(PoisonError::into_inner).handlers.clear();
        let shutdown = deliveries.shutdown.clone();
        // A delivery that is dropped is given back.
        drop(deliveries);
        if timeout(CLOSE_WAIT, shutdown.shutdown()).await.is_err() {
            tracing::warn!(
                "{}: what was acknowledged last may be delivered again",
                self.subscription
            );
        }
    }

    fn hold(&self, message: Message, handler: Handler) -> Received {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.next_receipt += 1;
        let receipt = held.next_receipt.to_string();
        held.handlers.insert(receipt.clone(), handler);
        let id = MessageId(message.message_id);
        Received { id, receipt: Receipt(receipt), body: message.data }
    }

    fn take(&self, receipt: &Receipt, operation: &'static str) -> Result<Handler, PortError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.handlers.remove(&receipt.0).ok_or_else(|| PortError {
            service: SERVICE,
            operation,
            fault: Fault::Refused,
            detail: format!("receipt {}: acknowledged or released before", receipt.0),
        })
    }
}

fn publish_error(error: &PublishError) -> PortError {
    match error {
        PublishError::Rpc(error) => crate::error::port_error(SERVICE, "Publish", error),
        _ => PortError::new(SERVICE, "Publish", Fault::Unknown, error),
    }
}

/// Reads deliveries as long as somebody wants them.
async fn read(mut stream: MessageStream, sender: mpsc::Sender<Delivery>) {
    while let Some(next) = stream.next().await {
        let failed = next.is_err();
        let next = next.map_err(|error| crate::error::port_error(SERVICE, "StreamingPull", &error));
        if sender.send(next).await.is_err() || failed {
            return;
        }
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
        let mut deliveries = self.deliveries.lock().await;
        let receiver = &mut deliveries.get_or_insert_with(|| self.open()).receiver;
        let mut received = Vec::new();
        let mut wait = FIRST_WAIT;
        while received.len() < max {
            match timeout(wait, receiver.recv()).await {
                Ok(Some(Ok((message, handler)))) => received.push(self.hold(message, handler)),
                Ok(Some(Err(error))) => {
                    *deliveries = None;
                    return Err(error);
                }
                Ok(None) | Err(_) => break,
            }
            wait = NEXT_WAIT;
        }
        Ok(received)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.take(receipt, "Acknowledge")?.ack();
        Ok(())
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.take(receipt, "ModifyAckDeadline")?.nack();
        Ok(())
    }
}
