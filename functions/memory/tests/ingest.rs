//! Ingest over the memory cloud: the code that runs in both clouds, with a crash between any two effects.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use candle::message::{self, Batch};
use candle::{Candle, CandleKey, Interval, Price, Quantity, Symbol, Symbols, Trade};
use cloud_memory::{Effects, MemoryArchive, MemoryQueue, MemoryStore, QueueConfig};
use pipeline::ports::{Archive as _, CandleStore as _, Queue as _};
use pipeline::{Backoff, Ingest, Ingested, Outcome};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

const VISIBILITY: Duration = Duration::from_secs(30);

struct Cloud {
    effects: Effects,
    archive: MemoryArchive,
    store: MemoryStore,
    queue: MemoryQueue,
    dead_letters: MemoryQueue,
    ingest: Ingest<MemoryArchive, MemoryStore>,
}

impl Cloud {
    fn new(seed: u64) -> Self {
        let effects = Effects::default();
        let archive = MemoryArchive::new(effects.clone());
        let store = MemoryStore::new(effects.clone());
        let config = QueueConfig { visibility_timeout: VISIBILITY, max_receive_count: 5 };
        let dead_letters = MemoryQueue::new(config, Effects::default(), None);
        let queue = MemoryQueue::new(config, effects.clone(), Some(dead_letters.clone()));
        let backoff = Backoff::new(20, Duration::from_millis(5), Duration::from_millis(200), seed);
        let symbols = Symbols::new([symbol()]);
        let intervals = Interval::ALL.to_vec();
        let ingest = Ingest::new(archive.clone(), store.clone(), symbols, intervals, backoff);
        Self { effects, archive, store, queue, dead_letters, ingest }
    }

    /// One invocation of a function: receive, ingest, acknowledge. `false`: the queue was empty.
    async fn turn(&self) -> bool {
        let received = self.queue.receive(10).await.unwrap();
        let bodies: Vec<_> = received.iter().map(|message| message.body.clone()).collect();
        let outcomes = self.ingest.messages(&bodies).await;
        for (message, outcome) in received.iter().zip(outcomes) {
            if outcome.acknowledge() {
                self.queue.acknowledge(&message.receipt).await.unwrap();
            } else {
                self.queue.release(&message.receipt).await.unwrap();
            }
        }
        !received.is_empty()
    }

    /// Runs until the queue is empty; the messages of a crashed invocation reappear after the visibility
    /// timeout.
    async fn drain(&self) {
        for _ in 0..1_000 {
            if self.queue.depth() == 0 {
                return;
            }
            let turn = self.effects.until_crash(self.turn()).await;
            if turn != Some(true) {
                tokio::time::sleep(VISIBILITY).await;
            }
        }
        panic!("{} messages are left after 1,000 turns", self.queue.depth());
    }

    async fn publish(&self, batches: &[Batch]) {
        let bodies = batches.iter().map(message::encode).collect();
        for published in self.queue.publish(bodies).await {
            published.unwrap();
        }
    }

    async fn candles(&self) -> BTreeMap<CandleKey, String> {
        let mut candles = BTreeMap::new();
        for interval in Interval::ALL {
            for candle in self.store.scan(&symbol(), interval).await.unwrap() {
                candles.insert(candle.key().clone(), candle.canonical());
            }
        }
        candles
    }

    async fn archived_trades(&self) -> BTreeMap<u64, Trade> {
        let mut trades = BTreeMap::new();
        for name in self.archive.list("trades", None, usize::MAX).await.unwrap() {
            let bytes = self.archive.get(&name).await.unwrap().unwrap();
            let object = candle::ArchiveObject::decode(&name, &bytes).unwrap();
            trades.extend(object.trades().iter().map(|trade| (trade.id, *trade)));
        }
        trades
    }
}

fn symbol() -> Symbol {
    "BTCUSDT".parse().unwrap()
}

