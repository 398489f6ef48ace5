//! The whole pipeline with a fault proxy before every service: without faults, results are the same. The calls of each
//! side are those that the proxies saw.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use args::Trades;
use candle::{Interval, Symbol};
use cloud_aws::{Clients, DynamoStore, S3Archive, SqsQueue};
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::artifact;
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self, Limits, StackRequest};
use deploy::google::{self, PushTarget};
use fault_proxy::{Level, Proxy};
use harness::environments::emulated::{AwsCloud, GcpCloud};
use harness::processes::emulators::{Running, cloud_run, ministack};
use harness::processes::{LocalClouds, Options};
use infra::files::ResolvedOutputs;
use infra::package::Manifest;
use infra::render::{self, Code, STACK_TEMPLATE};
use infra::{Settings, names};
use producer::BatchLimits;
use sim::cloud::{Cloud, View};
use sim::history::{CloudId, History};
use sim::recompute;
use sim::workload::{Recipe, Workload};

use super::{emulator_context, local_settings};
use crate::command::artifacts;

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";
/// An address without a listener.
const NOWHERE: &str = "127.0.0.1:9";

/// Before all four emulators, for those on one side of them.
struct Proxies {
    aws: Proxy,
    pubsub: Proxy,
    firestore: Proxy,
    gcs: Proxy,
}

impl Proxies {
    /// They can be named before there is anything behind them.
    async fn new() -> Self {
        let (aws, pubsub) = (before(NOWHERE).await, before(NOWHERE).await);
        Self { aws, pubsub, firestore: before(NOWHERE).await, gcs: before(NOWHERE).await }
    }

    fn point_to(&self, clouds: &LocalClouds) {
        for (proxy, endpoint) in [
            (&self.aws, clouds.aws_endpoint()),
            (&self.pubsub, clouds.pubsub_endpoint()),
            (&self.firestore, clouds.firestore_endpoint()),
            (&self.gcs, clouds.gcs_endpoint()),
        ] {
            proxy.set_upstream(endpoint).expect("an endpoint");
        }
    }

