//! Clouds in memory, in this process and in virtual time, and faults by a [`Plan`]. The pipeline is the real one: relay
//! and spool, ingest and replicate of both clouds. The release binaries, the emulators and the network are not there. One
//! seed decides everything.

mod breakable;
mod functions;
mod poison;
mod port;
pub(crate) mod ports;
mod producer;
mod testbed;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::producer::SourceTrade;
use ::producer::relay::RelayConfig;
use ::producer::spool::{SpoolConfig, Sync};
use anyhow::Context as _;
use candle::Interval;
use candle::binance::{self, Frame};
use cloud_memory::Effects;
use infra::Settings;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use breakable::Breakable;
use functions::Common;
use ports::Client;
use producer::Producer;
use testbed::SimulatedTestbed;

use crate::delivery::Limits;
use crate::history::{CloudId, Event, History};
use crate::mutants::{Mutant, Mutation};
use crate::schedule::{Planned, Schedule};
use crate::snapshot::Snapshot;
use crate::testbed::{Injection, Step, play};
use crate::workload::Workload;

/// The limits of a verdict on it.
pub const NOTE: &str =
    "clouds in memory and in one process: no verdict on the release binaries and the emulators.";
/// The time of day at which a simulated run starts, in milliseconds since the epoch: a little before the generator's first
/// trade.
const START_MS: u64 = 1_704_153_450_000;
/// Runs of replicate until nothing is left to copy.
const LAST_COPIES: u32 = 20;
/// Time that a better primary must have been healthy: short, so that a run of seconds includes a failback.
const FAILBACK_MS: u64 = 1_000;

/// The faults of a run.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Faults by the clock.
    Schedule(Schedule),
    /// The steps of a scenario.
    Steps(Vec<Step>),
}

impl Plan {
    /// Faults that the run must have.
    #[must_use]
    pub fn faults(&self) -> usize {
        match self {
            Self::Schedule(schedule) => schedule.faults.len(),
            Self::Steps(steps) => crate::testbed::faults(steps),
        }
    }
}

/// A run: real relay, spool, ingest and replicate over clouds in memory, in virtual time.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// Decides everything that is random.
    pub seed: u64,
    /// The faults.
    pub plan: Plan,
    /// The number by which times of the real clouds are divided.
    pub divisor: u32,
    /// The load.
    pub workload: Arc<Workload>,
    /// The candles that the functions keep.
    pub intervals: Vec<Interval>,
    /// Trades a second.
    pub rate: u32,
    /// The history.
    pub history: History,
    /// The folder of the spool.
    pub spool: PathBuf,
    /// Settings of the producer.
    pub settings: Settings,
    /// A mutant of the pipeline, for tests of the invariants.
    pub mutant: Option<Mutant>,
}

/// The clouds, their functions and the producer of a run that goes on.
struct World {
    clouds: [Breakable; 2],
    common: Common,
    functions: tokio::sync::Mutex<BTreeMap<CloudId, JoinSet<()>>>,
    producer: tokio::sync::Mutex<Producer>,
}

