//! State that the parts of a relay share.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::health::{Health, Outcome, State as HealthState};
use pipeline::route::overrides::{Fence, Fenced, RoutingOverride};
use pipeline::route::{Route, RouterState, ServiceState, TargetSnapshot};

use tokio::time::Instant;

use super::{RelayConfig, store_of};
use crate::events::Event;
use crate::position::Position;
use crate::spool::{Cursor, Record, Spool, SpoolError};

/// The callback for events.
pub(super) type OnEvent = dyn Fn(Event) + Send + Sync;

/// The reason of a route once the lease of the overrides is valid again.
const LEASE_RENEWED: &str = "overrides can be read again";

/// The longest interval between two saves of the position, whatever the spool's sync policy.
const MARK: Duration = Duration::from_secs(1);
/// The first and the longest pause before a parked message is tried again; the pause doubles each time.
const PARKED_PAUSE: Duration = Duration::from_secs(1);
const PARKED_PAUSE_MAX: Duration = Duration::from_mins(1);

/// A message that a target refuses while it accepts others.
#[derive(Clone, Copy, Debug)]
struct Parked {
    tries: u32,
    due: Instant,
}

/// All mutable state of a relay. The lock is never held across an await. Disk writes do happen under it, so publishers wait for
/// an append; they have nothing to publish before it anyway.
pub(super) struct State {
    pub(super) spool: Spool,
    pub(super) health: Vec<Health>,
    pub(super) latency_us: Vec<Option<u64>>,
    memory: RouterState,
    pub(super) route: Route,
    /// Grows with each change of the route: publishers start again at the oldest message.
    pub(super) generation: u64,
    fence: Option<Fence>,
    is_fenced: bool,
    /// The time of each target's latest success.
    success_ms: Vec<Option<u64>>,
    /// The number of times that the incarnation id of each target's store changed.
    pub(super) incarnations: Vec<u64>,
    /// The messages that each target refuses.
    parked: Vec<BTreeMap<u64, Parked>>,
    /// The message that each target accepted last: sent again, it tells a bad message from a bad target.
    pub(super) good: Vec<Option<Record>>,
    /// The position in the source; `marked` is the saved one.
    pub(super) position: Position,
    marked: Position,
    marked_at: Instant,
    /// The message spooled last.
    pub(super) latest: Option<Record>,
    /// The point at which each publisher found nothing more to do: generation, and the spool's next number.
    pub(super) idle: Vec<Option<(u64, u64)>>,
    /// True if the source has ended and all of it is spooled.
    pub(super) is_all_spooled: bool,
    pub(super) done: bool,
}

impl State {
    pub(super) fn new(config: &RelayConfig, spool: Spool) -> Self {
        let count = config.router.targets.len();
        let health = vec![Health::new(0); count];
        let latency_us = vec![None; count];
        let views = views(&health, &latency_us);
        let (memory, route) = config.router.decide(RouterState::default(), &views, 0);
        let fence = config.lease.map(|lease| Fence::new(ms(lease), 0));
        // A read error here does not matter: it shows again when the record is needed.
        let mut last = Cursor::at(spool.next_sequence().saturating_sub(1));
        let latest = spool.read(&mut last).ok().flatten();
        Self {
            spool,
            health,
            latency_us,
            memory,
            route,
            generation: 1,
            fence,
            is_fenced: false,
            success_ms: vec![None; count],
            incarnations: vec![0; count],
            parked: vec![BTreeMap::new(); count],
            good: vec![None; count],
            position: Position::default(),
            marked: Position::default(),
            marked_at: Instant::now(),
            latest,
            idle: vec![None; count],
            is_all_spooled: false,
            done: false,
        }
    }

    /// Chooses the route again, and emits an event if it has changed.
    pub(super) fn route(&mut self, config: &RelayConfig, now_ms: u64, on_event: &OnEvent) {
        self.choose(config, now_ms, false, on_event);
    }

    fn choose(&mut self, config: &RelayConfig, now_ms: u64, is_ordered: bool, on_event: &OnEvent) {
        let views = views(&self.health, &self.latency_us);
        let memory = std::mem::take(&mut self.memory);
        let (memory, route) = config.router.decide(memory, &views, now_ms);
        self.memory = memory;
        let before = std::mem::replace(&mut self.route, route);
        let has_moved = before.publish != self.route.publish;
        let has_hedged = before.hedge != self.route.hedge;
        if has_moved || has_hedged {
            self.generation += 1;
        }
        if has_moved || has_hedged || is_ordered {
            on_event(Event::routed(&self.route, self.epoch()));
        }
    }

