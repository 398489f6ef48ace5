//! Turns messages into archive objects and candles; the only code that does.
//!
//! Order of effects: **archive, then candle, then acknowledge.** The caller acknowledges, as
//! [`Outcome::acknowledge`] says. A crash between any two of them leads to a redelivery that changes nothing:
//! objects are named by their content, and a candle knows the trades it holds.

use candle::archive::ArchiveObject;
use candle::message::{self, Batch, MessageError};
use candle::{Interval, Symbols};
use futures::StreamExt as _;
use futures::stream;

use crate::backoff::Backoff;
use crate::fold::{Fold, FoldError};
use crate::ports::{Archive, CandleStore, PortError, Put};

/// Messages archived concurrently: enough to hide latency, few enough for the smallest function.
const CONCURRENCY: usize = 8;

/// Turns messages into archive objects and candles.
#[derive(Debug)]
pub struct Ingest<A, S> {
    archive: A,
    symbols: Symbols,
    fold: Fold<S>,
}

impl<A: Archive, S: CandleStore> Ingest<A, S> {
    /// `symbols` are those that this deployment trades; a message of any other is poison. Every trade is folded
    /// into a candle of each of `intervals`; `backoff` bounds the tries at a contended candle.
    pub fn new(
        archive: A,
        store: S,
        symbols: Symbols,
        intervals: Vec<Interval>,
        backoff: Backoff,
    ) -> Self {
        Self { archive, symbols, fold: Fold::new(store, intervals, backoff) }
    }

    /// Ingests messages together. The outcomes are in the order of the bodies; one message's failure leaves the
    /// others alone.
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

    async fn fold(&self, archived: Vec<Result<Archived, Outcome>>) -> Vec<Outcome> {
        let batches: Vec<&Batch> =
            archived.iter().flatten().map(|message| &message.batch).collect();
        let mut folded = self.fold.batches(&batches).await.into_iter();
        let outcome = |message| match message {
            Err(outcome) => outcome,
            Ok(Archived { batch, objects_created }) => {
                match folded.next().expect("a result for every batch") {
                    Ok(candles_written) => {
                        let trades = batch.trades.len();
                        Outcome::Ingested(Ingested { trades, objects_created, candles_written })
                    }
                    Err(error) => Outcome::Failed(IngestError::Fold(error)),
                }
            }
        };
        archived.into_iter().map(outcome).collect()
    }
}

/// An archived message that is still to be folded.
struct Archived {
    batch: Batch,
    objects_created: usize,
}

/// Result of ingesting one message.
#[derive(Debug)]
pub enum Outcome {
    /// Archived and folded.
    Ingested(Ingested),
    /// Can never be ingested; after the queue's number of tries the message belongs in the dead-letter queue.
    Poison(MessageError),
    /// May succeed when redelivered; parts of the message may be ingested already, which is harmless.
    Failed(IngestError),
}

impl Outcome {
    /// True if the message may be removed from its queue.
    #[must_use]
    pub fn acknowledge(&self) -> bool {
        matches!(self, Self::Ingested(_))
    }
}

/// Counts of one ingested message; a redelivered message creates and writes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Trades in the message.
    pub trades: usize,
    /// Archive objects that this message created.
    pub objects_created: usize,
    /// Candles that this message changed, alone or together with the others of its call.
    pub candles_written: usize,
}

/// The reason why a message was not ingested at this try.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    /// The archive failed; no candle holds trades of the message.
    #[error("archive: {0}")]
    Archive(PortError),
    /// A candle failed; the message is archived, and some of its candles may hold its trades.
    #[error(transparent)]
    Fold(FoldError),
}
