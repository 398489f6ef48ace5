//! The pipeline on containers: the stack by change sets, both functions as release binaries, and copies between the
//! clouds.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use args::Trades;
use candle::{Interval, Symbol};
use cloud_aws::{Clients, DynamoStore, S3Archive, SqsQueue};
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::artifact::{create_bucket, upload_artifact};
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self, Limits, StackRequest};
use deploy::google::{self, PushTarget};
use harness::containers::Containers;
use harness::emulator::Emulator;
use harness::environments::emulated::{AwsCloud, GcpCloud};
use harness::processes::emulators::{Running, cloud_run};
use infra::files::ResolvedOutputs;
use infra::package::Manifest;
use infra::render::{Code, STACK_TEMPLATE, stack_parameters, tags};
use infra::{Settings, names};
use pipeline::ports::{Archive, CandleStore, Queue};
use producer::BatchLimits;
use serde_json::Value;
use sim::cloud::{Cloud, View};
use sim::history::{CloudId, History};
use sim::recompute;
use sim::snapshot::Snapshot;
use sim::workload::{Recipe, Workload};

use super::start;
use crate::command::artifacts;
use crate::on_emulators::{emulator_context, local_settings};

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";
/// Trades a second that are published to each cloud.
const TRADES_PER_S: u64 = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn both_functions_converge_though_one_is_killed_and_replicate_reads_the_other_cloud() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(containers) = start(folder.path()).await else { return };
    let settings = local_settings();
    let (aws, lambda) = deploy_aws(&settings, &containers).await;
    let (gcp, mut service) = Box::pin(deploy_gcp(&settings, &containers, folder.path())).await;

    let workload = workload(&settings, 4_000);
    let expected = recompute::parse(&workload.frames.join("\n")).expect("the frames are right");
    let expected = recompute::candles_csv(&expected, Interval::M1.duration_ms());
    let history = History::create(&folder.path().join("history.jsonl")).expect("a history");
    let (of_aws, of_gcp, killed) = tokio::join!(
        Box::pin(driven(&aws, &workload, &history)),
        Box::pin(driven(&gcp, &workload, &history)),
        kill_a_function(&containers)
    );
    eprintln!("killed the function's process {killed}");
    assert_eq!(of_aws.csv(Interval::M1), expected);
    assert_eq!(of_aws.canonical(), of_gcp.canonical());
    assert_eq!(of_aws.archive, of_gcp.archive, "the archives, to the last byte");
    assert!(dead_letters(&of_aws) == 2 && dead_letters(&of_gcp) == 2, "exactly the poison");

    // AWS forgets everything and gets it back: from Cloud Storage, which its function reaches by the run's network.
    containers.kill(Emulator::Aws).await.expect("kill");
    containers.start_again(Emulator::Aws).await.expect("start again");
    let (aws, lambda_again) = deploy_aws(&settings, &containers).await;
    drop(lambda);
    let report = replicate(&lambda_again, &settings).await;
    assert!(report["complete"] == true && report["copied"].as_u64() > Some(0), "{report}");
    let restored = aws.snapshot(&workload.symbols, std::collections::BTreeMap::new()).await;
    let restored = restored.expect("read AWS");
    assert_eq!(restored.canonical(), of_gcp.canonical());
    assert_eq!(restored.archive, of_gcp.archive);

    service.stop().await.expect("stop the service");
    containers.stop().await.expect("stop");
}

fn dead_letters(snapshot: &Snapshot) -> usize {
    snapshot.dead_letters.len()
}

fn workload(settings: &Settings, trades: u64) -> Workload {
    let symbol: Symbol = settings.trading.symbols[0].parse().expect("a symbol");
    let recipe = Recipe {
        trades: Trades::Generate { count: trades, seed: Some(1) },
        symbols: vec![symbol.clone()],
        default_symbol: symbol,
        limits: BatchLimits { max_trades: 100, max_bytes: 100_000 },
        poison: 2,
        seed: 1,
        start: None,
        is_strict: false,
    };
    Workload::prepare(&recipe).expect("a workload")
}

/// Publishes the load to a cloud, waits for the cloud to converge, and reads its state.
async fn driven<Q: Queue, A: Archive, S: CandleStore>(
    cloud: &Cloud<Q, A, S>,
    workload: &Workload,
    history: &History,
) -> Snapshot {
    let all_published = AtomicBool::new(false);
    let publish = async {
        let start = tokio::time::Instant::now();
        let mut sent_trades = 0;
        for (number, message) in workload.messages.iter().enumerate() {
            let due = Duration::from_millis(sent_trades * 1_000 / TRADES_PER_S);
            tokio::time::sleep_until(start + due).await;
            cloud.publish(number, std::slice::from_ref(message), history).await.expect("publish");
            sent_trades += message.trades();
        }
        all_published.store(true, Ordering::Relaxed);
    };
    let converge = cloud.converge(workload, &Interval::ALL, &all_published, history);
    let ((), dead_letters) = tokio::join!(publish, converge);
    let dead_letters = dead_letters.expect("look for dead letters");
    cloud.snapshot(&workload.symbols, dead_letters).await.expect("read the cloud")
}

