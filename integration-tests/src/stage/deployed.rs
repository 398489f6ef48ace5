//! Clouds that are deployed, that others use too, and that stay: what is taken away of them is given back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use candle::{Interval, Symbols};
use infra::Checkout;
use operate::game_day;
use pipeline::ports::{Archive, CandleStore, Fault, Queue};
use tokio::time::{Instant, sleep};

use super::producer::{self, Producer};
use super::{Clouds, Load, TestCluster};
use crate::cloud::Cloud;
use crate::environments::emulated::{AwsCloud, GcpCloud};
use crate::fault::{FaultKind, Service};
use crate::history::{CloudId, Event, History};
use crate::processes::supervised::GuardProgram;
use crate::workload::{Content, Workload};

/// How often it is asked whether a cloud is away: recovery times are told no finer than this.
const PROBE: Duration = Duration::from_millis(250);

/// Both clouds as they were deployed.
#[derive(Debug)]
pub struct DeployedClouds {
    /// AWS as the harness sees it.
    pub aws: AwsCloud,
    /// Google Cloud as the harness sees it.
    pub gcp: GcpCloud,
    /// What the producer is told.
    pub producer_env: BTreeMap<String, String>,
    /// How long what is done takes here.
    pub pace: Pace,
    /// Whose clouds they are.
    pub checkout: Checkout,
    /// The environment, by which a record is found.
    pub environment: String,
    /// What the run sends.
    pub symbols: Symbols,
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How long a scenario waits for what it is to see.
    pub timeout: Duration,
    /// A cloud that gets nothing new for so long gets nothing more: longer than copying takes to come round.
    pub stall: Duration,
    /// How long a cloud stays away once it is seen to be away.
    pub away: Duration,
    /// How long nothing must have come out of the functions for them to be away: longer than any one takes.
    pub quiet: Duration,
    /// How often both archives are listed, in the end.
    pub compare: Duration,
}

impl DeployedClouds {
    /// Undoes what was thrown; does nothing if nothing is.
    async fn heal(&self) -> anyhow::Result<()> {
        let healed = Box::pin(game_day::heal(&self.checkout, &self.environment, |_| {})).await;
        let healed = healed.map_err(|failure| anyhow!("{failure}"))?;
        let left = healed.map(|healed| healed.left).unwrap_or_default();
        if let Some(left) = left.first() {
            return Err(anyhow!(
                "{}: {}; `cargo xtask chaos heal` tries again",
                left.call,
                left.problem
            ));
        }
        Ok(())
    }
}

impl Clouds for DeployedClouds {
    fn aws(&self) -> &AwsCloud {
        &self.aws
    }

    fn gcp(&self) -> &GcpCloud {
        &self.gcp
    }

    async fn heal_all(&mut self) -> anyhow::Result<()> {
        self.heal().await
    }

    /// The schedules of both clouds copy; what is missing after so long, the verdict says.
    async fn wait_until_replicated(&mut self, _: &History) -> anyhow::Result<()> {
        let mut last = None;
        let mut moved = Instant::now();
        while moved.elapsed() < self.aws.view.stall {
            let (aws, gcp) = tokio::try_join!(
                self.aws.archived(&self.symbols),
                self.gcp.archived(&self.symbols)
            )?;
            if aws == gcp {
                break;
            }
            let now = Some((aws.len(), gcp.len()));
            if now != last {
                (last, moved) = (now, Instant::now());
            }
            sleep(self.pace.compare).await;
        }
        Ok(())
    }

