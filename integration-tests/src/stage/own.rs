//! Clouds that are the run's own, on emulators: they can be killed, stopped and cut off, and the run starts the copying between
//! them itself, more often than a schedule would.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use candle::Interval;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::producer::{self, Producer};
use super::{Clouds, Load, POLL, TestCluster, faults};
use crate::delivery::FACTOR;
use crate::environments::emulated::network::Broken;
use crate::environments::emulated::replication::Replication;
use crate::environments::emulated::{AwsCloud, Deployment, Emulated, GcpCloud};
use crate::fault::Fault;
use crate::history::{CloudId, Event, History};
use crate::schedule;
use crate::testbed::{self, Injection, Testbed};
use crate::workload::Workload;

/// The longest wait of a scenario for an event.
const TIMEOUT: Duration = Duration::from_mins(1);
/// Runs of replicate until nothing is left to copy.
const LAST_COPIES: u32 = 20;

/// Settings of a run.
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
        let ClusterSpec { workload, intervals, rate, .. } = script;
        let flow = super::flow(&workload, rate);
        let show = Load { workload, intervals, timeout: TIMEOUT, flow };
        Ok(Self::of(clouds, producer, show, history))
    }

    /// Starts a killed cloud, with nothing in it, and deploys to it; from then on it takes part.
    async fn restore_cloud(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        let emulated = &mut self.clouds.emulated;
        Box::pin(emulated.start_cloud(cloud))
            .await
            .with_context(|| format!("start {cloud} again"))?;
        Box::pin(emulated.deploy(cloud)).await.with_context(|| format!("deploy to {cloud} again"))
    }

    /// `kill -9` of a cloud: its emulators, its functions, and everything that was in its memory.
    async fn kill_cloud(&mut self, injection: Injection) -> anyhow::Result<Fault> {
        let fault = self.record_begin(injection, "kill -9, and all that it held is gone");
        Box::pin(self.clouds.emulated.kill_cloud(injection.cloud)).await?;
        self.fired(injection.cloud, fault, "its emulators and functions are dead");
        Ok(fault)
    }

    /// Waits until a fault of links has hit something, and heals them.
    async fn heal_links(&self, broken: Broken) -> anyhow::Result<()> {
        let what = "a fault of the network to hit something";
        let network = &self.clouds.emulated.network;
        let fired = testbed::until(self, TIMEOUT, what, || network.has_fired(&broken)).await;
        network.heal(broken);
        fired
    }

    /// `kill -9` of a function of a cloud, which is started again; waits for one that runs.
    pub async fn kill_function(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        let injection = Injection::new(cloud, schedule::Fault::CrashFunction { times: 1 });
        let fault = self.record_begin(injection, "kill -9 of an instance of the function");
        let deadline = Instant::now() + TIMEOUT;
        let how = loop {
            // None runs until the first call, and between a crash and the next call.
            let killed = match cloud {
                CloudId::Aws => {
                    let pid = Box::pin(self.clouds.emulated.kill_bootstrap()).await?;
                    pid.map(|pid| format!("kill -9 {pid}"))
                }
                CloudId::Gcp => Box::pin(self.clouds.emulated.kill_service()).await,
            };
            match killed {
                Some(how) => break how,
                None => anyhow::ensure!(Instant::now() < deadline, "no function of {cloud} ran"),
            }
            sleep(POLL).await;
        };
        self.fired(cloud, fault, how);
        self.healed(cloud, fault);
        Ok(())
    }
}

/// A fault in force.
#[derive(Debug)]
pub enum InForce {
    /// The cloud is dead. It has several faults if it was killed again before it was deployed to.
    Killed(CloudId, Vec<Fault>),
    /// The cloud is frozen.
    Paused(CloudId, Fault),
    /// The producer is dead.
    Crashed(Fault),
    /// Links are broken.
    Broken(Broken),
    /// The fault was over at once.
    Over,
}

impl Testbed for TestCluster<OwnClouds> {
    type InForce = InForce;

    fn divisor(&self) -> u32 {
        FACTOR
    }

    async fn begin(&mut self, injection: Injection) -> anyhow::Result<InForce> {
        let cloud = injection.cloud;
        Ok(match injection.fault {
            schedule::Fault::Kill => {
                InForce::Killed(cloud, vec![self.kill_cloud(injection).await?])
            }
            schedule::Fault::Pause => {
                let fault = self.record_begin(injection, "frozen: no connection closes");
                Box::pin(self.clouds.emulated.pause_cloud(cloud)).await?;
                self.fired(cloud, fault, "its emulators and functions are stopped");
                InForce::Paused(cloud, fault)
            }
            schedule::Fault::CrashProducer => {
                let fault = self.record_begin(injection, "kill -9 of the producer");
                let pid = self.producer.kill().await?;
                self.fired(cloud, fault, format!("kill -9 {pid}"));
                InForce::Crashed(fault)
            }
            schedule::Fault::CrashFunction { times } => {
                for _ in 0..times {
                    self.kill_function(cloud).await?;
                }
                InForce::Over
            }
            _ => {
                let (links, spec) = faults::broken_links(injection)?;
                let fault = injection.numbered(self.next_number());
                InForce::Broken(self.clouds.emulated.network.add(fault, &links, &spec)?)
            }
        })
    }

    async fn end(&mut self, in_force: InForce) -> anyhow::Result<()> {
        match in_force {
            InForce::Killed(cloud, faults) => {
                self.restore_cloud(cloud).await?;
                for fault in faults {
                    self.healed(cloud, fault);
                }
            }
            InForce::Paused(cloud, fault) => {
                Box::pin(self.clouds.emulated.resume_cloud(cloud)).await?;
                self.healed(cloud, fault);
            }
            InForce::Crashed(fault) => {
                self.producer.start_again().await.context("start the producer again")?;
                self.healed(CloudId::Aws, fault);
            }
            InForce::Broken(broken) => self.heal_links(broken).await?,
            InForce::Over => {}
        }
        Ok(())
    }

    async fn interrupt_deploy(
        &mut self,
        killed: &mut InForce,
        after: Duration,
    ) -> anyhow::Result<()> {
        let InForce::Killed(cloud, faults) = killed else {
            anyhow::bail!("only a cloud that was killed is deployed to in a scenario");
        };
        let cloud = *cloud;
        let emulated = &mut self.clouds.emulated;
        Box::pin(emulated.start_cloud(cloud)).await.context("start it again")?;
        tokio::select! {
            deployed = Box::pin(emulated.deploy(cloud)) => deployed.context("deploy to it")?,
            () = sleep(after) => {}
        }
        let again = Injection::new(cloud, schedule::Fault::Kill);
        faults.push(self.kill_cloud(again).await?);
        Ok(())
    }

    async fn send_poison(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.workload().poison().count() > 0, "the load has no poison");
        self.poison().await
    }
}