fn trade(id: u64) -> Trade {
    Trade {
        id,
        // Ten seconds apart: 100 trades fill 17 minutes and cross an hour.
        time_ms: 1_723_161_255_342 + id * 10_000,
        price: Price::from_units(6_183_763_000_000 + id % 7 * 1_000_000).unwrap(),
        quantity: Quantity::from_units(2_000_000 + id).unwrap(),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

fn batch(ids: impl IntoIterator<Item = u64>) -> Batch {
    Batch { symbol: symbol(), trades: ids.into_iter().map(trade).collect() }
}

fn expected(ids: impl IntoIterator<Item = u64>) -> BTreeMap<CandleKey, String> {
    let trades: Vec<_> = ids.into_iter().map(trade).collect();
    let candles = candle::fold(&symbol(), &trades, &Interval::ALL);
    candles.into_iter().map(|(key, candle): (_, Candle)| (key, candle.canonical())).collect()
}

/// Runs on a paused clock, so that an hour of timeouts takes no time.
fn paused<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

#[tokio::test(start_paused = true)]
async fn trades_become_objects_and_candles() {
    let cloud = Cloud::new(1);
    cloud.publish(&[batch(0..50), batch(50..100)]).await;
    cloud.drain().await;
    assert_eq!(cloud.candles().await, expected(0..100));
    assert!(cloud.archived_trades().await.into_keys().eq(0..100));
}

#[tokio::test(start_paused = true)]
async fn a_message_again_changes_nothing() {
    let cloud = Cloud::new(1);
    let body = message::encode(&batch(0..100));
    let first = cloud.ingest.messages(&[&body]).await.remove(0);
    assert!(matches!(first, Outcome::Ingested(Ingested { objects_created: 2, .. })), "{first:?}");
    let before = cloud.candles().await;
    let again = cloud.ingest.messages(&[&body, &body]).await;
    for outcome in again {
        let Outcome::Ingested(again) = outcome else { panic!("{outcome:?}") };
        assert_eq!(again, Ingested { trades: 100, objects_created: 0, candles_written: 0 });
    }
    assert_eq!(cloud.candles().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_fails_alone_and_becomes_a_dead_letter() {
    let cloud = Cloud::new(1);
    cloud.publish(&[batch(0..10)]).await;
    cloud.queue.publish(vec!["nonsense".to_owned()]).await.remove(0).unwrap();
    cloud.publish(&[batch(10..20)]).await;
    cloud.drain().await;
    assert_eq!(cloud.candles().await, expected(0..20));
    let dead: Vec<_> = cloud.dead_letters.receive(10).await.unwrap();
    assert_eq!(dead.iter().map(|message| &message.body[..]).collect::<Vec<_>>(), [b"nonsense"]);
}

/// Many concurrent functions contend for the same candles; the bounded retries are enough, and no update is
/// lost.
#[tokio::test(start_paused = true)]
async fn concurrent_functions_lose_no_update() {
    let cloud = Cloud::new(1);
    let bodies: Vec<_> = (0..12).map(|n| message::encode(&batch((n..96).step_by(12)))).collect();
    let turns = bodies.iter().map(async |body| cloud.ingest.messages(&[body]).await.remove(0));
    for outcome in futures::future::join_all(turns).await {
        assert!(outcome.acknowledge(), "{outcome:?}");
    }
    assert_eq!(cloud.candles().await, expected(0..96));
}

/// The central property: wherever the function crashes, the redelivery completes its work.
#[test]
fn a_crash_between_any_two_effects_loses_nothing_and_counts_nothing_twice() {
    let batches = [batch(0..40), batch(40..80), batch(30..60)];
    let points = paused(async {
        let cloud = Cloud::new(1);
        cloud.publish(&batches).await;
        let published = cloud.effects.passed();
        cloud.drain().await;
        cloud.effects.passed() - published
    });
    assert!(points > 50, "only {points} points to crash at");
    for point in 0..points {
        paused(async {
            let cloud = Cloud::new(point);
            cloud.publish(&batches).await;
            cloud.effects.crash_after(point);
            cloud.drain().await;
            assert_eq!(cloud.candles().await, expected(0..80), "crash at point {point}");
            let archived = cloud.archived_trades().await;
            assert_eq!(archived, (0..80).map(|id| (id, trade(id))).collect(), "crash at {point}");
            assert_eq!(cloud.dead_letters.depth(), 0, "crash at point {point}");
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any order, any duplication, any split into messages, and crashes in between give the same bytes.
    #[test]
    fn any_delivery_of_the_same_trades_gives_the_same_bytes(
        seed: u64,
        copies in 1_usize..4,
        batch_len in 1_usize..40,
        crashes in prop::collection::vec(0_u64..120, 0..4),
    ) {
        paused(async {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut ids: Vec<u64> = (0..100).flat_map(|id| std::iter::repeat_n(id, copies)).collect();
            ids.shuffle(&mut rng);
            let batches: Vec<_> = ids.chunks(batch_len).map(|ids| batch(ids.iter().copied())).collect();
            let cloud = Cloud::new(rng.random());
            cloud.publish(&batches).await;
            for crash in crashes {
                cloud.effects.crash_after(crash);
                cloud.effects.until_crash(cloud.turn()).await;
            }
            cloud.drain().await;
            prop_assert_eq!(cloud.candles().await, expected(0..100));
            TestCaseResult::Ok(())
        })?;
    }
}
