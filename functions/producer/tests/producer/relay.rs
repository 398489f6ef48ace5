//! The relay with clouds in memory that die, hang, lose answers and come back: no accepted trade is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use candle::message;
use candle::{IdRanges, Symbol, Symbols};
use cloud_memory::{Effects, MemoryQueue, QueueConfig};
use pipeline::health::{HealthConfig, State};
use pipeline::ports::{Fault, MessageId, PortError, Queue, Receipt, Received};
use pipeline::route::overrides::RoutingOverride;
use pipeline::route::{Policy, PrimarySelection, Router, Target};
use producer::position::Position;
use producer::relay::{Relay, RelayConfig};
use producer::spool::{Spool, SpoolConfig, Sync};
use producer::{BatchLimits, Event, Generator};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// The behaviour of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Up,
    /// It refuses connections.
    Gone,
    /// It accepts a request and never answers.
    Hung,
    /// It does what is asked, but the answer is lost.
    Mute,
    /// It does what is asked, slowly.
    Slow,
}

/// A cloud's queue that can fail. Clones share it.
#[derive(Clone)]
struct Cloud(Arc<Mutex<Inner>>);

struct Inner {
    queue: MemoryQueue,
    mode: Mode,
    publishes: u64,
    /// At this publish the cloud dies with all its data; it is back, empty, after this time.
    dies_at: Option<(u64, Duration)>,
    back_at: Option<Instant>,
    died_at: Option<Instant>,
    largest: usize,
    /// It always refuses the message with this trade.
    refuses: Option<u64>,
}

impl Cloud {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner {
            queue: empty(),
            mode: Mode::Up,
            publishes: 0,
            dies_at: None,
            back_at: None,
            died_at: None,
            largest: 0,
            refuses: None,
        })))
    }

    fn set(&self, mode: Mode) {
        self.0.lock().unwrap().mode = mode;
    }

    fn publishes(&self) -> u64 {
        self.0.lock().unwrap().publishes
    }

    /// The ids of the trades in its queue.
    async fn trades(&self) -> BTreeSet<u64> {
        let queue = self.0.lock().unwrap().queue.clone();
        let received = queue.receive(usize::MAX).await.unwrap();
        for message in &received {
            queue.release(&message.receipt).await.unwrap();
        }
        received.iter().flat_map(|message| ids(&message.body)).collect()
    }

    async fn publish_but(
        &self,
        queue: MemoryQueue,
        bodies: Vec<String>,
    ) -> Vec<Result<MessageId, PortError>> {
        let bad = self.0.lock().unwrap().refuses;
        let mut answers = Vec::new();
        for body in bodies {
            let is_bad = bad.is_some_and(|bad| ids(body.as_bytes()).contains(&bad));
            let refused = PortError { fault: Fault::Refused, ..lost("too large") };
            answers.push(if is_bad {
                Err(refused)
            } else {
                queue.publish(vec![body]).await.remove(0)
            });
        }
        answers
    }

    fn enter(&self, bodies: usize) -> (Mode, MemoryQueue) {
        let mut inner = self.0.lock().unwrap();
        inner.publishes += 1;
        inner.largest = inner.largest.max(bodies);
        if let Some((at, away)) = inner.dies_at
            && inner.publishes == at
        {
            inner.queue = empty();
            inner.mode = Mode::Gone;
            inner.died_at = Some(Instant::now());
            inner.back_at = Some(Instant::now() + away);
        }
        if inner.back_at.is_some_and(|at| at <= Instant::now()) {
            inner.mode = Mode::Up;
            inner.back_at = None;
        }
        (inner.mode, inner.queue.clone())
    }
}

fn empty() -> MemoryQueue {
    let config = QueueConfig { visibility_timeout: Duration::from_secs(30), max_receive_count: 9 };
    MemoryQueue::new(config, Effects::default(), None)
}

fn ids(body: &[u8]) -> Vec<u64> {
    let batch = message::decode(body, &Symbols::new([symbol()])).unwrap();
    batch.trades.iter().map(|trade| trade.id).collect()
}

fn symbol() -> Symbol {
    "BTCUSDT".parse().unwrap()
}

fn lost(detail: &str) -> PortError {
    PortError {
        service: "test",
        operation: "Publish",
        fault: Fault::Unknown,
        detail: detail.to_owned(),
    }
}

