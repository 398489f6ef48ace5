//! The ports of a cloud that can break, as one caller sees them.

use bytes::Bytes;
use candle::{Candle, CandleKey, Interval, Symbol};
use cloud_memory::{Effects, MemoryRegister};
use pipeline::ports::{
    Archive, CandleStore, Cursor, Fault as Failure, MessageId, PortError, Put, Queue, Receipt,
    Received, Stored,
};
use pipeline::route::epoch::Register as _;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::sleep;

use super::breakable::{Breakable, Viewer, error};
use crate::history::CloudId;
use crate::planted::{self, Plant};
use crate::schedule::Service;

/// The wait of a receive that finds nothing.
const EMPTY: Duration = Duration::from_millis(20);

/// All ports of a cloud.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) cloud: Breakable,
    pub(super) viewer: Viewer,
    /// The points at which the caller can crash.
    pub(super) effects: Effects,
}

impl Port {
    pub(super) fn new(cloud: &Breakable, viewer: Viewer) -> Self {
        Self { cloud: cloud.clone(), viewer, effects: Effects::default() }
    }

    /// The mark that replication has left.
    pub(super) async fn birth_mark(&self) -> Result<Option<String>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "FindBirthMark").await?;
        let mark = MemoryRegister::beside(&pass.held.cursor).birth_mark().await?;
        pass.answer(mark)
    }

    fn has(&self, plant: Plant) -> bool {
        self.cloud.plant == Some(plant)
    }

    fn is_known_elsewhere(&self, body: &str) -> bool {
        let known = self.cloud.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().any(|(cloud, bodies)| *cloud != self.cloud.name && bodies.contains(body))
    }

    fn remember(&self, bodies: &[String]) {
        if self.has(Plant::NoReplay) || self.has(Plant::StuckRoute) {
            let mut known = self.cloud.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(self.cloud.name).or_default().extend(bodies.iter().cloned());
        }
    }
}

impl Queue for Port {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let count = bodies.len();
        if self.has(Plant::NoReplay) && bodies.iter().all(|body| self.is_known_elsewhere(body)) {
            return vec![Ok(MessageId("known".to_owned())); count];
        }
        if self.has(Plant::StuckRoute) && self.cloud.name == CloudId::Gcp {
            let refused = error("queue", "Publish", Failure::Unknown, "the route stays");
            return vec![Err(refused); count];
        }
        let pass = match self.cloud.enter(self.viewer, Service::Queue, "Publish").await {
            Ok(pass) => pass,
            Err(error) => return vec![Err(error); count],
        };
        if self.has(Plant::LyingQueue) {
            let kept = bodies.iter().filter(|body| !planted::is_dropped(body)).cloned().collect();
            pass.held.queue.publish(kept).await;
            return vec![Ok(MessageId("taken".to_owned())); count];
        }
        if pass.twice {
            pass.held.queue.publish(bodies.clone()).await;
        }
        let answers = pass.held.queue.publish(bodies.clone()).await;
        if pass.is_lost() {
            return vec![Err(pass.no_answer()); count];
        }
        self.remember(&bodies);
        answers
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Queue, "Receive").await?;
        if pass.held.queue.depth() == 0 {
            sleep(EMPTY).await;
            return pass.answer(Vec::new());
        }
        let mut received = pass.held.queue.receive(max).await?;
        if pass.shuffle {
            // Some come later, and the others the other way round.
            let mut kept = Vec::new();
            for message in received.into_iter().rev() {
                if self.cloud.random(2) == 0 {
                    pass.held.queue.undeliver(&message.receipt);
                } else {
                    kept.push(message);
                }
            }
            received = kept;
        }
        pass.answer(received)
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Queue, "Acknowledge").await?;
        pass.held.queue.acknowledge(receipt).await?;
        pass.answer(())
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Queue, "Release").await?;
        pass.held.queue.release(receipt).await?;
        pass.answer(())
    }
}

impl Archive for Port {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Archive, "Put").await?;
        let archive = pass.held.archive.with_effects(self.effects.clone());
        let bytes = match self.viewer {
            Viewer::Ingest if self.has(Plant::WrongContent) => planted::other_content(&bytes),
            _ => bytes,
        };
        let put = archive.put_if_absent(name, bytes.clone()).await?;
        if self.viewer == Viewer::Replicate && self.has(Plant::Echo) {
            let body = planted::message_of(name, &bytes);
            self.publish(body.into_iter().collect()).await;
        }
        pass.answer(put)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Archive, "Get").await?;
        let got = pass.held.archive.get(name).await?;
        pass.answer(got)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Archive, "List").await?;
        let mut names = pass.held.archive.list(prefix, after, limit).await?;
        if self.viewer == Viewer::Peer && self.has(Plant::SkipHour) {
            names.retain(|name| !planted::is_of_a_skipped_hour(name));
        }
        pass.answer(names)
    }
}

impl CandleStore for Port {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, u64)>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "Load").await?;
        let store = pass.held.store.with_effects(self.effects.clone());
        let loaded = store.load(key).await?;
        pass.answer(loaded)
    }

    async fn store(&self, candle: &Candle, expected: Option<&u64>) -> Result<Stored, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "Store").await?;
        if self.viewer == Viewer::Replicate && self.has(Plant::NoFold) {
            return Ok(Stored::Written);
        }
        let store = pass.held.store.with_effects(self.effects.clone());
        let added = self.viewer == Viewer::Replicate && self.has(Plant::AddVolumes);
        let candle = match self.cloud.plant {
            Some(Plant::FloatSums) => planted::float_sums(candle),
            _ if added => planted::added_volumes(candle),
            _ => candle.clone(),
        };
        if self.has(Plant::CountTwice)
            && let Some(next) = planted::next_candle(&candle)
        {
            store.store(&next, None).await?;
        }
        // Bugs ask what is there; without one a write is one call.
        let found = match self.cloud.plant {
            Some(_) => store.load(candle.key()).await?,
            None => None,
        };
        let candle = match &found {
            Some((before, _)) if self.has(Plant::ArrivalOrder) => {
                planted::opened_before(&candle, before)
            }
            _ => candle,
        };
        let found = found.map(|(_, version)| version);
        let expected = if self.has(Plant::LastWriterWins) { found } else { expected.copied() };
        let stored = store.store(&candle, expected.as_ref()).await?;
        pass.answer(stored)
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "Scan").await?;
        let found = pass.held.store.scan(symbol, interval).await?;
        pass.answer(found)
    }
}

impl Cursor for Port {
    async fn load(&self) -> Result<Option<String>, PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "LoadCursor").await?;
        let text = pass.held.cursor.load().await?;
        pass.answer(text)
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "SaveCursor").await?;
        pass.held.cursor.save(text).await?;
        pass.answer(())
    }

    async fn leave_birth_mark(&self, mark: &str) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.viewer, Service::Store, "LeaveBirthMark").await?;
        pass.held.cursor.leave_birth_mark(mark).await?;
        pass.answer(())
    }
}