    async fn stop(self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// What a run on deployed clouds is made of.
#[derive(Clone, Debug)]
pub struct Play {
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// Where the run's files go.
    pub run_dir: PathBuf,
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second.
    pub rate: u32,
}

/// What was taken away, and is to be given back.
#[derive(Debug)]
pub struct Taken {
    cloud: CloudId,
    fault: crate::fault::Fault,
}

impl TestCluster<DeployedClouds> {
    /// Starts the producer.
    pub async fn play(
        clouds: DeployedClouds,
        play: Play,
        history: History,
    ) -> anyhow::Result<Self> {
        for cloud in [CloudId::Aws, CloudId::Gcp] {
            history.record(Event::PublishStarted { cloud });
        }
        let options = producer::Options {
            guard: play.guard,
            program: producer::Options::own_program()?,
            workload: Arc::clone(&play.workload),
            run_dir: play.run_dir,
            rate: Some(play.rate),
            env: clouds.producer_env.clone(),
        };
        let producer = Producer::start(options, &history).await.context("start the producer")?;
        let timeout = clouds.pace.timeout;
        let show = Load { workload: play.workload, intervals: play.intervals, timeout };
        Ok(Self::of(clouds, producer, show, history))
    }

    /// Waits until a cloud whose switches are thrown refuses messages, and the producer has left it.
    pub async fn lose_cloud(&mut self, cloud: CloudId) -> anyhow::Result<Taken> {
        let last_taken_us = self.wait_until_refused(cloud).await?;
        // Since the last message that it took: rather too long a recovery than too short a one.
        let what = "its queue takes no message, its functions don't run";
        let fault = self.begin_at(last_taken_us, cloud, FaultKind::CutCloud, what);
        self.fired(cloud, fault, "it refused a message");
        self.wait_until_routed_to(&[cloud.other()]).await?;
        self.wait_until_accepted_by(cloud.other(), 1).await?;
        Ok(Taken { cloud, fault })
    }

    /// Waits until nothing comes out of functions whose switches are thrown, while messages go in.
    pub async fn lose_functions(&mut self, cloud: CloudId) -> anyhow::Result<Taken> {
        let fault = self.begin(
            cloud,
            FaultKind::Fail { service: Service::Functions },
            "its functions don't run",
        );
        self.wait_until_quiet(cloud).await?;
        self.fired(cloud, fault, "messages went in, and no candle changed");
        Ok(Taken { cloud, fault })
    }

    /// Gives back what was taken.
    pub async fn give_back(&mut self, taken: Taken) -> anyhow::Result<()> {
        sleep(self.clouds.pace.away).await;
        self.clouds.heal().await?;
        self.healed(taken.cloud, taken.fault);
        Ok(())
    }

    /// Sends the first message again until it is refused: a duplicate, which changes nothing. When the last one was
    /// taken, in microseconds since 1970.
    async fn wait_until_refused(&self, cloud: CloudId) -> anyhow::Result<u64> {
        let trades = |content: &Content| matches!(content, Content::Trades { .. });
        let first = self.workload().messages.iter().find(|message| trades(&message.content));
        let body = first.context("there is no message to send")?.body.clone();
        let deadline = Instant::now() + self.show.timeout;
        let mut last_taken_us = now_us();
        loop {
            let asked_us = now_us();
            let answers = match cloud {
                CloudId::Aws => self.clouds.aws.queue.publish(vec![body.clone()]).await,
                CloudId::Gcp => self.clouds.gcp.queue.publish(vec![body.clone()]).await,
            };
            match answers.into_iter().next() {
                Some(Ok(_)) => last_taken_us = asked_us,
                Some(Err(error)) if error.fault == Fault::Refused => return Ok(last_taken_us),
                _ => {}
            }
            ensure!(
                Instant::now() < deadline,
                "{cloud} still takes messages after {:?}: the credentials of this run may publish by a right that a game day \
                 leaves alone, such as one on the whole project; take those of a producer",
                self.show.timeout
            );
            sleep(PROBE).await;
        }
    }

    /// Waits until, for a while, the cloud's queue has taken messages and no candle of it has got a trade.
    async fn wait_until_quiet(&self, cloud: CloudId) -> anyhow::Result<()> {
        let deadline = Instant::now() + self.show.timeout;
        loop {
            let before = (self.accepted_by(cloud), self.held(cloud).await?);
            sleep(self.clouds.pace.quiet).await;
            let after = (self.accepted_by(cloud), self.held(cloud).await?);
            if before.1 == after.1 && before.0 < after.0 {
                return Ok(());
            }
            ensure!(
                !self.producer.has_ended(),
                "all trades were published before the functions of {cloud} were away; give it more of them: --duration"
            );
            ensure!(
                Instant::now() < deadline,
                "the functions of {cloud} go on after {:?}",
                self.show.timeout
            );
        }
    }

    /// Trades of this run in the candles of a cloud.
    async fn held(&self, cloud: CloudId) -> anyhow::Result<u64> {
        match cloud {
            CloudId::Aws => self.held_in(&self.clouds.aws).await,
            CloudId::Gcp => self.held_in(&self.clouds.gcp).await,
        }
    }

    async fn held_in<Q: Queue, A: Archive, S: CandleStore>(
        &self,
        cloud: &Cloud<Q, A, S>,
    ) -> anyhow::Result<u64> {
        let longest = *self.show.intervals.last().context("there are no candles")?;
        cloud.held(&self.show.workload.symbols, longest).await
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
