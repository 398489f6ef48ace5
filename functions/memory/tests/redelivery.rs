//! A queue's handling of messages that could not be processed, as the simulated clouds need it.

use std::time::Duration;

use cloud_memory::{Effects, MemoryQueue, QueueConfig};
use pipeline::ports::Queue as _;
use tokio::time::{Instant, advance};

const HIDDEN: Duration = Duration::from_mins(1);

async fn queue(deliveries: u32) -> (MemoryQueue, MemoryQueue) {
    let config = QueueConfig { visibility_timeout: HIDDEN, max_receive_count: deliveries };
    let dead_letters = MemoryQueue::new(config, Effects::default(), None);
    let queue = MemoryQueue::new(config, Effects::default(), Some(dead_letters.clone()));
    queue.publish(vec!["{}".to_owned()]).await;
    (queue, dead_letters)
}

#[tokio::test(start_paused = true)]
async fn a_message_comes_again_after_its_pause_until_it_is_a_dead_letter() {
    let (queue, dead_letters) = queue(3).await;
    let mut pauses = Vec::new();
    let began = Instant::now();
    while dead_letters.depth() == 0 {
        for message in queue.receive(10).await.expect("received") {
            queue.redeliver(&message.receipt, |delivery| {
                pauses.push((delivery, began.elapsed().as_secs()));
                Duration::from_secs(10) * delivery
            });
        }
        advance(Duration::from_millis(500)).await;
        assert!(began.elapsed() < Duration::from_mins(5), "it comes no more: {pauses:?}");
    }
    let deliveries: Vec<u32> = pauses.iter().map(|(delivery, _)| *delivery).collect();
    assert_eq!(deliveries, [1, 2, 3]);
    for (pair, pause) in pauses.windows(2).zip([10, 20]) {
        let waited = pair[1].1 - pair[0].1;
        assert!((pause..pause + 2).contains(&waited), "{pauses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_is_undone_does_not_count() {
    let (queue, dead_letters) = queue(1).await;
    for _ in 0..5 {
        let message = queue.receive(1).await.expect("received").remove(0);
        queue.undeliver(&message.receipt);
    }
    let message = queue.receive(1).await.expect("received").remove(0);
    queue.acknowledge(&message.receipt).await.expect("acknowledged");
    assert_eq!((queue.depth(), dead_letters.depth()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receive_waits_a_moment_for_a_first_message() {
    let (queue, _) = queue(1).await;
    let received = queue.receive(1).await.expect("received").remove(0);
    queue.acknowledge(&received.receipt).await.expect("acknowledged");
    let start = Instant::now();
    assert!(queue.receive(1).await.expect("received").is_empty());
    assert_eq!(start.elapsed().as_millis(), 50);
    let publish = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        queue.publish(vec!["{}".to_owned()]).await
    };
    let (received, _) = tokio::join!(queue.receive(1), publish);
    assert_eq!(received.expect("received").len(), 1);
    assert!(start.elapsed() < Duration::from_millis(50 + 30), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_for_as_long_as_the_queue_says() {
    let (queue, _) = queue(3).await;
    let first = queue.receive(1).await.expect("received").remove(0);
    advance(Duration::from_millis(59_900)).await;
    assert!(queue.receive(1).await.expect("received").is_empty());
    advance(Duration::from_millis(50)).await;
    let start = Instant::now();
    let again = queue.receive(1).await.expect("received").remove(0);
    assert_eq!((start.elapsed(), &again.id), (Duration::ZERO, &first.id));
    assert_ne!(again.receipt, first.receipt);
}