impl Queue for Cloud {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        let count = bodies.len();
        let (mode, queue) = self.enter(count);
        sleep(Duration::from_millis(2)).await;
        match mode {
            Mode::Up => self.publish_but(queue, bodies).await,
            Mode::Slow => {
                sleep(Duration::from_millis(1_300)).await;
                queue.publish(bodies).await
            }
            Mode::Gone => vec![Err(lost("connection refused")); count],
            Mode::Hung => std::future::pending().await,
            Mode::Mute => {
                queue.publish(bodies).await;
                vec![Err(lost("connection reset")); count]
            }
        }
    }

    async fn receive(&self, _: usize) -> Result<Vec<Received>, PortError> {
        Err(lost("a relay receives nothing"))
    }

    async fn acknowledge(&self, _: &Receipt) -> Result<(), PortError> {
        Err(lost("a relay acknowledges nothing"))
    }

    async fn release(&self, _: &Receipt) -> Result<(), PortError> {
        Err(lost("a relay releases nothing"))
    }
}

fn config(policy: Policy) -> RelayConfig {
    let target = |name: &str, cost_micros| Target {
        name: name.to_owned(),
        cloud: name.to_owned(),
        region: "here".to_owned(),
        cost_micros,
        weight: 1,
    };
    RelayConfig {
        router: Router {
            targets: vec![target("aws", 40), target("gcp", 60)],
            policy,
            services: vec!["queue".to_owned()],
            failback_ms: 2_000,
        },
        health: HealthConfig::default(),
        limits: BatchLimits { max_trades: 4, max_bytes: 100_000 },
        batch_age: Duration::from_millis(50),
        publish_messages: 5,
        publish_bytes: 100_000,
        publish_slow: Duration::from_millis(250),
        publish_deadline: Duration::from_millis(250),
        backoff_base: Duration::from_millis(20),
        backoff_cap: Duration::from_millis(200),
        probe: Duration::from_millis(500),
        checkpoint: Duration::from_millis(100),
        lease: None,
        seed: 7,
    }
}

fn spool(dir: &Path, max_bytes: u64) -> Spool {
    spool_with(dir, max_bytes, Sync::Never)
}

fn spool_with(dir: &Path, max_bytes: u64, sync: Sync) -> Spool {
    let config = SpoolConfig {
        sync,
        max_bytes,
        segment_bytes: 4_000,
        window: Duration::from_mins(10),
        targets: vec!["aws".to_owned(), "gcp".to_owned()],
    };
    Spool::open(dir, config).unwrap().0
}

/// Recorded events.
#[derive(Default)]
struct Told {
    /// The targets of the latest route, and the hedge.
    routed: Option<(Vec<String>, Option<String>)>,
    lines: Vec<String>,
    spooled: BTreeMap<u64, Vec<u64>>,
    accepted: BTreeSet<u64>,
    first_by: BTreeMap<String, Vec<(Instant, u64)>>,
    refused: u64,
}

struct Run {
    relay: Arc<Relay<Cloud>>,
    clouds: [Cloud; 2],
    told: Arc<Mutex<Told>>,
}

impl Run {
    fn new(config: RelayConfig, spool: Spool, clouds: [Cloud; 2]) -> Self {
        let told = Arc::new(Mutex::new(Told::default()));
        let tell = {
            let told = Arc::clone(&told);
            move |event: Event| told.lock().unwrap().tell(&event)
        };
        let relay = Relay::new(config, spool, clouds.to_vec(), || 1, tell);
        let route = relay.route();
        let publish = route.publish.into_iter().map(|(name, _)| name).collect();
        told.lock().unwrap().routed = Some((publish, route.hedge));
        Self { relay: Arc::new(relay), clouds, told }
    }

    /// Sends a trade every `pause`; ends when all are delivered.
    async fn relay(&self, count: u64, pause: Duration) {
        let (sender, source) = mpsc::channel(8);
        let feed = async move {
            for trade in Generator::new(symbol(), count, 1) {
                sender.send(trade).await.unwrap();
                if !pause.is_zero() {
                    sleep(pause).await;
                }
            }
        };
        let both = async { tokio::join!(feed, self.relay.run(source)).1 };
        let relayed = timeout(Duration::from_hours(1), both).await;
        let told = || self.told.lock().unwrap().lines.join("\n");
        let relayed = relayed.unwrap_or_else(|_| panic!("not done after an hour:\n{}", told()));
        assert_eq!(relayed.unwrap().trades, count);
    }

