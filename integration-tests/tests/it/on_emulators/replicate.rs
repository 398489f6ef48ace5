//! One cloud gets the trades, the other copies them: the release binary of the Cloud Run service by HTTP, and what the
//! Lambda function does with its event, both on the emulators with the environment that a deployment gives.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime};

use args::Trades;
use candle::message::Batch;
use candle::{ArchiveObject, Interval, Symbol, Symbols};
use cloud_aws::Clients;
use deploy::aws::{aws_config, emulator_credentials};
use futures::{StreamExt as _, stream};
use harness::environments::emulated::Emulated;
use harness::processes::emulators::{Running, cloud_run};
use infra::{Settings, names};
use pipeline::ports::Archive;
use producer::{BatchLimits, Generator};
use replicate::aws::{self, AwsReplicate};
use serde_json::Value;
use sim::history::History;
use sim::snapshot::Snapshot;
use sim::workload::{Recipe, Workload};

use super::{deployed, emulator_context, local_settings};
use crate::command::recording;

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";

/// Both clouds and what copies between them.
struct Clouds {
    settings: Settings,
    emulated: Emulated,
    service: Running,
    lambda: Result<AwsReplicate, replicate::peer::NoPeer>,
}

impl Clouds {
    async fn start(folder: &Path) -> Self {
        let settings = local_settings();
        let emulated = Box::pin(deployed(folder)).await;
        let endpoints = emulated.endpoints();
        let aws_endpoint = &endpoints["AWS_ENDPOINT_URL"];
        let context = emulator_context(&folder.join("replicate")).await;
        let options = cloud_run::Options {
            instance: cloud_run::Instance::Program(
                crate::command::artifacts().join("gcp/replicate/replicate"),
            ),
            env: env(
                settings.gcp_function_env(),
                &endpoints,
                [
                    ("TWINCLOUD_PEER_BUCKET", names::aws_bucket(&settings, ACCOUNT)),
                    ("TWINCLOUD_PEER_ENDPOINT", aws_endpoint.clone()),
                    ("TWINCLOUD_PEER_REGION", settings.aws.region.clone()),
                    ("TWINCLOUD_REPLICATE_PATH", "/replicate".to_owned()),
                ],
            ),
        };
        let service =
            cloud_run::start(&context.launch, &options).await.expect("the service starts");
        let vars = env(
            settings.aws_function_env(ACCOUNT),
            &endpoints,
            [
                ("TWINCLOUD_PEER_BUCKET", names::gcp_bucket(&settings)),
                ("TWINCLOUD_PEER_ENDPOINT", endpoints["STORAGE_EMULATOR_HOST"].clone()),
            ],
        );
        let credentials = Some(emulator_credentials());
        let config = aws_config(Some(aws_endpoint), &settings.aws.region, credentials).await;
        let clients = Clients::new(&config);
        let lambda = aws::from_vars(&clients, |name| vars.get(name).cloned(), 1);
        let lambda = lambda.await.expect("the Lambda function is set up");
        Self { settings, emulated, service, lambda }
    }

    /// From AWS into Google Cloud, by the service.
    async fn copy_to_gcp(&self) -> Value {
        let url = format!("{}/replicate", self.service.endpoint);
        let answer = reqwest::Client::new().post(url).send().await.expect("an answer");
        let (status, body) = (answer.status(), answer.bytes().await.expect("a body"));
        assert!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("a report")
    }

    /// From Google Cloud into AWS, by what the Lambda function does.
    async fn copy_to_aws(&self) -> Value {
        let deadline = SystemTime::now() + Duration::from_mins(5);
        Box::pin(aws::handle(&self.lambda, deadline)).await.expect("a report")
    }

    async fn snapshots(&self, symbols: &Symbols) -> (Snapshot, Snapshot) {
        let Emulated { aws, gcp, .. } = &self.emulated;
        let snapshots = tokio::try_join!(
            aws.snapshot(symbols, BTreeMap::new()),
            gcp.snapshot(symbols, BTreeMap::new())
        );
        snapshots.expect("both clouds can be read")
    }

    async fn stop(mut self) {
        self.service.stop().await.expect("stop the service");
        self.emulated.stop().await.expect("stop");
    }
}

