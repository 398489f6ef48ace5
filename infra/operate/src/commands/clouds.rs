//! The ports of both clouds, as deployed from this checkout.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use args::Part;
use candle::{Symbol, Symbols};
use cli::Failure;
use cloud_aws::{Clients, DynamoStore, S3Archive, SqsQueue};
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::commands::DeployContext;
use infra::names;
use pipeline::IngestConfig;

use crate::Cloud;

/// The ports of a cloud's pipeline.
#[derive(Clone, Debug)]
pub struct Ports<Q, A, S> {
    /// The queue of trades.
    pub queue: Q,
    /// The dead-letter queue.
    pub dead_letters: Q,
    /// The archive and the candles.
    pub cloud: Cloud<A, S>,
}

/// The ports of AWS.
pub type AwsPorts = Ports<SqsQueue, S3Archive, DynamoStore>;
/// The ports of Google Cloud.
pub type GcpPorts = Ports<PubSubQueue, GcsArchive, FirestoreStore>;

/// The ports with the names in the outputs of AWS's stack.
pub async fn aws(site: &DeployContext) -> Result<AwsPorts, Failure> {
    let outputs = site.outputs(Part::Aws)?;
    let get = |name: &str| {
        let value = outputs.get(name).cloned();
        value.with_context(|| format!("find {name} in what was kept of the deploy; `cargo xtask outputs aws` reads it again"))
    };
    let Clients { dynamodb, s3, sqs } = Clients::new(&site.aws_config().await);
    Ok(Ports {
        queue: SqsQueue::new(sqs.clone(), get("QueueUrl")?),
        dead_letters: SqsQueue::new(sqs, get("DeadLetterQueueUrl")?),
        cloud: Cloud {
            archive: S3Archive::new(s3, get("BucketName")?),
            store: DynamoStore::new(dynamodb, get("TableName")?),
        },
    })
}

/// The ports with the names in the settings.
pub async fn gcp(site: &DeployContext) -> Result<GcpPorts, Failure> {
    // Names come from the settings; this fails if nothing is deployed.
    site.outputs(Part::Gcp)?;
    let gcp = &site.settings.gcp;
    let endpoint = |of: fn(&deploy::local::LocalClouds) -> &String| {
        site.local.as_ref().map(|local| of(local).as_str())
    };
    let pubsub = endpoint(|local| &local.pubsub_endpoint);
    let (topic, subscription) = (&gcp.pubsub.topic, &gcp.pubsub.subscription);
    let (dead_topic, dead) = (&gcp.pubsub.dead_letter_topic, &gcp.pubsub.dead_letter_subscription);
    let firestore = endpoint(|local| &local.firestore_endpoint);
    let (database, collection) = (&gcp.firestore.database, &gcp.firestore.collection);
    let storage = endpoint(|local| &local.storage_endpoint);
    Ok(Ports {
        queue: PubSubQueue::connect(pubsub, &gcp.project, topic, subscription).await?,
        dead_letters: PubSubQueue::connect(pubsub, &gcp.project, dead_topic, dead).await?,
        cloud: Cloud {
            archive: GcsArchive::connect(storage, &names::gcp_bucket(&site.settings)).await?,
            store: FirestoreStore::connect(firestore, &gcp.project, database, collection).await?,
        },
    })
}

/// The settings of the functions of both clouds.
pub(super) fn ingest_config(site: &DeployContext) -> Result<IngestConfig, Failure> {
    let vars = site.settings.gcp_function_env();
    Ok(IngestConfig::from_vars(|name| vars.get(name).cloned())?)
}

/// The traded symbols, without those of smoke tests, which differ between the clouds.
pub(super) fn symbols(site: &DeployContext) -> Result<Symbols, Failure> {
    let symbols = site.settings.trading.symbols.iter().map(|text| Symbol::parse(text));
    let symbols: Vec<Symbol> = symbols.collect::<Result<_, _>>().context("read trading.symbols")?;
    Ok(Symbols::new(symbols))
}

/// A seed for waits, so that two commands that start together wait differently.
pub(super) fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ u64::from(std::process::id())
}
