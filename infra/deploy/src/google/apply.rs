//! Applies a plan, and deletes a deployment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use infra::{Settings, names};
use serde::Serialize;

use super::change::Plan;
use super::desired::{
    BUCKET, Desired, DesiredItem, JOB, SERVICE, SUBSCRIPTION, TOPIC, bucket_address, regional,
    replicate_name,
};
use super::observed::{Clients, Item, rank};
use super::topology::Topology;
use super::{Endpoints, Error};
use crate::plan::{Action, Change, PropertyChange, Replacement};

/// Names and URLs, under the names of `terraform-gcp/`'s outputs.
pub type Outputs = BTreeMap<String, String>;

/// A step of an apply or destroy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The verb, such as `make`.
    pub doing: &'static str,
    /// The full name.
    pub address: String,
    /// The resource's type, such as `google_pubsub_topic`.
    pub resource_type: String,
    /// Its duration, once it is done.
    pub took: Option<Duration>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.doing, self.address, self.resource_type)?;
        match self.took {
            Some(took) => write!(f, ": done in {} ms", took.as_millis()),
            None => Ok(()),
        }
    }
}

/// A callback for every step, before and after.
pub type OnStep<'a> = &'a mut (dyn FnMut(&Step) + Send);

/// Applies the plan and returns the outputs. Changes made meanwhile by others are no errors, and changes that an
/// interrupted apply left are part of the next plan.
pub async fn apply(
    plan: &Plan,
    desired: &Desired,
    endpoints: &Endpoints,
    on_step: OnStep<'_>,
) -> Result<Outputs, Error> {
    let clients = Clients::open(endpoints, &desired.settings).await?;
    for change in &plan.changes {
        let doing = match (change.action, change.replacement) {
            (Action::Remove, _) => "delete",
            (Action::Modify, Replacement::No) => "change",
            (Action::Modify, _) => "replace",
            _ => "make",
        };
        let step = begin(on_step, doing, &change.address, &change.resource_type);
        execute(change, desired, &clients).await?;
        step.end(on_step);
    }
    outputs(&desired.settings, endpoints).await
}

struct Begun {
    step: Step,
    at: Instant,
}

fn begin(on_step: OnStep<'_>, doing: &'static str, address: &str, resource_type: &str) -> Begun {
    let (address, resource_type) = (address.to_owned(), resource_type.to_owned());
    let step = Step { doing, address, resource_type, took: None };
    on_step(&step);
    Begun { step, at: Instant::now() }
}

impl Begun {
    fn end(self, on_step: OnStep<'_>) {
        on_step(&Step { took: Some(self.at.elapsed()), ..self.step });
    }
}

async fn execute(change: &Change, desired: &Desired, clients: &Clients) -> Result<(), Error> {
    let Change { action, address, resource_type, replacement, properties } = change;
    if *action == Action::Remove {
        return delete(clients, resource_type, address).await;
    }
    // Services created before have their URLs now.
    let uris = clients.uris(desired).await?;
    let is_it = |wanted: &DesiredItem| {
        wanted.resource_type() == resource_type && wanted.address(&desired.settings) == *address
    };
    // The plan is of other settings: resources that are no longer wanted are skipped.
    let Some(wanted) = desired.all(&uris).into_iter().find(is_it) else { return Ok(()) };
    if *replacement == Replacement::Yes {
        delete(clients, resource_type, address).await?;
    }
    let there = *action == Action::Modify && *replacement == Replacement::No;
    settle(clients, desired, wanted, there.then_some(properties)).await
}

/// Creates the resource, or changes these properties.
async fn settle(
    clients: &Clients,
    desired: &Desired,
    wanted: DesiredItem,
    changed: Option<&Vec<PropertyChange>>,
) -> Result<(), Error> {
    match (wanted, changed) {
        (DesiredItem::Bucket(name, _), Some(_)) => clients.storage.update(&name).await,
        (DesiredItem::Bucket(..), None) => clients.storage.create(&desired.settings).await,
        (DesiredItem::Topic(topic), _) => clients.pubsub.create_topic(*topic).await,
        (DesiredItem::Subscription(subscription), Some(changed)) => {
            clients.pubsub.update_subscription(*subscription, changed).await
        }
        (DesiredItem::Subscription(subscription), None) => {
            clients.pubsub.create_subscription(*subscription).await
        }
        (DesiredItem::Service(service), _) => {
            clients.run.put_service(&service.name, &service.service).await.map(drop)
        }
        (DesiredItem::Job(name, job), _) => clients.run.put_job(&name, &job).await.map(drop),
    }
}

