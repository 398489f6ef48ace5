//! The functions of a cloud: some instances that take messages, and one that copies.

use std::sync::Arc;
use std::time::Duration;

use candle::{Interval, Symbols};
use pipeline::ports::Queue as _;
use pipeline::replicate::Limits;
use pipeline::{Backoff, Fold, Ingest, Replicate, Report};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::START_MS;
use super::breakable::{Breakable, Viewer};
use super::port::Port;
use crate::history::{CloudId, Event, History};
use crate::planted::{self, Plant};

/// Instances that take messages.
const WORKERS: u64 = 2;
/// Messages one call gets.
const BATCH: usize = 10;
/// A crash comes within so many effects.
const CRASH_WITHIN: u64 = 12;
/// The pause between two runs of replicate.
const COPY_PAUSE: Duration = Duration::from_millis(300);
/// How long a run of replicate may take.
const COPY_LIMIT: Duration = Duration::from_secs(20);

/// What all functions of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) symbols: Symbols,
    pub(super) intervals: Vec<Interval>,
    pub(super) history: History,
    pub(super) seed: u64,
    pub(super) started: Instant,
}

impl Common {
    fn backoff(&self, salt: u64) -> Backoff {
        let (base, cap) = (Duration::from_millis(5), Duration::from_millis(200));
        Backoff::new(30, base, cap, self.seed ^ salt)
    }

    /// Starts the functions of `cloud`, which copies from `peer`.
    pub(super) fn start(&self, cloud: &Breakable, peer: &Breakable) -> JoinSet<()> {
        let mut functions = JoinSet::new();
        for worker in 1..=WORKERS {
            let seed = self.seed ^ (worker << 8) ^ cloud.name as u64;
            let port = Port::new(cloud, Viewer::Ingest);
            let rng = ChaCha8Rng::seed_from_u64(seed);
            let instance = Instance { common: self.clone(), port, rng, seed };
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
        if cloud.plant == Some(Plant::OneWay) && cloud.name == CloudId::Gcp {
            return Report::default();
        }
        let here = Port::new(cloud, Viewer::Replicate);
        let salt = 0xc0 ^ cloud.name as u64;
        let fold = Fold::new(here.clone(), self.intervals.clone(), self.backoff(salt));
        let there = Port::new(peer, Viewer::Peer);
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
    port: Port,
    rng: ChaCha8Rng,
    seed: u64,
}

impl Instance {
    async fn run(mut self) {
        let Common { symbols, intervals, .. } = self.common.clone();
        let symbols = Arc::new(symbols);
        let backoff = self.common.backoff(self.seed);
        let (archive, store) = (self.port.clone(), self.port.clone());
        let ingest = Ingest::new(archive, store, (*symbols).clone(), intervals, backoff);
        let plant = self.port.cloud.plant;
        let mut crash = None;
        loop {
            // A call takes its time, or nothing would ever overlap.
            sleep(Duration::from_millis(self.rng.random_range(1..20))).await;
            let Ok(received) = self.port.receive(BATCH).await else { continue };
            if received.is_empty() {
                continue;
            }
            let bodies: Vec<_> = received
                .iter()
                .map(|message| planted::body(plant, &message.body, &symbols))
                .collect();
            if plant == Some(Plant::AcknowledgeFirst) {
                for message in &received {
                    let _ = self.port.acknowledge(&message.receipt).await;
                }
            }
            if crash.is_none() {
                crash = self.port.cloud.take_on_a_crash();
                if crash.is_some() {
                    self.port.effects.crash_after(self.rng.random_range(0..CRASH_WITHIN));
                }
            }
            let Some(outcomes) = self.port.effects.until_crash(ingest.messages(&bodies)).await
            else {
                if let Some(index) = crash.take() {
                    let passed = self.port.effects.passed();
                    self.port.cloud.fired(index, &format!("between two effects, after {passed}"));
                }
                continue;
            };
            for (message, outcome) in received.iter().zip(outcomes) {
                let is_done = outcome.acknowledge() || plant == Some(Plant::AcknowledgeFailed);
                if is_done {
                    let _ = self.port.acknowledge(&message.receipt).await;
                } else {
                    self.port.cloud.not_processed(&message.receipt);
                }
                if plant == Some(Plant::DeadLetterHealthy) && planted::is_dropped(&message.body) {
                    let body = String::from_utf8_lossy(&message.body).into_owned();
                    self.port.cloud.seen().dead_letters.publish(vec![body]).await;
                }
            }
        }
    }
}
