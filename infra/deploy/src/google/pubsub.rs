//! Topics and subscriptions: read, created, changed and deleted through Google's own client.

use std::collections::BTreeSet;

use google_cloud_auth::credentials::anonymous;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_pubsub::client::{SubscriptionAdmin, TopicAdmin};
use google_cloud_pubsub::model::{Subscription, Topic};
use google_cloud_wkt as wkt;

use super::Error;
use super::error::{bounded, has_code, if_there};
use crate::plan::PropertyChange;

/// Properties of a subscription that can be changed; a topic has none that is set here. Expiry and labels are set at
/// the creation only: the emulator refuses to change them.
const MUTABLE: [&str; 5] = [
    "ack_deadline_seconds",
    "message_retention_duration",
    "push_config",
    "dead_letter_policy",
    "retry_policy",
];

/// The part of a property's path that Pub/Sub uses.
fn field(change: &PropertyChange) -> &str {
    change.path.split('.').next().unwrap_or_default()
}

/// True if a subscription can be changed in place, without recreating it.
pub(super) fn in_place(changes: &[PropertyChange]) -> bool {
    changes.iter().all(|change| MUTABLE.contains(&field(change)))
}

pub(super) struct Admin {
    topics: TopicAdmin,
    subscriptions: SubscriptionAdmin,
}

impl Admin {
    pub(super) async fn new(endpoint: Option<&str>) -> Result<Self, Error> {
        let (mut topics, mut subscriptions) = (TopicAdmin::builder(), SubscriptionAdmin::builder());
        if let Some(endpoint) = endpoint {
            let anonymous = anonymous::Builder::new().build();
            topics = topics.with_endpoint(endpoint).with_credentials(anonymous.clone());
            subscriptions = subscriptions.with_endpoint(endpoint).with_credentials(anonymous);
        }
        let failed = |error: google_cloud_gax::client_builder::Error| Error::Client {
            endpoint: endpoint.unwrap_or("pubsub.googleapis.com").to_owned(),
            problem: error.to_string(),
        };
        Ok(Self {
            topics: topics.build().await.map_err(failed)?,
            subscriptions: subscriptions.build().await.map_err(failed)?,
        })
    }

    pub(super) async fn topic(&self, name: &str) -> Result<Option<Topic>, Error> {
        let call = self.topics.get_topic().set_topic(name).send();
        if_there(bounded("read topic", name, call).await)
    }

    /// Creates a topic. An existing one is success: another run, or an earlier try of this call, has created it.
    pub(super) async fn create_topic(&self, topic: Topic) -> Result<(), Error> {
        let name = topic.name.clone();
        let call = self.topics.create_topic().with_request(topic).send();
        unless(Code::AlreadyExists, bounded("create topic", &name, call).await.map(drop))
    }

    pub(super) async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let call = self.topics.delete_topic().set_topic(name).send();
        unless(Code::NotFound, bounded("delete topic", name, call).await)
    }

    /// All topics of `projects/P`.
    pub(super) async fn topics(&self, project: &str) -> Result<Vec<Topic>, Error> {
        let mut items = self.topics.list_topics().set_project(project).by_item();
        let mut topics = Vec::new();
        while let Some(topic) = bounded("list topics of", project, turned(items.next())).await? {
            topics.push(topic);
        }
        Ok(topics)
    }

    pub(super) async fn subscription(&self, name: &str) -> Result<Option<Subscription>, Error> {
        let call = self.subscriptions.get_subscription().set_subscription(name).send();
        if_there(bounded("read subscription", name, call).await)
    }

    pub(super) async fn create_subscription(
        &self,
        subscription: Subscription,
    ) -> Result<(), Error> {
        let name = subscription.name.clone();
        let call = self.subscriptions.create_subscription().with_request(subscription).send();
        let made = bounded("create subscription", &name, call).await.map(drop);
        unless(Code::AlreadyExists, made)
    }

    /// Applies these changes. See [`in_place`].
    pub(super) async fn update_subscription(
        &self,
        subscription: Subscription,
        changes: &[PropertyChange],
    ) -> Result<(), Error> {
        let name = subscription.name.clone();
        let fields: BTreeSet<&str> = changes.iter().map(field).collect();
        let call = self
            .subscriptions
            .update_subscription()
            .set_update_mask(wkt::FieldMask::default().set_paths(fields))
            .set_subscription(subscription)
            .send();
        bounded("update subscription", &name, call).await.map(drop)
    }

    pub(super) async fn delete_subscription(&self, name: &str) -> Result<(), Error> {
        let call = self.subscriptions.delete_subscription().set_subscription(name).send();
        unless(Code::NotFound, bounded("delete subscription", name, call).await)
    }

    /// All subscriptions of `projects/P`.
    pub(super) async fn subscriptions(&self, project: &str) -> Result<Vec<Subscription>, Error> {
        let mut items = self.subscriptions.list_subscriptions().set_project(project).by_item();
        let mut subscriptions = Vec::new();
        let list = "list subscriptions of";
        while let Some(subscription) = bounded(list, project, turned(items.next())).await? {
            subscriptions.push(subscription);
        }
        Ok(subscriptions)
    }
}

async fn turned<T, E>(item: impl Future<Output = Option<Result<T, E>>>) -> Result<Option<T>, E> {
    item.await.transpose()
}

/// Treats an answer with `code` as success: the change is done already.
fn unless(code: Code, answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error::Call { cause, .. }) if has_code(&cause, code) => Ok(()),
        answer => answer,
    }
}