    /// The ids of the trades that any cloud has; probes are messages, too.
    async fn trades(&self) -> BTreeSet<u64> {
        let (mut aws, gcp) = (self.clouds[0].trades().await, self.clouds[1].trades().await);
        aws.extend(gcp);
        aws
    }

    fn lines(&self, start: &str) -> Vec<String> {
        let told = self.told.lock().unwrap();
        told.lines.iter().filter(|line| line.starts_with(start)).cloned().collect()
    }
}

impl Told {
    fn tell(&mut self, event: &Event) {
        match event {
            Event::Spooled { sequence, ids, .. } => {
                let ids = ids.iter().flat_map(|(first, last)| *first..=*last).collect();
                assert!(self.spooled.insert(*sequence, ids).is_none(), "{sequence} again");
            }
            Event::Accepted { target, sequence, is_first } => {
                // Messages that an earlier relay knew to be accepted are not first any more.
                let is_new = self.accepted.insert(*sequence);
                assert!(is_new || !is_first, "{sequence} is first twice");
                let is_mine = self.spooled.contains_key(sequence);
                assert!(!is_mine || is_new == *is_first, "{sequence} is not told as first");
                if *is_first {
                    let first = (Instant::now(), *sequence);
                    self.first_by.entry(target.clone()).or_default().push(first);
                }
            }
            Event::Health { target, state } => self.lines.push(format!("{target} is {state}")),
            Event::IncarnationChanged { cloud, .. } => {
                self.lines.push(format!("{cloud} is another incarnation"));
            }
            Event::Routed { publish, .. } if publish.is_empty() => {
                self.lines.push("fenced true".to_owned());
            }
            Event::Routed { why, .. } if why == "overrides can be read again" => {
                self.lines.push("fenced false".to_owned());
            }
            Event::Routed { publish, hedge, .. } => {
                let before = self.routed.replace((publish.clone(), hedge.clone()));
                let has_moved_hedge =
                    before.is_some_and(|(was, with)| was == *publish && with != *hedge);
                self.lines.push(if has_moved_hedge {
                    format!("hedge {}", hedge.as_deref().unwrap_or("nobody"))
                } else {
                    format!("to {}", publish.join(" "))
                });
            }
            Event::Full { .. } => self.lines.push("full".to_owned()),
            Event::Refused { .. } => self.refused += 1,
            Event::Unknown { .. } => {}
            other => panic!("a relay emits no {other:?}"),
        }
    }
}

fn all(count: u64) -> BTreeSet<u64> {
    Generator::new(symbol(), count, 1).map(|made| made.trade.id).collect()
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!("after 200 s still not: {what}");
}

