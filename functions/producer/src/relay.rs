//! From a source to the clouds: batches, the spool, and a publisher for each target, all concurrent.
//!
//! A trade waits in a batch for `batch_age` at most, is spooled, and is published to the targets of the route. Each
//! publisher reads the spool by itself, so a slow cloud does not hold up another one. A publisher holds at most
//! `publish_messages` and `publish_bytes` in memory; all else is on disk. While the spool is full, no trade is taken from
//! the source: none is dropped.
//!
//! A probe is a real message, sent once more to a target without traffic: a duplicate changes nothing, and it tests
//! exactly the path that matters.

mod intake;
mod publisher;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candle::message::MAX_TRADES;
use pipeline::Backoff;
use pipeline::health::{HealthConfig, State as Health};
use pipeline::ports::Queue;
use pipeline::route::overrides::{Fenced, RoutingOverride};
use pipeline::route::{Route, Router, Target};
use state::{OnEvent, State};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::BatchLimits;
use crate::config::{ProducerConfig, UnknownTarget};
use crate::events::Event;
use crate::position::{Position, Settled};
use crate::recording::SourceTrade;
use crate::spool::{Spool, SpoolError};

/// The settings of a relay.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Targets and policy.
    pub router: Router,
    /// Thresholds of the health of each target.
    pub health: HealthConfig,
    /// Bounds of a message.
    pub limits: BatchLimits,
    /// The longest time that a trade waits for others to fill a message.
    pub batch_age: Duration,
    /// Messages in one publish, at least 1.
    pub publish_messages: usize,
    /// Bytes in one publish; a single message may exceed it.
    pub publish_bytes: usize,
    /// The time after which a missing answer counts as a bad outcome, and again after each further such time.
    pub publish_slow: Duration,
    /// The longest wait for an answer; after that the outcome is unknown.
    pub publish_deadline: Duration,
    /// The ceiling of the first wait after a failure; it doubles with each failure.
    pub backoff_base: Duration,
    /// The ceiling of every wait.
    pub backoff_cap: Duration,
    /// The interval between two probes of a target without traffic.
    pub probe: Duration,
    /// The interval at which acknowledgements are saved and the route is chosen again.
    pub checkpoint: Duration,
    /// The time after which, if no override store could be read, nothing is published. `None`: there are no overrides.
    pub lease: Option<Duration>,
    /// Seed of the waits; should differ between producers.
    pub seed: u64,
}

impl RelayConfig {
    /// The relay of a configuration; `seed` should differ between producers.
    pub fn of(config: &ProducerConfig, seed: u64) -> Result<Self, UnknownTarget> {
        let ProducerConfig { producer, route, health, .. } = config;
        let publish = &producer.publish;
        let ms = |ms: u32| Duration::from_millis(ms.into());
        Ok(Self {
            router: route.router()?,
            health: *health,
            limits: BatchLimits {
                max_trades: size(producer.batch_max_trades).min(MAX_TRADES),
                max_bytes: size(producer.batch_max_bytes),
            },
            batch_age: ms(producer.batch_age_ms),
            publish_messages: size(publish.messages),
            publish_bytes: size(publish.bytes),
            publish_slow: ms(publish.slow_ms),
            publish_deadline: ms(publish.deadline_ms),
            backoff_base: ms(publish.backoff_base_ms),
            backoff_cap: ms(publish.backoff_cap_ms),
            probe: ms(publish.probe_ms),
            checkpoint: ms(producer.spool.checkpoint_ms),
            lease: Some(Duration::from_secs(route.lease_s.into())),
            seed,
        })
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The store that a target's messages end up in: AWS has one in each region, Google Cloud one for all of them.
#[must_use]
pub fn store_of(target: &Target) -> &str {
    if target.cloud == "aws" { &target.name } else { &target.cloud }
}

/// The counts of a relay that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Trades taken from the source.
    pub trades: u64,
    /// Messages spooled.
    pub messages: u64,
    /// Messages left in the spool because a target of the route refuses them while it accepts others.
    pub refused: u64,
}

/// A target's state in a relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Its health state.
    pub health: Health,
    /// Latency of a publish; `None`: not measured yet.
    pub latency_us: Option<u64>,
}

/// A snapshot of a relay's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayView {
    /// The targets, in the order of the router.
    pub targets: Vec<TargetView>,
    /// The targets of the next messages.
    pub route: Route,
    /// The latest routing override.
    pub order: Option<RoutingOverride>,
    /// The reason why nothing is published, if so.
    pub fenced: Option<Fenced>,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// Messages in the spool that no target has acknowledged.
    pub waiting: u64,
}

/// Publishes trades to the clouds.
pub struct Relay<Q> {
    config: RelayConfig,
    /// The queues, in the order of the router's targets.
    queues: Vec<Q>,
    state: Mutex<State>,
    /// True if the position records the ids that were skipped.
    keeps_gaps: bool,
    /// Ids of the gaps that will never come.
    settled: Option<Arc<Settled>>,
    changed: watch::Sender<()>,
    started: Instant,
    clock_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    on_event: Box<OnEvent>,
}

