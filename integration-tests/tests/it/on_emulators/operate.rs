//! Day two, as a person types it: clouds that `up` started, deployed by `deploy`, one of them wiped.

mod regions;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use candle::Symbol;
use candle::message::{Batch, encode};
use cloud_aws::{Clients, S3Archive, SqsQueue};
use cloud_gcp::{GcsArchive, PubSubQueue};
use deploy::aws::{aws_config, emulator_credentials};
use infra::names;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pipeline::ports::{Archive, Queue};
use producer::Generator;
use serde_json::{Value, json};

use super::deploy::{Up, on_processes};
use super::local_settings;
use crate::command::Ran;

const TRADES: usize = 10_000;
const POISON: &str = r#"{"v":1,"symbol":"BTCUSDT","trades":[[1,2,"x","1",0]]}"#;
/// Timeout for anything that happens by itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// Both clouds, deployed, and nothing copies by itself.
struct Deployed {
    up: Up,
    aws: Value,
}

impl Deployed {
    fn new() -> Self {
        let up = Up::new();
        let deployed = up.json(&["deploy", "all", "--yes"]);
        Self { aws: deployed[0]["outputs"].clone(), up }
    }

    fn ran(&self, words: &[&str]) -> Ran {
        let words = on_processes(words);
        let output = self.up.checkout.operate_command(&words).output();
        Ran::of(&output.expect("run the day-two commands"))
    }

    /// A command that ends with this code; its JSON.
    #[track_caller]
    fn json(&self, code: i32, words: &[&str]) -> Value {
        let ran = self.ran(&[words, &["--json"]].concat());
        ran.assert_code(code);
        ran.json()
    }

    /// Asks for the status until it is as wanted.
    fn wait(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        self.wait_in("local", what, is_so)
    }

    /// The same in another environment.
    fn wait_in(&self, env: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.json(0, &["sync", "status", "--env", env]);
            if is_so(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "waited for {what}: {status:#}");
        }
    }

    async fn clients(&self) -> Clients {
        let credentials = Some(emulator_credentials());
        Clients::new(&aws_config(Some(self.up.aws()), "us-east-1", credentials).await)
    }

    async fn aws_queue(&self, output: &str) -> SqsQueue {
        SqsQueue::new(self.clients().await.sqs, self.aws[output].as_str().expect("a queue"))
    }

    async fn aws_archive(&self) -> S3Archive {
        S3Archive::new(self.clients().await.s3, self.aws["BucketName"].as_str().expect("a bucket"))
    }

    async fn gcp_archive(&self) -> GcsArchive {
        let endpoint = &self.up.endpoints["STORAGE_EMULATOR_HOST"];
        let bucket = names::gcp_bucket(&local_settings());
        GcsArchive::connect(Some(endpoint), &bucket).await.expect("a client")
    }

    async fn topic(&self, topic: &str, subscription: &str) -> PubSubQueue {
        let endpoint = format!("http://{}", self.up.endpoints["PUBSUB_EMULATOR_HOST"]);
        let project = &local_settings().gcp.project;
        let queue = PubSubQueue::connect(Some(&endpoint), project, topic, subscription).await;
        queue.expect("a client")
    }
}

/// Messages of a hundred trades, so that there are more objects than are copied together.
fn messages() -> Vec<String> {
    let symbol: Symbol = "BTCUSDT".parse().expect("a symbol");
    let made: Vec<_> = Generator::new(symbol.clone(), TRADES as u64, 5).collect();
    let batch = |trades: &[producer::SourceTrade]| Batch {
        symbol: symbol.clone(),
        trades: trades.iter().map(|made| made.trade).collect(),
    };
    made.chunks(100).map(|trades| encode(&batch(trades))).collect()
}

async fn publish<Q: Queue>(queue: &Q, bodies: Vec<String>) {
    for answer in queue.publish(bodies).await {
        answer.expect("published");
    }
}

