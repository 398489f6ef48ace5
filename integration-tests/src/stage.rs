//! What a scenario acts on: both clouds, the producer that sends to them, the functions that copy between them, and the
//! history in which all of it is written down.

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
use crate::history::{CloudName, Event, History};
use crate::snapshot::Snapshot;
use crate::targets::emulated::network::{Broken, Link};
use crate::targets::emulated::producer::{self, Producer};
use crate::targets::emulated::replication::Replication;
use crate::targets::emulated::{Deployment, Emulated};
use crate::workload::Workload;

const POLL: Duration = Duration::from_millis(10);
/// How long a scenario waits for what it is to see.
const PATIENCE: Duration = Duration::from_mins(1);
/// Runs of replicate until nothing is left to copy.
const LAST_COPIES: u32 = 20;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Script {
    /// The clouds.
    pub deployment: Deployment,
    /// What is sent.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second; `None`: as fast as they go.
    pub rate: Option<u32>,
    /// The pause between two runs of replicate.
    pub replicate_pause: Duration,
}

/// A run that is under way.
#[derive(Debug)]
pub struct Stage {
    /// Both clouds.
    pub clouds: Emulated,
    /// What happened.
    pub history: History,
    producer: Producer,
    replication: Replication,
    schedule: JoinSet<()>,
    watchers: JoinSet<Watched>,
    is_published: Arc<AtomicBool>,
    script: Script,
    begun: u32,
}

type Watched = (CloudName, anyhow::Result<BTreeMap<MessageId, Bytes>>);

impl Stage {
    /// Starts both clouds and deploys to them, then the producer and the schedule of replicate.
    pub async fn start(
        script: Script,
        history: History,
        progress: impl Fn(&str),
    ) -> anyhow::Result<Self> {
        let deployment = &script.deployment;
        let clouds = Box::pin(Emulated::start(deployment, &history, &progress)).await?;
        progress("trades flow");
        for cloud in [CloudName::Aws, CloudName::Gcp] {
            history.record(Event::PublishStarted { cloud });
        }
        let options = producer::Options {
            guard: deployment.guard.clone(),
            program: producer::Options::own_program()?,
            run_dir: deployment.run_dir.clone(),
            source: deployment.run_dir.join("trades.jsonl").display().to_string(),
            rate: script.rate,
            env: clouds.producer_env(),
        };
        let producer = Producer::start(options, &history).await.context("start the producer")?;
        let replication = clouds.replication().await;
        let schedule = replication.on_schedule(script.replicate_pause);
        let is_published = Arc::new(AtomicBool::new(false));
        let watchers = JoinSet::new();
        let begun = 0;
        Ok(Self {
            clouds,
            history,
            producer,
            replication,
            schedule,
            watchers,
            is_published,
            script,
            begun,
        })
    }

    /// Trades of this run.
    #[must_use]
    pub fn workload(&self) -> &Workload {
        &self.script.workload
    }

    /// Sends the poison of the workload to both clouds, spread over the run.
    pub async fn poison(&mut self) -> anyhow::Result<()> {
        let bodies: Vec<String> = self.workload().poison().map(ToOwned::to_owned).collect();
        if bodies.is_empty() {
            return Ok(());
        }
        let detail = format!("{} messages that can't be decoded", bodies.len());
        let faults = [CloudName::Aws, CloudName::Gcp]
            .map(|cloud| (cloud, self.begin(cloud, "poison", &detail)));
        for (number, body) in bodies.iter().enumerate() {
            self.until_accepted(number * 100 / bodies.len()).await?;
            for (cloud, fault) in &faults {
                let (cloud, body) = (*cloud, body.clone());
                let sent = match cloud {
                    CloudName::Aws => self.clouds.aws.queue.publish(vec![body.clone()]).await,
                    CloudName::Gcp => self.clouds.gcp.queue.publish(vec![body.clone()]).await,
                };
                for answer in sent {
                    answer.with_context(|| format!("send poison to {cloud}"))?;
                }
                self.fired(cloud, fault, "a queue took one");
                self.history.record(Event::PoisonAccepted { cloud, body });
            }
        }
        for (cloud, fault) in &faults {
            self.healed(*cloud, fault);
        }
        Ok(())
    }

    /// Waits until so many per cent of the trades are accepted by any cloud.
    pub async fn until_accepted(&self, percent: usize) -> anyhow::Result<()> {
        let all = self.workload().unique;
        let wanted = (all * percent / 100) as u64;
        let what = format!("{wanted} of {all} trades to be accepted");
        self.until(&what, |stage| stage.accepted_trades() >= wanted).await
    }

    /// Trades that any cloud has accepted, counted once a message.
    fn accepted_trades(&self) -> u64 {
        self.history.look(|entries| {
            let first = entries.iter().filter_map(|entry| match &entry.event {
                Event::Accepted { trade_ids, is_first: true, .. } => Some(trade_ids),
                _ => None,
            });
            first.flatten().map(|(first, last)| last - first + 1).sum()
        })
    }

