//! Clouds in memory, in this process and in virtual time. The pipeline is the real one; the release binaries, the
//! emulators and the network are not there.
//!
//! [`Sim`] is what `e2e` sends messages through. [`Play`] is for chaos: the real relay and spool, ingest and replicate of
//! both clouds, and faults by a [`crate::schedule`]. One seed decides everything.

mod breakable;
mod functions;
mod play;
mod port;
mod producer;

pub use play::Play;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cloud_memory::{Effects, MemoryArchive, MemoryQueue, MemoryStore, QueueConfig};
use pipeline::ports::Queue as _;
use pipeline::{Backoff, Ingest};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cloud::{Cloud, View};
use crate::drive::Drive;
use crate::history::{CloudId, Event};
use crate::snapshot::Snapshot;

/// What a verdict on it does not cover.
pub const NOTE: &str =
    "clouds in memory and in one process: no verdict on the release binaries and the emulators.";
/// The time of day at which a simulated run starts, in milliseconds since the epoch: a little before the generator's first
/// trade.
const START_MS: u64 = 1_704_153_450_000;
/// Functions of one cloud that run at once.
const WORKERS: usize = 3;
/// Messages one call gets.
const BATCH: usize = 10;
const VISIBILITY: Duration = Duration::from_secs(5);
/// A crash comes within so many effects.
const CRASH_WITHIN: u64 = 12;

/// The settings of a simulated run.
#[derive(Clone, Copy, Debug)]
pub struct Sim {
    /// Decides everything that is random.
    pub seed: u64,
    /// Deliveries before a message is a dead letter.
    pub max_receive_count: u32,
    /// Times to crash a function of each cloud between two effects.
    pub crashes: u32,
}

type MemoryCloud = Cloud<MemoryQueue, MemoryArchive, MemoryStore>;

impl Sim {
    /// Runs to the end; on a paused clock it takes as long as the work, not as the waiting.
    pub fn run(
        &self,
        drive: &Drive,
        progress: impl Fn(&str),
    ) -> anyhow::Result<[(CloudId, Snapshot); 2]> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()?;
        runtime.block_on(async {
            drive.history.begin();
            let mut functions = JoinSet::new();
            let aws = self.start(CloudId::Aws, drive, &mut functions);
            let gcp = self.start(CloudId::Gcp, drive, &mut functions);
            drive.both(&aws, &gcp, progress).await
        })
    }

    fn start(&self, name: CloudId, drive: &Drive, functions: &mut JoinSet<()>) -> MemoryCloud {
        let config = QueueConfig {
            visibility_timeout: VISIBILITY,
            max_receive_count: self.max_receive_count,
        };
        let forever = QueueConfig { visibility_timeout: Duration::MAX / 4, ..config };
        let dead_letters = MemoryQueue::new(forever, Effects::default(), None);
        let cloud = Cloud {
            name,
            queue: MemoryQueue::new(config, Effects::default(), Some(dead_letters.clone())),
            dead_letters,
            archive: MemoryArchive::default(),
            store: MemoryStore::default(),
            view: View::whole(),
        };
        let crashes = Arc::new(AtomicU32::new(self.crashes));
        for worker in 0..WORKERS {
            let seed = self.seed ^ ((worker as u64) << 8) ^ name as u64;
            let function = Function {
                cloud: cloud.clone(),
                effects: Effects::default(),
                rng: ChaCha8Rng::seed_from_u64(seed),
                crashes_left: Arc::clone(&crashes),
                crash_due: false,
                drive: drive.clone(),
            };
            functions.spawn(function.run());
        }
        drive.history.record(Event::CloudReady { cloud: name });
        cloud
    }
}

/// One instance of the ingest function.
struct Function {
    cloud: MemoryCloud,
    effects: Effects,
    rng: ChaCha8Rng,
    /// Crashes that nobody has taken on yet, shared by the functions of a cloud.
    crashes_left: Arc<AtomicU32>,
    /// This function has taken one on, and goes on until it has crashed.
    crash_due: bool,
    drive: Drive,
}

impl Function {
    async fn run(mut self) {
        let backoff = Backoff::new(
            20,
            Duration::from_millis(5),
            Duration::from_millis(200),
            self.rng.random(),
        );
        let ingest = Ingest::new(
            self.cloud.archive.with_effects(self.effects.clone()),
            self.cloud.store.with_effects(self.effects.clone()),
            self.drive.workload.symbols.clone(),
            self.drive.intervals.clone(),
            backoff,
        );
        loop {
            // A simulated call takes its time, or nothing would ever overlap.
            sleep(Duration::from_millis(self.rng.random_range(1..20))).await;
            let Ok(received) = self.cloud.queue.receive(BATCH).await else { continue };
            if received.is_empty() {
                continue;
            }
            if self.takes_on_a_crash() {
                self.effects.crash_after(self.rng.random_range(0..CRASH_WITHIN));
            }
            let bodies: Vec<_> = received.iter().map(|message| message.body.clone()).collect();
            let Some(outcomes) = self.effects.until_crash(ingest.messages(&bodies)).await else {
                self.crashed();
                continue;
            };
            for (message, outcome) in received.iter().zip(outcomes) {
                if outcome.acknowledge() {
                    let _ = self.cloud.queue.acknowledge(&message.receipt).await;
                } else {
                    let _ = self.cloud.queue.release(&message.receipt).await;
                }
            }
        }
    }

    fn takes_on_a_crash(&mut self) -> bool {
        let left = &self.crashes_left;
        let take = || left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok();
        self.crash_due = self.crash_due || take();
        self.crash_due
    }

    fn crashed(&mut self) {
        self.crash_due = false;
        self.drive.history.record(Event::FaultFired {
            cloud: self.cloud.name,
            fault: "crash_function".to_owned(),
            detail: format!("between two effects, after {} in all", self.effects.passed()),
        });
    }
}
