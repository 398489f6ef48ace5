//! The one way in which trades get into stored candles, for messages of a queue and for copies alike.

use std::collections::BTreeMap;

use candle::message::Batch;
use candle::{Candle, CandleKey, Interval, OutsideWindow, Trade};
use futures::StreamExt as _;
use futures::stream;

use crate::backoff::Backoff;
use crate::ports::{CandleStore, PortError, Stored};

/// Requests under way at once in one call: enough to hide latency, few enough for the smallest function.
const CONCURRENCY: usize = 8;

/// Folds trades into stored candles by compare-and-set. Folding trades that are there already changes nothing.
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

    /// Folds batches together, candle by candle, so that one write serves all of a call.
    ///
    /// The results stand in the order of the batches: how many candles changed that a batch has a part in. A batch
    /// fails if one of its candles does; its other candles have its trades then, which is harmless.
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

    /// Applies `trades` to one stored candle by compare-and-set. `false`: all of them were there already.
    async fn fold_into(&self, key: &CandleKey, trades: &[Trade]) -> Result<bool, FoldError> {
        for attempt in 0..self.backoff.attempts() {
            if attempt > 0 {
                self.backoff.wait(attempt - 1).await;
            }
            let stored = self.store.load(key).await.map_err(FoldError::Store)?;
            let Some((candle, version)) = apply(stored, key, trades)? else { return Ok(false) };
            let written = self.store.store(&candle, version.as_ref()).await;
            match written.map_err(FoldError::Store)? {
                Stored::Written => return Ok(true),
                Stored::Conflict => {
                    tracing::debug!(candle = %key, attempt, "lost the compare-and-set");
                }
            }
        }
        Err(FoldError::Contended { key: key.clone(), attempts: self.backoff.attempts() })
    }
}

/// The candle with `trades` in it, and the version that a write must still find; `None` if nothing changes.
fn apply<V>(
    stored: Option<(Candle, V)>,
    key: &CandleKey,
    trades: &[Trade],
) -> Result<Option<(Candle, Option<V>)>, OutsideWindow> {
    let (mut candle, version, rest) = match (stored, trades) {
        (Some((candle, version)), _) => (candle, Some(version), trades),
        (None, [first, rest @ ..]) => (Candle::new(key.clone(), first)?, None, rest),
        (None, []) => return Ok(None),
    };
    let added = candle.apply_all(rest)?;
    Ok((added > 0 || version.is_none()).then_some((candle, version)))
}

/// What one candle gets from the batches of a call.
#[derive(Default)]
struct Work {
    trades: Vec<Trade>,
    batches: Vec<usize>,
}

/// Why trades are not in all of their candles.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FoldError {
    /// A candle could not be read or written.
    #[error("candle store: {0}")]
    Store(#[source] PortError),
    /// A trade was grouped under a candle of another time: a defect of this program.
    #[error("fold: {0}")]
    Outside(#[from] OutsideWindow),
    /// Other writers were first every time.
    #[error("candle {key}: lost the compare-and-set {attempts} times")]
    Contended {
        /// The contended candle.
        key: CandleKey,
        /// Tries made.
        attempts: u32,
    },
}