/// Deletes a resource; a missing one is success. A bucket must be empty.
async fn delete(clients: &Clients, resource_type: &str, address: &str) -> Result<(), Error> {
    let name = address.rsplit('/').next().unwrap_or(address);
    match resource_type {
        TOPIC => clients.pubsub.delete_topic(address).await,
        SUBSCRIPTION => clients.pubsub.delete_subscription(address).await,
        SERVICE => clients.run.delete_service(name).await,
        JOB => clients.run.delete_job(name).await,
        BUCKET => clients.storage.delete(name).await,
        _ => Ok(()),
    }
}

/// The outputs of an apply of these settings, for the resources that exist.
pub async fn outputs(settings: &Settings, endpoints: &Endpoints) -> Result<Outputs, Error> {
    let clients = Clients::open(endpoints, settings).await?;
    let gcp = &settings.gcp;
    let topology = Topology::of(settings);
    let bucket = names::gcp_bucket(settings);
    let mut outputs: Outputs = [
        ("project", &gcp.project),
        ("region", &gcp.region),
        ("database", &gcp.firestore.database),
        ("collection", &gcp.firestore.collection),
    ]
    .map(|(name, value)| (name.to_owned(), value.clone()))
    .into();
    let mut add = |name: &str, value: Option<String>| {
        outputs.extend(value.map(|value| (name.to_owned(), value)));
    };
    let topic = clients.pubsub.topic(&topology.topic).await?;
    add("topic", topic.map(|topic| topic.name));
    let topic = clients.pubsub.topic(&topology.dead_letter_topic).await?;
    add("dead_letter_topic", topic.map(|topic| topic.name));
    let subscription = clients.pubsub.subscription(&topology.subscription).await?;
    add("subscription", subscription.map(|subscription| subscription.name));
    let subscription = clients.pubsub.subscription(&topology.dead_letter_subscription).await?;
    add("dead_letter_subscription", subscription.map(|subscription| subscription.name));
    let there = clients.storage.bucket(&bucket).await?.is_some();
    add("bucket", there.then_some(bucket));
    let ingest = clients.run.service(&gcp.ingest.service).await?;
    add("ingest_url", ingest.map(|service| service.uri));
    let replicate = clients.run.service(&replicate_name(settings)).await?;
    add("replicate_url", replicate.map(|service| service.uri));
    Ok(outputs)
}

/// Deletes a deployment of these settings with all its data, complete or not.
pub async fn destroy(
    settings: &Settings,
    endpoints: &Endpoints,
    on_step: OnStep<'_>,
) -> Result<(), Error> {
    let clients = Clients::open(endpoints, settings).await?;
    // By labels, and by name those whose labels were removed.
    let mut items = clients.labelled(settings).await?;
    let named = by_name(settings).into_iter().filter(|item| !items.contains(item));
    items.extend(named.collect::<Vec<_>>());
    items.sort_by_key(rank);
    for Item { resource_type, name } in items {
        let step = begin(on_step, "delete", &name, &resource_type);
        delete(&clients, &resource_type, &name).await?;
        step.end(on_step);
    }
    let bucket = names::gcp_bucket(settings);
    let step = begin(on_step, "empty and delete", &bucket_address(&bucket), BUCKET);
    clients.storage.delete_with_content(&bucket).await?;
    step.end(on_step);
    let collection = &settings.gcp.firestore.collection;
    let step = begin(on_step, "delete the candles of", collection, "google_firestore_document");
    clients.firestore.delete(collection).await?;
    step.end(on_step);
    Ok(())
}

fn by_name(settings: &Settings) -> Vec<Item> {
    let topology = Topology::of(settings);
    let replicate = replicate_name(settings);
    [
        (JOB, regional(settings, "jobs", &replicate)),
        (SUBSCRIPTION, topology.subscription),
        (SUBSCRIPTION, topology.dead_letter_subscription),
        (SERVICE, regional(settings, "services", &settings.gcp.ingest.service)),
        (SERVICE, regional(settings, "services", &replicate)),
        (TOPIC, topology.topic),
        (TOPIC, topology.dead_letter_topic),
    ]
    .map(|(resource_type, name)| Item { resource_type: resource_type.to_owned(), name })
    .into()
}
