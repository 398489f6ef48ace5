//! The release binary of the producer, against the emulators of both clouds.

mod host;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use args::Trades;
use candle::{IdRanges, Interval, Symbol};
use cloud_aws::DynamoOverrideStore;
use cloud_gcp::FirestoreOverrideStore;
use deploy::aws::{aws_config, emulator_credentials};
use harness::environments::emulated::Emulated;
use infra::Settings;
use infra::settings::Policy;
use pipeline::health::State;
use pipeline::route::overrides::{Given, give};
use producer::BatchLimits;
use producer::events::{Entry, Event};
use producer::status::{Phase, Status};
use producer_program::CloudOverrideStore;
use sim::history::{CloudId, History};
use sim::recompute;
use sim::workload::{Recipe, Workload};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::{deployed, local_settings};
use crate::command::recording;
use crate::trees::HARNESS;

/// For whatever a producer is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Both clouds, and producers that share a spool.
struct Scene {
    clouds: Emulated,
    /// The settings of the producers; those of the deployment, but for the route.
    settings: Settings,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn start(policy: Policy) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clouds = Box::pin(deployed(folder.path())).await;
        let mut settings = local_settings();
        settings.route.policy = policy;
        Self { clouds, settings, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The environment of a deployment, and the emulators'.
    fn env(&self) -> BTreeMap<String, String> {
        let mut env = self.settings.producer_env();
        let endpoints = self.clouds.endpoints().into_iter();
        env.extend(endpoints.map(|(name, value)| (name.to_owned(), value)));
        env
    }

    /// Starts a producer; it dies with its handle.
    fn produce(&self, source: &str, more: &[&str]) -> Producer {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log"));
        let mut command = Command::new(Path::new(HARNESS).with_file_name("producer"));
        command.args(["--source", source]).args(more);
        command.arg("--spool").arg(self.path("spool"));
        command.arg("--events").arg(self.path("events"));
        command.env_clear().envs(self.env()).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a log"));
        Producer { child: command.spawn().expect("start the producer"), log: self.path("log") }
    }

    fn events(&self) -> Vec<Entry> {
        let text = std::fs::read_to_string(self.path("events")).unwrap_or_default();
        // One that was killed may have left half a line.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn status(&self) -> Status {
        Status::read(&self.path("spool/status.json")).expect("a status")
    }

    /// Waits for an event at or after `from`; gives where it is.
    async fn event(&self, what: &str, from: usize, is_it: impl Fn(&Event) -> bool) -> usize {
        let started = Instant::now();
        loop {
            let events = self.events();
            let mut later = (from..).zip(events.iter().skip(from));
            if let Some((at, _)) = later.find(|(_, entry)| is_it(&entry.event)) {
                return at;
            }
            assert!(started.elapsed() < PATIENCE, "no {what}:\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Every trade of the messages that were spooled, and of those that a target has acknowledged.
    fn ids(&self) -> (IdRanges, IdRanges) {
        let (mut spooled, mut accepted) = (BTreeMap::new(), BTreeSet::new());
        for entry in self.events() {
            match entry.event {
                Event::Spooled { sequence, ids, .. } => {
                    let ids: IdRanges = ids.iter().map(|(first, last)| *first..=*last).collect();
                    let before = spooled.insert(sequence, ids.clone());
                    assert!(before.is_none_or(|before| before == ids), "{sequence} is given twice");
                }
                Event::Accepted { sequence, .. } => _ = accepted.insert(sequence),
                _ => {}
            }
        }
        let all = spooled.values().fold(IdRanges::new(), |all, ids| all.union(ids));
        let of = |sequence| &spooled[sequence];
        let accepted = accepted.iter().fold(IdRanges::new(), |all, one| all.union(of(one)));
        (all, accepted)
    }

    /// Spooled messages that this target has not acknowledged.
    fn not_taken_by(&self, name: &str) -> Vec<u64> {
        let (mut spooled, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for entry in self.events() {
            match entry.event {
                Event::Spooled { sequence, .. } => _ = spooled.insert(sequence),
                Event::Accepted { target, sequence, .. } if target == name => {
                    taken.insert(sequence);
                }
                _ => {}
            }
        }
        spooled.difference(&taken).copied().collect()
    }

    fn workload(&self, trades: Trades) -> Workload {
        let symbol: Symbol = self.settings.trading.symbols[0].parse().expect("a symbol");
        let recipe = Recipe {
            trades,
            symbols: vec![symbol.clone()],
            default_symbol: symbol,
            limits: BatchLimits { max_trades: 500, max_bytes: 200_000 },
            poison: 0,
            seed: 1,
            start: None,
            is_strict: false,
        };
        Workload::prepare(&recipe).expect("a workload")
    }

    /// Waits until these clouds have every trade, and holds their candles to the separate computation.
    async fn converge(&self, workload: &Workload, clouds: &[CloudId]) {
        let Emulated { aws, gcp, .. } = &self.clouds;
        let history = History::create(&self.path("converge.jsonl")).expect("a history");
        let (published, symbols) = (AtomicBool::new(true), &workload.symbols);
        let published_trades = recompute::parse(&workload.frames.join("\n")).expect("trades");
        for cloud in clouds {
            let read = match cloud {
                CloudId::Aws => {
                    let converged = aws.converge(workload, &Interval::ALL, &published, &history);
                    converged.await.expect("AWS can be read");
                    aws.snapshot(symbols, BTreeMap::new()).await
                }
                CloudId::Gcp => {
                    let converged = gcp.converge(workload, &Interval::ALL, &published, &history);
                    converged.await.expect("Google can be read");
                    gcp.snapshot(symbols, BTreeMap::new()).await
                }
            };
            let snapshot = read.expect("the cloud can be read");
            for interval in Interval::ALL {
                let expected = recompute::candles_csv(&published_trades, interval.duration_ms());
                assert_eq!(
                    snapshot.csv(interval),
                    expected,
                    "{cloud:?}, {interval}:\n{}",
                    self.log()
                );
            }
        }
    }

    async fn order(&self, to: Option<&str>) -> Given {
        let registers = [
            ("aws", CloudOverrideStore::Aws(DynamoOverrideStore::beside(&self.clouds.aws.store))),
            (
                "gcp",
                CloudOverrideStore::Gcp(FirestoreOverrideStore::beside(&self.clouds.gcp.store)),
            ),
        ];
        let registers = registers.map(|(name, register)| (name.to_owned(), register));
        give(&registers, to.map(str::to_owned), "the test", 1).await.expect("the order is given")
    }

    async fn stop(self) {
        self.clouds.stop().await.expect("stop");
    }
}

struct Producer {
    child: Child,
    log: PathBuf,
}

impl Producer {
    async fn ends(&mut self) -> ExitStatus {
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let status = ended.unwrap_or_else(|_| panic!("the producer does not end:\n{log}"));
        status.expect("wait for the producer")
    }

    async fn succeeds(&mut self) {
        let status = self.ends().await;
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert_eq!(status.code(), Some(0), "{log}");
    }

    fn signal(&self, name: &str) {
        signal(self.child.id().expect("it runs"), name);
    }
}

/// Sends a signal, such as `TERM`, to a process.
fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("run kill").success());
}

fn generate(count: u64, seed: u64) -> (String, Trades) {
    (format!("generate:{count}:{seed}"), Trades::Generate { count, seed: Some(seed) })
}

fn is_accepted_by(name: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Accepted { target, .. } if target == name)
}

/// True if no target had it: no probe, and no message that is published again.
fn is_first_by(name: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Accepted { target, is_first: true, .. } if target == name)
}

fn is_routed_to(names: &'static [&'static str]) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::Routed { publish, .. } if publish == names)
}

