//! Both clouds on emulators, with the release binaries of all functions: the very zips and the very services that are
//! deployed.
//!
//! The targets `processes` and `containers` are the same but for where the emulators are ([`Backend`]). Google's services,
//! the producer and the proxies are processes of this machine in both.

mod aws;
mod backend;
mod gcp;
pub mod network;
mod redelivery;
pub mod replication;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use fault_proxy::Level;
use infra::Settings;
use infra::files::ResolvedOutputs;
use infra::package::Manifest;
use infra::package::image::ImageReference;

use crate::history::{CloudId, Event, History};
use crate::processes::container;
use crate::processes::emulators::{Launch, ministack};
use crate::processes::supervised::{EventKind, GuardProgram, OnEvent};

pub use aws::AwsCloud;
pub use backend::Backend;
use backend::Emulators;
pub use gcp::GcpCloud;
use gcp::Services;
use network::{Client, Network, Service};
use replication::Replication;

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";

/// Both clouds, deployed.
#[derive(Debug)]
pub struct Emulated {
    /// AWS as the harness sees it.
    pub aws: AwsCloud,
    /// Google Cloud as the harness sees it.
    pub gcp: GcpCloud,
    /// The links between every client and every service.
    pub network: Network,
    emulators: Emulators,
    /// None while Google Cloud is dead.
    services: Option<Services>,
    place: Place,
}

/// Settings of a deployment on emulators.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The emulators' backend: processes or containers.
    pub backend: Backend,
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// Folder of the run's files.
    pub run_dir: PathBuf,
    /// Folder of the artifacts of `cargo xtask build`.
    pub artifacts: PathBuf,
    /// Names and sizes.
    pub settings: Settings,
    /// The image that the Cloud Run service is a container of; `None`: the packed program itself.
    pub gcp_image: Option<ImageReference>,
    /// Proxies between clients and services, so that clouds can be lost and links be broken. `None`: each client
    /// uses the services directly.
    pub proxies: Option<Proxies>,
}

/// Settings of the proxies.
#[derive(Clone, Copy, Debug)]
pub struct Proxies {
    /// Level at which they read the traffic.
    pub level: Level,
    /// Of their dice.
    pub seed: u64,
}

impl Deployment {
    /// By which this run's containers are found.
    fn container_run(&self) -> String {
        let name = self.run_dir.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}-{}", std::process::id())
    }
}

/// State for starting, and starting again.
#[derive(Debug)]
struct Place {
    deployment: Deployment,
    manifest: Manifest,
    launch: Launch,
    history: History,
}

/// Outputs that the stack's functions get.
fn known(network: &Network) -> ResolvedOutputs {
    ResolvedOutputs {
        aws_account: Some(ACCOUNT.to_owned()),
        aws_endpoint: Some(network.endpoint(Client::Aws, Service::Aws)),
        gcs_endpoint: Some(network.endpoint(Client::Aws, Service::Storage)),
        ..ResolvedOutputs::default()
    }
}

impl Emulated {
    /// Starts the emulators and deploys to both.
    pub async fn start(
        deployment: &Deployment,
        history: &History,
        progress: impl Fn(&str),
    ) -> anyhow::Result<Self> {
        if let Some(image) = &deployment.gcp_image {
            progress("having the engine pull the image");
            container::ensure_image(image).await.context("get the image of --gcp-image")?;
        }
        let mut network = match deployment.proxies {
            Some(Proxies { level, seed }) => Network::of_proxies(level, seed, history).await?,
            None => Network::direct(),
        };
        let manifest = Manifest::read(&deployment.artifacts);
        let place = Place {
            deployment: deployment.clone(),
            manifest: manifest.context("read what `cargo xtask build` made")?,
            launch: launch(deployment, history),
            history: history.clone(),
        };
        let emulators =
            Box::pin(Emulators::start(deployment, &place.launch, &mut network, &progress)).await?;
        progress("deploying to both clouds");
        aws::deploy(&place, &network).await.context("deploy to AWS")?;
        let services = Services::start(&place, &mut network).await.context("deploy to Google")?;
        Box::pin(gcp::deploy(&place, &network, Some(&services)))
            .await
            .context("deploy to Google")?;
        let (aws, gcp) =
            tokio::try_join!(aws::connect(&place, &network), gcp::connect(&place, &network))?;
        Ok(Self { aws, gcp, network, emulators, services: Some(services), place })
    }

