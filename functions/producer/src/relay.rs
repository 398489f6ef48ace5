//! From a source to the clouds: batches, the spool, and a publisher for each target, all at once.
//!
//! A trade waits in a batch for `batch_age` at most, is spooled, and is published to the targets that the route names.
//! A publisher goes through the spool by itself: a slow cloud does not hold up another one. What it has in hand is
//! bounded by `publish_messages` and `publish_bytes`; all else is on disk. When the spool is full nothing more is taken
//! from the source until there is room: nothing is dropped.
//!
//! The probe is a real message sent once more to a target that gets no traffic: a duplicate changes nothing, and it
//! tests the very thing that matters.

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
    /// When a target is taken for down, and when for healthy.
    pub health: HealthConfig,
    /// What a message may hold.
    pub limits: BatchLimits,
    /// How long a trade may wait for others to fill a message.
    pub batch_age: Duration,
    /// Messages that a target is given at once, at least 1.
    pub publish_messages: usize,
    /// Bytes that a target is given at once; one message goes however large it is.
    pub publish_bytes: usize,
    /// An answer that takes longer speaks against its target, each such time anew.
    pub publish_slow: Duration,
    /// How long to wait for the answer; after that it is unknown what happened.
    pub publish_deadline: Duration,
    /// The ceiling of the first wait after a failure; it doubles each time.
    pub backoff_base: Duration,
    /// The ceiling of every wait.
    pub backoff_cap: Duration,
    /// The interval between two probes of a target without traffic.
    pub probe: Duration,
    /// How often acknowledgements are written down and routes looked at.
    pub checkpoint: Duration,
    /// A routing override is looked for in the clouds; without news for so long nothing is published. `None`: there
    /// are no orders.
    pub lease: Option<Duration>,
    /// Where the waits come from; should differ between producers.
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

/// What a relay did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Trades taken from the source.
    pub trades: u64,
    /// Messages spooled.
    pub messages: u64,
    /// Messages that stay in the spool because a target that is to have them refuses them, while it takes others.
    pub refused: u64,
}

/// A target as a relay sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Its name.
    pub name: String,
    /// Its health state.
    pub health: Health,
    /// How long a publish takes; `None`: not known yet.
    pub latency_us: Option<u64>,
}

/// What a relay knows at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayView {
    /// In the order of the router.
    pub targets: Vec<TargetView>,
    /// Where messages go.
    pub route: Route,
    /// The latest routing override.
    pub order: Option<RoutingOverride>,
    /// Why nothing is published, if so.
    pub fenced: Option<Fenced>,
    /// Bytes in the spool.
    pub spool_bytes: u64,
    /// Messages in the spool that nobody has acknowledged.
    pub waiting: u64,
}

/// Takes trades to the clouds.
pub struct Relay<Q> {
    config: RelayConfig,
    /// In the order of the router's targets.
    queues: Vec<Q>,
    state: Mutex<State>,
    /// Whether the position notes which trades were passed over.
    keeps_gaps: bool,
    /// The ids of it that never come.
    settled: Option<Arc<Settled>>,
    changed: watch::Sender<()>,
    started: Instant,
    clock_ms: Box<dyn Fn() -> u64 + Send + Sync>,
    on_event: Box<OnEvent>,
}

impl<Q: Queue> Relay<Q> {
    /// A relay with a queue for each target of the router, in its order. `clock_ms` is the time since the epoch;
    /// `on_event` is called with each event, in the order in which they happen, and must neither wait nor call the relay.
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

    /// Goes on from where an earlier relay was in the same source; the caller gives what comes from there on.
    #[must_use]
    pub fn resuming(self, position: Position) -> Self {
        self.state().resume(position);
        self
    }

    /// Notes in the position which trades the source passed over: for one whose ids are contiguous, and that can be asked
    /// again.
    #[must_use]
    pub fn keeping_gaps(self) -> Self {
        Self { keeps_gaps: true, ..self }
    }

    /// Takes off the gaps in the position what the source settles.
    #[must_use]
    pub fn settling(self, settled: Arc<Settled>) -> Self {
        Self { settled: Some(settled), ..self }
    }

    /// Takes trades until the source ends and all that was spooled is where the route wants it.
    ///
    /// It may be dropped at any time, as it may be killed: what was spooled is published by the next relay.
    /// [`Relay::checkpoint`] then saves some of it from being published again.
    pub async fn run(&self, source: mpsc::Receiver<SourceTrade>) -> Result<Relayed, SpoolError> {
        let publishers = (0..self.queues.len()).map(|target| self.publish(target));
        let publishers = futures::future::try_join_all(publishers);
        let (relayed, (), _) = tokio::try_join!(self.take(source), self.keep(), publishers)?;
        Ok(Relayed { refused: self.state().refused(&self.config), ..relayed })
    }

    /// Waits until the source has ended and all that it gave is spooled.
    pub async fn all_spooled(&self) {
        let mut changed = self.changed.subscribe();
        while !self.state().is_all_spooled {
            // The sender is a part of this relay.
            let _ = changed.changed().await;
        }
    }

    /// Writes down what is known: acknowledgements, and how far the source is.
    pub fn checkpoint(&self) -> Result<(), SpoolError> {
        let mut state = self.state();
        state.spool.checkpoint((self.clock_ms)())?;
        state.save_position(true)
    }

    /// Takes in what a cloud's register says of routing overrides; `asked_at` is the time before it was asked.
    pub fn observe(&self, found: Option<RoutingOverride>, asked_at: Instant) {
        let asked_at_ms = self.ms(asked_at);
        let now_ms = self.now_ms();
        self.state().observe(&self.config, found, asked_at_ms, now_ms, &self.on_event);
        self.changed.send_replace(());
    }

    /// Takes in the incarnation id of a store. With another one than before, or without one, it may have lost what it
    /// held: what only it has acknowledged is published again.
    pub fn observe_incarnation(&self, store: &str, mark: Option<&str>) {
        self.state().observe_incarnation(&self.config, store, mark, &self.on_event);
        self.changed.send_replace(());
    }

    /// Where messages go.
    #[must_use]
    pub fn route(&self) -> Route {
        self.state().route.clone()
    }

    /// What is thought of each target, in the order of the router.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        self.state().health.iter().map(pipeline::health::Health::state).collect()
    }

    /// All that is known now.
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

    /// Checkpoints, and looks whether time alone changes the route, until all is done.
    async fn keep(&self) -> Result<(), SpoolError> {
        loop {
            tokio::time::sleep(self.config.checkpoint).await;
            let now_ms = self.now_ms();
            let mut state = self.state();
            let kept =
                state.spool.checkpoint((self.clock_ms)()).and_then(|()| state.save_position(false));
            match kept {
                // The disk is full: acknowledgements wait in memory.
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
        // Never given up: what nobody has accepted stays in the spool until somebody does.
        Backoff::new(u32::MAX, backoff_base, backoff_cap, seed.wrapping_add(target as u64))
    }
}
