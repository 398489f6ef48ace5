//! The decorator that puts a mutant between a client and the ports of a cloud.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use candle::{Candle, CandleKey, Interval, Symbol, Symbols};
use pipeline::ports::{
    Archive, CandleStore, Cursor, Fault, MessageId, PortError, Put, Queue, Receipt, Received,
    Stored,
};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};

use super::{Mutant, changes};
use crate::history::CloudId;
use crate::simulation::ports::{Client, CloudPorts};

/// The mutant of a run, if it has one, and what it remembers; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Mutation {
    pub(crate) mutant: Option<Mutant>,
    symbols: Symbols,
    /// The messages that each cloud has accepted.
    accepted: Arc<Mutex<BTreeMap<CloudId, BTreeSet<String>>>>,
}

impl Mutation {
    pub(crate) fn new(mutant: Option<Mutant>, symbols: Symbols) -> Self {
        Self { mutant, symbols, accepted: Arc::default() }
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeMap<CloudId, BTreeSet<String>>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ports of a cloud with a mutant in front of them. Without a mutant every call is passed on as it is.
#[derive(Clone, Debug)]
pub(crate) struct Mutated<P> {
    ports: P,
    mutation: Mutation,
}

impl<P: CloudPorts> Mutated<P> {
    pub(crate) fn new(ports: P, mutation: &Mutation) -> Self {
        Self { ports, mutation: mutation.clone() }
    }

    /// True if the mutant is this one.
    fn is(&self, mutant: Mutant) -> bool {
        self.mutation.mutant == Some(mutant)
    }

    /// True if the mutant is this one, and the client the one whose code it changes.
    fn is_in(&self, client: Client, mutant: Mutant) -> bool {
        self.is(mutant) && self.ports.client() == client
    }

    fn is_accepted_elsewhere(&self, body: &str) -> bool {
        let accepted = self.mutation.accepted();
        accepted.iter().any(|(cloud, bodies)| *cloud != self.cloud() && bodies.contains(body))
    }
}

impl<P: CloudPorts> CloudPorts for Mutated<P> {
    type DeadLetters = P::DeadLetters;

    fn cloud(&self) -> CloudId {
        self.ports.cloud()
    }

    fn client(&self) -> Client {
        self.ports.client()
    }

    fn dead_letters(&self) -> P::DeadLetters {
        self.ports.dead_letters()
    }
}

impl<P: CloudPorts> Queue for Mutated<P> {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let count = bodies.len();
        match self.mutation.mutant {
            Some(Mutant::StuckRoute) if self.cloud() == CloudId::Gcp => {
                vec![Err(error("queue", "Publish", "the route stays")); count]
            }
            Some(Mutant::LyingQueue) => {
                let kept: Vec<String> =
                    bodies.into_iter().filter(|body| !changes::is_dropped(body)).collect();
                let refused = self.ports.publish(kept).await.into_iter().find_map(Result::err);
                match refused {
                    Some(error) => vec![Err(error); count],
                    None => vec![Ok(MessageId("taken".to_owned())); count],
                }
            }
            Some(Mutant::NoReplay) => {
                if bodies.iter().all(|body| self.is_accepted_elsewhere(body)) {
                    return vec![Ok(MessageId("known".to_owned())); count];
                }
                let answers = self.ports.publish(bodies.clone()).await;
                let accepted =
                    bodies.into_iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
                let mut known = self.mutation.accepted();
                known.entry(self.cloud()).or_default().extend(accepted.map(|(body, _)| body));
                answers
            }
            _ => self.ports.publish(bodies).await,
        }
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let mut received = self.ports.receive(max).await?;
        let Some(mutant) = self.mutation.mutant else { return Ok(received) };
        for message in &mut received {
            match mutant {
                Mutant::DropTrade | Mutant::NewId => {
                    let other = changes::body(mutant, &message.body, &self.mutation.symbols);
                    message.body = other.unwrap_or_else(|| message.body.clone());
                }
                Mutant::AcknowledgePoison
                    if changes::is_poison(&message.body, &self.mutation.symbols) =>
                {
                    let _ = self.ports.acknowledge(&message.receipt).await;
                }
                Mutant::AcknowledgeFirst => {
                    // The real acknowledgement comes too late to matter.
                    let _ = self.ports.acknowledge(&message.receipt).await;
                }
                Mutant::DeadLetterHealthy if changes::is_dropped(&message.body) => {
                    let body = String::from_utf8_lossy(&message.body).into_owned();
                    self.dead_letters().publish(vec![body]).await;
                }
                _ => {}
            }
        }
        Ok(received)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.ports.acknowledge(receipt).await
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        if self.is(Mutant::AcknowledgeFailed) {
            return self.ports.acknowledge(receipt).await;
        }
        self.ports.release(receipt).await
    }
}

impl<P: CloudPorts> Archive for Mutated<P> {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        if self.is_in(Client::Ingest, Mutant::WrongContent) {
            return self.ports.put_if_absent(name, changes::other_content(&bytes)).await;
        }
        let put = self.ports.put_if_absent(name, bytes.clone()).await?;
        if self.is_in(Client::Replicate, Mutant::Echo) {
            let body = changes::message_of(name, &bytes);
            self.ports.publish(body.into_iter().collect()).await;
        }
        Ok(put)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        self.ports.get(name).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        if self.is_in(Client::Peer, Mutant::OneWay) && self.cloud() == CloudId::Aws {
            return Ok(Vec::new());
        }
        let mut names = self.ports.list(prefix, after, limit).await?;
        if self.is_in(Client::Peer, Mutant::SkipHour) {
            names.retain(|name| !changes::is_of_a_skipped_hour(name));
        }
        Ok(names)
    }
}