const PAUSE: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn mirror_gives_both_clouds_everything_in_bounded_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    run.relay(1_001, Duration::ZERO).await;
    for cloud in &run.clouds {
        assert_eq!(cloud.trades().await, all(1_001));
        let largest = cloud.0.lock().unwrap().largest;
        assert!((2..=5).contains(&largest), "{largest} messages at once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trade_waits_no_longer_than_the_batch_age() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    let (sender, source) = mpsc::channel(8);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    let started = Instant::now();
    sender.send(Generator::new(symbol(), 1, 1).next().unwrap()).await.unwrap();
    eventually("accepted", || !run.told.lock().unwrap().accepted.is_empty()).await;
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    drop(sender);
    running.await.unwrap().unwrap();
}

/// The central property: the primary dies at each of its publishes in turn, with all its data, and comes back empty.
#[tokio::test(start_paused = true)]
async fn whenever_the_primary_dies_the_other_ends_up_with_everything() {
    const COUNT: u64 = 240;
    let policy = Policy::Primary(PrimarySelection::Hand);
    let clean = tempfile::tempdir().unwrap();
    let run = Run::new(config(policy), spool(clean.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    run.relay(COUNT, PAUSE).await;
    let steps = run.clouds[0].publishes();
    assert!(steps > 40, "only {steps} steps to die at");
    assert_eq!(run.clouds[0].trades().await, all(COUNT));
    let mut failed_back = 0;
    for step in 1..=steps {
        // Gone for good; or gone for a while, with a failback while trades still come.
        for away in [Duration::from_hours(24), Duration::from_millis(900)] {
            let dir = tempfile::tempdir().unwrap();
            let clouds = [Cloud::new(), Cloud::new()];
            clouds[0].0.lock().unwrap().dies_at = Some((step, away));
            let run = Run::new(config(policy), spool(dir.path(), 1 << 20), clouds);
            let pause = if away.as_secs() > 0 { PAUSE } else { PAUSE * 5 };
            run.relay(COUNT, pause).await;
            let [aws, gcp] = [run.clouds[0].trades().await, run.clouds[1].trades().await];
            let either: BTreeSet<u64> = aws.union(&gcp).copied().collect();
            assert_eq!(either, all(COUNT), "step {step}, away {away:?}: {:?}", run.lines(""));
            let told = run.told.lock().unwrap();
            assert_eq!(told.accepted.len(), told.spooled.len(), "step {step}: all is accepted");
            drop(told);
            let moves = run.lines("to ");
            if moves == ["to gcp", "to aws"] {
                failed_back += 1;
            } else {
                assert_eq!(moves, ["to gcp"], "step {step}, away {away:?}");
                assert_eq!(
                    gcp,
                    all(COUNT),
                    "step {step}: what died in the queue was published again"
                );
            }
            let died_at = run.clouds[0].0.lock().unwrap().died_at.unwrap();
            let told = run.told.lock().unwrap();
            if let Some((at, _)) = told.first_by.get("gcp").and_then(|first| first.first()) {
                assert!(*at - died_at < Duration::from_secs(2), "step {step}: {:?}", *at - died_at);
            }
        }
    }
    assert!(failed_back > 20, "only {failed_back} runs failed back");
}

/// The primary dies with all its data while the other cloud can't be reached either, and is back first.
#[tokio::test(start_paused = true)]
async fn what_only_the_dead_primary_had_is_given_to_whoever_is_there_again() {
    const COUNT: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::new(), Cloud::new()];
    clouds[0].0.lock().unwrap().dies_at = Some((30, Duration::from_secs(3)));
    clouds[1].set(Mode::Gone);
    let policy = Policy::Primary(PrimarySelection::Hand);
    let run = Run::new(config(policy), spool(dir.path(), 1 << 20), clouds);
    run.relay(COUNT, PAUSE * 2).await;
    assert!(run.lines("aws is").contains(&"aws is down".to_owned()), "{:?}", run.lines(""));
    assert_eq!(run.clouds[0].trades().await, all(COUNT), "{:?}", run.lines(""));
    assert!(run.clouds[1].trades().await.is_empty());
    let told = run.told.lock().unwrap();
    let first: usize = told.first_by.values().map(Vec::len).sum();
    assert_eq!((told.accepted.len(), first), (told.spooled.len(), told.spooled.len()));
}

/// The primary loses all its data and is back at once: no publish fails. Messages in flight are lost too.
#[tokio::test(start_paused = true)]
async fn a_primary_that_is_back_before_it_is_missed_is_known_by_its_incarnation() {
    // With a message every 40 ms, one of these offsets falls while it is in flight.
    for offset in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let clouds = [Cloud::new(), Cloud::new()];
        let policy = Policy::Primary(PrimarySelection::Hand);
        let run = Run::new(config(policy), spool(dir.path(), 1 << 20), clouds);
        run.relay.observe_incarnation("aws", Some("1-a"));
        let reborn = async {
            sleep(PAUSE * 100 + Duration::from_millis(offset)).await;
            run.clouds[0].0.lock().unwrap().queue = empty();
            run.relay.observe_incarnation("aws", Some("1-a"));
            assert!(run.lines("aws is").is_empty());
            run.relay.observe_incarnation("aws", Some("2-b"));
        };
        tokio::join!(run.relay(200, PAUSE), reborn);
        assert_eq!(run.lines("aws is"), ["aws is another incarnation"]);
        assert_eq!(run.trades().await, all(200), "{offset} ms");
    }
}

/// The primary is lost while no producer runs: the next one knows the former incarnation id.
#[tokio::test(start_paused = true)]
async fn a_primary_that_was_lost_without_a_producer_is_given_everything_by_the_next() {
    for mark in [None, Some("2-b")] {
        let dir = tempfile::tempdir().unwrap();
        let policy = Policy::Primary(PrimarySelection::Hand);
        let clouds = [Cloud::new(), Cloud::new()];
        let run = Run::new(config(policy), spool(dir.path(), 1 << 20), clouds.clone());
        run.relay.observe_incarnation("aws", Some("1-a"));
        run.relay(100, PAUSE).await;
        drop(run);
        clouds[0].0.lock().unwrap().queue = empty();
        let run = Run::new(config(policy), spool(dir.path(), 1 << 20), clouds);
        run.relay.observe_incarnation("aws", mark);
        run.relay(0, PAUSE).await;
        assert_eq!(run.trades().await, all(100), "{mark:?}");
    }
}

/// A region of AWS has a store of its own, and so an incarnation id of its own.
#[tokio::test(start_paused = true)]
async fn what_another_region_lost_is_known_by_that_regions_mark() {
    let config = || {
        let mut config = config(Policy::Primary(PrimarySelection::Hand));
        for (target, name) in config.router.targets.iter_mut().zip(["aws-eu-west-1", "aws"]) {
            (target.name, target.cloud) = (name.to_owned(), "aws".to_owned());
        }
        config
    };
    let spool = |dir: &Path| {
        let targets = vec!["aws-eu-west-1".to_owned(), "aws".to_owned()];
        let window = Duration::from_mins(10);
        let (sync, max_bytes, segment_bytes) = (Sync::Never, 1 << 20, 4_000);
        let config = SpoolConfig { sync, max_bytes, segment_bytes, window, targets };
        Spool::open(dir, config).unwrap().0
    };
    for reborn in ["aws", "aws-eu-west-1"] {
        let dir = tempfile::tempdir().unwrap();
        let clouds = [Cloud::new(), Cloud::new()];
        let run = Run::new(config(), spool(dir.path()), clouds.clone());
        run.relay.observe_incarnation("aws-eu-west-1", Some("1-a"));
        run.relay.observe_incarnation("aws", Some("1-b"));
        run.relay(100, PAUSE).await;
        drop(run);
        clouds[0].0.lock().unwrap().queue = empty();
        let run = Run::new(config(), spool(dir.path()), clouds);
        run.relay.observe_incarnation(reborn, Some("2-c"));
        run.relay(0, PAUSE).await;
        if reborn == "aws" {
            assert!(run.clouds[0].trades().await.is_empty(), "the other one has not lost anything");
        } else {
            assert_eq!(run.trades().await, all(100));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hung_or_mute_primary_is_failed_over_too() {
    for mode in [Mode::Hung, Mode::Mute] {
        let dir = tempfile::tempdir().unwrap();
        let run = Run::new(
            config(Policy::Primary(PrimarySelection::Hand)),
            spool(dir.path(), 1 << 20),
            [Cloud::new(), Cloud::new()],
        );
        run.clouds[0].set(mode);
        run.relay(100, PAUSE).await;
        assert_eq!(run.clouds[1].trades().await, all(100), "{mode:?}");
        assert!(run.lines("aws is").contains(&"aws is down".to_owned()), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn with_both_clouds_away_the_spool_grows_and_both_catch_up() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    let (sender, source) = mpsc::channel(8);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    let mut trades = Generator::new(symbol(), 600, 1);
    let mut send = async |count: usize| {
        for trade in trades.by_ref().take(count) {
            sender.send(trade).await.unwrap();
            sleep(PAUSE).await;
        }
    };
    send(200).await;
    for cloud in &run.clouds {
        cloud.set(Mode::Gone);
    }
    send(200).await;
    assert_eq!(run.relay.health(), [State::Down, State::Down]);
    let (spooled, accepted) = {
        let told = run.told.lock().unwrap();
        (told.spooled.len(), told.accepted.len())
    };
    assert!(spooled - accepted >= 40, "{spooled} spooled, {accepted} accepted");
    for cloud in &run.clouds {
        cloud.set(Mode::Up);
    }
    send(200).await;
    drop(sender);
    running.await.unwrap().unwrap();
    for cloud in &run.clouds {
        assert_eq!(cloud.trades().await, all(600));
    }
    assert!(run.lines("full").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_holds_the_source_up_and_drops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 6_000), [Cloud::new(), Cloud::new()]);
    for cloud in &run.clouds {
        cloud.set(Mode::Gone);
    }
    let (sender, source) = mpsc::channel(8);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    let feed = tokio::spawn(async move {
        for trade in Generator::new(symbol(), 400, 1) {
            sender.send(trade).await.unwrap();
        }
    });
    eventually("full", || !run.lines("full").is_empty()).await;
    sleep(Duration::from_mins(1)).await;
    assert!(!feed.is_finished(), "the source waits");
    assert!(run.relay.spool_bytes() <= 6_000);
    for cloud in &run.clouds {
        cloud.set(Mode::Up);
    }
    feed.await.unwrap();
    running.await.unwrap().unwrap();
    for cloud in &run.clouds {
        assert_eq!(cloud.trades().await, all(400));
    }
}

/// All trades come at once, so one call spools all messages.
#[tokio::test(start_paused = true)]
async fn a_spool_that_had_room_and_is_full_again_is_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 6_000), [Cloud::new(), Cloud::new()]);
    for cloud in &run.clouds {
        cloud.set(Mode::Gone);
    }
    let (sender, source) = mpsc::channel(400);
    for trade in Generator::new(symbol(), 400, 1) {
        sender.send(trade).await.unwrap();
    }
    drop(sender);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    sleep(Duration::from_mins(1)).await;
    assert_eq!(run.lines("full").len(), 1, "told once while nothing fits");
    for cloud in &run.clouds {
        cloud.set(Mode::Up);
    }
    running.await.unwrap().unwrap();
    assert_eq!(run.clouds[0].trades().await, all(400));
    // The spool has room for a part of the messages at a time.
    assert!(run.lines("full").len() > 1, "told again");
}

#[tokio::test(start_paused = true)]
async fn what_one_relay_spooled_the_next_publishes() {
    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::new(), Cloud::new()];
    for cloud in &clouds {
        cloud.set(Mode::Gone);
    }
    let run = Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), clouds.clone());
    let ended = timeout(Duration::from_secs(30), run.relay(100, PAUSE)).await;
    assert!(ended.is_err(), "nobody is there, so it waits");
    drop(run);
    for cloud in &clouds {
        cloud.set(Mode::Up);
    }
    let run = Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), clouds);
    run.relay(0, PAUSE).await;
    for cloud in &run.clouds {
        assert_eq!(cloud.trades().await, all(100));
    }
}