impl<Q: Queue> Relay<Q> {
    /// A relay with a queue for each target of the router, in its order. `clock_ms` is the time since the epoch;
    /// `on_event` is called with each event, in order, and must neither wait nor call the relay.
    pub fn new(
        config: RelayConfig,
        spool: Spool,
        queues: Vec<Q>,
        clock_ms: impl Fn() -> u64 + Send + Sync + 'static,
        on_event: impl Fn(Event) + Send + Sync + 'static,
    ) -> Self {
        let state = Mutex::new(State::new(&config, spool));
        let (started, changed) = (Instant::now(), watch::Sender::new(()));
        let (clock_ms, on_event) = (Box::new(clock_ms), Box::new(on_event));
        let (keeps_gaps, settled) = (false, None);
        Self { config, queues, state, keeps_gaps, settled, changed, started, clock_ms, on_event }
    }

    /// Continues from the position of an earlier relay in the same source; the caller supplies the trades from there on.
    #[must_use]
    pub fn resuming(self, position: Position) -> Self {
        self.state().resume(position);
        self
    }

    /// Records skipped ids in the position: for a source with contiguous ids that can be asked again.
    #[must_use]
    pub fn keeping_gaps(self) -> Self {
        Self { keeps_gaps: true, ..self }
    }

    /// Removes ids from the position's gaps that the source has declared to be without a trade.
    #[must_use]
    pub fn settling(self, settled: Arc<Settled>) -> Self {
        Self { settled: Some(settled), ..self }
    }

    /// Takes trades until the source ends and all spooled messages are acknowledged by the route's targets.
    ///
    /// May be dropped or killed at any time: the next relay publishes the spooled messages. A final [`Relay::checkpoint`]
    /// keeps some of them from being published again.
    pub async fn run(&self, source: mpsc::Receiver<SourceTrade>) -> Result<Relayed, SpoolError> {
        let publishers = (0..self.queues.len()).map(|target| self.publish(target));
        let publishers = futures::future::try_join_all(publishers);
        let (relayed, (), _) = tokio::try_join!(self.take(source), self.keep(), publishers)?;
        Ok(Relayed { refused: self.state().refused(&self.config), ..relayed })
    }

    /// Waits until the source has ended and all its trades are spooled.
    pub async fn all_spooled(&self) {
        let mut changed = self.changed.subscribe();
        while !self.state().is_all_spooled {
            // Can't fail: this relay holds the sender.
            let _ = changed.changed().await;
        }
    }

    /// Saves the acknowledgements and the position in the source.
    pub fn checkpoint(&self) -> Result<(), SpoolError> {
        let mut state = self.state();
        state.spool.checkpoint((self.clock_ms)())?;
        state.save_position(true)
    }

    /// Records the routing override that a cloud's store returned to a request sent at `asked_at`.
    pub fn observe(&self, found: Option<RoutingOverride>, asked_at: Instant) {
        let asked_at_ms = self.ms(asked_at);
        let now_ms = self.now_ms();
        self.state().observe(&self.config, found, asked_at_ms, now_ms, &self.on_event);
        self.changed.send_replace(());
    }

    /// Records the incarnation id of a store. If it changed or is missing, the store may have lost its data: messages
    /// that only it has acknowledged are published again.
    pub fn observe_incarnation(&self, store: &str, mark: Option<&str>) {
        self.state().observe_incarnation(&self.config, store, mark, &self.on_event);
        self.changed.send_replace(());
    }

    /// The targets of the next messages.
    #[must_use]
    pub fn route(&self) -> Route {
        self.state().route.clone()
    }

    /// The health of each target, in the order of the router.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        self.state().health.iter().map(pipeline::health::Health::state).collect()
    }

    /// A snapshot of the state.
    #[must_use]
    pub fn view(&self) -> RelayView {
        let now_ms = self.now_ms();
        let state = self.state();
        let targets = self.config.router.targets.iter().zip(&state.health).zip(&state.latency_us);
        let targets = targets.map(|((target, health), latency_us)| TargetView {
            name: target.name.clone(),
            health: health.state(),
            latency_us: *latency_us,
        });
        RelayView {
            targets: targets.collect(),
            route: state.route.clone(),
            order: state.order().cloned(),
            fenced: state.check(state.epoch(), now_ms).err(),
            spool_bytes: state.spool.bytes(),
            waiting: state.spool.unaccepted(),
        }
    }

    /// Bytes in the spool.
    #[must_use]
    pub fn spool_bytes(&self) -> u64 {
        self.state().spool.bytes()
    }

    /// Checkpoints, and re-evaluates the route as time passes, until all is done.
    async fn keep(&self) -> Result<(), SpoolError> {
        loop {
            tokio::time::sleep(self.config.checkpoint).await;
            let now_ms = self.now_ms();
            let mut state = self.state();
            let kept =
                state.spool.checkpoint((self.clock_ms)()).and_then(|()| state.save_position(false));
            match kept {
                // The disk is full: acknowledgements are saved later.
                Err(error) if error.is_full() => {
                    (self.on_event)(Event::Full { why: error.to_string() });
                }
                result => result?,
            }
            state.look_at_lease(now_ms, &self.on_event);
            state.route(&self.config, now_ms, &self.on_event);
            state.done = state.is_done();
            let is_done = state.done;
            drop(state);
            if is_done {
                self.checkpoint()?;
            }
            self.changed.send_replace(());
            if is_done {
                return Ok(());
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        self.ms(Instant::now())
    }

    fn ms(&self, instant: Instant) -> u64 {
        let passed = instant.saturating_duration_since(self.started);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    fn backoff(&self, target: usize) -> Backoff {
        let RelayConfig { backoff_base, backoff_cap, seed, .. } = self.config;
        // Retries without end: a message stays in the spool until a target accepts it.
        Backoff::new(u32::MAX, backoff_base, backoff_cap, seed.wrapping_add(target as u64))
    }
}
