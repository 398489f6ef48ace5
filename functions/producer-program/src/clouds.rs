//! The queues and the override stores of both clouds.

use std::time::Duration;

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use cloud_aws::{Clients, DynamoOverrideStore, SqsQueue, single_attempt_config};
use cloud_gcp::{Endpoints, FirestoreOverrideStore, PubSubQueue};
use federation::AwsIdentity;
use pipeline::ports::{MessageId, PortError, Queue, Receipt, Received};
use pipeline::route::Target;
use pipeline::route::overrides::{OverrideStore, RoutingOverride};

use producer::config::ProducerConfig;
use producer::relay::store_of;

use super::args::SignIn;

/// A cloud's queue.
#[derive(Clone, Debug)]
pub enum CloudQueue {
    /// SQS.
    Aws(SqsQueue),
    /// Pub/Sub.
    Gcp(Box<PubSubQueue>),
}

impl Queue for CloudQueue {
    async fn publish(&self, bodies: Vec<String>) -> Vec<Result<MessageId, PortError>> {
        match self {
            Self::Aws(queue) => queue.publish(bodies).await,
            Self::Gcp(queue) => queue.publish(bodies).await,
        }
    }

    async fn receive(&self, max: usize) -> Result<Vec<Received>, PortError> {
        match self {
            Self::Aws(queue) => queue.receive(max).await,
            Self::Gcp(queue) => queue.receive(max).await,
        }
    }

    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), PortError> {
        match self {
            Self::Aws(queue) => queue.acknowledge(receipt).await,
            Self::Gcp(queue) => queue.acknowledge(receipt).await,
        }
    }

    async fn release(&self, receipt: &Receipt) -> Result<(), PortError> {
        match self {
            Self::Aws(queue) => queue.release(receipt).await,
            Self::Gcp(queue) => queue.release(receipt).await,
        }
    }
}

/// A cloud's override store.
#[derive(Clone, Debug)]
pub enum CloudOverrideStore {
    /// In `DynamoDB`.
    Aws(DynamoOverrideStore),
    /// In Firestore.
    Gcp(FirestoreOverrideStore),
}

impl OverrideStore for CloudOverrideStore {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        match self {
            Self::Aws(register) => register.read().await,
            Self::Gcp(register) => register.read().await,
        }
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        match self {
            Self::Aws(register) => register.replace(expected, order).await,
            Self::Gcp(register) => register.replace(expected, order).await,
        }
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        match self {
            Self::Aws(register) => register.incarnation().await,
            Self::Gcp(register) => register.incarnation().await,
        }
    }
}

/// The clouds of a configuration, and the sign-in at AWS.
pub(super) struct Clouds<'c> {
    pub(super) config: &'c ProducerConfig,
    /// The targets of the router.
    pub(super) targets: &'c [Target],
    /// None: credentials as AWS's own tools find them.
    pub(super) sign_in: Option<&'c SignIn>,
}

impl Clouds<'_> {
    /// The queue of each target, in the order of the targets. Each connects lazily.
    ///
    /// The clients try once: the relay tries again by itself, and has to hear of each failure to know how a cloud is.
    pub(super) async fn queues(&self, deadline: Duration) -> anyhow::Result<Vec<CloudQueue>> {
        let mut queues = Vec::new();
        for target in self.targets {
            let queue = self.queue(target, deadline).await;
            queues.push(queue.with_context(|| format!("set up publishing to {}", target.name))?);
        }
        Ok(queues)
    }

    async fn queue(&self, target: &Target, deadline: Duration) -> anyhow::Result<CloudQueue> {
        if target.cloud == "aws" {
            let sdk = self.aws(target, deadline).await?;
            let name = self.config.aws.queue_in(&target.region);
            return Ok(CloudQueue::Aws(SqsQueue::named(Clients::new(&sdk).sqs, name)));
        }
        // A topic is one in all regions.
        let (project, topic) = (&self.config.gcp.project, &self.config.gcp.topic);
        let (emulator, region) = (endpoints().pubsub, region(target));
        let queue =
            PubSubQueue::connect_once(emulator.as_deref(), region, project, topic, deadline)
                .await?;
        Ok(CloudQueue::Gcp(Box::new(queue)))
    }

    /// The override store of each store that there is a target of, by its name: Google Cloud has one, AWS one in each region.
    /// Connects lazily.
    pub(super) async fn registers(
        &self,
        patience: Duration,
    ) -> anyhow::Result<Vec<(String, CloudOverrideStore)>> {
        let mut registers: Vec<(String, CloudOverrideStore)> = Vec::new();
        for target in self.targets {
            let store = store_of(target);
            if registers.iter().any(|(name, _)| name == store) {
                continue;
            }
            let register = if target.cloud == "aws" {
                let sdk = self.aws(target, patience).await?;
                let (client, table) =
                    (Clients::new(&sdk).dynamodb, self.config.aws.table_in(&target.region));
                CloudOverrideStore::Aws(DynamoOverrideStore::new(client, table))
            } else {
                let gcp = &self.config.gcp;
                let endpoint = endpoints().firestore;
                CloudOverrideStore::Gcp(FirestoreOverrideStore::new(
                    endpoint.as_deref(),
                    &gcp.project,
                    &gcp.database,
                    &gcp.collection,
                ))
            };
            registers.push((store.to_owned(), register));
        }
        Ok(registers)
    }

    /// Opens AWS in the region of a target, with the SDK's default credentials or with the sign-in.
    async fn aws(&self, target: &Target, timeout: Duration) -> anyhow::Result<SdkConfig> {
        let region = region(target).unwrap_or(&self.config.aws.region);
        let sdk = single_attempt_config(Some(region), timeout).await;
        let Some(SignIn { role, audience }) = self.sign_in else { return Ok(sdk) };
        let identity = AwsIdentity::new(audience, role, &sdk, None);
        let identity = identity.with_context(|| format!("prepare to sign in at AWS as {role}"))?;
        let credentials = SharedCredentialsProvider::new(identity);
        Ok(sdk.into_builder().credentials_provider(credentials).build())
    }
}

/// The target's region, if its settings name one.
fn region(target: &Target) -> Option<&str> {
    Some(target.region.as_str()).filter(|region| !region.is_empty())
}

fn endpoints() -> Endpoints {
    Endpoints::from_vars(|name| std::env::var(name).ok())
}