    fn env(&self) -> [(&'static str, String); 3] {
        [
            ("PUBSUB_EMULATOR_HOST", self.pubsub.address().to_string()),
            ("FIRESTORE_EMULATOR_HOST", self.firestore.address().to_string()),
            ("STORAGE_EMULATOR_HOST", self.gcs.endpoint()),
        ]
    }
}

async fn before(endpoint: &str) -> Proxy {
    let proxy = Proxy::before(endpoint).expect("an endpoint").level(Level::Http);
    proxy.start().await.expect("the proxy starts")
}

async fn deploy_aws(settings: &Settings, endpoint: &str) -> AwsCloud {
    let credentials = Some(emulator_credentials());
    let config = aws_config(Some(endpoint), &settings.aws.region, credentials).await;
    let manifest = Manifest::read(&artifacts()).expect("the artifacts are built");
    let bucket = names::aws_artifact_bucket(settings, ACCOUNT);
    artifact::create_bucket(&config, &bucket).await.expect("a bucket");
    let ingest = manifest.artifact("aws-ingest").expect("it is packed");
    let ingest = artifact::upload_artifact(&config, &bucket, &artifacts(), ingest).await;
    let code = Code { bucket, ingest: ingest.expect("it is uploaded"), replicate: None };
    let known =
        ResolvedOutputs { aws_endpoint: Some(endpoint.to_owned()), ..ResolvedOutputs::default() };
    let request = StackRequest {
        name: &names::stack(settings),
        template: STACK_TEMPLATE,
        parameters: &render::stack_parameters(settings, &code, &known),
        tags: &render::tags(settings),
    };
    let client = aws_sdk_cloudformation::Client::new(&config);
    let outputs = cloudformation::apply(&client, &request, &Limits::default(), &mut |_| {}).await;
    let outputs = outputs.expect("the stack is made");
    let clients = Clients::new(&config);
    let output = |name: &str| outputs.get(name).expect("an output").to_owned();
    Cloud {
        name: CloudId::Aws,
        queue: SqsQueue::new(clients.sqs.clone(), output("QueueUrl")),
        dead_letters: SqsQueue::new(clients.sqs, output("DeadLetterQueueUrl")),
        archive: S3Archive::new(clients.s3, output("BucketName")),
        store: DynamoStore::new(clients.dynamodb, output("TableName")),
        view: View::whole(),
    }
}

async fn deploy_gcp(settings: &Settings, proxies: &Proxies, push: &Proxy) -> GcpCloud {
    let gcs = proxies.gcs.endpoint();
    let bucket = google::create_bucket(&gcs, settings).await.expect("a bucket");
    let pubsub = proxies.pubsub.endpoint();
    let pubsub = Some(pubsub.as_str());
    let push = PushTarget { url: &format!("{}/", push.endpoint()), service_account: None };
    Box::pin(google::ensure_topology(pubsub, settings, push)).await.expect("the topology");
    let gcp = &settings.gcp;
    let queue = async |topic: &str, subscription: &str| {
        let queue = PubSubQueue::connect(pubsub, &gcp.project, topic, subscription).await;
        queue.expect("a client")
    };
    let names = &gcp.pubsub;
    let (firestore, database) = (proxies.firestore.endpoint(), &gcp.firestore.database);
    let collection = &gcp.firestore.collection;
    let store = FirestoreStore::connect(Some(&firestore), &gcp.project, database, collection);
    Cloud {
        name: CloudId::Gcp,
        queue: queue(&names.topic, &names.subscription).await,
        dead_letters: queue(&names.dead_letter_topic, &names.dead_letter_subscription).await,
        archive: GcsArchive::connect(Some(&gcs), &bucket).await.expect("a client"),
        store: store.await.expect("a client"),
        view: View::whole(),
    }
}

async fn start_service(folder: &Path, settings: &Settings, proxies: &Proxies) -> Running {
    let mut env = settings.gcp_function_env();
    env.extend(proxies.env().map(|(name, value)| (name.to_owned(), value)));
    let program = artifacts().join("gcp/ingest/ingest");
    let options = cloud_run::Options { instance: cloud_run::Instance::Program(program), env };
    let context = emulator_context(folder).await;
    cloud_run::start(&context.launch, &options).await.expect("the service starts")
}

/// The calls, as `SERVICE OPERATION`.
fn called(proxy: &Proxy) -> Vec<String> {
    proxy
        .requests()
        .into_keys()
        .map(|(service, operation)| format!("{service} {operation}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_nobody_notices_and_the_functions_publish_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = local_settings();
    let context = emulator_context(folder.path()).await;
    // Those who use the clouds go through the one, the functions through the other.
    let (outside, inside) = (Proxies::new().await, Proxies::new().await);
    let mut options = Options::new(context.tools, folder.path());
    options.guard = context.launch.guard;
    options.ministack = ministack::Options {
        region: settings.aws.region.clone(),
        endpoint_for_functions: Some(inside.aws.endpoint()),
        ..ministack::Options::default()
    };
    let clouds = LocalClouds::start(&options, |_| ()).await.expect("both clouds start");
    outside.point_to(&clouds);
    inside.point_to(&clouds);
    let mut service = start_service(folder.path(), &settings, &inside).await;
    let push = before(&service.endpoint).await;
    let aws = Box::pin(deploy_aws(&settings, &outside.aws.endpoint())).await;
    let gcp = Box::pin(deploy_gcp(&settings, &outside, &push)).await;

    let symbol: Symbol = settings.trading.symbols[0].parse().expect("a symbol");
    let recipe = Recipe {
        trades: Trades::Generate { count: 3_000, seed: Some(1) },
        symbols: vec![symbol.clone()],
        default_symbol: symbol,
        limits: BatchLimits { max_trades: 100, max_bytes: 100_000 },
        poison: 2,
        seed: 1,
        start: None,
        is_strict: false,
    };
    let workload = Workload::prepare(&recipe).expect("a workload");
    let history = History::create(&folder.path().join("history.jsonl")).expect("a history");
    let (all, published) = (&workload.messages, AtomicBool::new(true));
    tokio::try_join!(aws.publish(0, all, &history), gcp.publish(0, all, &history))
        .expect("both take it");
    let intervals = Interval::ALL;
    let (aws_letters, gcp_letters) = tokio::try_join!(
        aws.converge(&workload, &intervals, &published, &history),
        gcp.converge(&workload, &intervals, &published, &history)
    )
    .expect("both can be read");
    assert_eq!((aws_letters.len(), gcp_letters.len()), (2, 2), "the poison");
    let (of_aws, of_gcp) = tokio::try_join!(
        aws.snapshot(&workload.symbols, aws_letters),
        gcp.snapshot(&workload.symbols, gcp_letters)
    )
    .expect("both can be read");
    let sent = recompute::parse(&workload.frames.join("\n")).expect("trades");
    let expected = recompute::candles_csv(&sent, Interval::M1.duration_ms());
    assert_eq!(of_aws.csv(Interval::M1), expected);
    assert_eq!(of_gcp.csv(Interval::M1), expected);
    assert_eq!(of_aws.archive, of_gcp.archive);

    assert!(called(&outside.aws).contains(&"sqs SendMessageBatch".to_owned()));
    assert!(called(&outside.pubsub).contains(&"pubsub Publish".to_owned()));
    assert_eq!(called(&inside.aws), ["dynamodb GetItem", "dynamodb PutItem", "s3 PutObject"]);
    assert_eq!(called(&inside.pubsub), [""; 0]);
    assert_eq!(called(&inside.firestore), ["firestore GetDocument", "firestore UpdateDocument"]);
    assert_eq!(called(&inside.gcs), ["storage objects.insert"]);
    assert!(push.requests().values().sum::<u64>() >= all.len() as u64, "{:?}", push.requests());

    service.stop().await.expect("it stops");
    clouds.stop().await.expect("they stop");
}
