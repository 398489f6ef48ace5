//! A register that gives its orders and denies its incarnation id, as a policy does that was written before there were any.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use candle::{Symbols, message};
use cloud_memory::{Effects, MemoryQueue, QueueConfig};
use pipeline::health::HealthConfig;
use pipeline::ports::Fault;
use pipeline::route::{Policy, PrimarySelection, Router, Target};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::*;
use producer::relay::RelayConfig;
use producer::spool::{Spool, SpoolConfig, Sync};
use producer::{BatchLimits, Generator};

const LEASE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

struct Denying {
    order: Mutex<RoutingOverride>,
    denies: Mutex<bool>,
}

impl OverrideStore for Denying {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        Ok(Some(self.order.lock().unwrap().clone()))
    }

    async fn replace(
        &self,
        _: Option<&RoutingOverride>,
        _: &RoutingOverride,
    ) -> Result<bool, PortError> {
        Ok(false)
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        if !*self.denies.lock().unwrap() {
            return Ok(Some("a".repeat(32)));
        }
        Err(PortError {
            service: "dynamodb",
            operation: "GetItem",
            fault: Fault::Refused,
            detail: "AccessDeniedException: not authorized".to_owned(),
        })
    }
}

fn order(epoch: u64, to: &str) -> RoutingOverride {
    RoutingOverride { epoch, to: Some(to.to_owned()), by: "somebody".to_owned(), at_ms: 0 }
}

fn relay(folder: &Path, queues: &[MemoryQueue; 2]) -> Relay<MemoryQueue> {
    let target = |name: &str| Target {
        name: name.to_owned(),
        cloud: name.to_owned(),
        region: "here".to_owned(),
        cost_micros: 1,
        weight: 1,
    };
    let config = RelayConfig {
        router: Router {
            targets: vec![target("aws"), target("gcp")],
            policy: Policy::Primary(PrimarySelection::Hand),
            services: vec!["queue".to_owned()],
            failback_ms: 2_000,
        },
        health: HealthConfig::default(),
        limits: BatchLimits { max_trades: 1, max_bytes: 100_000 },
        batch_age: Duration::from_millis(10),
        publish_messages: 5,
        publish_bytes: 100_000,
        publish_slow: Duration::from_millis(250),
        publish_deadline: Duration::from_millis(250),
        backoff_base: Duration::from_millis(20),
        backoff_cap: Duration::from_millis(200),
        // None in the time of the test: a probe is a message, too.
        probe: Duration::from_hours(1),
        checkpoint: Duration::from_millis(100),
        lease: Some(LEASE),
        seed: 7,
    };
    let spool = SpoolConfig {
        sync: Sync::Never,
        max_bytes: 1_000_000,
        segment_bytes: 4_000,
        window: Duration::from_mins(10),
        targets: vec!["aws".to_owned(), "gcp".to_owned()],
    };
    let (spool, _) = Spool::open(folder, spool).unwrap();
    Relay::new(config, spool, queues.to_vec(), || 1, |_| ())
}

/// The ids of the trades that came since the last look; a probe is a message, too.
async fn trades(queue: &MemoryQueue) -> BTreeSet<u64> {
    let symbols = Symbols::new(["BTCUSDT".parse().unwrap()]);
    let mut ids = BTreeSet::new();
    for received in queue.receive(usize::MAX).await.unwrap() {
        let batch = message::decode(&received.body, &symbols).unwrap();
        ids.extend(batch.trades.iter().map(|trade| trade.id));
        queue.acknowledge(&received.receipt).await.unwrap();
    }
    ids
}

#[tokio::test(start_paused = true)]
async fn orders_are_followed_and_the_lease_is_kept_where_the_incarnation_is_denied() {
    let folder = tempfile::tempdir().unwrap();
    let config = QueueConfig { visibility_timeout: Duration::from_secs(30), max_receive_count: 9 };
    let queues = [(); 2].map(|()| MemoryQueue::new(config, Effects::default(), None));
    let relay = relay(folder.path(), &queues);
    let register = Denying { order: Mutex::new(order(1, "gcp")), denies: Mutex::new(true) };
    let registers = [("aws".to_owned(), register)];
    let said = Mutex::new(Vec::new());
    let say = |what: &str| said.lock().unwrap().push(what.to_owned());

    first_look(&relay, &registers).await;
    assert_eq!(relay.view().order, Some(order(1, "gcp")));

    let (sender, source) = mpsc::channel(1);
    let feed = async {
        let mut made = Generator::new("BTCUSDT".parse().unwrap(), 20, 1);
        // Each half for longer than the lease.
        for (epoch, to, queue) in [(1, "gcp", &queues[1]), (2, "aws", &queues[0])] {
            *registers[0].1.order.lock().unwrap() = order(epoch, to);
            sleep(2 * EVERY).await;
            assert_eq!(relay.view().order, Some(order(epoch, to)));
            let mut sent = BTreeSet::new();
            for trade in made.by_ref().take(10) {
                sent.insert(trade.trade.id);
                sender.send(trade).await.unwrap();
                sleep(LEASE / 2).await;
                assert_eq!(relay.view().fenced, None);
            }
            let came = trades(queue).await;
            assert!(came.is_superset(&sent), "{to}: {came:?}, not {sent:?}");
        }
        let denied = "aws: the incarnation id can't be read: ";
        let so_far = said.lock().unwrap().clone();
        assert!(so_far.len() == 1 && so_far[0].starts_with(denied), "{so_far:?}");
        assert!(so_far[0].contains("AccessDeniedException"), "{so_far:?}");
        *registers[0].1.denies.lock().unwrap() = false;
        sleep(2 * EVERY).await;
        drop(sender);
    };
    let relayed = async { tokio::join!(feed, relay.run(source)).1 };
    let relayed = tokio::select! {
        relayed = relayed => relayed.unwrap(),
        () = follow(&relay, &registers, EVERY, LEASE / 3, say) => panic!("it goes on for ever"),
    };
    assert_eq!(relayed.trades, 20);
    let said = said.into_inner().unwrap();
    assert_eq!(said[1..], ["aws: overrides and incarnation id can be read again"]);
}
