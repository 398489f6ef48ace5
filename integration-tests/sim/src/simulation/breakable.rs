//! A cloud in memory that can break.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cloud_memory::{
    Effects, MemoryArchive, MemoryCursor, MemoryOverrideStore, MemoryQueue, MemoryStore,
    QueueConfig,
};
use pipeline::ports::{Fault as Failure, PortError, Receipt};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use super::ports::Client;
use crate::cloud::{Cloud, View};
use crate::delivery::Limits;
use crate::fault;
use crate::history::{CloudId, Event, History};
use crate::schedule::{Fault, Link, Service};

/// The pause between two looks of a call that hangs.
const HANG: Duration = Duration::from_millis(20);
/// Firings of one fault that are written down.
const TOLD: u32 = 10;

/// The content of a cloud.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) queue: MemoryQueue,
    pub(super) dead_letters: MemoryQueue,
    pub(super) archive: MemoryArchive,
    pub(super) store: MemoryStore,
    pub(super) cursor: MemoryCursor,
    pub(super) register: MemoryOverrideStore,
}

impl Held {
    fn nothing(limits: Limits) -> Self {
        let Limits { deliveries: max_receive_count, hidden: visibility_timeout, .. } = limits;
        let config = QueueConfig { visibility_timeout, max_receive_count };
        let forever = QueueConfig { visibility_timeout: Duration::MAX / 4, ..config };
        let dead_letters = MemoryQueue::new(forever, Effects::default(), None);
        let cursor = MemoryCursor::default();
        Self {
            queue: MemoryQueue::new(config, Effects::default(), Some(dead_letters.clone())),
            dead_letters,
            archive: MemoryArchive::default(),
            store: MemoryStore::default(),
            register: MemoryOverrideStore::beside(&cursor),
            cursor,
        }
    }
}

/// The cloud; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Breakable {
    pub(super) name: CloudId,
    limits: Limits,
    history: History,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    held: Held,
    broken: BTreeMap<usize, Broken>,
    rng: ChaCha8Rng,
    /// Calls of functions, by who, to which cloud, service and operation.
    calls: BTreeMap<(Client, &'static str, &'static str), u64>,
}

/// A fault that is in force.
#[derive(Debug)]
struct Broken {
    fault: Fault,
    /// The fault as the history has it.
    told: fault::Fault,
    fired: u32,
    /// Crashes that no function has taken on yet.
    crashes: u32,
}

/// Leave to carry out a call, and the way in which it is to be carried out.
#[derive(Debug)]
pub(super) struct Pass {
    /// The cloud's content when the call came in. A cloud that dies meanwhile takes the effect with it.
    pub(super) held: Held,
    pub(super) twice: bool,
    pub(super) shuffle: bool,
    lost: bool,
    service: &'static str,
    operation: &'static str,
}

enum Decision {
    Wait,
    Refuse(Failure, &'static str),
    Go { pass: Box<Pass>, delay: Duration },
}

impl Breakable {
    pub(super) fn new(name: CloudId, (limits, seed): (Limits, u64), history: History) -> Self {
        let inner = Inner {
            held: Held::nothing(limits),
            broken: BTreeMap::new(),
            rng: ChaCha8Rng::seed_from_u64(seed ^ (0x51 << 32) ^ name as u64),
            calls: BTreeMap::new(),
        };
        Self { name, limits, history, inner: Arc::new(Mutex::new(inner)) }
    }

    /// The cloud as the harness sees it, whatever is broken.
    pub(super) fn seen(&self) -> Cloud<MemoryQueue, MemoryArchive, MemoryStore> {
        let Held { queue, dead_letters, archive, store, .. } = self.inner().held.clone();
        let view = View::whole().redelivering(self.limits);
        Cloud { name: self.name, queue, dead_letters, archive, store, view }
    }

    /// The queue's handling of a message that could not be processed: SQS leaves it hidden, and Pub/Sub, which is told so
    /// by the answer to its push, pauses.
    pub(super) fn not_processed(&self, receipt: &Receipt) {
        let limits = self.limits;
        self.inner().held.queue.redeliver(receipt, |delivery| limits.pause(delivery));
    }

