//! Folds trades into stored candles, those of a queue's messages and those of copied objects alike.

use std::collections::BTreeMap;

use candle::message::Batch;
use candle::{Candle, CandleKey, Interval, OutsideWindow, Trade};
use futures::StreamExt as _;
use futures::stream;

use crate::backoff::Backoff;
use crate::ports::{CandleStore, PortError, Stored};

/// Requests under way at once in one call: enough to hide latency, few enough for the smallest function.
const CONCURRENCY: usize = 8;

/// Ranges of ids that a candle may have, 16 bytes of memory each: a day of 8.64 million ids of which every other is
/// missing has 4.32 million.
const RANGES_MAX: usize = 5_000_000;

/// Folds trades into stored candles by compare-and-set. Trades that a candle already holds change nothing.
#[derive(Debug)]
pub struct Fold<S> {
    store: S,
    intervals: Vec<Interval>,
    backoff: Backoff,
}

impl<S: CandleStore> Fold<S> {
    /// Every trade goes into a candle of each of `intervals`; `backoff` bounds the tries at a contended candle.
    pub fn new(store: S, intervals: Vec<Interval>, backoff: Backoff) -> Self {
        Self { store, intervals, backoff }
    }

    /// Folds batches together, candle by candle, so that one call writes each candle once.
    ///
    /// The results are in the order of the batches: the number of candles that changed and have trades of the batch. A batch
    /// fails if one of its candles does; its other candles may hold its trades by then, which is harmless.
    pub async fn batches(&self, batches: &[&Batch]) -> Vec<Result<usize, FoldError>> {
        let mut work: BTreeMap<CandleKey, Work> = BTreeMap::new();
        for (index, batch) in batches.iter().enumerate() {
            for (key, trades) in candle::group(&batch.symbol, &batch.trades, &self.intervals) {
                let work = work.entry(key).or_default();
                work.trades.extend(trades);
                work.batches.push(index);
            }
        }
        let mut results: Vec<_> = batches.iter().map(|_| Ok(0)).collect();
        let mut folded = stream::iter(work.into_iter().map(async |(key, work)| {
            let result = self.fold_into(&key, &work.trades).await;
            (work.batches, result)
        }))
        .buffer_unordered(CONCURRENCY);
        while let Some((batches, result)) = folded.next().await {
            for index in batches {
                match (&result, &mut results[index]) {
                    (Ok(true), Ok(written)) => *written += 1,
                    (Err(error), of_batch @ Ok(_)) => *of_batch = Err(error.clone()),
                    _ => {}
                }
            }
        }
        results
    }

    /// Applies `trades` to one stored candle. `false`: the candle held all of them.
    async fn fold_into(&self, key: &CandleKey, trades: &[Trade]) -> Result<bool, FoldError> {
        if let Folded::Changed(changed) = self.fold_at_once(key, trades).await? {
            return Ok(changed);
        }
        // Neighbouring ids lie in the same piece of a candle with many holes.
        let mut by_id = trades.to_vec();
        by_id.sort_by_key(|trade| trade.id);
        let mut any_changed = false;
        let mut parts = halves(&by_id);
        while let Some(part) = parts.pop() {
            match self.fold_at_once(key, part).await? {
                Folded::Changed(changed) => any_changed |= changed,
                Folded::TooLarge if part.len() > 1 => parts.extend(halves(part)),
                Folded::TooLarge => return Err(FoldError::TooLarge { key: key.clone() }),
            }
        }
        Ok(any_changed)
    }

    /// Applies `trades` by one compare-and-set, and retries if another writer was first.
    async fn fold_at_once(&self, key: &CandleKey, trades: &[Trade]) -> Result<Folded, FoldError> {
        for attempt in 0..self.backoff.attempts() {
            if attempt > 0 {
                self.backoff.wait(attempt - 1).await;
            }
            let stored = self.store.load(key).await.map_err(FoldError::Store)?;
            let Some((candle, version)) = apply(stored, key, trades, RANGES_MAX)? else {
                return Ok(Folded::Changed(false));
            };
            let written = self.store.store(&candle, version.as_ref()).await;
            match written.map_err(FoldError::Store)? {
                Stored::Written => return Ok(Folded::Changed(true)),
                Stored::TooLarge => return Ok(Folded::TooLarge),
                Stored::Conflict => {
                    tracing::debug!(candle = %key, attempt, "lost the compare-and-set");
                }
            }
        }
        Err(FoldError::Contended { key: key.clone(), attempts: self.backoff.attempts() })
    }
}

/// The outcome of one compare-and-set.
enum Folded {
    /// The candle holds the trades; true if it changed.
    Changed(bool),
    /// The trades change more than one write can hold.
    TooLarge,
}

fn halves(trades: &[Trade]) -> Vec<&[Trade]> {
    let (left, right) = trades.split_at(trades.len() / 2);
    vec![right, left]
}

/// The candle with `trades` applied, and the version that the write expects; `None` if nothing changes.
fn apply<V>(
    stored: Option<(Candle, V)>,
    key: &CandleKey,
    trades: &[Trade],
    ranges_max: usize,
) -> Result<Option<(Candle, Option<V>)>, FoldError> {
    let (mut candle, version, rest) = match (stored, trades) {
        (Some((candle, version)), _) => (candle, Some(version), trades),
        (None, [first, rest @ ..]) => {
            let candle = Candle::new(key.clone(), first).map_err(FoldError::Outside)?;
            (candle, None, rest)
        }
        (None, []) => return Ok(None),
    };
    let before = candle.ids().ranges().len();
    let added = candle.apply_all(rest).map_err(FoldError::Outside)?;
    let ranges = candle.ids().ranges().len();
    if ranges > ranges_max.max(before) {
        return Err(FoldError::TooManyHoles { key: key.clone(), ranges, most: ranges_max });
    }
    Ok((added > 0 || version.is_none()).then_some((candle, version)))
}