    /// Variables with all endpoints, for tools of one's own.
    #[must_use]
    pub fn endpoints(&self) -> BTreeMap<&'static str, String> {
        endpoints(&self.network, Client::Harness)
    }

    /// Environment of the producer: the settings, and the endpoints of both clouds as it sees them.
    #[must_use]
    pub fn producer_env(&self) -> BTreeMap<String, String> {
        let seen = endpoints(&self.network, Client::Producer);
        let seen = seen.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.place.deployment.settings.producer_env().into_iter().chain(seen).collect()
    }

    /// Starter of the functions of replicate, in place of a schedule.
    pub async fn replication(&self) -> Replication {
        let Place { deployment, history, .. } = &self.place;
        let aws = aws::config(&deployment.settings, &self.network).await;
        let service = self.network.endpoint(Client::Harness, Service::Replicate);
        Replication::new(&aws, &deployment.settings, &service, history)
    }

    /// Kills a cloud, and everything that was in it: `kill -9` of its emulators and functions.
    pub async fn kill_cloud(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        self.emulators.kill(cloud).await?;
        match self.services.take_if(|_| cloud == CloudId::Gcp) {
            Some(services) => services.stop().await,
            None => Ok(()),
        }
    }

    /// Starts a cloud that was killed, with nothing in it.
    pub async fn start_cloud(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        anyhow::ensure!(self.network.is_breakable(), "without proxies nobody would find it again");
        self.emulators.start_again(cloud, &mut self.network).await?;
        if cloud == CloudId::Gcp {
            self.services = Some(Services::start(&self.place, &mut self.network).await?);
        }
        Ok(())
    }

    /// Deploys to a cloud in which nothing is, or to one that has everything: then nothing changes.
    pub async fn deploy(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        match cloud {
            CloudId::Aws => aws::deploy(&self.place, &self.network).await,
            CloudId::Gcp => {
                Box::pin(gcp::deploy(&self.place, &self.network, self.services.as_ref())).await
            }
        }
    }

    /// Stops a cloud in its tracks: no connection closes, nothing answers.
    pub async fn pause_cloud(&self, cloud: CloudId) -> anyhow::Result<()> {
        self.services_of(cloud).into_iter().for_each(Services::pause);
        self.emulators.pause(cloud).await
    }

    /// Lets a cloud that was stopped go on where it was.
    pub async fn resume_cloud(&self, cloud: CloudId) -> anyhow::Result<()> {
        self.emulators.resume(cloud).await?;
        self.services_of(cloud).into_iter().for_each(Services::resume);
        Ok(())
    }

    fn services_of(&self, cloud: CloudId) -> Option<&Services> {
        self.services.as_ref().filter(|_| cloud == CloudId::Gcp)
    }

    /// Kills the Lambda function's process, if there is one now, and says which it was.
    pub async fn kill_bootstrap(&self) -> anyhow::Result<Option<u32>> {
        self.emulators.kill_function().await
    }

    /// Kills the Cloud Run instance and says how; it is started again.
    pub async fn kill_service(&mut self) -> Option<String> {
        self.services.as_mut()?.kill_ingest(&self.place.deployment).await
    }

    /// Stops everything and waits until it is gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self { emulators, services, place, .. } = self;
        let services = async {
            if let Some(services) = services {
                services.stop().await?;
            }
            if place.deployment.gcp_image.is_some() {
                container::remove(&place.deployment.container_run()).await?;
            }
            Ok(())
        };
        let (emulators, services) = tokio::join!(emulators.stop(), services);
        emulators.and(services)
    }
}

/// The variables by which AWS's and Google's own tools are pointed to emulators.
fn endpoints(network: &Network, viewer: Client) -> BTreeMap<&'static str, String> {
    let endpoint = |service| network.endpoint(viewer, service);
    let host_and_port = |service| endpoint(service).trim_start_matches("http://").to_owned();
    BTreeMap::from([
        ("AWS_ENDPOINT_URL", endpoint(Service::Aws)),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("PUBSUB_EMULATOR_HOST", host_and_port(Service::PubSub)),
        ("FIRESTORE_EMULATOR_HOST", host_and_port(Service::Firestore)),
        ("STORAGE_EMULATOR_HOST", endpoint(Service::Storage)),
    ])
}

fn launch(deployment: &Deployment, history: &History) -> Launch {
    let history = history.clone();
    let on_event = OnEvent::new(move |event| {
        if matches!(event.kind, EventKind::Started { restarts: 1.., .. }) {
            let cloud = if event.name == ministack::NAME { CloudId::Aws } else { CloudId::Gcp };
            history.record(Event::Restarted { cloud, process: event.name });
        }
    });
    Launch { guard: deployment.guard.clone(), run_dir: deployment.run_dir.clone(), on_event }
}
