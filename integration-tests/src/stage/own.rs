//! Clouds that are the run's own, on emulators: they can be killed, stopped and cut off, and the run starts the copying between
//! them itself, more often than a schedule would.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use candle::Interval;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::producer::{self, Producer};
use super::{Clouds, Load, POLL, TestCluster};
use crate::environments::emulated::network::{Broken, Link};
use crate::environments::emulated::replication::Replication;
use crate::environments::emulated::{AwsCloud, Deployment, Emulated, GcpCloud};
use crate::fault::{Fault, FaultKind};
use crate::history::{CloudId, Event, History};
use crate::workload::Workload;

/// How long a scenario waits for what it is to see.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Runs of replicate until nothing is left to copy.
const LAST_COPIES: u32 = 20;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct ClusterSpec {
    /// The clouds.
    pub deployment: Deployment,
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second; `None`: as fast as they go.
    pub rate: Option<u32>,
    /// The pause between two runs of replicate.
    pub replicate_pause: Duration,
}

/// Both clouds on emulators, and the copying between them.
#[derive(Debug)]
pub struct OwnClouds {
    /// The clouds.
    pub emulated: Emulated,
    replication: Replication,
    schedule: JoinSet<()>,
}

impl Clouds for OwnClouds {
    fn aws(&self) -> &AwsCloud {
        &self.emulated.aws
    }

    fn gcp(&self) -> &GcpCloud {
        &self.emulated.gcp
    }

    async fn heal_all(&mut self) -> anyhow::Result<()> {
        self.emulated.network.heal_all();
        Ok(())
    }

    /// Candles may be complete before the last object is there.
    async fn wait_until_replicated(&mut self, history: &History) -> anyhow::Result<()> {
        self.schedule.shutdown().await;
        for _ in 0..LAST_COPIES {
            let (aws, gcp) = tokio::join!(
                self.replication.run(CloudId::Aws),
                self.replication.run(CloudId::Gcp)
            );
            if let (Ok(aws), Ok(gcp)) = (&aws, &gcp)
                && [aws, gcp].iter().all(|run| run.complete && run.copied == 0)
            {
                break;
            }
            // The verdict says what is missing.
            tracing::debug!(?aws, ?gcp, "copying goes on");
        }
        self.emulated.network.tell_requests(history);
        Ok(())
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.schedule.shutdown().await;
        Box::pin(self.emulated.stop()).await
    }
}

impl TestCluster<OwnClouds> {
    /// Starts both clouds and deploys to them, then the producer and the schedule of replicate.
    pub async fn start(
        script: ClusterSpec,
        history: History,
        progress: impl Fn(&str),
    ) -> anyhow::Result<Self> {
        let deployment = &script.deployment;
        let emulated = Box::pin(Emulated::start(deployment, &history, &progress)).await?;
        progress("trades flow");
        for cloud in [CloudId::Aws, CloudId::Gcp] {
            history.record(Event::PublishStarted { cloud });
        }
        let options = producer::Options {
            guard: deployment.guard.clone(),
            program: producer::Options::own_program()?,
            run_dir: deployment.run_dir.clone(),
            workload: Arc::clone(&script.workload),
            rate: script.rate,
            env: emulated.producer_env(),
        };
        let producer = Producer::start(options, &history).await.context("start the producer")?;
        let replication = emulated.replication().await;
        let schedule = replication.on_schedule(script.replicate_pause);
        let clouds = OwnClouds { emulated, replication, schedule };
        let ClusterSpec { workload, intervals, .. } = script;
        let show = Load { workload, intervals, timeout: TIMEOUT };
        Ok(Self::of(clouds, producer, show, history))
    }

    /// `kill -9` of a cloud: its emulators, its functions, and everything that was in its memory.
    pub async fn kill_cloud(&mut self, cloud: CloudId) -> anyhow::Result<Killed> {
        let fault =
            self.begin(cloud, FaultKind::KillCloud, "kill -9, and all that it held is gone");
        self.clouds.emulated.kill_cloud(cloud).await.with_context(|| format!("kill {cloud}"))?;
        self.fired(cloud, fault, "its emulators and functions are dead");
        Ok(Killed { cloud, fault })
    }

    /// Starts a killed cloud, with nothing in it.
    pub async fn start_cloud(&mut self, killed: &Killed) -> anyhow::Result<()> {
        let cloud = killed.cloud;
        self.clouds
            .emulated
            .start_cloud(cloud)
            .await
            .with_context(|| format!("start {cloud} again"))
    }

