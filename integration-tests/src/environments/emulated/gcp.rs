//! Google Cloud: two Cloud Run services, and what they use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use args::Target;
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::google::{self, PushTarget};
use infra::files::ResolvedOutputs;
use infra::names;

use super::network::{Client, Network, Service};
use super::redelivery::{Policy, Redelivery};
use super::{ACCOUNT, Deployment, Place, endpoints};
use crate::cloud::{Cloud, View};
use crate::delivery::Limits;
use crate::history::{CloudId, Event};
use crate::processes::container;
use crate::processes::emulators::Running;
use crate::processes::emulators::cloud_run::{self, Instance};

/// Google Cloud as the harness sees it.
pub type GcpCloud = Cloud<PubSubQueue, GcsArchive, FirestoreStore>;

/// The Cloud Run services, an instance of each.
#[derive(Debug)]
pub(super) struct Services {
    ingest: Running,
    replicate: Running,
    /// The proxy that keeps the retry policy, where the settings have one: the emulator does not.
    redelivery: Option<Redelivery>,
}

impl Services {
    pub(super) async fn start(place: &Place, network: &mut Network) -> anyhow::Result<Self> {
        let Deployment { settings, gcp_image, .. } = &place.deployment;
        let seen = endpoints(network, Client::Gcp);
        let env = |function: BTreeMap<String, String>| {
            let seen = seen.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            function.into_iter().chain(seen).collect::<BTreeMap<_, _>>()
        };
        let ingest = match gcp_image {
            Some(image) => {
                let run = place.deployment.container_run();
                Instance::Container { image: image.clone(), run }
            }
            None => Instance::Program(packed(place, "gcp-ingest")?),
        };
        let ingest = cloud_run::Options { instance: ingest, env: env(settings.gcp_function_env()) };
        let known = ResolvedOutputs {
            aws_account: Some(ACCOUNT.to_owned()),
            aws_endpoint: Some(network.endpoint(Client::Gcp, Service::Aws)),
            ..ResolvedOutputs::default()
        };
        let replicate = cloud_run::Options {
            instance: Instance::Program(packed(place, "gcp-replicate")?),
            env: env(settings.gcp_replicate_env(&known)),
        };
        let (ingest, replicate) = tokio::try_join!(
            cloud_run::start(&place.launch, &ingest),
            cloud_run::start_as(&place.launch, "gcp-replicate", &replicate)
        )?;
        network.leads_to(Service::Ingest, &ingest.endpoint)?;
        network.leads_to(Service::Replicate, &replicate.endpoint)?;
        let limits = Limits::of(CloudId::Gcp, settings);
        // In a container, Pub/Sub has a loopback of its own, and would not find it.
        let is_found = place.deployment.backend.target() == Target::Processes;
        let redelivery = if is_found && settings.gcp.pubsub.max_backoff_ms > 0 {
            let pubsub = network.endpoint(Client::Harness, Service::PubSub);
            let topic = names::topic_path(settings, &settings.gcp.pubsub.dead_letter_topic);
            let service = format!("{}/", network.endpoint(Client::PubSub, Service::Ingest));
            let dead_letters = format!("{pubsub}/v1/{topic}:publish");
            Some(Redelivery::start(Policy { service, dead_letters, limits }).await?)
        } else {
            None
        };
        Ok(Self { ingest, replicate, redelivery })
    }

    pub(super) fn pause(&self) {
        self.both().into_iter().for_each(|service| service.supervised.pause());
    }

    pub(super) fn resume(&self) {
        self.both().into_iter().for_each(|service| service.supervised.resume());
    }

    fn both(&self) -> [&Running; 2] {
        [&self.ingest, &self.replicate]
    }

    /// Kills the instance that ingests, and says how.
    pub(super) async fn kill_ingest(&mut self, deployment: &Deployment) -> Option<String> {
        if deployment.gcp_image.is_some() {
            let container = container::kill(&deployment.container_run()).await?;
            return Some(format!("docker kill --signal KILL {container}"));
        }
        let ingest = &mut self.ingest.supervised;
        let pid = ingest.pid()?;
        ingest.kill9().await.ok().map(|()| format!("kill -9 {pid}"))
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        tokio::try_join!(self.ingest.stop(), self.replicate.stop())?;
        Ok(())
    }
}

/// Makes topics, subscriptions and the bucket.
pub(super) async fn deploy(
    place: &Place,
    network: &Network,
    services: Option<&Services>,
) -> anyhow::Result<()> {
    let mut settings = place.deployment.settings.clone();
    let push = match services.and_then(|services| services.redelivery.as_ref()) {
        Some(redelivery) => {
            (settings.gcp.pubsub.min_backoff_ms, settings.gcp.pubsub.max_backoff_ms) = (0, 0);
            format!("{}/", redelivery.endpoint())
        }
        None => format!("{}/", network.endpoint(Client::PubSub, Service::Ingest)),
    };
    let settings = &settings;
    let storage = network.endpoint(Client::Harness, Service::Storage);
    google::create_bucket(&storage, settings).await?;
    let pubsub = network.endpoint(Client::Harness, Service::PubSub);
    let push = PushTarget { url: &push, service_account: None };
    Box::pin(google::ensure_topology(Some(&pubsub), settings, push)).await?;
    place.history.record(Event::CloudReady { cloud: CloudId::Gcp });
    Ok(())
}

/// Its ports, by the names that the settings give.
pub(super) async fn connect(place: &Place, network: &Network) -> anyhow::Result<GcpCloud> {
    let settings = &place.deployment.settings;
    let gcp = &settings.gcp;
    let endpoint = |service| network.endpoint(Client::Harness, service);
    let pubsub = endpoint(Service::PubSub);
    let queue = async |topic: &str, subscription: &str| {
        PubSubQueue::connect(Some(&pubsub), &gcp.project, topic, subscription).await
    };
    let names = &gcp.pubsub;
    let firestore = endpoint(Service::Firestore);
    let store = FirestoreStore::connect(
        Some(&firestore),
        &gcp.project,
        &gcp.firestore.database,
        &gcp.firestore.collection,
    );
    let bucket = names::gcp_bucket(settings);
    Ok(Cloud {
        name: CloudId::Gcp,
        queue: queue(&names.topic, &names.subscription).await?,
        dead_letters: queue(&names.dead_letter_topic, &names.dead_letter_subscription).await?,
        archive: GcsArchive::connect(Some(&endpoint(Service::Storage)), &bucket).await?,
        store: store.await?,
        view: View::whole().redelivering(Limits::of(CloudId::Gcp, settings)),
    })
}

/// A packed program, under a link of our own: another build may put another file in its place while this run restarts
/// it.
fn packed(place: &Place, name: &str) -> anyhow::Result<PathBuf> {
    let service = place.manifest.artifact(name);
    let service = service.with_context(|| format!("find {name} in the manifest"))?;
    let program = place.deployment.run_dir.join(name);
    let packed = place.deployment.artifacts.join(&service.path);
    if !program.exists() {
        std::fs::hard_link(&packed, &program)
            .or_else(|_| std::fs::copy(&packed, &program).map(drop))
            .with_context(|| format!("link {} into the run's folder", packed.display()))?;
    }
    Ok(program)
}