    /// Puts a fault in force; `recorded` is how the history has it.
    pub(super) fn break_it(&self, index: usize, fault: Fault, recorded: fault::Fault) {
        let (cloud, detail) = (self.name, format!("{fault:?}"));
        self.history.record(Event::FaultBegun { cloud, fault: recorded, detail });
        let crashes = match fault {
            Fault::CrashFunction { times } => times,
            _ => 0,
        };
        let broken = Broken { fault, told: recorded, fired: 0, crashes };
        let mut inner = self.inner();
        inner.broken.insert(index, broken);
        match fault {
            Fault::Kill => {
                inner.held = Held::nothing(self.limits);
                self.fire(&mut inner, index, "everything in it is gone");
            }
            Fault::Pause => self.fire(&mut inner, index, "it does not answer"),
            _ => {}
        }
    }

    /// Says that something outside of the cloud was hit.
    pub(super) fn fired(&self, index: usize, what: &str) {
        self.fire(&mut self.inner(), index, what);
    }

    pub(super) fn has_fired(&self, index: usize) -> bool {
        self.inner().broken.get(&index).is_some_and(|broken| broken.fired > 0)
    }

    pub(super) fn heal(&self, index: usize) {
        if let Some(Broken { told: fault, .. }) = self.inner().broken.remove(&index) {
            self.history.record(Event::FaultHealed { cloud: self.name, fault });
        }
    }

    /// True if no fault in force keeps its functions from running.
    pub(super) fn has_functions(&self) -> bool {
        let stops = |broken: &Broken| matches!(broken.fault, Fault::Kill | Fault::StopFunctions);
        !self.inner().broken.values().any(stops)
    }

    /// A function is to crash in what it does next; what comes back says which fault that is.
    pub(super) fn take_on_a_crash(&self) -> Option<usize> {
        let mut inner = self.inner();
        let (index, broken) = inner.broken.iter_mut().find(|(_, broken)| broken.crashes > 0)?;
        broken.crashes -= 1;
        Some(*index)
    }

    /// The time that the functions' clock shows at `now_ms`.
    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        let mut inner = self.inner();
        let skew_of = |(index, broken): (&usize, &Broken)| match broken.fault {
            Fault::Skew { by_ms } => Some((*index, by_ms)),
            _ => None,
        };
        let skews: Vec<_> = inner.broken.iter().filter_map(skew_of).collect();
        for (index, by_ms) in &skews {
            self.fire(&mut inner, *index, &format!("replicate is {by_ms} ms ahead"));
        }
        skews.iter().fold(now_ms, |now_ms, (_, by_ms)| now_ms.saturating_add_signed(*by_ms))
    }

    pub(super) fn random(&self, below: u64) -> u64 {
        self.inner().rng.random_range(0..below)
    }

    /// Lets a call in, once the cloud answers.
    pub(super) async fn enter(
        &self,
        client: Client,
        service: Service,
        operation: &'static str,
    ) -> Result<Pass, PortError> {
        loop {
            match self.decide(client, service, operation) {
                Decision::Wait => sleep(HANG).await,
                Decision::Refuse(fault, detail) => {
                    sleep(Duration::from_millis(1)).await;
                    return Err(error(word(service), operation, fault, detail));
                }
                Decision::Go { pass, delay } => {
                    sleep(delay).await;
                    return Ok(*pass);
                }
            }
        }
    }