/// Trades for one candle, and the batches that they are from.
#[derive(Default)]
struct Work {
    trades: Vec<Trade>,
    batches: Vec<usize>,
}

/// The reason why trades are missing in some of their candles.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FoldError {
    /// A candle could not be read or written.
    #[error("candle store: {0}")]
    Store(PortError),
    /// A trade was grouped under a candle of another time: a bug in this program.
    #[error("fold: {0}")]
    Outside(OutsideWindow),
    /// Another writer was first at every try.
    #[error("candle {key}: lost the compare-and-set {attempts} times")]
    Contended {
        /// The contended candle.
        key: CandleKey,
        /// Tries made.
        attempts: u32,
    },
    /// The ids of the candle's trades have more holes than a function has memory for.
    #[error(
        "candle {key}: its trade ids would be {ranges} ranges, where {most} is the most: send the trades that are missing between them, or those of fewer ids"
    )]
    TooManyHoles {
        /// The candle.
        key: CandleKey,
        /// Ranges that its ids would need.
        ranges: usize,
        /// The most ranges allowed.
        most: usize,
    },
    /// A single trade changes more pieces than one write takes. Impossible with a candle that this program stored: see
    /// `WHOLE_MAX_BYTES` in `candle::record`.
    #[error(
        "candle {key}: one more trade changes more pieces of its ids than one write takes, which no trade does to a record as this version writes it: see `v` and `ids` of the stored record"
    )]
    TooLarge {
        /// The candle.
        key: CandleKey,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use candle::{Price, Quantity, Symbol};
    use tokio::time::Instant;

    use super::*;
    use crate::backoff::tests::{assert_waited, backoff};

    fn symbol() -> Symbol {
        "BTCUSDT".parse().expect("a symbol")
    }

    fn trade(id: u64) -> Trade {
        Trade {
            id,
            time_ms: id,
            price: Price::from_units(1).expect("a price"),
            quantity: Quantity::from_units(1).expect("a quantity"),
            buyer_is_maker: false,
        }
    }

    /// An empty store that gives the same answer to every write.
    struct Answers {
        to_writes: Stored,
        writes: AtomicU32,
    }

    impl CandleStore for Answers {
        type Version = ();

        async fn load(&self, _key: &CandleKey) -> Result<Option<(Candle, ())>, PortError> {
            Ok(None)
        }

        async fn store(&self, _: &Candle, _expected: Option<&()>) -> Result<Stored, PortError> {
            self.writes.fetch_add(1, Ordering::SeqCst);
            Ok(self.to_writes)
        }

        async fn scan(&self, _: &Symbol, _: Interval) -> Result<Vec<Candle>, PortError> {
            Ok(Vec::new())
        }
    }

    /// Returns the error of folding these trades, and the number of attempted writes.
    async fn folded(to_writes: Stored, ids: &[u64]) -> (String, u32) {
        let store = Answers { to_writes, writes: AtomicU32::new(0) };
        let fold = Fold::new(store, vec![Interval::D1], backoff());
        let trades = ids.iter().map(|id| trade(*id)).collect();
        let error = fold.batches(&[&Batch { symbol: symbol(), trades }]).await.remove(0);
        (error.expect_err("not written").to_string(), fold.store.writes.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_others_beat_is_tried_again_after_longer_and_longer_waits() {
        let start = Instant::now();
        let (error, writes) = folded(Stored::Conflict, &[1]).await;
        assert_eq!(error, "candle BTCUSDT/1d/0: lost the compare-and-set 4 times");
        assert_eq!(writes, 4);
        assert_waited(start, &backoff(), 0..3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_trade_that_is_too_large_is_an_error() {
        let (error, writes) = folded(Stored::TooLarge, &[1, 2, 3]).await;
        let expected = "candle BTCUSDT/1d/0: one more trade changes more";
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(writes, 2, "all of them, then the first alone");
    }

    #[test]
    fn holes_are_bounded_and_trades_that_make_none_are_always_taken() {
        let key = CandleKey { symbol: symbol(), interval: Interval::D1, open_time_ms: 0 };
        let apply = |stored, ids: &[u64]| {
            let trades: Vec<Trade> = ids.iter().map(|id| trade(*id)).collect();
            apply(stored, &key, &trades, 3).map(|folded| folded.map(|(candle, _)| (candle, ())))
        };
        let full = apply(None, &[1, 3, 5, 5, 3]).expect("3 ranges").expect("a candle");
        let error = apply(Some(full.clone()), &[7, 3]).expect_err("4 ranges").to_string();
        let expected = "candle BTCUSDT/1d/0: its trade ids would be 4 ranges, where 3 is the most";
        assert!(error.starts_with(expected), "{error}");
        let filled = apply(Some(full.clone()), &[4, 6]).expect("2 ranges").expect("a candle");
        assert_eq!(filled.0.ids().to_string(), "1,3-6");
        assert!(apply(Some(filled), &[8]).is_ok());
        assert!(apply(Some(full), &[1, 3]).expect("nothing new").is_none());
        assert!(apply(None, &[1, 3, 5, 7]).is_err());
    }
}
