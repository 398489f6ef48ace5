//! Restoration and dead letters, on clouds in memory.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use candle::message::{Batch, encode};
use candle::{ArchiveObject, Hour, Interval, Price, Quantity, Symbol, Symbols, Trade};
use cloud_memory::{Effects, MemoryArchive, MemoryQueue, MemoryStore, QueueConfig};
use operate::Cloud;
use operate::compare::{Scope, compare};
use operate::dead_letters::{Verdict, discard, receive, release, replay};
use operate::lag::{Lag, lag, latest_hour};
use operate::restore::{Progress, RestoreError, Restored, restore};
use pipeline::ports::{Archive, Fault, PortError, Put, Queue as _};
use pipeline::{Backoff, Fold, IngestConfig};

/// 2024-08-08T23:54:15, the time of the first trade; one follows every ten seconds, 35 of them
/// before midnight.
const START_MS: u64 = 1_723_161_255_342;

type Memory = Cloud<MemoryArchive, MemoryStore>;

fn config() -> IngestConfig {
    let vars = [("TWINCLOUD_SYMBOLS", "BTCUSDT"), ("TWINCLOUD_INTERVALS", "1m,5m,15m,1h,1d")];
    let vars = BTreeMap::from(vars);
    IngestConfig::from_vars(|name| vars.get(name).map(ToString::to_string)).unwrap()
}

fn scope() -> Scope {
    let IngestConfig { symbols, intervals, .. } = config();
    Scope { symbols, intervals, before: None }
}

fn empty() -> Memory {
    let effects = Effects::default();
    Cloud { archive: MemoryArchive::new(effects.clone()), store: MemoryStore::new(effects) }
}

fn batch(ids: std::ops::Range<u64>) -> Batch {
    let trade = |id| Trade {
        id,
        time_ms: START_MS + id * 10_000,
        price: Price::from_units(6_183_763_000_000 + id % 7 * 1_000_000).unwrap(),
        quantity: Quantity::from_units(2_000_000 + id).unwrap(),
        buyer_is_maker: id.is_multiple_of(3),
    };
    Batch { symbol: "BTCUSDT".parse().unwrap(), trades: ids.map(trade).collect() }
}

/// Ingests trades, ten to an object.
async fn ingest(cloud: &Memory, ids: std::ops::Range<u64>) {
    let backoff = Backoff::new(5, Duration::from_millis(1), Duration::from_millis(5), 1);
    let fold = Fold::new(cloud.store.clone(), Interval::ALL.to_vec(), backoff);
    for start in ids.clone().step_by(10) {
        let batch = batch(start..(start + 10).min(ids.end));
        for object in ArchiveObject::split(&batch) {
            let bytes = object.encode().into();
            cloud.archive.put_if_absent(&object.name().to_string(), bytes).await.unwrap();
        }
        fold.batches(&[&batch]).await.remove(0).unwrap();
    }
}

async fn cloud_with(ids: std::ops::Range<u64>) -> Memory {
    let cloud = empty();
    ingest(&cloud, ids).await;
    cloud
}

async fn restored<P: Archive + Clone>(
    here: &Memory,
    peer: &Cloud<P, MemoryStore>,
) -> Result<Restored, RestoreError> {
    restore(here, peer, &config(), &scope(), 1, &mut |_| ()).await
}

/// An archive with configurable answers.
#[derive(Clone)]
struct Peer {
    archive: MemoryArchive,
    away: Arc<AtomicBool>,
    /// The content to return for this object.
    instead: Option<(String, Bytes)>,
}

impl Peer {
    fn of(cloud: &Memory) -> Self {
        Self { archive: cloud.archive.clone(), away: Arc::default(), instead: None }
    }

    fn answer(&self) -> Result<(), PortError> {
        if !self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (fault, detail) = (Fault::Unknown, "away".to_owned());
        Err(PortError { service: "peer", operation: "any", fault, detail })
    }
}