fn env<const N: usize>(
    mut env: BTreeMap<String, String>,
    endpoints: &BTreeMap<&'static str, String>,
    more: [(&str, String); N],
) -> BTreeMap<String, String> {
    env.extend(endpoints.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    env.extend(more.map(|(name, value)| (name.to_owned(), value)));
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_cloud_alone_got_is_in_both_to_the_last_byte() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clouds = Box::pin(Clouds::start(folder.path())).await;
    let recording = recording();
    let trades = match &recording {
        Some((path, _)) => Trades::File(path.clone()),
        None => Trades::Generate { count: 5_000, seed: Some(1) },
    };
    let settings = &clouds.settings;
    let symbol: Symbol = settings.trading.symbols[0].parse().expect("a symbol");
    let recipe = Recipe {
        trades,
        symbols: vec![symbol.clone()],
        default_symbol: symbol,
        limits: BatchLimits { max_trades: 200, max_bytes: 100_000 },
        poison: 0,
        seed: 1,
        start: None,
        is_strict: false,
    };
    let whole = Workload::prepare(&recipe).expect("a workload");
    let (first, second) = whole.messages.split_at(whole.messages.len() / 2);
    let half = |messages: &[_]| Workload {
        symbols: whole.symbols.clone(),
        messages: messages.to_vec(),
        frames: Vec::new(),
        recording: None,
        unique: 0,
    };
    let history = History::create(&folder.path().join("replicate.jsonl")).expect("a history");
    let (aws, gcp) = (&clouds.emulated.aws, &clouds.emulated.gcp);
    let (published, intervals) = (AtomicBool::new(true), Interval::ALL);

    aws.publish(0, first, &history).await.expect("publish to AWS");
    let first_half = half(first);
    let converged = aws.converge(&first_half, &intervals, &published, &history);
    converged.await.expect("AWS has the first half");
    let report = clouds.copy_to_gcp().await;
    assert!(report["complete"] == true && report["copied"].as_u64() > Some(0), "{report}");

    gcp.publish(first.len(), second, &history).await.expect("publish to Google");
    let converged = gcp.converge(&whole, &intervals, &published, &history);
    converged.await.expect("Google has the second half and the copies of the first");
    let report = clouds.copy_to_aws().await;
    assert!(report["complete"] == true && report["copied"].as_u64() > Some(0), "{report}");

    for report in [clouds.copy_to_gcp().await, clouds.copy_to_aws().await] {
        let none = report["copied"] == 0 && report["lag_s"] == 0 && report["complete"] == true;
        assert!(none, "a copy came back: {report}");
    }
    let (of_aws, of_gcp) = Box::pin(clouds.snapshots(&whole.symbols)).await;
    assert!(!of_aws.archive.is_empty());
    assert_eq!(of_aws.archive, of_gcp.archive, "the archives, to the last byte");
    assert_eq!(of_aws.canonical(), of_gcp.canonical(), "the candles");
    if let Some((_, expected)) = recording {
        assert_eq!(of_aws.csv(Interval::M1), expected, "the candles that Python computed");
    }
    Box::pin(clouds.stop()).await;
}

/// A hundred thousand trades in each direction, from an archive that the test filled.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_trades_are_restored() {
    const TRADES: usize = 100_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let clouds = Box::pin(Clouds::start(folder.path())).await;
    let symbol: Symbol = clouds.settings.trading.symbols[0].parse().expect("a symbol");
    let made: Vec<_> = Generator::new(symbol.clone(), 2 * TRADES as u64, 7).collect();
    let objects = |trades: &[producer::SourceTrade]| -> Vec<ArchiveObject> {
        let batches = trades.chunks(500).map(|trades| Batch {
            symbol: symbol.clone(),
            trades: trades.iter().map(|made| made.trade).collect(),
        });
        batches.flat_map(|batch| ArchiveObject::split(&batch)).collect()
    };
    fill(&clouds.emulated.aws.archive, objects(&made[..TRADES])).await;
    let begun = Instant::now();
    let report = clouds.copy_to_gcp().await;
    say("AWS to Google", begun, &report);
    assert!(report["trades"] == TRADES && report["complete"] == true, "{report}");

    fill(&clouds.emulated.gcp.archive, objects(&made[TRADES..])).await;
    let begun = Instant::now();
    let report = clouds.copy_to_aws().await;
    say("Google to AWS", begun, &report);
    assert!(report["trades"] == TRADES && report["complete"] == true, "{report}");
    Box::pin(clouds.stop()).await;
}

async fn fill<A: Archive>(archive: &A, objects: Vec<ArchiveObject>) {
    let puts: Vec<_> = objects
        .into_iter()
        .map(|object| async move {
            let name = object.name().to_string();
            archive.put_if_absent(&name, object.encode().into()).await.expect("put");
        })
        .collect();
    stream::iter(puts).buffer_unordered(8).collect::<Vec<()>>().await;
}

fn say(what: &str, begun: Instant, report: &Value) {
    let (trades, ms) = (report["trades"].as_u64().unwrap_or(0), begun.elapsed().as_millis());
    let per_s = u128::from(trades) * 1000 / ms.max(1);
    println!("restored {what}: {trades} trades in {ms} ms, {per_s} trades/s; {report}");
}
