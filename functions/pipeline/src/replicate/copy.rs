//! Turns objects of the peer into candles and archive objects of this cloud.

use bytes::Bytes;
use candle::message::Batch;
use candle::{ArchiveObject, ObjectName};
use futures::StreamExt as _;
use futures::stream;
use tokio::time::Instant;

use super::{Replicate, Run, Stop};
use crate::ports::{Archive, CandleStore, Cursor, Fault, PortError, Put};

/// Concurrent requests.
const CONCURRENCY: usize = 16;

impl<A: Archive, S: CandleStore, P: Archive, C: Cursor> Replicate<A, S, P, C> {
    /// Copies these objects: get, verify, fold, put; each step for all of them before the next. An object that
    /// can't be copied is named in the report and holds no other up, unless the peer delivered none at all.
    pub(super) async fn copy(&self, names: &[String], run: &mut Run<'_>) -> Result<(), Stop> {
        let fetches: Vec<_> = names.iter().map(|name| self.fetch(name, run.deadline)).collect();
        let fetched: Vec<_> = stream::iter(fetches).buffered(CONCURRENCY).collect().await;
        let mut objects = Vec::with_capacity(names.len());
        let mut refusal = None;
        let mut any_came = false;
        for (name, fetched) in names.iter().zip(fetched) {
            match fetched {
                Fetched::Object(object) => {
                    let times = object.batch.trades.iter().map(|trade| trade.time_ms);
                    run.report.lacked(times.min());
                    objects.push(object);
                    any_came = true;
                }
                Fetched::Corrupted(why) => {
                    run.report.lacked(hour_start_ms(name));
                    tracing::error!(object = name, why, "corrupted at the peer: not copied");
                    run.report.corrupted.add(name);
                    any_came = true;
                }
                Fetched::Not(error) => {
                    run.report.lacked(hour_start_ms(name));
                    tracing::warn!(object = name, %error, "listed by the peer, not delivered");
                    run.report.undelivered.add(name);
                    refusal = Some(error);
                }
            }
        }
        match refusal {
            Some(error) if !any_came => Err(Stop::NotDelivered(error)),
            _ => self.commit(objects, run).await,
        }
    }

    /// Folds, then puts: an object in the archive says that its trades are in the candles.
    async fn commit(&self, objects: Vec<Object<'_>>, run: &mut Run<'_>) -> Result<(), Stop> {
        let batches: Vec<&Batch> = objects.iter().map(|object| &object.batch).collect();
        let folded = self.fold.batches(&batches).await;
        let mut failed = None;
        let mut puts = Vec::with_capacity(objects.len());
        for (object, folded) in objects.into_iter().zip(folded) {
            match folded {
                Ok(_) => puts.push(object),
                Err(error) => match Stop::Fold(error) {
                    stop if stop.is_refusal() => run.refuse(&object.name, &stop),
                    stop => failed = Some(stop),
                },
            }
        }
        let puts: Vec<_> = puts.into_iter().map(|object| self.put(object)).collect();
        let mut put = stream::iter(puts).buffer_unordered(CONCURRENCY);
        while let Some((put, bytes, batch)) = put.next().await {
            match put {
                Ok(Put::Created) => run.report.copied(bytes, &batch),
                // Ingest archived it from its own queue in the meantime.
                Ok(Put::Present) => run.report.present += 1,
                Err(error) => match Stop::Here(error) {
                    stop if stop.is_refusal() => run.refuse(&batch.symbol, &stop),
                    stop => failed = Some(stop),
                },
            }
            (run.on_progress)(&run.report);
        }
        failed.map_or(Ok(()), Err)
    }

    async fn put(&self, object: Object<'_>) -> (Result<Put, PortError>, usize, Batch) {
        let Object { name, bytes, batch } = object;
        let size = bytes.len();
        (self.archive.put_if_absent(name, bytes).await, size, batch)
    }

    async fn fetch<'n>(&self, name: &'n str, deadline: Instant) -> Fetched<'n> {
        let bytes = match self.peer.by(deadline).get(name).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Fetched::Not(gone(name)),
            Err(error) if error.fault == Fault::Corrupt => {
                return Fetched::Corrupted(error.to_string());
            }
            Err(error) => return Fetched::Not(error),
        };
        match ArchiveObject::decode(name, &bytes) {
            Ok(object) => Fetched::Object(Object { name, bytes, batch: object.into_batch() }),
            Err(error) => Fetched::Corrupted(error.to_string()),
        }
    }
}

/// Result of fetching one object from the peer.
enum Fetched<'n> {
    Object(Object<'n>),
    /// Its content does not match its name.
    Corrupted(String),
    Not(PortError),
}

/// An object whose content matches its name.
struct Object<'n> {
    name: &'n str,
    /// The bytes as the peer has them: a copy is identical.
    bytes: Bytes,
    batch: Batch,
}

fn gone(name: &str) -> PortError {
    let detail = format!("{name} is listed and can't be found");
    PortError { service: "peer", operation: "get", fault: Fault::Unknown, detail }
}

/// The start of the object's hour, as the age of an object whose trades can't be read.
fn hour_start_ms(name: &str) -> Option<u64> {
    name.parse().ok().map(|name: ObjectName| name.hour.start_ms())
}