    fn decide(&self, client: Client, service: Service, operation: &'static str) -> Decision {
        let mut guard = self.inner();
        let inner = &mut *guard;
        if client != Client::Producer {
            *inner.calls.entry((client, word(service), operation)).or_default() += 1;
        }
        let delay = Duration::from_micros(inner.rng.random_range(500..3_000));
        let (held, service_word) = (inner.held.clone(), word(service));
        let (twice, shuffle, lost) = (false, false, false);
        let mut pass = Pass { held, twice, shuffle, lost, service: service_word, operation };
        let mut delay = delay;
        let mut hits = Vec::new();
        let mut verdict = None;
        let is_hit = |of: Service| of == service || of == Service::All;
        for (index, broken) in &inner.broken {
            let mut roll = |percent: u8| inner.rng.random_range(0..100) < percent;
            let link = |link: Link| match link {
                Link::Producer => client == Client::Producer,
                Link::Peer => client == Client::Peer,
                Link::All => true,
            };
            match broken.fault {
                Fault::Kill => {
                    verdict = Some(Decision::Refuse(Failure::Unreachable, "connection refused"));
                    break;
                }
                Fault::Pause => verdict = Some(Decision::Wait),
                Fault::Cut { link: of, hang } if link(of) => {
                    hits.push(*index);
                    verdict = Some(if hang {
                        Decision::Wait
                    } else {
                        Decision::Refuse(Failure::Unreachable, "connection refused")
                    });
                }
                Fault::Fail { service: of, percent } if is_hit(of) && roll(percent) => {
                    hits.push(*index);
                    verdict = Some(Decision::Refuse(Failure::Unknown, "503 Service Unavailable"));
                }
                Fault::Throttle { percent } if roll(percent) => {
                    hits.push(*index);
                    verdict = Some(Decision::Refuse(Failure::Unknown, "429 Too Many Requests"));
                }
                Fault::ExpireCredentials if client == Client::Producer => {
                    hits.push(*index);
                    verdict = Some(Decision::Refuse(Failure::Refused, "403 ExpiredToken"));
                }
                Fault::Hang { service: of } if is_hit(of) => {
                    hits.push(*index);
                    verdict = Some(Decision::Wait);
                }
                Fault::OneWay { link: of } if link(of) => {
                    hits.push(*index);
                    pass.lost = true;
                }
                Fault::LoseAnswers { service: of, percent } if is_hit(of) && roll(percent) => {
                    hits.push(*index);
                    pass.lost = true;
                }
                Fault::Slow { delay_ms } => {
                    hits.push(*index);
                    delay += Duration::from_millis(inner.rng.random_range(0..=delay_ms));
                }
                Fault::Duplicate { percent } if operation == "Publish" && roll(percent) => {
                    hits.push(*index);
                    pass.twice = true;
                }
                Fault::Reorder { percent } if operation == "Receive" && roll(percent) => {
                    if pass.held.queue.depth() > 0 {
                        hits.push(*index);
                    }
                    pass.shuffle = true;
                }
                _ => {}
            }
        }
        for index in hits {
            self.fire(inner, index, &format!("{client:?}: {service_word} {operation}"));
        }
        verdict.unwrap_or(Decision::Go { pass: Box::new(pass), delay })
    }

    fn fire(&self, inner: &mut Inner, index: usize, what: &str) {
        let Some(broken) = inner.broken.get_mut(&index) else { return };
        broken.fired += 1;
        if broken.fired <= TOLD {
            let (fault, detail) = (broken.told, what.to_owned());
            self.history.record(Event::FaultFired { cloud: self.name, fault, detail });
        }
    }

    /// Writes down which calls its functions have made.
    pub(super) fn tell_calls(&self) {
        for ((client, service, operation), count) in &self.inner().calls {
            self.history.record(Event::Requests {
                link: format!("{client:?} to {}", self.name).to_lowercase(),
                service: (*service).to_owned(),
                operation: (*operation).to_owned(),
                count: *count,
            });
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// The answer, if it is not lost.
    pub(super) fn answer<T>(self, value: T) -> Result<T, PortError> {
        if self.lost { Err(self.no_answer()) } else { Ok(value) }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    pub(super) fn no_answer(&self) -> PortError {
        error(self.service, self.operation, Failure::Unknown, "the connection was reset")
    }
}

pub(super) fn error(
    service: &'static str,
    operation: &'static str,
    fault: Failure,
    detail: &str,
) -> PortError {
    PortError { service, operation, fault, detail: detail.to_owned() }
}

fn word(service: Service) -> &'static str {
    match service {
        Service::Queue => "queue",
        Service::Archive => "archive",
        Service::Store | Service::All => "store",
    }
}
