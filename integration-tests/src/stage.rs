//! The testbeds of scenarios with real programs: both clouds, the producer that sends to them, the functions that copy between
//! them, and the history of it all.

mod deployed;
mod faults;
mod feed;
mod own;
mod producer;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use candle::Interval;
use pipeline::ports::{Archive, CandleStore, MessageId, Queue};
use tokio::task::JoinSet;

use crate::cloud::Cloud;
use crate::environments::emulated::{AwsCloud, GcpCloud};
use crate::fault::{Fault, FaultKind};
use crate::history::{CloudId, Event, History};
use crate::snapshot::Snapshot;
use crate::testbed::{self, Injection, RunProgress, Step};
use crate::workload::Workload;
use producer::Producer;

pub use deployed::{DeployedClouds, Pace, Play, outage};
pub use own::{ClusterSpec, OwnClouds};

/// The pause between two looks for a process.
const POLL: Duration = Duration::from_millis(10);

/// Both clouds, wherever they are.
pub trait Clouds {
    /// AWS as the harness sees it.
    fn aws(&self) -> &AwsCloud;

    /// Google Cloud as the harness sees it.
    fn gcp(&self) -> &GcpCloud;

    /// Heals what a scenario has left broken.
    fn heal_all(&mut self) -> impl Future<Output = anyhow::Result<()>>;

    /// Waits until neither cloud has anything left to copy from the other, once the candles of both are complete, and
    /// writes down what is known only then.
    fn wait_until_replicated(
        &mut self,
        history: &History,
    ) -> impl Future<Output = anyhow::Result<()>>;

    /// Stops what is the run's own, and waits until it is gone.
    fn stop(self) -> impl Future<Output = anyhow::Result<()>>;
}

/// The load of a run, and how long its scenario waits for an event.
#[derive(Clone, Debug)]
struct Load {
    /// The load.
    workload: Arc<Workload>,
    /// The candles that the functions keep.
    intervals: Vec<Interval>,
    /// The longest wait of a scenario for an event.
    timeout: Duration,
    /// The time in which trades flow.
    flow: Duration,
}

/// The time in which a load flows at a rate; none without a rate.
fn flow(workload: &Workload, rate: Option<u32>) -> Duration {
    let trades = workload.unique as u64;
    rate.map_or(Duration::ZERO, |rate| Duration::from_secs(trades.div_ceil(u64::from(rate.max(1)))))
}

/// A run that is under way.
#[derive(Debug)]
pub struct TestCluster<C = OwnClouds> {
    /// Both clouds.
    pub clouds: C,
    /// The history.
    pub history: History,
    producer: Producer,
    watchers: JoinSet<Watched>,
    is_published: Arc<AtomicBool>,
    show: Load,
    begun: u32,
}

impl<C: Clouds> RunProgress for TestCluster<C> {
    fn history(&self) -> &History {
        &self.history
    }

    fn trades(&self) -> u64 {
        self.workload().unique as u64
    }

    fn timeout(&self) -> Duration {
        self.show.timeout
    }

    fn flow(&self) -> Duration {
        self.show.flow
    }

    fn has_published_everything(&self) -> bool {
        self.producer.has_ended() && self.history.tally(|tally| tally.is_done)
    }

    fn will_wait_for(&self, percent: u32) {
        if percent as usize > feed::FULL_RATE_PERCENT {
            self.producer.release();
        }
    }
}

type Watched = (CloudId, anyhow::Result<BTreeMap<MessageId, Bytes>>);

impl<C: Clouds> TestCluster<C> {
    /// The producer has been started.
    fn of(clouds: C, producer: Producer, show: Load, history: History) -> Self {
        let (watchers, is_published) = (JoinSet::new(), Arc::new(AtomicBool::new(false)));
        Self { clouds, history, producer, watchers, is_published, show, begun: 0 }
    }