impl<P: CloudPorts> CandleStore for Mutated<P> {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, u64)>, PortError> {
        CandleStore::load(&self.ports, key).await
    }

    async fn store(&self, candle: &Candle, expected: Option<&u64>) -> Result<Stored, PortError> {
        let of_replicate = self.client() == Client::Replicate;
        match self.mutation.mutant {
            Some(Mutant::NoFold) if of_replicate => Ok(Stored::Written),
            Some(Mutant::AddVolumes) if of_replicate => {
                self.ports.store(&changes::added_volumes(candle), expected).await
            }
            Some(Mutant::FloatSums) => {
                self.ports.store(&changes::float_sums(candle), expected).await
            }
            Some(Mutant::CountTwice) => {
                if let Some(next) = changes::next_candle(candle) {
                    self.ports.store(&next, None).await?;
                }
                self.ports.store(candle, expected).await
            }
            Some(Mutant::ArrivalOrder) => {
                let found = CandleStore::load(&self.ports, candle.key()).await?;
                let candle = found.map_or_else(
                    || candle.clone(),
                    |(before, _)| changes::opened_before(candle, &before),
                );
                self.ports.store(&candle, expected).await
            }
            Some(Mutant::LastWriterWins) => loop {
                let found = CandleStore::load(&self.ports, candle.key()).await?;
                let found = found.map(|(_, version)| version);
                let stored = self.ports.store(candle, found.as_ref()).await?;
                if stored != Stored::Conflict {
                    return Ok(stored);
                }
            },
            _ => self.ports.store(candle, expected).await,
        }
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        self.ports.scan(symbol, interval).await
    }
}

impl<P: CloudPorts> Cursor for Mutated<P> {
    async fn load(&self) -> Result<Option<String>, PortError> {
        Cursor::load(&self.ports).await
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        self.ports.save(text).await
    }

    async fn ensure_incarnation(&self, mark: &str) -> Result<(), PortError> {
        self.ports.ensure_incarnation(mark).await
    }
}

impl<P: CloudPorts> OverrideStore for Mutated<P> {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        self.ports.read().await
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        self.ports.replace(expected, order).await
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        if self.is_in(Client::Producer, Mutant::NoIncarnationId) {
            return Err(error("store", "FindBirthMark", "the mark is not looked at"));
        }
        self.ports.incarnation().await
    }
}

fn error(service: &'static str, operation: &'static str, detail: &str) -> PortError {
    PortError { service, operation, fault: Fault::Unknown, detail: detail.to_owned() }
}
