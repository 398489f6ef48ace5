//! The memory cloud passes the suite that the real ones pass.

use std::time::Duration;

use bytes::Bytes;
use cloud_memory::{
    Effects, MemoryArchive, MemoryCursor, MemoryOverrideStore, MemoryQueue, MemoryStore,
    QueueConfig,
};
use pipeline::ports::{Archive as _, CandleStore as _, Stored};

#[tokio::test(start_paused = true)]
async fn archive() {
    conformance::archive(&MemoryArchive::new(Effects::default()), "memory").await;
}

#[tokio::test(start_paused = true)]
async fn cursor() {
    conformance::cursor(&MemoryCursor::new(Effects::default())).await;
}

#[tokio::test(start_paused = true)]
async fn incarnation() {
    let cursor = MemoryCursor::new(Effects::default());
    conformance::incarnation(&cursor, &MemoryOverrideStore::beside(&cursor)).await;
}

#[tokio::test(start_paused = true)]
async fn register() {
    conformance::register(&MemoryOverrideStore::new(Effects::default())).await;
}

#[tokio::test(start_paused = true)]
async fn store() {
    let symbol = "MEMORY".parse().unwrap();
    conformance::store(&MemoryStore::new(Effects::default()), &symbol).await;
}

#[tokio::test(start_paused = true)]
async fn holes() {
    let symbol = "MEMORY".parse().unwrap();
    conformance::holes(&MemoryStore::new(Effects::default()), &symbol).await;
}

#[tokio::test(start_paused = true)]
async fn queue() {
    let config = QueueConfig { visibility_timeout: Duration::from_secs(30), max_receive_count: 5 };
    conformance::queue(&MemoryQueue::new(config, Effects::default(), None)).await;
}

/// Two clients share the data of one cloud, and each has its own injected faults.
#[tokio::test(start_paused = true)]
async fn the_same_data_with_effects_of_their_own() {
    let (first, second) = (Effects::default(), Effects::default());
    let archive = MemoryArchive::new(first.clone());
    let store = MemoryStore::new(first.clone());
    let (archive_too, store_too) =
        (archive.with_effects(second.clone()), store.with_effects(second.clone()));
    archive_too.put_if_absent("name", Bytes::from_static(b"content")).await.expect("put");
    assert_eq!(archive.get("name").await.expect("got"), Some(Bytes::from_static(b"content")));
    let symbol = "MEMORY".parse().expect("a symbol");
    let (price, quantity) = (candle::Price::ONE, candle::Quantity::ONE);
    let trade = candle::Trade { id: 7, time_ms: 7, price, quantity, buyer_is_maker: true };
    let folded = candle::fold(&symbol, &[trade], &[candle::Interval::M1]);
    let candle = folded.values().next().expect("one candle");
    assert_eq!(store_too.store(candle, None).await.expect("stored"), Stored::Written);
    let found = store.load(candle.key()).await.expect("loaded").map(|(candle, _)| candle);
    assert_eq!(found.as_ref(), Some(candle));
    // The first client loaded; the second put and stored.
    assert_eq!((first.passed(), second.passed()), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn names_are_listed_from_a_name_before_their_folder_on() {
    let archive = MemoryArchive::default();
    for name in ["trades/A/1", "trades/B/1", "trades/B/2", "trades/C/1"] {
        archive.put_if_absent(name, Bytes::new()).await.expect("put");
    }
    for after in [None, Some("trades/A/"), Some("trades/B/"), Some("trades/B/0")] {
        let listed = archive.list("trades/B/", after, 10).await.expect("listed");
        assert_eq!(listed, ["trades/B/1", "trades/B/2"], "after {after:?}");
    }
    let listed = archive.list("trades/B/", Some("trades/B/1"), 10).await.expect("listed");
    assert_eq!(listed, ["trades/B/2"]);
    assert!(archive.list("trades/B/", Some("trades/C/"), 10).await.expect("listed").is_empty());
}