impl Archive for Peer {
    async fn put_if_absent(&self, name: &str, _bytes: Bytes) -> Result<Put, PortError> {
        panic!("{name} was put into the peer, which is only to be read")
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        self.answer()?;
        match &self.instead {
            Some((of, bytes)) if of == name => Ok(Some(bytes.clone())),
            _ => self.archive.get(name).await,
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        self.answer()?;
        self.archive.list(prefix, after, limit).await
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_cloud_is_rebuilt_and_proved_and_there_is_nothing_left_to_do() {
    let (here, peer) = (empty(), cloud_with(0..2_000).await);
    let mut seen = Vec::new();
    let mut watch = |progress: Progress<'_>| {
        if let Progress::Copying { done, missing } = progress {
            seen.push((done.objects, missing));
        }
    };
    let done = restore(&here, &peer, &config(), &scope(), 1, &mut watch).await.unwrap();
    assert!(done.is_proved(), "{done:?}");
    assert_eq!(done.pulled.trades, 2_000);
    let objects = done.pulled.objects;
    assert!(seen.is_sorted() && seen.last() == Some(&(objects, objects)), "{seen:?}");
    assert!(seen.iter().any(|(done, _)| (1..objects).contains(done)), "seen on the way: {seen:?}");
    let again = restored(&here, &peer).await.unwrap();
    assert!(again.is_proved() && again.pulled.objects == 0, "{again:?}");
    assert_eq!(again.proof, done.proof);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_away_is_an_error_and_the_next_call_goes_on_from_there() {
    let (here, peer) = (empty(), cloud_with(0..2_000).await);
    let answers = Peer::of(&peer);
    let away = Arc::clone(&answers.away);
    let peer = Cloud { archive: answers, store: peer.store };
    let mut watch = |progress: Progress<'_>| {
        if matches!(progress, Progress::Copying { done, .. } if done.objects >= 100) {
            away.store(true, Ordering::SeqCst);
        }
    };
    let failed = restore(&here, &peer, &config(), &scope(), 1, &mut watch).await.unwrap_err();
    let RestoreError::Pull(error) = &failed else { panic!("{failed}") };
    let copied = error.pulled.objects;
    assert!((100..200).contains(&copied), "{copied}");
    // As a command prints it, with its causes.
    let text = format!("{:#}", anyhow::Error::new(failed));
    assert!(text.contains("away") && text.contains(&format!("{copied} objects")), "{text}");

    away.store(false, Ordering::SeqCst);
    let done = restored(&here, &peer).await.unwrap();
    assert!(done.is_proved(), "{done:?}");
    assert_eq!(done.pulled.objects + copied, done.proof.archives.peer.count, "none twice");
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_object_is_named_and_nothing_of_it_is_written() {
    let (here, peer) = (empty(), cloud_with(0..100).await);
    let names = peer.archive.list("trades", None, 100).await.unwrap();
    let (bad, other) = (names[3].clone(), names[4].clone());
    let wrong = peer.archive.get(&other).await.unwrap().unwrap();
    let archive = Peer { instead: Some((bad.clone(), wrong)), ..Peer::of(&peer) };
    let broken = Cloud { archive, store: peer.store.clone() };
    let done = restored(&here, &broken).await.unwrap();
    assert!(!done.is_proved());
    assert_eq!(done.pulled.corrupted.first, std::slice::from_ref(&bad));
    assert_eq!(done.proof.archives.missing.first, std::slice::from_ref(&bad));
    assert!(done.proof.candles.differ.count > 0, "{done:?}");
    assert_eq!(here.archive.get(&bad).await.unwrap(), None);
    // All other objects are copied, and once the object is valid again, that one too.
    assert_eq!(done.pulled.objects, names.len() - 1);
    let done = restored(&here, &peer).await.unwrap();
    assert!(done.is_proved() && done.pulled.objects == 1, "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn what_only_one_side_has_is_named_and_closed_hours_leave_out_what_changes() {
    let (here, peer) = (cloud_with(0..50).await, cloud_with(0..40).await);
    let found = compare(&here, &peer, &scope()).await.unwrap();
    assert!(!found.is_equal());
    assert_eq!((found.archives.missing.count, found.archives.extra.count), (0, 1));
    assert!(found.candles.differ.first.iter().any(|key| key.contains("1m")), "{found:?}");
    let back = compare(&peer, &here, &scope()).await.unwrap();
    assert_eq!((back.archives.missing, back.archives.extra.count), (found.archives.extra, 0));

    // Trades 35 to 50 are of the next hour, and of the next day.
    let midnight = Hour::at(START_MS).next();
    let closed = Scope { before: midnight, ..scope() };
    let found = compare(&here, &peer, &closed).await.unwrap();
    assert!(found.is_equal() && found.archives.here.count == 4, "{found:?}");
    assert!(found.candles.here.count > 10, "{found:?}");

    // A single wrong candle is detected, whatever the archives hold.
    let other = Cloud { archive: here.archive.clone(), store: peer.store.clone() };
    let found = compare(&here, &other, &scope()).await.unwrap();
    assert!(found.archives.here == found.archives.peer && !found.is_equal(), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn lag_is_the_age_of_the_oldest_trade_that_is_lacked() {
    let (here, peer) = (cloud_with(0..20).await, cloud_with(0..50).await);
    let (symbol, now_ms) = ("BTCUSDT".parse::<Symbol>().unwrap(), START_MS + 1_000_000);
    let symbols = Symbols::new([symbol.clone()]);
    let since = Hour::at(START_MS);
    let behind = lag(&here.archive, &peer.archive, &symbols, since, now_ms).await.unwrap();
    // 20-29, 30-34, 35-39, 40-49; the oldest is trade 20.
    assert_eq!(behind, Lag { objects: 4, lag_ms: 1_000_000 - 200_000 });
    let ahead = lag(&peer.archive, &here.archive, &symbols, since, now_ms).await.unwrap();
    assert_eq!(ahead, Lag::default());
    let after = Hour::at(START_MS).next().unwrap();
    let latest = latest_hour(&peer.archive, &symbol, since..=Hour::at(now_ms + 7_200_000));
    assert_eq!(latest.await.unwrap(), Some(after));
    let none = latest_hour(&here.archive, &symbol, after..=after).await.unwrap();
    assert_eq!(none, None);
}

fn queue() -> MemoryQueue {
    let config =
        QueueConfig { visibility_timeout: Duration::from_mins(1), max_receive_count: u32::MAX };
    MemoryQueue::new(config, Effects::default(), None)
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_looked_at_replayed_and_dropped() {
    let (dead, live) = (queue(), queue());
    let good = encode(&batch(0..3));
    let mut bodies = vec!["poison".to_owned(), good.clone()];
    bodies.extend((0..30).map(|n| format!("poison {n}")));
    dead.publish(bodies).await;
    for _ in 0..2 {
        let letters = receive(&dead, 1_000).await.unwrap();
        assert_eq!(letters.len(), 32, "all, each time");
        release(&dead, &letters).await.unwrap();
    }
    assert_eq!(receive(&queue(), 5).await.unwrap().len(), 0);
    let letters = receive(&dead, 2).await.unwrap();
    assert_eq!(letters.len(), 2, "no more than asked for");
    let symbols = config().symbols;
    let Verdict::Poison(why) = letters[0].verdict(&symbols) else { panic!("it is no message") };
    assert_eq!(why.to_string(), "not JSON, at byte 0");
    assert_eq!(letters[1].verdict(&symbols), Verdict::Readable { batch: batch(0..3) });

    discard(&dead, &letters[0]).await.unwrap();
    replay(&dead, &live, &letters[1]).await.unwrap();
    assert_eq!((dead.depth(), live.depth()), (30, 1));
    let again = live.receive(1).await.unwrap().remove(0);
    assert_eq!(again.body, good.as_bytes());
}

/// Published first, then removed: at every point the message is in one of the queues.
#[tokio::test(start_paused = true)]
async fn a_crash_in_the_middle_of_a_replay_leaves_a_duplicate_and_loses_nothing() {
    let mut both = 0;
    for point in 0..4 {
        let effects = Effects::default();
        let config =
            QueueConfig { visibility_timeout: Duration::from_mins(1), max_receive_count: 9 };
        let of = || MemoryQueue::new(config, effects.clone(), None);
        let (dead, live) = (of(), of());
        dead.publish(vec![encode(&batch(0..3))]).await;
        let letter = receive(&dead, 1).await.unwrap().remove(0);
        effects.crash_after(point);
        let crashed = effects.until_crash(replay(&dead, &live, &letter)).await.is_none();
        assert!(crashed, "at {point}");
        assert!(dead.depth() + live.depth() >= 1, "lost at {point}");
        both += usize::from(dead.depth() + live.depth() == 2);
    }
    assert!(both > 0, "no crash was between the two");
}