impl Simulation {
    /// Runs to the end; on a paused clock it takes as long as the work, not as the waiting.
    pub fn run(&self) -> anyhow::Result<BTreeMap<CloudId, Snapshot>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(self.simulate())
    }

    async fn simulate(&self) -> anyhow::Result<BTreeMap<CloudId, Snapshot>> {
        self.history.begin();
        let world = self.world()?;
        for (cloud, peer) in world.pairs() {
            self.history.record(Event::CloudReady { cloud: cloud.name });
            self.history.record(Event::PublishStarted { cloud: cloud.name });
            let functions = world.common.start(cloud, peer);
            world.functions.lock().await.insert(cloud.name, functions);
        }
        world.producer.lock().await.start()?;
        match &self.plan {
            Plan::Schedule(schedule) => {
                let injected = |planned: &Planned| {
                    self.mutant.map_or(*planned, |mutant| mutant.injected(*planned))
                };
                let faults = schedule.faults.iter().map(injected).enumerate();
                let faults = faults.map(|(index, planned)| world.happen(index, planned));
                let faults = futures::future::try_join_all(faults);
                let poison = self.send_all_poison(&world, schedule.faults.len());
                futures::future::try_join(faults, poison).await?;
            }
            Plan::Steps(steps) => {
                let mut testbed = SimulatedTestbed { simulation: self, world: &world, begun: 0 };
                Box::pin(play(steps, &mut testbed, |_| {})).await?;
            }
        }
        world.producer.lock().await.done().await?;
        let published = AtomicBool::new(true);
        let clouds = world.clouds.each_ref().map(Breakable::seen);
        let converge = clouds.iter().map(|cloud| {
            cloud.converge(&self.workload, &self.intervals, &published, &self.history)
        });
        let dead_letters = futures::future::try_join_all(converge).await?;
        world.copy_the_rest().await;
        let mut snapshots = BTreeMap::new();
        for (cloud, letters) in world.clouds.iter().zip(dead_letters) {
            cloud.tell_calls();
            let snapshot = cloud.seen().snapshot(&self.workload.symbols, letters).await?;
            snapshots.insert(cloud.name, snapshot);
        }
        Ok(snapshots)
    }

    fn world(&self) -> anyhow::Result<World> {
        let clouds = [CloudId::Aws, CloudId::Gcp].map(|name| {
            let limits = Limits::of(name, &self.settings);
            Breakable::new(name, (limits, self.seed), self.history.clone())
        });
        let started = Instant::now();
        let common = Common {
            symbols: self.workload.symbols.clone(),
            intervals: self.intervals.clone(),
            history: self.history.clone(),
            seed: self.seed,
            started,
            mutation: Mutation::new(self.mutant, self.workload.symbols.clone()),
        };
        let config = self.settings.producer_config();
        let relay = RelayConfig::of(&config, self.seed)?;
        let ports = relay.router.targets.iter().map(|target| {
            let cloud = clouds.iter().find(|cloud| cloud.name.as_str() == target.cloud);
            let cloud = cloud.with_context(|| format!("target {}: no such cloud", target.name))?;
            Ok(common.ports(cloud, Client::Producer, Effects::default()))
        });
        let ports = ports.collect::<anyhow::Result<_>>()?;
        let mut router = relay.router.clone();
        router.failback_ms = router.failback_ms.min(FAILBACK_MS);
        let producer = Producer {
            // Routing overrides come from registers, which no cloud here has.
            relay: RelayConfig { router, lease: None, ..relay },
            // Nothing here loses power.
            spool: SpoolConfig { sync: Sync::Never, ..SpoolConfig::of(&config) },
            dir: self.spool.clone(),
            ports,
            trades: Arc::new(trades(&self.workload)?),
            symbols: self.workload.symbols.clone(),
            rate: self.rate,
            history: self.history.clone(),
            started,
            mutant: self.mutant,
            lives: 0,
            running: None,
        };
        let (functions, producer) = (BTreeMap::new().into(), producer.into());
        Ok(World { clouds, common, functions, producer })
    }
}

impl World {
    fn pairs(&self) -> [(&Breakable, &Breakable); 2] {
        let [aws, gcp] = &self.clouds;
        [(aws, gcp), (gcp, aws)]
    }

    /// A cloud, and the one that it copies from.
    fn pair(&self, name: CloudId) -> anyhow::Result<(&Breakable, &Breakable)> {
        let pair = self.pairs().into_iter().find(|(cloud, _)| cloud.name == name);
        pair.context("a fault is at one of both clouds")
    }

    /// One fault of a schedule, from its beginning to its end.
    async fn happen(&self, index: usize, planned: Planned) -> anyhow::Result<()> {
        sleep_until(self.common.started + Duration::from_millis(planned.at_ms)).await;
        let injection = Injection::new(planned.cloud, planned.fault);
        let number = testbed::number(index);
        let recorded = crate::fault::Fault::new(number, planned.fault.kind());
        self.begin(index, injection, recorded).await?;
        sleep(Duration::from_millis(planned.for_ms)).await;
        self.end(index, injection).await
    }

    /// Copies until neither cloud lacks anything: candles may be complete before the last object is.
    async fn copy_the_rest(&self) {
        for functions in self.functions.lock().await.values_mut() {
            functions.shutdown().await;
        }
        for _ in 0..LAST_COPIES {
            let [(aws, gcp), _] = self.pairs();
            let (into_aws, into_gcp) =
                tokio::join!(self.common.copy(aws, gcp), self.common.copy(gcp, aws));
            if [into_aws, into_gcp].iter().all(|report| report.complete && report.copied == 0) {
                return;
            }
        }
    }
}

/// The trades of the workload, in the order of the source.
fn trades(workload: &Workload) -> anyhow::Result<Vec<SourceTrade>> {
    let frames = workload.frames.iter().map(|frame| match binance::decode(frame.as_bytes())? {
        Frame::Trade { symbol, trade } => Ok(Some(SourceTrade { symbol, trade })),
        Frame::PassedOver { .. } => Ok(None),
    });
    frames.filter_map(Result::transpose).collect()
}