    /// Deploys to a cloud that was started again; from then on it takes part.
    pub async fn redeploy(&mut self, killed: Killed) -> anyhow::Result<()> {
        let Killed { cloud, fault } = killed;
        self.clouds
            .emulated
            .deploy(cloud)
            .await
            .with_context(|| format!("deploy to {cloud} again"))?;
        self.healed(cloud, fault);
        Ok(())
    }

    /// A cloud that was killed once more before it was deployed to: the later kill was healed, and so is this one.
    pub fn settle(&self, killed: &Killed) {
        self.healed(killed.cloud, killed.fault);
    }

    /// Stops a cloud in its tracks for a while: connections stay, nothing answers.
    pub async fn pause_cloud(&mut self, cloud: CloudId, pause: Duration) -> anyhow::Result<()> {
        let fault = self.begin(cloud, FaultKind::PauseCloud, "frozen: no connection closes");
        self.clouds.emulated.pause_cloud(cloud).await.with_context(|| format!("pause {cloud}"))?;
        self.fired(cloud, fault, "its emulators and functions are stopped");
        sleep(pause).await;
        self.clouds
            .emulated
            .resume_cloud(cloud)
            .await
            .with_context(|| format!("resume {cloud}"))?;
        self.healed(cloud, fault);
        Ok(())
    }

    /// Breaks links until they are healed.
    pub fn break_links(
        &mut self,
        kind: FaultKind,
        links: &[Link],
        fault: &fault_proxy::Fault,
    ) -> anyhow::Result<Broken> {
        self.begun += 1;
        self.clouds.emulated.network.add(Fault::new(self.begun, kind), links, fault)
    }

    /// Heals links, once the fault has fired: one that hit nothing proves nothing.
    pub async fn heal_links(&self, broken: Broken) -> anyhow::Result<()> {
        let what = "a fault of the network to hit something";
        let fired =
            self.until(what, |stage| stage.clouds.emulated.network.has_fired(&broken)).await;
        self.clouds.emulated.network.heal(broken);
        fired
    }

    /// `kill -9` of the Lambda function's process; waits for one to be there.
    pub async fn kill_lambda(&mut self) -> anyhow::Result<()> {
        let fault = self.begin(CloudId::Aws, FaultKind::KillFunction, "kill -9 of the bootstrap");
        let deadline = Instant::now() + TIMEOUT;
        let pid = loop {
            // There is none until the first call, and none between a crash and the next call.
            match self.clouds.emulated.kill_bootstrap().await? {
                Some(pid) => break pid,
                None => anyhow::ensure!(Instant::now() < deadline, "no Lambda function ran"),
            }
            sleep(POLL).await;
        };
        self.fired(CloudId::Aws, fault, format!("kill -9 {pid}"));
        self.healed(CloudId::Aws, fault);
        Ok(())
    }

    /// `kill -9` of the Cloud Run instance, which is started again.
    pub async fn kill_service(&mut self) -> anyhow::Result<()> {
        let fault = self.begin(CloudId::Gcp, FaultKind::KillFunction, "kill -9 of the instance");
        let deadline = Instant::now() + TIMEOUT;
        let how = loop {
            // There is none between a crash and the restart.
            match self.clouds.emulated.kill_service().await {
                Some(how) => break how,
                None => anyhow::ensure!(Instant::now() < deadline, "no Cloud Run service ran"),
            }
            sleep(POLL).await;
        };
        self.fired(CloudId::Gcp, fault, how);
        self.healed(CloudId::Gcp, fault);
        Ok(())
    }

    /// `kill -9` of the producer, and another one on the same spool after a while.
    pub async fn crash_producer(&mut self, pause: Duration) -> anyhow::Result<()> {
        let crashed = self.kill_producer().await?;
        sleep(pause).await;
        self.start_producer(crashed).await
    }

    /// `kill -9` of the producer.
    pub async fn kill_producer(&mut self) -> anyhow::Result<Crashed> {
        // The producer belongs to no cloud; the fault is written down at the first.
        let fault = self.begin(CloudId::Aws, FaultKind::KillProducer, "kill -9 of the producer");
        let pid = self.producer.kill().await?;
        self.fired(CloudId::Aws, fault, format!("kill -9 {pid}"));
        Ok(Crashed { fault })
    }

    /// Starts another producer on the spool of the one that was killed.
    pub async fn start_producer(&mut self, crashed: Crashed) -> anyhow::Result<()> {
        self.producer.start_again().await.context("start the producer again")?;
        self.healed(CloudId::Aws, crashed.fault);
        Ok(())
    }
}

/// A producer that was killed, and has no successor yet.
#[derive(Debug)]
pub struct Crashed {
    fault: Fault,
}

/// A cloud that was killed and is to be started again.
#[derive(Debug)]
pub struct Killed {
    cloud: CloudId,
    fault: Fault,
}