    /// Records the outcome of a request to a target.
    pub(super) fn record_outcome(
        &mut self,
        config: &RelayConfig,
        target: usize,
        outcome: Outcome,
        now_ms: u64,
        on_event: &OnEvent,
    ) {
        if outcome == Outcome::Success {
            self.success_ms[target] = Some(now_ms);
        }
        let before = self.health[target].state();
        self.health[target] = self.health[target].after(&config.health, outcome, now_ms);
        let state = self.health[target].state();
        if state != before {
            let name = &config.router.targets[target].name;
            // The target may come back empty, so the others get its messages now.
            if state == HealthState::Down {
                self.revoke_acks(name);
            }
            on_event(Event::Health { target: name.clone(), state });
        }
        self.route(config, now_ms, on_event);
    }

    /// Records that an answer is slow. If the target has answered since it became suspect, it is only slow; if it has not, it
    /// may hang, and this counts as a bad outcome.
    pub(super) fn record_slow(
        &mut self,
        config: &RelayConfig,
        target: usize,
        now_ms: u64,
        on_event: &OnEvent,
    ) {
        let health = &self.health[target];
        let is_silent = self.success_ms[target].is_none_or(|at_ms| at_ms < health.since_ms());
        let counts = match health.state() {
            HealthState::Healthy => true,
            HealthState::Suspect => is_silent,
            HealthState::Recovering | HealthState::Down => false,
        };
        if counts {
            self.record_outcome(config, target, Outcome::Unknown, now_ms, on_event);
        }
    }

    /// A moving average, so that one slow answer moves no primary.
    pub(super) fn record_latency(&mut self, target: usize, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let before = self.latency_us[target].unwrap_or(latency_us);
        self.latency_us[target] = Some(before - before / 8 + latency_us / 8);
    }

    pub(super) fn observe(
        &mut self,
        config: &RelayConfig,
        found: Option<RoutingOverride>,
        asked_at_ms: u64,
        now_ms: u64,
        on_event: &OnEvent,
    ) {
        let Some(fence) = &mut self.fence else { return };
        if fence.observe(found, asked_at_ms) {
            self.memory.order(fence.order().and_then(|order| order.to.clone()));
            self.choose(config, now_ms, true, on_event);
        }
    }

    pub(super) fn observe_incarnation(
        &mut self,
        config: &RelayConfig,
        store: &str,
        mark: Option<&str>,
        on_event: &OnEvent,
    ) {
        if !self.spool.note_incarnation(store, mark) {
            return;
        }
        let mut is_any = false;
        for (index, target) in config.router.targets.iter().enumerate() {
            if store_of(target) == store {
                self.incarnations[index] += 1;
                is_any |= self.revoke_acks(&target.name);
            }
        }
        on_event(Event::IncarnationChanged { cloud: store.to_owned(), is_any });
    }

    /// Forgets the acknowledgements that a target alone gave, so that those messages are published again; returns true if there
    /// were any.
    fn revoke_acks(&mut self, target: &str) -> bool {
        let is_any = self.spool.revoke_acks(target);
        self.generation += u64::from(is_any);
        is_any
    }

    pub(super) fn epoch(&self) -> u64 {
        self.fence.as_ref().map_or(0, Fence::epoch)
    }

    /// Checks that messages routed under `epoch` may still be published.
    pub(super) fn check(&self, epoch: u64, now_ms: u64) -> Result<(), Fenced> {
        self.fence.as_ref().map_or(Ok(()), |fence| fence.check(epoch, now_ms))
    }

    /// The latest routing override.
    pub(super) fn order(&self) -> Option<&RoutingOverride> {
        self.fence.as_ref().and_then(Fence::order)
    }

    /// Emits an event when the lease ends, and when it is renewed.
    pub(super) fn look_at_lease(&mut self, now_ms: u64, on_event: &OnEvent) {
        let why = self.check(self.epoch(), now_ms).err();
        if why.is_some() != self.is_fenced {
            self.is_fenced = why.is_some();
            let epoch = self.epoch();
            on_event(match why {
                Some(why) => {
                    let (publish, hedge, why) = (Vec::new(), None, why.to_string());
                    Event::Routed { publish, hedge, epoch, why }
                }
                None => Event::routed_because(&self.route, epoch, LEASE_RENEWED),
            });
        }
    }

    /// Continues from the saved position of an earlier relay.
    pub(super) fn resume(&mut self, position: Position) {
        self.marked = position.clone();
        self.position = position;
    }

    /// Saves the position, if that costs no sync or is due.
    pub(super) fn save_position(&mut self, is_last: bool) -> Result<(), SpoolError> {
        let is_due = is_last || self.spool.is_synced() || self.marked_at.elapsed() >= MARK;
        if is_due && self.position != self.marked {
            self.spool.mark(&self.position.text())?;
            self.marked.clone_from(&self.position);
            self.marked_at = Instant::now();
        }
        Ok(())
    }

    /// The message of a probe: one that a target has acknowledged, so that the probe delivers nothing new. If no target takes
    /// traffic, any message.
    pub(super) fn probe(&self) -> Option<Record> {
        let taken = self.good.iter().flatten().max_by_key(|record| record.sequence);
        let is_anybody_there = self.health.iter().any(|health| health.state().takes_traffic());
        let may_be =
            |latest: &&Record| !is_anybody_there || self.spool.is_accepted(latest.sequence);
        taken.or(self.latest.as_ref().filter(may_be)).cloned()
    }

