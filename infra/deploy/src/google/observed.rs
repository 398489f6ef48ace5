//! The observed state of Google's side: resources read by name, and found by labels.

use std::collections::BTreeMap;
use std::fmt;

use infra::render::tags;
use infra::{Settings, names};
use serde::Serialize;

use super::desired::{
    BUCKET, Desired, DesiredItem, JOB, SERVICE, SUBSCRIPTION, TOPIC, Uris, bucket_address, regional,
};
use super::firestore::Firestore;
use super::properties::{self, Properties};
use super::pubsub::Admin;
use super::run::Run;
use super::storage::Storage;
use super::{Endpoints, Error};
use crate::local::run::Job;

/// Labels that say whose something is; the others may change.
const OWNER_LABELS: [&str; 3] = ["project", "environment", "managed-by"];

/// An existing resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Item {
    /// The type, such as `google_pubsub_topic`.
    pub resource_type: String,
    /// Its full name.
    pub name: String,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.resource_type, self.name)
    }
}

/// Clients of the four emulators.
pub(super) struct Clients {
    pub(super) pubsub: Admin,
    pub(super) storage: Storage,
    pub(super) run: Run,
    pub(super) firestore: Firestore,
}

impl Clients {
    /// Opens the clients, if all emulators are reachable.
    pub(super) async fn open(endpoints: &Endpoints, settings: &Settings) -> Result<Self, Error> {
        endpoints.check().await?;
        let gcp = &settings.gcp;
        Ok(Self {
            pubsub: Admin::new(Some(&endpoints.pubsub)).await?,
            storage: Storage::new(&endpoints.storage)?,
            run: Run::new(&endpoints.run)?,
            firestore: Firestore::new(&endpoints.firestore, &gcp.project, &gcp.firestore.database)?,
        })
    }

    /// The URLs of the services that exist.
    pub(super) async fn uris(&self, desired: &Desired) -> Result<Uris, Error> {
        let ingest = self.run.service(&desired.ingest.name).await?.map(|service| service.uri);
        let replicate = match &desired.replicate {
            Some((service, _)) => self.run.service(&service.name).await?.map(|service| service.uri),
            None => None,
        };
        Ok(Uris { ingest, replicate })
    }

    /// The current properties of a wanted resource, if it exists.
    pub(super) async fn read(&self, wanted: &DesiredItem) -> Result<Option<Properties>, Error> {
        Ok(match wanted {
            DesiredItem::Bucket(name, _) => self.storage.bucket(name).await?,
            DesiredItem::Topic(topic) => {
                self.pubsub.topic(&topic.name).await?.map(|topic| properties::of_topic(&topic))
            }
            DesiredItem::Subscription(subscription) => {
                let there = self.pubsub.subscription(&subscription.name).await?;
                there.map(|subscription| properties::of_subscription(&subscription))
            }
            DesiredItem::Service(service) => {
                let there = self.run.service(&service.name).await?;
                there.map(|service| properties::of_service(&service))
            }
            DesiredItem::Job(name, _) => {
                self.run.job(name).await?.map(|job| properties::of_job(&Job::from(&job)))
            }
        })
    }

    /// Resources with the labels of these settings, in the order of their deletion.
    pub(super) async fn labelled(&self, settings: &Settings) -> Result<Vec<Item>, Error> {
        let tags = tags(settings);
        let ours = |labels: &dyn Fn(&str) -> Option<String>| {
            OWNER_LABELS.iter().all(|label| labels(label).as_ref() == tags.get(*label))
        };
        let of_map = |labels: &BTreeMap<String, String>| ours(&|label| labels.get(label).cloned());
        let item = |resource_type: &str, name: String| Item {
            resource_type: resource_type.to_owned(),
            name,
        };
        let project = format!("projects/{}", settings.gcp.project);
        let mut items = Vec::new();
        for job in self.run.jobs().await?.iter().filter(|job| of_map(&job.labels)) {
            items.push(item(JOB, regional(settings, "jobs", &job.name)));
        }
        for subscription in self.pubsub.subscriptions(&project).await? {
            if ours(&|label| subscription.labels.get(label).cloned()) {
                items.push(item(SUBSCRIPTION, subscription.name));
            }
        }
        for service in self.run.services().await?.iter().filter(|s| of_map(&s.labels)) {
            items.push(item(SERVICE, regional(settings, "services", &service.name)));
        }
        for topic in self.pubsub.topics(&project).await? {
            if ours(&|label| topic.labels.get(label).cloned()) {
                items.push(item(TOPIC, topic.name));
            }
        }
        items.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.cmp(b)));
        Ok(items)
    }
}

/// Position in the order of deletion: callers before the services that they call.
pub(super) fn rank(item: &Item) -> usize {
    let order = [JOB, SUBSCRIPTION, SERVICE, TOPIC, BUCKET];
    order.iter().position(|of| *of == item.resource_type).unwrap_or(order.len())
}

/// The existing resources of a deployment of these settings: by labels, or by name if an emulator keeps none.
/// None after a destroy.
pub async fn inventory(settings: &Settings, endpoints: &Endpoints) -> Result<Vec<Item>, Error> {
    let clients = Clients::open(endpoints, settings).await?;
    let mut items = clients.labelled(settings).await?;
    let bucket = names::gcp_bucket(settings);
    if clients.storage.bucket(&bucket).await?.is_some() {
        items.push(Item { resource_type: BUCKET.to_owned(), name: bucket_address(&bucket) });
    }
    let firestore = &settings.gcp.firestore;
    if clients.firestore.has(&firestore.collection).await? {
        let (project, database) = (&settings.gcp.project, &firestore.database);
        let root = format!("projects/{project}/databases/{database}/documents");
        items.push(Item {
            resource_type: "google_firestore_document".to_owned(),
            name: format!("{root}/{}", firestore.collection),
        });
    }
    Ok(items)
}
