//! Clouds that are deployed, that others use too, and that stay: what is taken away of them is given back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};
use candle::{Interval, Symbols};
use deploy::commands::DeployContext;
use operate::game_day::{self, Outage, Record};
use pipeline::ports::{Archive, CandleStore, Fault, Queue};
use tokio::time::{Instant, sleep};

use super::producer::{self, Producer};
use super::{Clouds, Load, TestCluster};
use crate::cloud::Cloud;
use crate::environments::emulated::{AwsCloud, GcpCloud};
use crate::history::{CloudId, Event, History};
use crate::processes::supervised::GuardProgram;
use crate::schedule;
use crate::testbed::{Injection, Testbed};
use crate::workload::{Content, Workload};

/// Interval between checks of a cloud's absence: recovery times are no finer than this.
const PROBE: Duration = Duration::from_millis(250);

/// The part of a cloud that a fault of a scenario takes away; `None`: no switch does that.
#[must_use]
pub fn outage(fault: schedule::Fault) -> Option<Outage> {
    match fault {
        schedule::Fault::Kill => Some(Outage::Cloud),
        schedule::Fault::StopFunctions => Some(Outage::Functions),
        _ => None,
    }
}

/// Both clouds as they were deployed.
#[derive(Debug)]
pub struct DeployedClouds<'a> {
    /// AWS as the harness sees it.
    pub aws: AwsCloud,
    /// Google Cloud as the harness sees it.
    pub gcp: GcpCloud,
    /// Environment variables of the producer.
    pub producer_env: BTreeMap<String, String>,
    /// The times of these clouds.
    pub pace: Pace,
    /// The environment.
    pub site: &'a DeployContext,
    /// The fault of the scenario; a run on deployed clouds has one.
    pub injection: Injection,
    /// The record of the switches that it throws.
    pub record: &'a Record,
    /// The symbols that the run sends.
    pub symbols: Symbols,
}

/// Times and intervals of a run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Timeout of a scenario's wait for an event.
    pub timeout: Duration,
    /// A cloud that gets nothing new for so long gets nothing more: longer than copying takes to come round.
    pub stall: Duration,
    /// Time that a cloud stays unavailable once it is seen to be.
    pub away: Duration,
    /// Time without any effect of the functions after which they count as away: longer than any one of them takes.
    pub quiet: Duration,
    /// Interval between two listings of both archives, in the end.
    pub compare: Duration,
}

impl DeployedClouds<'_> {
    /// Takes away what a fault takes away; all of it is recorded before.
    async fn take_away(&self, injection: Injection) -> anyhow::Result<()> {
        ensure!(self.injection == injection, "no switch was planned for {injection}");
        Box::pin(game_day::throw(self.site, self.record, |_| {})).await
    }

    /// Undoes the switches. False: there is no record, so there is nothing to undo.
    async fn heal(&self) -> anyhow::Result<bool> {
        let DeployContext { checkout, settings, .. } = self.site;
        let environment = &settings.project.environment;
        let healed = Box::pin(game_day::heal(checkout, environment, |_| {})).await;
        let healed = healed.map_err(|failure| anyhow!("{failure}"))?;
        let is_recorded = healed.is_some();
        let left = healed.map(|healed| healed.left).unwrap_or_default();
        if let Some(left) = left.first() {
            return Err(anyhow!(
                "{}: {}; `cargo xtask chaos heal` tries again",
                left.call,
                left.problem
            ));
        }
        Ok(is_recorded)
    }
}

impl Clouds for DeployedClouds<'_> {
    fn aws(&self) -> &AwsCloud {
        &self.aws
    }

    fn gcp(&self) -> &GcpCloud {
        &self.gcp
    }

    async fn heal_all(&mut self) -> anyhow::Result<()> {
        self.heal().await.map(|_| ())
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

/// Settings of a run on deployed clouds.
#[derive(Clone, Debug)]
pub struct Play {
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// Folder of the run's files.
    pub run_dir: PathBuf,
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second.
    pub rate: u32,
}

/// A fault of a deployed cloud that is in force.
#[derive(Debug)]
pub struct InForce {
    cloud: CloudId,
    fault: crate::fault::Fault,
}

impl<'a> TestCluster<DeployedClouds<'a>> {
    /// Starts the producer.
    pub async fn play(
        clouds: DeployedClouds<'a>,
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
        let flow = super::flow(&play.workload, Some(play.rate));
        let show = Load { workload: play.workload, intervals: play.intervals, timeout, flow };
        Ok(Self::of(clouds, producer, show, history))
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

impl Testbed for TestCluster<DeployedClouds<'_>> {
    type InForce = InForce;

    /// Real clouds have real times.
    fn divisor(&self) -> u32 {
        1
    }

    /// Takes a cloud or its functions away, and waits until they are seen to be away.
    async fn begin(&mut self, injection: Injection) -> anyhow::Result<InForce> {
        let cloud = injection.cloud;
        self.clouds.take_away(injection).await?;
        let fault = if injection.fault == schedule::Fault::Kill {
            let last_taken_us = self.wait_until_refused(cloud).await?;
            // Since the last message that it took: rather too long a recovery than too short a one.
            let fault = injection.numbered(self.next_number());
            let detail = "its queue takes no message, its functions don't run".to_owned();
            self.history.record_at(last_taken_us, Event::FaultBegun { cloud, fault, detail });
            self.fired(cloud, fault, "it refused a message");
            fault
        } else {
            let fault = self.record_begin(injection, "its functions don't run");
            self.wait_until_quiet(cloud).await?;
            self.fired(cloud, fault, "messages went in, and no candle changed");
            fault
        };
        Ok(InForce { cloud, fault })
    }

    /// Gives back what was taken away, after a while.
    async fn end(&mut self, in_force: InForce) -> anyhow::Result<()> {
        sleep(self.clouds.pace.away).await;
        ensure!(
            self.clouds.heal().await?,
            "the record of this game day is gone: `cargo xtask chaos heal` has undone it before the run did, or else \
             switches are still thrown; `cargo xtask chaos --dry-run` names them"
        );
        self.healed(in_force.cloud, in_force.fault);
        Ok(())
    }

    async fn interrupt_deploy(&mut self, _: &mut InForce, _: Duration) -> anyhow::Result<()> {
        anyhow::bail!("a deployed cloud is not deployed to in a game day")
    }

    async fn send_poison(&mut self) -> anyhow::Result<()> {
        anyhow::bail!("a deployed cloud gets no message that can't be decoded")
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