async fn names<A: Archive>(archive: &A) -> Vec<String> {
    archive.list("trades/v1/BTCUSDT", None, 10_000).await.expect("a list")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiped_cloud_is_rebuilt_from_the_other() {
    let mut clouds = Deployed::new();
    // Whatever runs by itself would do the work of what is tested.
    let stopped = clouds.json(0, &["sync", "stop"]);
    assert!(stopped["aws"]["paused"] == true && stopped["gcp"]["paused"] == true, "{stopped:#}");

    let settings = local_settings();
    let pubsub = &settings.gcp.pubsub;
    publish(&clouds.topic(&pubsub.topic, &pubsub.subscription).await, messages()).await;
    let status = clouds.wait("all trades in Google Cloud", |status| {
        status["gcp"]["symbols"][0]["trades"] == TRADES
    });
    assert_eq!(status["aws"]["schedule"]["paused"], true, "{status:#}");
    assert_eq!(status["aws"]["symbols"][0]["trades"], 0, "nothing copied: {status:#}");
    assert_eq!(status["gcp"]["symbols"][0]["missing"], 0, "{status:#}");
    assert_eq!(status["gcp"]["lag"]["objects"], 0, "{status:#}");
    let objects = names(&clouds.gcp_archive().await).await.len();
    assert_eq!(status["aws"]["lag"]["objects"], objects, "{status:#}");
    assert!(status["aws"]["lag"]["lag_ms"].as_u64() > Some(86_400_000), "{status:#}");
    for cloud in ["aws", "gcp"] {
        assert_eq!(status[cloud]["problems"], Value::Array(Vec::new()), "{status:#}");
    }

    // One pass each way: what is lacked comes, and nothing comes back.
    let passes = clouds.json(0, &["sync", "run"]);
    let with_smoke_test = TRADES + 1;
    assert_eq!(passes[0]["trades"], with_smoke_test, "{passes:#}");
    assert_eq!(
        (&passes[1]["to"], &passes[1]["trades"]),
        (&"gcp".into(), &1.into()),
        "AWS's smoke test: {passes:#}"
    );
    let again = clouds.json(0, &["sync", "run"]);
    assert!(again[0]["objects"] == 0 && again[1]["objects"] == 0, "an echo: {again:#}");

    // AWS is wiped and made anew, and an object of Google's is no longer what its name says.
    clouds.up.ok(&["destroy", "aws", "--yes"]);
    clouds.aws = clouds.up.json(&["deploy", "aws", "--yes"])[0]["outputs"].clone();
    clouds.json(0, &["sync", "stop"]);
    let google = clouds.gcp_archive().await;
    let all = names(&google).await;
    let bad = &all[all.len() / 2];
    let good = google.get(bad).await.expect("read").expect("it is there");
    let other = google.get(&all[0]).await.expect("read").expect("it is there");
    overwrite(&clouds, bad, other.to_vec()).await;

    // Killed on its way, and given again.
    let words = on_processes(&["restore", "aws", "--from", "gcp", "--json"]);
    let mut killed = clouds.up.checkout.operate_command(&words);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
    let aws = clouds.aws_archive().await;
    while names(&aws).await.is_empty() && killed.try_wait().expect("wait").is_none() {}
    killed.kill().expect("kill");
    killed.wait().expect("wait");
    let before = names(&aws).await.len();
    let restored = clouds.json(1, &["restore", "aws", "--from", "gcp"]);
    println!("killed with {before} of {} objects there, then {restored:#}", all.len());
    assert_eq!(restored["pulled"]["corrupted"]["first"][0], **bad, "{restored:#}");
    assert_eq!(restored["proof"]["archives"]["missing"]["count"], 1, "{restored:#}");
    assert_eq!(aws.get(bad).await.expect("read"), None, "nothing wrong is written");

    overwrite(&clouds, bad, good.to_vec()).await;
    let restored = clouds.json(0, &["restore", "aws", "--from", "gcp"]);
    assert_eq!(restored["pulled"]["objects"], 1, "{restored:#}");
    let proof = &restored["proof"];
    assert_eq!(proof["archives"]["here"]["count"], all.len(), "{restored:#}");
    for what in ["archives", "candles"] {
        assert_eq!(proof[what]["here"], proof[what]["peer"], "{restored:#}");
    }
    let text = clouds.ran(&["restore", "gcp", "--from", "aws"]);
    text.assert_code(0);
    assert!(text.stdout.contains("proved: gcp and aws hold the same"), "{}", text.stdout);

    orders_and_the_producer(&clouds);
    monitored(&clouds);
    let started = clouds.json(0, &["sync", "start"]);
    assert!(started["aws"]["paused"] == false && started["gcp"]["paused"] == false, "{started:#}");
    clouds.ran(&["restore", "aws", "--from", "aws"]).assert_code(2);
}

/// An order is in both registers and every producer follows it, until there is another one.
fn orders_and_the_producer(clouds: &Deployed) {
    let error = clouds.ran(&["failover", "--to", "azure"]);
    error.assert_code(2);
    assert!(error.stderr.contains("aws, gcp"), "{}", error.stderr);
    let order = clouds.json(0, &["failover", "--to", "gcp"]);
    assert_eq!(
        (&order["epoch"], &order["written"]),
        (&1.into(), &json!(["aws", "gcp"])),
        "{order:#}"
    );
    // The policy is mirror: without the order, both would be published to.
    clouds.ran(&["produce", "--source", "generate:500:9"]).assert_code(0);
    let spool = clouds.up.checkout.dir.path().join("target/spool/local");
    let produced = std::fs::read(spool.join("status.json")).expect("the producer's status");
    let produced: Value = serde_json::from_slice(&produced).expect("JSON");
    assert_eq!(produced["totals"]["accepted_trades"], 500, "{produced:#}");
    assert_eq!((&produced["epoch"], &produced["route"]["publish"]), (&1.into(), &json!(["gcp"])));
    let status = clouds.json(0, &["sync", "status"]);
    for cloud in ["aws", "gcp"] {
        assert_eq!(status[cloud]["order"]["to"], "gcp", "{status:#}");
    }
    assert!(status["producer"].is_null(), "it has ended: {status:#}");
    let order = clouds.json(0, &["failover", "--to", "auto"]);
    assert!(order["epoch"] == 2 && order["to"].is_null(), "{order:#}");
}

/// A line at each look, until Ctrl-C.
fn monitored(clouds: &Deployed) {
    let words = on_processes(&["sync", "monitor", "--json"]);
    let mut monitor = clouds.up.checkout.operate_command(&words);
    let mut monitor = monitor.stdout(Stdio::piped()).spawn().expect("start");
    let mut lines = BufReader::new(monitor.stdout.take().expect("its output")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("a line").expect("a text");
        let status: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(status["aws"]["order"]["epoch"], 2, "{status:#}");
    }
    kill(Pid::from_raw(monitor.id().cast_signed()), Signal::SIGINT).expect("Ctrl-C");
    assert!(monitor.wait().expect("wait").success(), "Ctrl-C is how it ends");
}

/// Overwrites an object in Cloud Storage, for which no function of ours has the permission.
async fn overwrite(clouds: &Deployed, name: &str, content: Vec<u8>) {
    let endpoint = &clouds.up.endpoints["STORAGE_EMULATOR_HOST"];
    let bucket = names::gcp_bucket(&local_settings());
    let url = format!("{endpoint}/upload/storage/v1/b/{bucket}/o");
    let query = [("uploadType", "media"), ("name", name)];
    let url = reqwest::Url::parse_with_params(&url, query).expect("a URL");
    let answer = reqwest::Client::new().post(url).body(content).send().await.expect("an answer");
    assert!(answer.status().is_success(), "{answer:?}");
}

/// Poison becomes a dead letter by itself; readable messages are put there, as if a function had failed at them.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_shown_replayed_and_dropped() {
    let clouds = Deployed::new();
    let pubsub = local_settings().gcp.pubsub;
    let good = messages().remove(0);
    let live = clouds.topic(&pubsub.topic, &pubsub.subscription).await;
    publish(&live, vec![POISON.to_owned()]).await;
    let dead = clouds.topic(&pubsub.dead_letter_topic, &pubsub.dead_letter_subscription).await;
    publish(&dead, vec![good.clone()]).await;
    publish(&clouds.aws_queue("QueueUrl").await, vec![POISON.to_owned()]).await;
    publish(&clouds.aws_queue("DeadLetterQueueUrl").await, vec![good.clone()]).await;

    clouds.wait("two dead letters in each cloud", |status| {
        status["aws"]["dead_letters"] == 2 && status["gcp"]["dead_letters"] == 2
    });
    for cloud in ["aws", "gcp"] {
        for _ in 0..2 {
            // Looking at them takes none away.
            let list = clouds.json(0, &["dlq", "list", cloud]);
            assert_eq!(list["dead_letters"].as_array().map(Vec::len), Some(2), "{list:#}");
        }
        let list = clouds.json(0, &["dlq", "list", cloud]);
        let of = |readable: bool| {
            let letters = list["dead_letters"].as_array().expect("a list");
            let found = letters.iter().find(|letter| letter["readable"] == readable);
            found.unwrap_or_else(|| panic!("no such letter: {list:#}")).clone()
        };
        let (poison, readable) = (of(false), of(true));
        let why = poison["what"].as_str().expect("a reason");
        assert!(why.starts_with("trades[0].price"), "{why}");
        assert!(readable["what"].as_str().expect("a text").starts_with("100 trades of BTCUSDT"));
        let (poison, readable) = (&poison["id"], &readable["id"]);
        let id = |id: &Value| id.as_str().expect("an id").to_owned();
        let shown = clouds.json(0, &["dlq", "show", cloud, &id(readable)]);
        assert_eq!(shown["body"], good, "{shown:#}");

        let replayed = clouds.json(0, &["dlq", "replay", cloud, &id(readable)]);
        assert_eq!(replayed["done"][0]["id"], *readable, "{replayed:#}");
        clouds.wait("the replayed trades", |status| status[cloud]["symbols"][0]["trades"] == 100);

        let missing = clouds.ran(&["dlq", "show", cloud, "nobody"]);
        missing.assert_code(1);
        assert!(missing.stderr.contains("dlq list"), "{}", missing.stderr);
        // There is no terminal for a confirmation.
        clouds.ran(&["dlq", "drop", cloud, "--all"]).assert_code(2);
        let dropped = clouds.json(0, &["dlq", "drop", cloud, "--all", "--yes"]);
        assert_eq!(dropped["done"].as_array().map(Vec::len), Some(1), "{dropped:#}");
        assert_eq!(dropped["done"][0]["id"], *poison, "{dropped:#}");
        let list = clouds.json(0, &["dlq", "list", cloud]);
        assert_eq!(list["dead_letters"], Value::Array(Vec::new()), "{list:#}");
        clouds.ran(&["dlq", "drop", cloud]).assert_code(2);
    }
}
