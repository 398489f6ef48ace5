use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pipeline::ports::{MessageId, Queue, Received};
use tokio::time::{Instant, sleep};

/// The longest wait for messages that must come.
const DEADLINE: Duration = Duration::from_secs(20);
/// The time to watch for messages that must not come.
const QUIET: Duration = Duration::from_millis(300);

/// Checks a queue against its contract. The queue must be empty, have no other receiver, a visibility timeout
/// of at least 5 s, and allow at least 3 deliveries.
///
/// # Panics
/// With the observed result, if the queue breaks the contract.
pub async fn queue<Q: Queue>(queue: &Q) {
    delivers_everything_published(queue).await;
    redelivers_what_is_released(queue).await;
}

async fn delivers_everything_published<Q: Queue>(queue: &Q) {
    // More than any service takes in one request, with a large one and a non-ASCII one among them.
    let mut bodies: Vec<String> = (0..25).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    bodies.push("x".repeat(200_000));
    bodies.push("größe <&> \"円\"\n".to_owned());
    let published = publish(queue, bodies.clone()).await;
    let ids: BTreeSet<_> = published.iter().cloned().collect();
    assert_eq!(ids.len(), bodies.len(), "every message has an id of its own");

    let received = receive(queue, bodies.len()).await;
    let expected: BTreeMap<_, _> = published.into_iter().zip(bodies).collect();
    let seen: BTreeMap<_, _> = received
        .iter()
        .map(|m| (m.id.clone(), String::from_utf8_lossy(&m.body).into_owned()))
        .collect();
    assert!(seen == expected, "ids and bodies are those published; ids seen: {:?}", seen.keys());
    for message in &received {
        acknowledge(queue, message).await;
    }
    nothing_comes(queue).await;
}

async fn redelivers_what_is_released<Q: Queue>(queue: &Q) {
    let published = publish(queue, vec!["again".to_owned()]).await;
    let first = receive(queue, 1).await.remove(0);
    nothing_comes(queue).await;
    queue.release(&first.receipt).await.unwrap_or_else(|error| panic!("release: {error}"));
    let second = receive(queue, 1).await.remove(0);
    assert_eq!(second.id, published[0], "a redelivery keeps the message's id");
    assert_eq!(second.body, first.body);
    assert_ne!(second.receipt, first.receipt, "each delivery has a receipt of its own");
    acknowledge(queue, &second).await;
    nothing_comes(queue).await;
}

async fn publish<Q: Queue>(queue: &Q, bodies: Vec<String>) -> Vec<MessageId> {
    let expected = bodies.len();
    let published: Vec<_> = queue
        .publish(bodies)
        .await
        .into_iter()
        .map(|result| result.unwrap_or_else(|error| panic!("publish: {error}")))
        .collect();
    assert_eq!(published.len(), expected, "one answer for each body");
    published
}

/// Receives until it has `count` distinct messages.
async fn receive<Q: Queue>(queue: &Q, count: usize) -> Vec<Received> {
    let deadline = Instant::now() + DEADLINE;
    let mut received: BTreeMap<MessageId, Received> = BTreeMap::new();
    while received.len() < count {
        assert!(
            Instant::now() < deadline,
            "{} of {count} messages came within {DEADLINE:?}",
            received.len()
        );
        for message in receive_some(queue).await {
            received.insert(message.id.clone(), message);
        }
    }
    received.into_values().collect()
}

async fn nothing_comes<Q: Queue>(queue: &Q) {
    let deadline = Instant::now() + QUIET;
    while Instant::now() < deadline {
        let messages = receive_some(queue).await;
        assert!(messages.is_empty(), "nothing was due, but this came: {messages:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn receive_some<Q: Queue>(queue: &Q) -> Vec<Received> {
    queue.receive(10).await.unwrap_or_else(|error| panic!("receive: {error}"))
}

async fn acknowledge<Q: Queue>(queue: &Q, message: &Received) {
    queue
        .acknowledge(&message.receipt)
        .await
        .unwrap_or_else(|error| panic!("acknowledge: {error}"));
}
