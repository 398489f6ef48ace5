//! What a scenario acts on: both clouds, the producer that sends to them, the functions that copy between them, and the
//! history in which all of it is written down.

mod deployed;
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
use tokio::time::{Instant, sleep};

use crate::cloud::Cloud;
use crate::environments::emulated::{AwsCloud, GcpCloud};
use crate::fault::{Fault, FaultKind};
use crate::history::{CloudId, Event, History};
use crate::snapshot::Snapshot;
use crate::workload::Workload;
use producer::Producer;

pub use deployed::{DeployedClouds, Pace, Play, Taken};
pub use own::{ClusterSpec, Crashed, Killed, OwnClouds};

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
    /// How long a scenario waits for what it is to see.
    timeout: Duration,
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
        let faults = [CloudId::Aws, CloudId::Gcp]
            .map(|cloud| (cloud, self.begin(cloud, FaultKind::Poison, &detail)));
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

    /// Waits until so many per cent of the trades are accepted by any cloud.
    pub async fn wait_until_accepted(&self, percent: usize) -> anyhow::Result<()> {
        if percent > feed::FULL_RATE_PERCENT {
            self.producer.release();
        }
        let all = self.workload().unique;
        let wanted = (all * percent / 100) as u64;
        let what = format!("{wanted} of {all} trades to be accepted");
        self.until(&what, |stage| stage.accepted_trades() >= wanted).await
    }

    /// Trades that any cloud has accepted, counted once a message.
    fn accepted_trades(&self) -> u64 {
        self.history.tally(|tally| tally.accepted_trades)
    }

    /// Messages that `cloud` has accepted.
    #[must_use]
    pub fn accepted_by(&self, cloud: CloudId) -> usize {
        self.history.tally(|tally| tally.accepted_by.get(&cloud).copied().unwrap_or(0))
    }

    /// Waits until `cloud` has accepted so many messages more.
    pub async fn wait_until_accepted_by(&self, cloud: CloudId, more: usize) -> anyhow::Result<()> {
        let wanted = self.accepted_by(cloud) + more;
        let what = format!("{cloud} to accept {more} messages more");
        self.until(&what, |stage| stage.accepted_by(cloud) >= wanted).await
    }

    /// Waits until the producer publishes to exactly these.
    pub async fn wait_until_routed_to(&self, clouds: &[CloudId]) -> anyhow::Result<()> {
        let what = format!("messages to go to {clouds:?}");
        self.until(&what, |stage| {
            let route = stage.route();
            route.len() == clouds.len()
                && clouds.iter().all(|cloud| route.iter().any(|to| to.starts_with(cloud.as_str())))
        })
        .await
    }

    fn route(&self) -> Vec<String> {
        self.history.tally(|tally| tally.publish.clone())
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let timeout = self.show.timeout;
        let deadline = Instant::now() + timeout;
        while !is_so(self) {
            anyhow::ensure!(
                !self.producer.has_ended() || !self.is_all_published(),
                "all trades were published before {what}; give it more of them: --duration"
            );
            anyhow::ensure!(Instant::now() < deadline, "waited {timeout:?} in vain for {what}");
            sleep(POLL).await;
        }
        Ok(())
    }

    fn is_all_published(&self) -> bool {
        self.history.tally(|tally| tally.is_done)
    }

    /// Records the beginning of a fault that is not one of the network's.
    fn begin(&mut self, cloud: CloudId, kind: FaultKind, detail: &str) -> Fault {
        let (fault, begun) = self.number(cloud, kind, detail);
        self.history.record(begun);
        fault
    }

    /// The same for one that began at `unix_us`, microseconds since 1970.
    fn begin_at(&mut self, unix_us: u64, cloud: CloudId, kind: FaultKind, detail: &str) -> Fault {
        let (fault, begun) = self.number(cloud, kind, detail);
        self.history.record_at(unix_us, begun);
        fault
    }

    fn number(&mut self, cloud: CloudId, kind: FaultKind, detail: &str) -> (Fault, Event) {
        self.begun += 1;
        let fault = Fault::new(self.begun, kind);
        (fault, Event::FaultBegun { cloud, fault, detail: detail.to_owned() })
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