/// Waits until a function runs, and kills it.
async fn kill_a_function(containers: &Containers) -> u32 {
    for _ in 0..600 {
        if let Some(pid) = containers.kill_function().await.expect("look for a function") {
            return pid;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no function ran within 30 s")
}

async fn deploy_aws(
    settings: &Settings,
    containers: &Containers,
) -> (AwsCloud, aws_sdk_lambda::Client) {
    let credentials = Some(emulator_credentials());
    let config =
        aws_config(Some(containers.aws_endpoint()), &settings.aws.region, credentials).await;
    let bucket = names::aws_artifact_bucket(settings, ACCOUNT);
    create_bucket(&config, &bucket).await.expect("create the bucket");
    let manifest = Manifest::read(&artifacts()).expect("`cargo xtask build` made it");
    let upload = async |name: &str| {
        let artifact = manifest.artifact(name).expect("it was built");
        upload_artifact(&config, &bucket, &artifacts(), artifact).await.expect("upload")
    };
    let (ingest, replicate) = (upload("aws-ingest").await, upload("aws-replicate").await);
    let code = Code { bucket: bucket.clone(), ingest, replicate: Some(replicate) };
    // As the functions see them, in their container.
    let known = ResolvedOutputs {
        aws_endpoint: Some(containers.inside(Emulator::Aws)),
        gcs_endpoint: Some(containers.inside(Emulator::Storage)),
        ..ResolvedOutputs::default()
    };
    let request = StackRequest {
        name: &names::stack(settings),
        template: STACK_TEMPLATE,
        parameters: &stack_parameters(settings, &code, &known),
        tags: &tags(settings),
    };
    let client = aws_sdk_cloudformation::Client::new(&config);
    let outputs = cloudformation::apply(&client, &request, &Limits::default(), &mut |_| {}).await;
    let outputs = outputs.expect("the stack is made");
    let output = |name: &str| outputs.get(name).expect("an output").to_owned();
    let clients = Clients::new(&config);
    let cloud = Cloud {
        name: CloudId::Aws,
        queue: SqsQueue::new(clients.sqs.clone(), output("QueueUrl")),
        dead_letters: SqsQueue::new(clients.sqs.clone(), output("DeadLetterQueueUrl")),
        archive: S3Archive::new(clients.s3.clone(), output("BucketName")),
        store: DynamoStore::new(clients.dynamodb.clone(), output("TableName")),
        view: View::whole(),
    };
    (cloud, aws_sdk_lambda::Client::new(&config))
}

async fn deploy_gcp(
    settings: &Settings,
    containers: &Containers,
    folder: &Path,
) -> (GcpCloud, Running) {
    let bucket = google::create_bucket(containers.gcs_endpoint(), settings).await;
    let bucket = bucket.expect("create the bucket");
    let host_and_port = |endpoint: &str| endpoint.trim_start_matches("http://").to_owned();
    let mut env = settings.gcp_function_env();
    env.extend([
        ("PUBSUB_EMULATOR_HOST".to_owned(), host_and_port(containers.pubsub_endpoint())),
        ("FIRESTORE_EMULATOR_HOST".to_owned(), host_and_port(containers.firestore_endpoint())),
        ("STORAGE_EMULATOR_HOST".to_owned(), containers.gcs_endpoint().to_owned()),
    ]);
    let manifest = Manifest::read(&artifacts()).expect("`cargo xtask build` made it");
    let program = artifacts().join(&manifest.artifact("gcp-ingest").expect("it was built").path);
    let options = cloud_run::Options { instance: cloud_run::Instance::Program(program), env };
    let context = emulator_context(&folder.join("service")).await;
    let service = cloud_run::start(&context.launch, &options).await.expect("the service starts");
    let url = containers.expose(service.port).await.expect("a way in for Pub/Sub");

    let pubsub = Some(containers.pubsub_endpoint());
    let push = PushTarget { url: &format!("{url}/"), service_account: None };
    Box::pin(google::ensure_topology(pubsub, settings, push)).await.expect("make the topology");
    let (gcp, names) = (&settings.gcp, &settings.gcp.pubsub);
    let queue = async |topic, subscription| {
        let queue = PubSubQueue::connect(pubsub, &gcp.project, topic, subscription).await;
        queue.expect("a queue")
    };
    let firestore = Some(containers.firestore_endpoint());
    let store = FirestoreStore::connect(
        firestore,
        &gcp.project,
        &gcp.firestore.database,
        &gcp.firestore.collection,
    );
    let archive = GcsArchive::connect(Some(containers.gcs_endpoint()), &bucket);
    let cloud = Cloud {
        name: CloudId::Gcp,
        queue: queue(&names.topic, &names.subscription).await,
        dead_letters: queue(&names.dead_letter_topic, &names.dead_letter_subscription).await,
        archive: archive.await.expect("an archive"),
        store: store.await.expect("a store"),
        view: View::whole(),
    };
    (cloud, service)
}

/// Has the function that copies from Google Cloud run once.
async fn replicate(lambda: &aws_sdk_lambda::Client, settings: &Settings) -> Value {
    let name = names::aws_replicate(settings);
    let answer = lambda.invoke().function_name(name).send().await.expect("invoke it");
    let payload = answer.payload().expect("an answer").as_ref();
    assert!(answer.function_error().is_none(), "{}", String::from_utf8_lossy(payload));
    serde_json::from_slice(payload).expect("a report")
}
