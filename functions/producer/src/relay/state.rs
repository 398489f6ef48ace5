//! What the parts of a relay share.

use std::time::Duration;

use pipeline::health::{Evidence, Health};
use pipeline::route::epoch::{Fence, Fenced, Order};
use pipeline::route::{Memory, Route, ServiceState, View};

use super::{Event, RelayConfig};
use crate::spool::{Cursor, Record, Spool, SpoolError};

type Tell = dyn Fn(Event<'_>) + Send + Sync;

/// All that changes. It is never held across a wait; the disk is written under it, so an append takes its time from
/// the publishers, as it must: they have nothing to publish before it is done.
pub(super) struct State {
    pub(super) spool: Spool,
    pub(super) health: Vec<Health>,
    pub(super) latency_us: Vec<Option<u64>>,
    memory: Memory,
    pub(super) route: Route,
    /// Grows with each change of the route: publishers start again at the oldest message.
    pub(super) generation: u64,
    fence: Option<Fence>,
    /// The message that canaries carry.
    pub(super) latest: Option<Record>,
    /// Where a publisher found nothing more to do: generation, and the spool's next number.
    pub(super) idle: Vec<Option<(u64, u64)>>,
    /// The source has ended and all of it is spooled.
    pub(super) is_all_spooled: bool,
    pub(super) done: bool,
}

impl State {
    pub(super) fn new(config: &RelayConfig, spool: Spool) -> Self {
        let count = config.router.targets.len();
        let health = vec![Health::new(0); count];
        let latency_us = vec![None; count];
        let views = views(&health, &latency_us);
        let (memory, route) = config.router.decide(Memory::default(), &views, 0);
        let fence = config.lease.map(|lease| Fence::new(ms(lease), 0));
        Self {
            spool,
            health,
            latency_us,
            memory,
            route,
            generation: 1,
            fence,
            latest: None,
            idle: vec![None; count],
            is_all_spooled: false,
            done: false,
        }
    }

    /// Chooses anew, and tells if that changes anything.
    pub(super) fn route(&mut self, config: &RelayConfig, now_ms: u64, tell: &Tell) {
        let views = views(&self.health, &self.latency_us);
        let memory = std::mem::take(&mut self.memory);
        let (memory, route) = config.router.decide(memory, &views, now_ms);
        self.memory = memory;
        let has_changed = route.publish != self.route.publish;
        self.route = route;
        if has_changed {
            self.generation += 1;
            tell(Event::Routed { route: &self.route, epoch: self.epoch() });
        }
    }

    /// Takes in what one request says of a target.
    pub(super) fn learn(
        &mut self,
        config: &RelayConfig,
        target: usize,
        evidence: Evidence,
        now_ms: u64,
        tell: &Tell,
    ) {
        let before = self.health[target].state();
        self.health[target] = self.health[target].after(&config.health, evidence, now_ms);
        let state = self.health[target].state();
        if state != before {
            tell(Event::Health { target: &config.router.targets[target].name, state });
        }
        self.route(config, now_ms, tell);
    }

    /// A moving average, so that one slow answer moves no primary.
    pub(super) fn measure(&mut self, target: usize, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let before = self.latency_us[target].unwrap_or(latency_us);
        self.latency_us[target] = Some(before - before / 8 + latency_us / 8);
    }

    pub(super) fn observe(
        &mut self,
        config: &RelayConfig,
        found: Option<Order>,
        asked_at_ms: u64,
        now_ms: u64,
        tell: &Tell,
    ) {
        let Some(fence) = &mut self.fence else { return };
        if fence.observe(found, asked_at_ms) {
            self.memory.order(fence.order().and_then(|order| order.to.clone()));
            self.route(config, now_ms, tell);
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.fence.as_ref().map_or(0, Fence::epoch)
    }

    /// Whether something routed under `epoch` may still be published.
    pub(super) fn check(&self, epoch: u64, now_ms: u64) -> Result<(), Fenced> {
        self.fence.as_ref().map_or(Ok(()), |fence| fence.check(epoch, now_ms))
    }

    /// The next messages for a target: those that the route assigns to it and that it has not acknowledged.
    pub(super) fn next(
        &mut self,
        config: &RelayConfig,
        target: &str,
        cursor: &mut Cursor,
        chunk: &mut Vec<Record>,
    ) -> Result<(), SpoolError> {
        let mut bytes: usize = chunk.iter().map(|record| record.body.len()).sum();
        while chunk.len() < config.publish_messages.max(1)
            && (chunk.is_empty() || bytes < config.publish_bytes)
        {
            let Some(record) = self.spool.read(cursor)? else { return Ok(()) };
            let sequence = record.sequence;
            if self.route.assigns(target, sequence) && !self.spool.is_acknowledged(target, sequence)
            {
                bytes += record.body.len();
                chunk.push(record);
            }
        }
        Ok(())
    }

    /// Whether the source has ended and every target of the route has what it is to have.
    pub(super) fn is_done(&self) -> bool {
        let all = Some((self.generation, self.spool.next_sequence()));
        self.is_all_spooled
            && !self.route.publish.is_empty()
            && self.idle.iter().filter(|idle| **idle == all).count() == self.idle.len()
    }
}

/// The relay sees a target's queue and nothing behind it.
fn views(health: &[Health], latency_us: &[Option<u64>]) -> Vec<View> {
    let views = health.iter().zip(latency_us).map(|(health, latency_us)| View {
        services: vec![ServiceState { service: "queue".to_owned(), state: health.state() }],
        latency_us: *latency_us,
    });
    views.collect()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