    /// True if `target` has traffic; one without it gets probes.
    pub(super) fn has_traffic(&self, target: &str) -> bool {
        self.route.hedges(target) || self.route.publish.iter().any(|(name, _)| name == target)
    }

    /// Fills the chunk with the next messages for a target: those that the route assigns to it and that it has not acknowledged,
    /// and as a hedge those that no target has acknowledged.
    pub(super) fn next(
        &mut self,
        config: &RelayConfig,
        target: usize,
        cursor: &mut Cursor,
        chunk: &mut Vec<Record>,
    ) -> Result<(), SpoolError> {
        let name = &config.router.targets[target].name;
        if !self.has_traffic(name) {
            return Ok(());
        }
        let only_hedges = !self.route.publish.iter().any(|(publish, _)| publish == name);
        let mut bytes: usize = chunk.iter().map(|record| record.body.len()).sum();
        let has_room = |chunk: &Vec<Record>, bytes: usize| {
            chunk.len() < config.publish_messages.max(1)
                && (chunk.is_empty() || bytes < config.publish_bytes)
        };
        while has_room(chunk, bytes) {
            let again = self.due_again(target)?;
            let is_again = again.is_some();
            let record = match again {
                Some(record) => Some(record),
                None if only_hedges => {
                    self.spool.skip_accepted(cursor);
                    self.spool.read(cursor)?
                }
                None => {
                    self.spool.skip_acknowledged(cursor, name);
                    self.spool.read(cursor)?
                }
            };
            let Some(record) = record else { return Ok(()) };
            let sequence = record.sequence;
            let is_there = chunk.iter().any(|there| there.sequence == sequence);
            let is_parked = !is_again && self.is_parked(target, sequence);
            if self.wants(name, sequence) && !is_there && !is_parked {
                bytes += record.body.len();
                chunk.push(record);
            }
        }
        Ok(())
    }

    fn wants(&self, target: &str, sequence: u64) -> bool {
        let is_assigned =
            self.route.assigns(target, sequence) && !self.spool.is_acknowledged(target, sequence);
        is_assigned || (self.route.hedges(target) && !self.spool.is_accepted(sequence))
    }

    /// A parked message that is due, for which the next pause begins.
    fn due_again(&mut self, target: usize) -> Result<Option<Record>, SpoolError> {
        let due = self.parked[target].iter().find(|(_, parked)| parked.is_due());
        let Some(sequence) = due.map(|(sequence, _)| *sequence) else { return Ok(None) };
        let found = self.spool.read(&mut Cursor::at(sequence))?;
        let found = found.filter(|record| record.sequence == sequence);
        if found.is_some() {
            self.park(target, sequence);
        } else {
            self.parked[target].remove(&sequence);
        }
        Ok(found)
    }

    /// Parks a message, so that it does not hold up the others.
    pub(super) fn park(&mut self, target: usize, sequence: u64) {
        let start = Parked { tries: 0, due: Instant::now() };
        let parked = self.parked[target].entry(sequence).or_insert(start);
        let pause = PARKED_PAUSE.saturating_mul(1 << parked.tries.min(16)).min(PARKED_PAUSE_MAX);
        parked.tries += 1;
        parked.due = Instant::now() + pause;
    }

    pub(super) fn is_parked(&self, target: usize, sequence: u64) -> bool {
        self.parked[target].contains_key(&sequence)
    }

    pub(super) fn accept(&mut self, target: usize, name: &str, sequence: u64) {
        self.spool.acknowledge(name, sequence);
        self.parked[target].remove(&sequence);
    }

    /// Messages that a target of the route refuses while it accepts others.
    pub(super) fn refused(&self, config: &RelayConfig) -> u64 {
        let targets = config.router.targets.iter().zip(&self.parked);
        let refused = targets.flat_map(|(target, parked)| {
            parked.keys().filter(|sequence| self.route.assigns(&target.name, **sequence))
        });
        refused.count() as u64
    }

    /// True if the source has ended and every publisher has delivered all that the route assigns to it.
    pub(super) fn is_done(&self) -> bool {
        let all = Some((self.generation, self.spool.next_sequence()));
        self.is_all_spooled
            && !self.route.publish.is_empty()
            && self.idle.iter().filter(|idle| **idle == all).count() == self.idle.len()
    }
}

impl Parked {
    fn is_due(&self) -> bool {
        self.due <= Instant::now()
    }
}

/// Snapshots of the targets; the relay sees only their queues, not the services behind them.
fn views(health: &[Health], latency_us: &[Option<u64>]) -> Vec<TargetSnapshot> {
    let views = health.iter().zip(latency_us).map(|(health, latency_us)| TargetSnapshot {
        services: vec![ServiceState { service: "queue".to_owned(), state: health.state() }],
        latency_us: *latency_us,
    });
    views.collect()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
