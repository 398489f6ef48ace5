//! The ports of a cloud that can break, as one caller sees them.

use bytes::Bytes;
use candle::{Candle, CandleKey, Interval, Symbol};
use cloud_memory::{Effects, MemoryQueue};
use pipeline::ports::{
    Archive, CandleStore, Cursor, MessageId, PortError, Put, Queue, Receipt, Received, Stored,
};
use pipeline::route::overrides::{OverrideStore, RoutingOverride};
use std::time::Duration;
use tokio::time::sleep;

use super::breakable::Breakable;
use super::ports::{Client, CloudPorts};
use crate::history::CloudId;
use crate::schedule::Service;

/// The wait of a receive that finds nothing.
const EMPTY: Duration = Duration::from_millis(20);

/// All ports of a cloud, for one client.
#[derive(Clone, Debug)]
pub(super) struct Port {
    cloud: Breakable,
    client: Client,
    /// The points at which the client can crash.
    effects: Effects,
}

impl Port {
    pub(super) fn new(cloud: &Breakable, client: Client, effects: Effects) -> Self {
        Self { cloud: cloud.clone(), client, effects }
    }
}

impl CloudPorts for Port {
    type DeadLetters = MemoryQueue;

    fn cloud(&self) -> CloudId {
        self.cloud.name
    }

    fn client(&self) -> Client {
        self.client
    }

    fn dead_letters(&self) -> MemoryQueue {
        self.cloud.seen().dead_letters
    }
}

impl Queue for Port {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let count = bodies.len();
        let pass = match self.cloud.enter(self.client, Service::Queue, "Publish").await {
            Ok(pass) => pass,
            Err(error) => return vec![Err(error); count],
        };
        if pass.twice {
            pass.held.queue.publish(bodies.clone()).await;
        }
        let answers = pass.held.queue.publish(bodies).await;
        if pass.is_lost() { vec![Err(pass.no_answer()); count] } else { answers }
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Queue, "Receive").await?;
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
        let pass = self.cloud.enter(self.client, Service::Queue, "Acknowledge").await?;
        pass.held.queue.acknowledge(receipt).await?;
        pass.answer(())
    }

    /// Gives back a message that a function could not process: on SQS does nothing, so that it stays hidden; Pub/Sub learns
    /// so by the answer to its push, and pauses. Neither is a call.
    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        self.cloud.not_processed(receipt);
        Ok(())
    }
}

impl Archive for Port {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        let pass = self.cloud.enter(self.client, Service::Archive, "Put").await?;
        let archive = pass.held.archive.with_effects(self.effects.clone());
        let put = archive.put_if_absent(name, bytes).await?;
        pass.answer(put)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Archive, "Get").await?;
        let got = pass.held.archive.get(name).await?;
        pass.answer(got)
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Archive, "List").await?;
        let names = pass.held.archive.list(prefix, after, limit).await?;
        pass.answer(names)
    }
}

impl CandleStore for Port {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(Candle, u64)>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "Load").await?;
        let store = pass.held.store.with_effects(self.effects.clone());
        let loaded = store.load(key).await?;
        pass.answer(loaded)
    }

    async fn store(&self, candle: &Candle, expected: Option<&u64>) -> Result<Stored, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "Store").await?;
        let store = pass.held.store.with_effects(self.effects.clone());
        let stored = store.store(candle, expected).await?;
        pass.answer(stored)
    }

    async fn scan(&self, symbol: &Symbol, interval: Interval) -> Result<Vec<Candle>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "Scan").await?;
        let found = pass.held.store.scan(symbol, interval).await?;
        pass.answer(found)
    }
}

impl Cursor for Port {
    async fn load(&self) -> Result<Option<String>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "LoadCursor").await?;
        let text = pass.held.cursor.load().await?;
        pass.answer(text)
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "SaveCursor").await?;
        pass.held.cursor.save(text).await?;
        pass.answer(())
    }

    async fn ensure_incarnation(&self, mark: &str) -> Result<(), PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "LeaveBirthMark").await?;
        pass.held.cursor.ensure_incarnation(mark).await?;
        pass.answer(())
    }
}

impl OverrideStore for Port {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "ReadOrder").await?;
        let order = pass.held.register.read().await?;
        pass.answer(order)
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "ReplaceOrder").await?;
        let is_replaced = pass.held.register.replace(expected, order).await?;
        pass.answer(is_replaced)
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        let pass = self.cloud.enter(self.client, Service::Store, "FindBirthMark").await?;
        let mark = pass.held.register.incarnation().await?;
        pass.answer(mark)
    }
}
