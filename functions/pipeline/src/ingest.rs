//! The one way in which trades become archive objects and candles.
//!
//! Order of effects: **archive, then candle, then acknowledge.** The last is the caller's, who acknowledges what
//! [`Outcome::acknowledge`] says. A crash between any two of them leads to a redelivery that changes nothing:
//! objects are named by their content, and a candle knows the trades it holds.

use std::collections::BTreeMap;

use candle::archive::ArchiveObject;
use candle::message::{self, Batch, MessageError};
use candle::{Candle, CandleKey, Interval, OutsideWindow, Symbols, Trade};
use futures::StreamExt as _;
use futures::stream;

use crate::backoff::Backoff;
use crate::ports::{Archive, CandleStore, PortError, Put, Stored};

/// Requests under way at once in one call: enough to hide latency, few enough for the smallest function.
const CONCURRENCY: usize = 8;

/// Turns messages into archive objects and candles.
#[derive(Debug)]
pub struct Ingest<A, S> {
    archive: A,
    store: S,
    symbols: Symbols,
    intervals: Vec<Interval>,
    backoff: Backoff,
}

impl<A: Archive, S: CandleStore> Ingest<A, S> {
    /// `symbols` are those that this deployment trades: a message of another is poison. Every trade is folded into
    /// a candle of each of `intervals`; `backoff` bounds the tries at a contended candle.
    pub fn new(
        archive: A,
        store: S,
        symbols: Symbols,
        intervals: Vec<Interval>,
        backoff: Backoff,
    ) -> Self {
        Self { archive, store, symbols, intervals, backoff }
    }

    /// Ingests messages together; the outcomes stand in the order of the bodies. Each message fails alone.
    pub async fn messages<B: AsRef<[u8]> + Sync>(&self, bodies: &[B]) -> Vec<Outcome> {
        let decoded: Vec<_> =
            bodies.iter().map(|body| message::decode(body.as_ref(), &self.symbols)).collect();
        let archived = stream::iter(decoded.into_iter().map(|batch| self.archive_one(batch)))
            .buffered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        self.fold(archived).await
    }

    async fn archive_one(&self, batch: Result<Batch, MessageError>) -> Result<Archived, Outcome> {
        let batch = batch.map_err(Outcome::Poison)?;
        let mut objects_created = 0;
        for object in ArchiveObject::split(&batch) {
            let name = object.name().to_string();
            match self.archive.put_if_absent(&name, object.encode().into()).await {
                Ok(Put::Created) => objects_created += 1,
                Ok(Put::Present) => {}
                Err(error) => return Err(Outcome::Failed(IngestError::Archive(error))),
            }
        }
        Ok(Archived { batch, objects_created })
    }

    /// Folds the archived messages candle by candle, so that one write serves all messages of a call.
    async fn fold(&self, archived: Vec<Result<Archived, Outcome>>) -> Vec<Outcome> {
        let mut work: BTreeMap<CandleKey, Work> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(archived.len());
        for (index, message) in archived.into_iter().enumerate() {
            outcomes.push(match message {
                Err(outcome) => outcome,
                Ok(Archived { batch, objects_created }) => {
                    let groups = candle::group(&batch.symbol, &batch.trades, &self.intervals);
                    for (key, trades) in groups {
                        let work = work.entry(key).or_default();
                        work.trades.extend(trades);
                        work.messages.push(index);
                    }
                    let trades = batch.trades.len();
                    Outcome::Ingested(Ingested { trades, objects_created, candles_written: 0 })
                }
            });
        }
        let mut folded = stream::iter(work.into_iter().map(async |(key, work)| {
            let result = self.fold_into(&key, &work.trades).await;
            (work.messages, result)
        }))
        .buffer_unordered(CONCURRENCY);
        while let Some((messages, result)) = folded.next().await {
            for index in messages {
                match (&result, &mut outcomes[index]) {
                    (Ok(true), Outcome::Ingested(ingested)) => ingested.candles_written += 1,
                    (Err(error), outcome @ Outcome::Ingested(_)) => {
                        *outcome = Outcome::Failed(error.clone());
                    }
                    _ => {}
                }
            }
        }
        outcomes
    }

    /// Applies `trades` to one stored candle by compare-and-set. `false`: all of them were there already.
    async fn fold_into(&self, key: &CandleKey, trades: &[Trade]) -> Result<bool, IngestError> {
        for attempt in 0..self.backoff.attempts() {
            if attempt > 0 {
                self.backoff.wait(attempt - 1).await;
            }
            let stored = self.store.load(key).await.map_err(IngestError::Store)?;
            let Some((candle, version)) = apply(stored, key, trades)? else { return Ok(false) };
            let written = self.store.store(&candle, version.as_ref()).await;
            match written.map_err(IngestError::Store)? {
                Stored::Written => return Ok(true),
                Stored::Conflict => {
                    tracing::debug!(candle = %key, attempt, "lost the compare-and-set");
                }
            }
        }
        Err(IngestError::Contended { key: key.clone(), attempts: self.backoff.attempts() })
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

/// A message in the archive, on its way to the candles.
struct Archived {
    batch: Batch,
    objects_created: usize,
}

/// What one candle gets from the messages of a call.
#[derive(Default)]
struct Work {
    trades: Vec<Trade>,
    messages: Vec<usize>,
}

/// What became of one message.
#[derive(Debug)]
pub enum Outcome {
    /// Archived and folded.
    Ingested(Ingested),
    /// It can never be ingested; after the queue's number of tries it belongs into the dead-letter queue.
    Poison(MessageError),
    /// It may be ingested when it comes again; parts of it may be already, which is harmless.
    Failed(IngestError),
}

impl Outcome {
    /// Whether the message may be removed from its queue.
    #[must_use]
    pub fn acknowledge(&self) -> bool {
        matches!(self, Self::Ingested(_))
    }
}

/// Counts of one ingested message. A redelivered message has created and written nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Trades in the message.
    pub trades: usize,
    /// Archive objects that were not there before.
    pub objects_created: usize,
    /// Candles that this message changed, alone or together with the others of its call.
    pub candles_written: usize,
}

/// Why a message could not be ingested this time.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// Nothing of the message is in a candle.
    #[error("archive: {0}")]
    Archive(#[source] PortError),
    /// The message is in the archive, and in some of its candles perhaps.
    #[error("candle store: {0}")]
    Store(#[source] PortError),
    /// A trade was grouped under a candle of another time: a defect of this program.
    #[error("fold: {0}")]
    Fold(#[from] OutsideWindow),
    /// Other writers were first every time.
    #[error("candle {key}: lost the compare-and-set {attempts} times")]
    Contended {
        /// The contended candle.
        key: CandleKey,
        /// Tries made.
        attempts: u32,
    },
}
