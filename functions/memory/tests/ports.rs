//! The memory cloud passes the suite that the real ones pass.

use std::time::Duration;

use cloud_memory::{
    Effects, MemoryArchive, MemoryCursor, MemoryQueue, MemoryRegister, MemoryStore, QueueConfig,
};

#[tokio::test(start_paused = true)]
async fn archive() {
    conformance::archive(&MemoryArchive::new(Effects::default()), "memory").await;
}

#[tokio::test(start_paused = true)]
async fn cursor() {
    conformance::cursor(&MemoryCursor::new(Effects::default())).await;
}

#[tokio::test(start_paused = true)]
async fn birth_mark() {
    let cursor = MemoryCursor::new(Effects::default());
    conformance::birth_mark(&cursor, &MemoryRegister::beside(&cursor)).await;
}

#[tokio::test(start_paused = true)]
async fn register() {
    conformance::register(&MemoryRegister::new(Effects::default())).await;
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