/// Messages that a suspect primary may not have go to the other target long before the primary is down.
#[tokio::test(start_paused = true)]
async fn suspicion_alone_gets_new_trades_accepted_elsewhere() {
    for mode in [Mode::Gone, Mode::Hung, Mode::Mute] {
        let dir = tempfile::tempdir().unwrap();
        let defaults = RelayConfig {
            publish_slow: Duration::from_millis(500),
            publish_deadline: Duration::from_secs(3),
            health: HealthConfig { down_points: 1_000, ..HealthConfig::default() },
            ..config(Policy::Primary(PrimarySelection::Hand))
        };
        let run = Run::new(defaults, spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
        let (sender, source) = mpsc::channel(8);
        let relay = Arc::clone(&run.relay);
        let running = tokio::spawn(async move { relay.run(source).await });
        let mut trades = Generator::new(symbol(), 400, 1);
        let mut send = async |count: usize| {
            for trade in trades.by_ref().take(count) {
                sender.send(trade).await.unwrap();
                sleep(PAUSE).await;
            }
        };
        send(100).await;
        assert!(!run.told.lock().unwrap().first_by.contains_key("gcp"));
        run.clouds[0].set(mode);
        let began = Instant::now();
        send(200).await;
        let by_gcp = run.told.lock().unwrap().first_by["gcp"].clone();
        let rto = by_gcp[0].0 - began;
        assert!(rto < Duration::from_millis(1_200), "{mode:?}: {rto:?}");
        assert_eq!(run.lines("hedge"), ["hedge gcp"], "{mode:?}");
        let window = run.clouds[1].trades().await.len();
        assert!(window < 250, "{mode:?}: only what nobody has, but {window} of 300");
        run.clouds[0].set(Mode::Up);
        send(100).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(run.lines("hedge"), ["hedge gcp", "hedge nobody"], "{mode:?}");
        assert!(run.lines("to ").is_empty(), "{mode:?}: the primary is the same");
        drop(sender);
        running.await.unwrap().unwrap();
        assert_eq!(run.clouds[0].trades().await, all(400), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_cloud_is_suspected_and_not_taken_for_down() {
    let dir = tempfile::tempdir().unwrap();
    let slow = RelayConfig {
        publish_slow: Duration::from_millis(500),
        publish_deadline: Duration::from_secs(3),
        ..config(Policy::Primary(PrimarySelection::Hand))
    };
    let run = Run::new(slow, spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    run.clouds[0].set(Mode::Slow);
    run.relay(400, PAUSE).await;
    assert_eq!(run.clouds[0].trades().await, all(400));
    assert!(run.lines("to ").is_empty(), "{:?}", run.lines(""));
    assert!(run.lines("aws is").contains(&"aws is suspect".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_for_good_holds_nothing_up_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let run =
        Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    // The 21st message has this trade.
    let bad = Generator::new(symbol(), 400, 1).nth(80).unwrap().trade.id;
    run.clouds[0].0.lock().unwrap().refuses = Some(bad);
    let (sender, source) = mpsc::channel(8);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    for trade in Generator::new(symbol(), 400, 1) {
        sender.send(trade).await.unwrap();
        sleep(PAUSE / 10).await;
    }
    sleep(Duration::from_mins(5)).await;
    let refused = run.told.lock().unwrap().refused;
    assert!((5..30).contains(&refused), "tried {refused} times in 5 minutes");
    assert!(run.lines("aws is").is_empty(), "it says nothing of the cloud");
    drop(sender);
    let relayed = running.await.unwrap().unwrap();
    assert_eq!(relayed.refused, 1);
    let aws = run.clouds[0].trades().await;
    assert_eq!(all(400).difference(&aws).count(), 4, "one message of four trades");
    assert_eq!(run.clouds[1].trades().await, all(400));
    drop(run);
    // Once the cloud accepts it, the next producer delivers it.
    let clouds = [Cloud::new(), Cloud::new()];
    let run = Run::new(config(Policy::Mirror), spool(dir.path(), 1 << 20), clouds);
    run.relay(0, PAUSE).await;
    assert!(run.clouds[0].trades().await.contains(&bad));
}

/// The relay ends at any moment and continues from the saved position; no trade is skipped.
#[tokio::test(start_paused = true)]
async fn a_source_goes_on_behind_what_is_spooled() {
    const COUNT: u64 = 300;
    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::new(), Cloud::new()];
    let mut taken = 0;
    for cut_ms in [130, 370, 510, 90, 20, 60_000] {
        let spool = spool_with(dir.path(), 1 << 20, Sync::EveryRecord);
        let position = spool.marked().unwrap();
        let position = position.and_then(|text| Position::parse(&text, "source"));
        let position = position.unwrap_or_else(|| Position::start("source"));
        assert!(position.taken >= taken, "{} after {taken}", position.taken);
        taken = position.taken;
        let run = Run::new(config(Policy::Mirror), spool, clouds.clone());
        let Run { relay, told, .. } = run;
        let relay = Arc::into_inner(relay).unwrap().resuming(position);
        let run = Run { relay: Arc::new(relay), clouds: clouds.clone(), told };
        let (sender, source) = mpsc::channel(8);
        let feed = async move {
            let rest = Generator::new(symbol(), COUNT, 1).skip(usize::try_from(taken).unwrap());
            for trade in rest {
                sender.send(trade).await.unwrap();
                sleep(PAUSE).await;
            }
        };
        let both = async { tokio::join!(feed, run.relay.run(source)).1 };
        let _ = timeout(Duration::from_millis(cut_ms), both).await;
    }
    assert!(taken > 0 && taken < COUNT, "{taken}");
    for cloud in &clouds {
        assert_eq!(cloud.trades().await, all(COUNT));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_source_passed_over_is_written_down_until_it_comes() {
    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::new(), Cloud::new()];
    let (late, first): (Vec<_>, Vec<_>) =
        Generator::new(symbol(), 60, 1).partition(|made| made.trade.id % 7 == 3);
    let is_known = |made: &&producer::SourceTrade| made.trade.id > first[0].trade.id;
    let passed_over: IdRanges = late.iter().filter(is_known).map(|made| made.trade.id).collect();
    for (trades, missing) in [(first, passed_over), (late, IdRanges::new())] {
        let marked = |spool: &Spool| {
            let text = spool.marked().unwrap();
            text.and_then(|text| Position::parse(&text, "source"))
        };
        let before = spool_with(dir.path(), 1 << 20, Sync::EveryRecord);
        let position = marked(&before).unwrap_or_else(|| Position::start("source"));
        let Run { relay, .. } = Run::new(config(Policy::Mirror), before, clouds.clone());
        let relay = Arc::into_inner(relay).unwrap().resuming(position).keeping_gaps();
        let (sender, source) = mpsc::channel(8);
        let feed = async move {
            for trade in trades {
                sender.send(trade).await.unwrap();
            }
        };
        tokio::join!(feed, relay.run(source)).1.unwrap();
        drop(relay);
        let spool = spool_with(dir.path(), 1 << 20, Sync::EveryRecord);
        let written = marked(&spool).unwrap().missing.remove(&symbol()).unwrap_or_default();
        assert_eq!(written, missing);
    }
    assert_eq!(clouds[0].trades().await, all(60));
}

#[tokio::test(start_paused = true)]
async fn weighted_splits_and_the_rest_takes_over() {
    let dir = tempfile::tempdir().unwrap();
    let run = Run::new(
        config(Policy::Weighted),
        spool(dir.path(), 1 << 20),
        [Cloud::new(), Cloud::new()],
    );
    run.relay(400, PAUSE).await;
    let [aws, gcp] = [run.clouds[0].trades().await, run.clouds[1].trades().await];
    assert_eq!(aws.union(&gcp).copied().collect::<BTreeSet<_>>(), all(400));
    assert!(aws.is_disjoint(&gcp) && aws.len().abs_diff(gcp.len()) <= 4);

    let dir = tempfile::tempdir().unwrap();
    let clouds = [Cloud::new(), Cloud::new()];
    clouds[0].0.lock().unwrap().dies_at = Some((20, Duration::from_hours(24)));
    let run = Run::new(config(Policy::Weighted), spool(dir.path(), 1 << 20), clouds);
    run.relay(400, PAUSE).await;
    assert_eq!(run.clouds[1].trades().await, all(400), "the window is published again");
}

#[tokio::test(start_paused = true)]
async fn an_order_by_hand_moves_the_primary_and_no_news_stops_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = RelayConfig {
        lease: Some(Duration::from_secs(2)),
        ..config(Policy::Primary(PrimarySelection::Hand))
    };
    let run = Run::new(config, spool(dir.path(), 1 << 20), [Cloud::new(), Cloud::new()]);
    let (sender, source) = mpsc::channel(8);
    let relay = Arc::clone(&run.relay);
    let running = tokio::spawn(async move { relay.run(source).await });
    let mut trades = Generator::new(symbol(), 80, 1);
    for trade in trades.by_ref().take(40) {
        sender.send(trade).await.unwrap();
    }
    let accepted = || run.told.lock().unwrap().accepted.len();
    eventually("all accepted", || accepted() == 10).await;
    let order =
        RoutingOverride { epoch: 1, to: Some("gcp".to_owned()), by: "me".to_owned(), at_ms: 0 };
    run.relay.observe(Some(order.clone()), Instant::now());
    assert_eq!(run.lines("to "), ["to gcp"]);
    // No override store is read for longer than the lease.
    sleep(Duration::from_secs(3)).await;
    for trade in trades {
        sender.send(trade).await.unwrap();
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(accepted(), 10, "there may be an order that is not known here");
    run.relay.observe(Some(order), Instant::now());
    drop(sender);
    running.await.unwrap().unwrap();
    assert_eq!(run.clouds[1].trades().await, all(80));
    // All above 40 are of probes, four trades each.
    let aws = run.clouds[0].trades().await.len();
    assert!((40..=48).contains(&aws), "{aws}");
}
