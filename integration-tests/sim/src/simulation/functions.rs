//! The functions of a cloud: some instances that take messages, and one that copies.

use std::time::Duration;

use candle::{Interval, Symbols};
use cloud_memory::Effects;
use pipeline::ports::Queue as _;
use pipeline::replicate::Limits;
use pipeline::{Backoff, Fold, Ingest, Replicate, Report};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::START_MS;
use super::breakable::Breakable;
use super::port::Port;
use super::ports::Client;
use crate::history::{Event, History};
use crate::mutants::{Mutated, Mutation};

/// Instances that take messages.
const WORKERS: u64 = 2;
/// Messages one call gets.
const BATCH: usize = 10;
/// A crash comes within so many effects.
const CRASH_WITHIN: u64 = 12;
/// The pause between two runs of replicate.
const COPY_PAUSE: Duration = Duration::from_millis(300);
/// Timeout of a run of replicate.
const COPY_LIMIT: Duration = Duration::from_secs(20);

/// The ports of a cloud as the code of the product gets them.
pub(super) type ClientPorts = Mutated<Port>;

/// Settings of all functions of a run.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) symbols: Symbols,
    pub(super) intervals: Vec<Interval>,
    pub(super) history: History,
    pub(super) seed: u64,
    pub(super) started: Instant,
    pub(super) mutation: Mutation,
}

impl Common {
    fn backoff(&self, salt: u64) -> Backoff {
        let (base, cap) = (Duration::from_millis(5), Duration::from_millis(200));
        Backoff::new(30, base, cap, self.seed ^ salt)
    }

    /// The ports of `cloud` for a client, which can crash at the points of `effects`.
    pub(super) fn ports(&self, cloud: &Breakable, client: Client, effects: Effects) -> ClientPorts {
        Mutated::new(Port::new(cloud, client, effects), &self.mutation)
    }

    /// Starts the functions of `cloud`, which copies from `peer`.
    pub(super) fn start(&self, cloud: &Breakable, peer: &Breakable) -> JoinSet<()> {
        let mut functions = JoinSet::new();
        for worker in 1..=WORKERS {
            let seed = self.seed ^ (worker << 8) ^ cloud.name as u64;
            let effects = Effects::default();
            let ports = self.ports(cloud, Client::Ingest, effects.clone());
            let rng = ChaCha8Rng::seed_from_u64(seed);
            let (common, cloud) = (self.clone(), cloud.clone());
            let instance = Instance { common, cloud, ports, effects, rng, seed };
            functions.spawn(instance.run());
        }
        let (common, cloud, peer) = (self.clone(), cloud.clone(), peer.clone());
        functions.spawn(async move { common.copy_over_and_over(&cloud, &peer).await });
        functions
    }

    async fn copy_over_and_over(&self, cloud: &Breakable, peer: &Breakable) {
        let mut told = None;
        loop {
            sleep(COPY_PAUSE).await;
            let failed = self.copy(cloud, peer).await.failed;
            // Told once, and not again each time while it lasts.
            if let Some(error) = &failed
                && failed != told
            {
                let (cloud, error) = (cloud.name, error.clone());
                self.history.record(Event::ReplicateFailed { cloud, error });
            }
            told = failed;
        }
    }

    /// One run of replicate into `cloud`.
    pub(super) async fn copy(&self, cloud: &Breakable, peer: &Breakable) -> Report {
        let here = self.ports(cloud, Client::Replicate, Effects::default());
        let salt = 0xc0 ^ cloud.name as u64;
        let fold = Fold::new(here.clone(), self.intervals.clone(), self.backoff(salt));
        let there = self.ports(peer, Client::Peer, Effects::default());
        let limits = Limits::default();
        let seed = self.seed ^ salt;
        let replicate =
            Replicate::new(here.clone(), fold, there, here, &self.symbols, limits, seed);
        let now_ms = START_MS + u64::try_from(self.started.elapsed().as_millis()).unwrap_or(0);
        let now_ms = cloud.clock(now_ms);
        let report = replicate.run(now_ms, Instant::now() + COPY_LIMIT).await;
        if report.copied > 0 {
            let by_symbol = report.ids.iter();
            let trade_ids = by_symbol.map(|(symbol, ids)| (symbol.to_string(), ids.pairs()));
            self.history.record(Event::Replicated {
                cloud: cloud.name,
                objects: report.copied as u64,
                trades: report.trades as u64,
                trade_ids: trade_ids.collect(),
                took_ms: report.took_ms,
            });
        }
        report
    }
}

/// One instance of the function that takes messages.
struct Instance {
    common: Common,
    cloud: Breakable,
    ports: ClientPorts,
    effects: Effects,
    rng: ChaCha8Rng,
    seed: u64,
}

impl Instance {
    async fn run(mut self) {
        let Common { symbols, intervals, .. } = self.common.clone();
        let backoff = self.common.backoff(self.seed);
        let (archive, store) = (self.ports.clone(), self.ports.clone());
        let ingest = Ingest::new(archive, store, symbols, intervals, backoff);
        let mut crash = None;
        loop {
            // A call takes its time, or nothing would ever overlap.
            sleep(Duration::from_millis(self.rng.random_range(1..20))).await;
            let Ok(received) = self.ports.receive(BATCH).await else { continue };
            if received.is_empty() {
                continue;
            }
            let bodies: Vec<_> = received.iter().map(|message| message.body.clone()).collect();
            if crash.is_none() {
                crash = self.cloud.take_on_a_crash();
                if crash.is_some() {
                    self.effects.crash_after(self.rng.random_range(0..CRASH_WITHIN));
                }
            }
            let Some(outcomes) = self.effects.until_crash(ingest.messages(&bodies)).await else {
                if let Some(index) = crash.take() {
                    let passed = self.effects.passed();
                    self.cloud.fired(index, &format!("between two effects, after {passed}"));
                }
                continue;
            };
            for (message, outcome) in received.iter().zip(outcomes) {
                let _ = if outcome.acknowledge() {
                    self.ports.acknowledge(&message.receipt).await
                } else {
                    self.ports.release(&message.receipt).await
                };
            }
        }
    }
}