    /// Trades of this run.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        &self.show.workload
    }

    /// Sends the poison of the workload to both clouds, spread over the run.
    pub async fn poison(&mut self) -> anyhow::Result<()> {
        let bodies: Vec<String> = self.workload().poison().map(ToOwned::to_owned).collect();
        if bodies.is_empty() {
            return Ok(());
        }
        let detail = format!("{} messages that can't be decoded", bodies.len());
        let faults = [CloudId::Aws, CloudId::Gcp].map(|cloud| {
            let fault = Fault::new(self.next_number(), FaultKind::Poison);
            self.record_begun(cloud, fault, &detail);
            (cloud, fault)
        });
        for (number, body) in bodies.iter().enumerate() {
            self.wait_until_accepted(number * 100 / bodies.len()).await?;
            for (cloud, fault) in &faults {
                let (cloud, body) = (*cloud, body.clone());
                let sent = match cloud {
                    CloudId::Aws => self.clouds.aws().queue.publish(vec![body.clone()]).await,
                    CloudId::Gcp => self.clouds.gcp().queue.publish(vec![body.clone()]).await,
                };
                for answer in sent {
                    answer.with_context(|| format!("send poison to {cloud}"))?;
                }
                self.fired(cloud, *fault, "a queue took one");
                self.history.record(Event::PoisonAccepted { cloud, body });
            }
        }
        for (cloud, fault) in &faults {
            self.healed(*cloud, *fault);
        }
        Ok(())
    }

    /// Waits until so many percent of the trades are accepted by any cloud.
    pub async fn wait_until_accepted(&self, percent: usize) -> anyhow::Result<()> {
        testbed::wait_until(Step::Accepted(u32::try_from(percent)?), self).await
    }

    /// Messages that `cloud` has accepted.
    #[must_use]
    pub fn accepted_by(&self, cloud: CloudId) -> usize {
        self.history.tally(|tally| tally.accepted_by.get(&cloud).copied().unwrap_or(0))
    }

    /// Records the beginning of a fault that is not one of the network's.
    fn record_begin(&mut self, injection: Injection, detail: &str) -> Fault {
        let fault = injection.numbered(self.next_number());
        self.record_begun(injection.cloud, fault, detail);
        fault
    }

    fn record_begun(&self, cloud: CloudId, fault: Fault, detail: &str) {
        self.history.record(Event::FaultBegun { cloud, fault, detail: detail.to_owned() });
    }

    /// The number of the next fault.
    fn next_number(&mut self) -> u32 {
        self.begun += 1;
        self.begun
    }

    fn fired(&self, cloud: CloudId, fault: Fault, detail: impl Into<String>) {
        self.history.record(Event::FaultFired { cloud, fault, detail: detail.into() });
    }

    fn healed(&self, cloud: CloudId, fault: Fault) {
        self.history.record(Event::FaultHealed { cloud, fault });
    }

    /// Looks from now on whether the clouds have everything.
    pub fn watch(&mut self) {
        let (aws, gcp) = (self.clouds.aws().clone(), self.clouds.gcp().clone());
        self.watch_one(aws);
        self.watch_one(gcp);
    }

    fn watch_one<Q, A, S>(&mut self, cloud: Cloud<Q, A, S>)
    where
        Q: Queue + 'static,
        A: Archive + 'static,
        S: CandleStore + 'static,
    {
        let Load { workload, intervals, .. } = self.show.clone();
        let (history, is_published) = (self.history.clone(), self.is_published.clone());
        self.watchers.spawn(async move {
            let seen = cloud.converge(&workload, &intervals, &is_published, &history);
            (cloud.name, seen.await)
        });
    }

    /// Heals what is still broken, waits until the producer has published everything and both clouds have it, and reads
    /// them.
    pub async fn finish(
        &mut self,
        progress: impl Fn(&str),
    ) -> anyhow::Result<BTreeMap<CloudId, Snapshot>> {
        self.clouds.heal_all().await?;
        progress("waiting for the producer to have published everything");
        self.producer.done(&self.history).await.context("wait for the producer")?;
        self.is_published.store(true, Ordering::Relaxed);
        progress("waiting for both clouds to have everything");
        if self.watchers.is_empty() {
            self.watch();
        }
        let mut dead_letters = BTreeMap::new();
        while let Some(watched) = self.watchers.join_next().await {
            let (cloud, letters) = watched.context("watch a cloud")?;
            dead_letters.insert(cloud, letters?);
        }
        self.clouds.wait_until_replicated(&self.history).await?;
        progress("reading both clouds");
        let symbols = &self.show.workload.symbols;
        let mut letters = |cloud| dead_letters.remove(&cloud).unwrap_or_default();
        let (aws, gcp) = tokio::try_join!(
            self.clouds.aws().snapshot(symbols, letters(CloudId::Aws)),
            self.clouds.gcp().snapshot(symbols, letters(CloudId::Gcp))
        )?;
        Ok([(CloudId::Aws, aws), (CloudId::Gcp, gcp)].into())
    }

    /// Stops everything and waits until it is gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { clouds, producer, mut watchers, .. } = self;
        watchers.shutdown().await;
        producer.stop().await?;
        clouds.stop().await
    }
}