    /// Messages that `cloud` has accepted.
    #[must_use]
    pub fn accepted_by(&self, cloud: CloudName) -> usize {
        self.history
            .count(|event| matches!(event, Event::Accepted { cloud: by, .. } if *by == cloud))
    }

    /// Waits until `cloud` has accepted so many messages more.
    pub async fn until_accepted_by(&self, cloud: CloudName, more: usize) -> anyhow::Result<()> {
        let wanted = self.accepted_by(cloud) + more;
        let what = format!("{cloud} to accept {more} messages more");
        self.until(&what, |stage| stage.accepted_by(cloud) >= wanted).await
    }

    /// Waits until the producer publishes to exactly these.
    pub async fn until_routed_to(&self, clouds: &[CloudName]) -> anyhow::Result<()> {
        let what = format!("messages to go to {clouds:?}");
        self.until(&what, |stage| {
            let route = stage.route();
            route.len() == clouds.len()
                && clouds.iter().all(|cloud| route.iter().any(|to| to.starts_with(cloud.as_str())))
        })
        .await
    }

    fn route(&self) -> Vec<String> {
        self.history.look(|entries| {
            let route = entries.iter().rev().find_map(|entry| match &entry.event {
                Event::Routed { publish, .. } => Some(publish.clone()),
                _ => None,
            });
            route.unwrap_or_default()
        })
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            anyhow::ensure!(
                !self.producer.has_ended() || !self.is_all_published(),
                "all trades were published before {what}; give it more of them: --duration"
            );
            anyhow::ensure!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
            sleep(POLL).await;
        }
        Ok(())
    }

    fn is_all_published(&self) -> bool {
        self.history.count(|event| matches!(event, Event::ProducerDone { .. })) > 0
    }

    /// Begins a fault that is not one of the network's; what comes back is its name.
    fn begin(&mut self, cloud: CloudName, kind: &str, detail: &str) -> String {
        self.begun += 1;
        let fault = format!("{kind} {}", self.begun);
        let detail = detail.to_owned();
        self.history.record(Event::FaultBegun { cloud, fault: fault.clone(), detail });
        fault
    }

    fn fired(&self, cloud: CloudName, fault: &str, detail: impl Into<String>) {
        let (fault, detail) = (fault.to_owned(), detail.into());
        self.history.record(Event::FaultFired { cloud, fault, detail });
    }

    fn healed(&self, cloud: CloudName, fault: &str) {
        self.history.record(Event::FaultHealed { cloud, fault: fault.to_owned() });
    }

    /// `kill -9` of a cloud: its emulators, its functions, and everything that was in its memory.
    pub async fn kill_cloud(&mut self, cloud: CloudName) -> anyhow::Result<Killed> {
        let fault = self.begin(cloud, "kill_cloud", "kill -9, and all that it held is gone");
        self.clouds.kill_cloud(cloud).await.with_context(|| format!("kill {cloud}"))?;
        self.fired(cloud, &fault, "its emulators and functions are dead");
        Ok(Killed { cloud, fault })
    }

    /// Starts a killed cloud, with nothing in it.
    pub async fn start_cloud(&mut self, killed: &Killed) -> anyhow::Result<()> {
        let cloud = killed.cloud;
        self.clouds.start_cloud(cloud).await.with_context(|| format!("start {cloud} again"))
    }

    /// Deploys to a cloud that was started again; from then on it takes part.
    pub async fn redeploy(&mut self, killed: Killed) -> anyhow::Result<()> {
        let Killed { cloud, fault } = killed;
        self.clouds.deploy(cloud).await.with_context(|| format!("deploy to {cloud} again"))?;
        self.healed(cloud, &fault);
        Ok(())
    }

    /// A cloud that was killed once more before it was deployed to: the later kill was healed, and so is this one.
    pub fn settle(&self, killed: &Killed) {
        self.healed(killed.cloud, &killed.fault);
    }

    /// Stops a cloud in its tracks for a while: connections stay, nothing answers.
    pub async fn pause_cloud(&mut self, cloud: CloudName, pause: Duration) -> anyhow::Result<()> {
        let fault = self.begin(cloud, "pause_cloud", "frozen: no connection closes");
        self.clouds.pause_cloud(cloud).await.with_context(|| format!("pause {cloud}"))?;
        self.fired(cloud, &fault, "its emulators and functions are stopped");
        sleep(pause).await;
        self.clouds.resume_cloud(cloud).await.with_context(|| format!("resume {cloud}"))?;
        self.healed(cloud, &fault);
        Ok(())
    }

    /// Breaks links until they are healed. Of the kind `cut_cloud` is what takes a cloud away as a whole.
    pub fn break_links(
        &mut self,
        kind: &str,
        links: &[Link],
        fault: &fault_proxy::Fault,
    ) -> anyhow::Result<Broken> {
        self.begun += 1;
        self.clouds.network.add(&format!("{kind} {}", self.begun), links, fault)
    }

    /// Heals links, once the fault has fired: one that hit nothing proves nothing.
    pub async fn heal_links(&self, broken: Broken) -> anyhow::Result<()> {
        let what = "a fault of the network to hit something";
        let fired = self.until(what, |stage| stage.clouds.network.has_fired(&broken)).await;
        self.clouds.network.heal(broken);
        fired
    }

    /// `kill -9` of the Lambda function's process; waits for one to be there.
    pub async fn kill_lambda(&mut self) -> anyhow::Result<()> {
        let fault = self.begin(CloudName::Aws, "kill_function", "kill -9 of the bootstrap");
        let deadline = Instant::now() + PATIENCE;
        let pid = loop {
            // There is none until the first call, and none between a crash and the next call.
            match self.clouds.kill_bootstrap().await? {
                Some(pid) => break pid,
                None => anyhow::ensure!(Instant::now() < deadline, "no Lambda function ran"),
            }
            sleep(POLL).await;
        };
        self.fired(CloudName::Aws, &fault, format!("kill -9 {pid}"));
        self.healed(CloudName::Aws, &fault);
        Ok(())
    }

    /// `kill -9` of the Cloud Run instance, which is started again.
    pub async fn kill_service(&mut self) -> anyhow::Result<()> {
        let fault = self.begin(CloudName::Gcp, "kill_function", "kill -9 of the instance");
        let deadline = Instant::now() + PATIENCE;
        let how = loop {
            // There is none between a crash and the restart.
            match self.clouds.kill_service().await {
                Some(how) => break how,
                None => anyhow::ensure!(Instant::now() < deadline, "no Cloud Run service ran"),
            }
            sleep(POLL).await;
        };
        self.fired(CloudName::Gcp, &fault, how);
        self.healed(CloudName::Gcp, &fault);
        Ok(())
    }

    /// `kill -9` of the producer, and another one on the same spool after a while.
    pub async fn crash_producer(&mut self, pause: Duration) -> anyhow::Result<()> {
        // The producer belongs to no cloud; the fault is written down at the first.
        let fault = self.begin(CloudName::Aws, "kill_producer", "kill -9 of the producer");
        let pid = self.producer.kill().await?;
        self.fired(CloudName::Aws, &fault, format!("kill -9 {pid}"));
        sleep(pause).await;
        self.producer.start_again().await.context("start the producer again")?;
        self.healed(CloudName::Aws, &fault);
        Ok(())
    }

    /// Looks from now on whether the clouds have everything.
    pub fn watch(&mut self) {
        let (aws, gcp) = (self.clouds.aws.clone(), self.clouds.gcp.clone());
        self.watch_one(aws);
        self.watch_one(gcp);
    }

    fn watch_one<Q, A, S>(&mut self, cloud: Cloud<Q, A, S>)
    where
        Q: Queue + 'static,
        A: Archive + 'static,
        S: CandleStore + 'static,
    {
        let Script { workload, intervals, .. } = self.script.clone();
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
    ) -> anyhow::Result<BTreeMap<CloudName, Snapshot>> {
        self.clouds.network.heal_all();
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
        self.schedule.shutdown().await;
        self.copy_the_rest().await?;
        self.clouds.network.tell_requests(&self.history);
        progress("reading both clouds");
        let symbols = &self.script.workload.symbols;
        let mut letters = |cloud| dead_letters.remove(&cloud).unwrap_or_default();
        let (aws, gcp) = tokio::try_join!(
            self.clouds.aws.snapshot(symbols, letters(CloudName::Aws)),
            self.clouds.gcp.snapshot(symbols, letters(CloudName::Gcp))
        )?;
        Ok([(CloudName::Aws, aws), (CloudName::Gcp, gcp)].into())
    }

    /// Copies until neither cloud lacks anything: candles may be complete before the last object is.
    async fn copy_the_rest(&self) -> anyhow::Result<()> {
        for _ in 0..LAST_COPIES {
            let (aws, gcp) = tokio::join!(
                self.replication.run(CloudName::Aws),
                self.replication.run(CloudName::Gcp)
            );
            if let (Ok(aws), Ok(gcp)) = (&aws, &gcp)
                && [aws, gcp].iter().all(|run| run.complete && run.copied == 0)
            {
                return Ok(());
            }
            tracing::debug!(?aws, ?gcp, "copying goes on");
        }
        // The verdict says what is missing.
        Ok(())
    }

    /// Stops everything and waits until it is gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { clouds, producer, mut schedule, mut watchers, .. } = self;
        schedule.shutdown().await;
        watchers.shutdown().await;
        producer.stop().await?;
        Box::pin(clouds.stop()).await
    }
}

/// A cloud that was killed and is to be started again.
#[derive(Debug)]
pub struct Killed {
    cloud: CloudName,
    fault: String,
}