/// A recording into both clouds as fast as it goes, and then a hundred thousand trades, for the figure.
#[tokio::test(flavor = "multi_thread")]
async fn mirror_takes_a_recording_to_both_clouds() {
    const MANY: u64 = 100_000;
    let scene = Scene::start(Policy::Mirror).await;
    let (source, trades) = match recording() {
        Some((path, _)) => (path.display().to_string(), Trades::File(path)),
        None => generate(10_000, 1),
    };
    scene.produce(&source, &[]).succeeds().await;
    let workload = scene.workload(trades);
    let (spooled, accepted) = scene.ids();
    assert_eq!((spooled.count(), &accepted), (workload.unique as u64, &spooled));
    scene.converge(&workload, &[CloudId::Aws, CloudId::Gcp]).await;
    let status = scene.status();
    assert_eq!((status.phase, status.spool.messages_waiting), (Phase::Done, 0), "{status:?}");
    let messages = status.totals.spooled_messages;
    for target in &status.targets {
        let of_target = (target.accepted_messages, target.health);
        assert_eq!(of_target, (messages, State::Healthy), "{status:?}");
    }
    // Once more: everything is there already.
    scene.produce(&source, &[]).succeeds().await;
    let again = scene.events().into_iter().rev().find_map(|entry| match entry.event {
        Event::Done { trades, .. } => Some(trades),
        _ => None,
    });
    assert_eq!(again, Some(0), "{}", scene.log());

    let begun = scene.events().len();
    scene.produce(&generate(MANY, 9).0, &[]).succeeds().await;
    let events = scene.events();
    let at_us = |is_it: &dyn Fn(&Event) -> bool| {
        events[begun..].iter().find(|entry| is_it(&entry.event)).expect("an event").at_us
    };
    let first = at_us(&|event| matches!(event, Event::Spooled { .. }));
    let done = at_us(&|event| matches!(event, Event::Done { .. }));
    let ms = (done - first) / 1_000;
    println!("{MANY} trades into both clouds in {ms} ms, {} trades/s", MANY * 1_000 / ms.max(1));
    Box::pin(scene.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_20_times_it_loses_nothing_and_sends_nothing_twice() {
    const TRADES: u64 = 20_000;
    let scene = Scene::start(Policy::Mirror).await;
    let (source, trades) = generate(TRADES, 3);
    let mut torn_or_behind = 0;
    for kill in 0..20 {
        let begun = scene.events().len();
        // Slow enough for twenty lives on a machine that takes half a second for each.
        let mut producer = scene.produce(&source, &["--rate", "1000"]);
        // At any moment: while it starts, before anything is spooled, between two acknowledgements.
        if kill % 4 > 0 {
            scene.event("acceptance", begun, is_accepted_by("aws")).await;
        }
        sleep(Duration::from_millis(17 * kill % 90)).await;
        let is_running = producer.child.try_wait().expect("look at it").is_none();
        assert!(is_running, "kill {kill} came too late:\n{}", scene.log());
        producer.child.kill().await.expect("kill it");
        let resumed = scene.events().into_iter().skip(begun).find_map(|entry| match entry.event {
            Event::Started { recovered_messages, .. } => Some(recovered_messages),
            _ => None,
        });
        torn_or_behind += u64::from(resumed > Some(0));
    }
    assert!(torn_or_behind > 10, "only {torn_or_behind} starts found anything");
    scene.produce(&source, &[]).succeeds().await;
    let workload = scene.workload(trades);
    let (spooled, accepted) = scene.ids();
    assert_eq!((spooled.count(), &accepted), (TRADES, &spooled), "{}", scene.log());
    scene.converge(&workload, &[CloudId::Aws, CloudId::Gcp]).await;
    Box::pin(scene.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_clouds_away_the_spool_grows_and_both_catch_up() {
    const TRADES: u64 = 8_000;
    let scene = Scene::start(Policy::Mirror).await;
    let both = [CloudId::Aws, CloudId::Gcp];
    for cloud in both {
        scene.clouds.pause_cloud(cloud).await.expect("pause it");
    }
    let (source, trades) = generate(TRADES, 5);
    let mut producer = scene.produce(&source, &["--rate", "4000"]);
    let is_away = |name: &'static str| move |event: &Event| matches!(event, Event::Health { target, state: State::Down } if target == name);
    scene.event("AWS away", 0, is_away("aws")).await;
    scene.event("Google away", 0, is_away("gcp")).await;
    // Longer than the lease: nothing at all may be published now.
    scene.event("lease over", 0, is_routed_to(&[])).await;
    sleep(Duration::from_secs(2)).await;
    let (spooled, accepted) = scene.ids();
    assert_eq!((spooled.count(), accepted.count()), (TRADES, 0), "{}", scene.log());
    let status = scene.status();
    assert!(status.spool.messages_waiting > 10 && status.is_current(producer::events::now_us()));
    for cloud in both {
        scene.clouds.resume_cloud(cloud).await.expect("resume it");
    }
    producer.succeeds().await;
    assert_eq!(scene.ids().1.count(), TRADES, "{}", scene.log());
    scene.converge(&scene.workload(trades), &both).await;
    Box::pin(scene.stop()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_by_hand_moves_the_route_and_fences_the_epoch_before() {
    let scene = Scene::start(Policy::PrimaryByHand).await;
    let mut producer = scene.produce("generate:1000000:5", &["--rate", "1000"]);
    scene.event("acceptance", 0, is_accepted_by("aws")).await;
    let before = scene.events();
    assert!(!before.iter().any(|entry| is_first_by("gcp")(&entry.event)), "{}", scene.log());

    let ordered = Instant::now();
    let given = scene.order(Some("gcp")).await;
    assert_eq!((given.order.epoch, given.missed.len()), (1, 0));
    let routed = scene.event("route", before.len(), is_routed_to(&["gcp"])).await;
    let took = ordered.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    sleep(Duration::from_secs(1)).await;
    let events = scene.events();
    let Event::Routed { epoch: 1, why, .. } = &events[routed].event else {
        panic!("{:?}", events[routed]);
    };
    assert!(why.contains("ordered"), "{why}");
    // Messages spooled after the override are Google's; AWS gets a probe now and then, and only ones that Google has.
    let mine: BTreeSet<u64> = events[routed + 1..]
        .iter()
        .filter_map(|entry| match entry.event {
            Event::Spooled { sequence, .. } => Some(sequence),
            _ => None,
        })
        .collect();
    let first_by = |name: &'static str| {
        events[routed + 1..].iter().filter(move |entry| {
            matches!(&entry.event, Event::Accepted { target, sequence, is_first: true }
                if target == name && mine.contains(sequence))
        })
    };
    assert!(first_by.clone()("gcp").count() > 5, "{}", scene.log());
    let status = scene.status();
    assert_eq!((status.epoch, &status.route.publish[..]), (1, &["gcp".to_owned()][..]));

    // A second producer of the same spool is refused by name.
    let mut second = scene.produce("generate:5", &[]);
    assert_eq!(second.ends().await.code(), Some(3));
    let pid = producer.child.id().expect("it runs");
    assert!(scene.log().contains(&format!("process {pid} has it open")), "{}", scene.log());

    // Back to the policy, and back to AWS: the same move.
    let from = scene.events().len();
    assert_eq!(scene.order(None).await.order.epoch, 2);
    scene.event("failback", from, is_routed_to(&["aws"])).await;
    let asked = Instant::now();
    producer.signal("TERM");
    assert_eq!(producer.ends().await.code(), Some(143), "{}", scene.log());
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_eq!(scene.status().phase, Phase::Stopped);

    // The next producer knows the order from its first message on.
    scene.order(Some("gcp")).await;
    let from = scene.events().len();
    let mut next = scene.produce("generate:1000:6", &[]);
    next.succeeds().await;
    let events = scene.events();
    let aws = events[from..].iter().filter(|entry| is_first_by("aws")(&entry.event)).count();
    assert_eq!(aws, 0, "{}", scene.log());
    Box::pin(scene.stop()).await;
}

/// The time without an accepted trade once the primary hangs, and once it is lost with all its data.
#[tokio::test(flavor = "multi_thread")]
async fn rto_is_under_two_seconds_whether_the_primary_hangs_or_is_gone() {
    let mut scene = Scene::start(Policy::PrimaryByHand).await;
    let source = "generate:1000000:7";
    let mut producer = scene.produce(source, &["--rate", "2000"]);
    scene.event("acceptance", 0, is_first_by("aws")).await;
    sleep(Duration::from_millis(500)).await;

    let from = scene.events().len();
    let hung_us = producer::events::now_us();
    scene.clouds.pause_cloud(CloudId::Aws).await.expect("pause it");
    let at = scene.event("acceptance", from, is_first_by("gcp")).await;
    let hang_ms = (scene.events()[at].at_us - hung_us) / 1_000;
    scene.event("failover", from, is_routed_to(&["gcp"])).await;
    let from = scene.events().len();
    scene.clouds.resume_cloud(CloudId::Aws).await.expect("resume it");
    let at = scene.event("failback", from, is_routed_to(&["aws"])).await;
    scene.event("acceptance", at, is_first_by("aws")).await;
    sleep(Duration::from_secs(1)).await;

    let from = scene.events().len();
    let killed_us = producer::events::now_us();
    scene.clouds.kill_cloud(CloudId::Aws).await.expect("kill AWS");
    let is_it = is_first_by("gcp");
    let at = scene.event("acceptance", from, is_it).await;
    let kill_ms = (scene.events()[at].at_us - killed_us) / 1_000;
    println!("RTO: hung {hang_ms} ms, killed {kill_ms} ms");
    assert!(hang_ms < 2_000 && kill_ms < 2_000, "hung {hang_ms} ms, killed {kill_ms} ms");

    // Google ends up with all of it: what died inside of AWS is in the window, and published again.
    scene.event("failover", from, is_routed_to(&["gcp"])).await;
    producer.signal("INT");
    assert_eq!(producer.ends().await.code(), Some(130), "{}", scene.log());
    let mut last = scene.produce("generate:1:8", &[]);
    last.succeeds().await;
    let missing = scene.not_taken_by("gcp");
    assert!(missing.is_empty(), "{missing:?} are not in Google:\n{}", scene.log());
    Box::pin(scene.stop()).await;
}

/// AWS's queue goes in one region, then in the other one too: Google is the last resort, and ends up with all of it.
#[tokio::test(flavor = "multi_thread")]
async fn another_region_of_a_cloud_takes_over_before_another_cloud() {
    let mut scene = Scene::start(Policy::PrimaryByHand).await;
    scene.settings.route.targets = ["aws", "aws-eu-west-1", "gcp"].map(str::to_owned).into();
    let endpoint = scene.env()["AWS_ENDPOINT_URL"].clone();
    let queue = &scene.settings.aws.queue.name;
    let region = async |name: &str| {
        let config = aws_config(Some(&endpoint), name, Some(emulator_credentials())).await;
        aws_sdk_sqs::Client::new(&config)
    };
    let first = region(&scene.settings.aws.region).await;
    let second = region("eu-west-1").await;
    let second_url = second.create_queue().queue_name(queue).send().await.expect("a queue");
    let second_url = second_url.queue_url().expect("its URL").to_owned();
    let first_url = first.get_queue_url().queue_name(queue).send().await.expect("the stack's");
    let first_url = first_url.queue_url().expect("its URL").to_owned();

    let mut producer = scene.produce("generate:1000000:11", &["--rate", "1000"]);
    scene.event("acceptance", 0, is_first_by("aws")).await;
    sleep(Duration::from_millis(500)).await;
    let from = scene.events().len();
    first.delete_queue().queue_url(&first_url).send().await.expect("delete it");
    let at = scene.event("failover", from, is_routed_to(&["aws-eu-west-1"])).await;
    let at = scene.event("acceptance", at, is_first_by("aws-eu-west-1")).await;
    let firsts_of_google =
        scene.events()[..at].iter().filter(|e| is_first_by("gcp")(&e.event)).count();
    assert_eq!(firsts_of_google, 0, "{}", scene.log());
    let received = second.receive_message().queue_url(&second_url).send().await.expect("receive");
    assert!(!received.messages().is_empty(), "the region's own queue has them");

    let from = scene.events().len();
    second.delete_queue().queue_url(&second_url).send().await.expect("delete it");
    scene.event("failover", from, is_routed_to(&["gcp"])).await;
    scene.event("acceptance", from, is_first_by("gcp")).await;
    producer.signal("INT");
    assert_eq!(producer.ends().await.code(), Some(130), "{}", scene.log());
    scene.produce("generate:1:12", &[]).succeeds().await;
    let missing = scene.not_taken_by("gcp");
    assert!(missing.is_empty(), "{missing:?} are not in Google:\n{}", scene.log());
    Box::pin(scene.stop()).await;
}
