//! Recordings with many holes: filtered by size, by taker side, or by chance.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use candle::message::Batch;
use candle::{Candle, CandleKey, Interval, Price, Quantity, Symbol, Trade};
use cloud_memory::{Effects, MemoryStore};
use pipeline::ports::CandleStore as _;
use pipeline::{Backoff, Fold};

const FIRST_ID: u64 = 3_735_683_259;
/// 2024-08-08 UTC.
const OPEN_MS: u64 = 1_723_075_200_000;

fn trade(id: u64) -> Trade {
    Trade {
        id,
        time_ms: OPEN_MS + (id - FIRST_ID) % 86_400_000,
        price: Price::from_units(6_183_763_000_000 + id % 7 * 1_000_000).unwrap(),
        quantity: Quantity::from_units(2_000_000 + id % 11).unwrap(),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

fn fold(store: &MemoryStore, intervals: &[Interval]) -> Fold<MemoryStore> {
    let backoff = Backoff::new(20, Duration::from_millis(5), Duration::from_millis(200), 1);
    Fold::new(store.clone(), intervals.to_vec(), backoff)
}

fn symbol(name: &str) -> Symbol {
    name.parse().unwrap()
}

async fn candles(store: &MemoryStore, symbol: &Symbol) -> BTreeMap<CandleKey, Candle> {
    let mut all = BTreeMap::new();
    for interval in Interval::ALL {
        let candles = store.scan(symbol, interval).await.unwrap();
        all.extend(candles.into_iter().map(|candle| (candle.key().clone(), candle)));
    }
    all
}

/// Shuffled, twice, and beside another symbol.
#[tokio::test(start_paused = true)]
async fn a_day_of_even_ids_is_folded_like_any_other() {
    let store = MemoryStore::new(Effects::default());
    let fold = fold(&store, &Interval::ALL);
    let trades: Vec<Trade> = (FIRST_ID..).step_by(2).take(205_000).map(trade).collect();
    let (even, other) = (symbol("EVENUSDT"), symbol("ZZZUSDT"));
    let mut batches: Vec<Batch> = trades
        .chunks(2_500)
        .map(|trades| Batch { symbol: even.clone(), trades: trades.to_vec() })
        .collect();
    // Every third batch from the front, then those between.
    batches.sort_by_key(|batch| batch.trades[0].id % 3);
    let beside = Batch { symbol: other.clone(), trades: trades[..10].to_vec() };
    for (n, batch) in batches.iter().enumerate() {
        let again = &batches[n / 2];
        for result in fold.batches(&[batch, again, &beside]).await {
            result.unwrap();
        }
    }
    for (symbol, trades) in [(even, &trades[..]), (other, &beside.trades)] {
        let expected = candle::fold(&symbol, trades, &Interval::ALL);
        assert!(candles(&store, &symbol).await == expected, "{symbol}");
    }
}

/// A change is written in halves, and nothing is refused.
#[tokio::test(start_paused = true)]
async fn trades_that_change_more_than_one_write_takes_are_folded_in_parts() {
    let store = MemoryStore::new(Effects::default());
    let far = symbol("FARUSDT");
    let mut trades: Vec<Trade> = (FIRST_ID..).step_by(1 << 30).take(1_300_000).map(trade).collect();
    trades.reverse();
    for trade in &mut trades {
        trade.time_ms = OPEN_MS;
    }
    let batch = Batch { symbol: far.clone(), trades };
    let fold = fold(&store, &[Interval::D1]);
    let changed = fold.batches(&[&batch]).await.remove(0).unwrap();
    assert_eq!(changed, 1, "one candle");
    let folded = candles(&store, &far).await;
    assert_eq!(folded, candle::fold(&far, &batch.trades, &[Interval::D1]));
    let again = fold.batches(&[&batch]).await.remove(0).unwrap();
    assert_eq!(again, 0, "all of it is there");
}
