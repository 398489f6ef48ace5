//! The emulators' backend: processes of this machine, or containers of its engine. Only this module knows which.

use anyhow::Context as _;
use args::{AwsEmulator, Target};
use cli::{Failure, Progress};
use futures::future::try_join_all;
use infra::Settings;
use toolbox::Tools;

use super::Deployment;
use super::network::{Client, LINKS, Network, Service};
use crate::containers::{self, Containers, Fault, Images, Unsupported, images};
use crate::emulator::Emulator;
use crate::history::CloudId;
use crate::processes::emulators::{Launch, ministack};
use crate::processes::{self, LocalClouds};

/// The emulators' backend: processes or containers.
#[derive(Clone, Debug)]
pub enum Backend {
    /// Programs of this machine.
    Processes(Box<Tools>),
    /// Images of its container engine.
    Containers(Box<Images>),
}

impl Backend {
    /// Programs found or fetched, for the target `containers` images found or pulled; else what is lacking.
    pub fn find(
        target: Target,
        settings: &Settings,
        aws: Option<AwsEmulator>,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        if target != Target::Containers {
            let tools = processes::tools(progress).context("the target processes can't be had")?;
            return Ok(Self::Processes(Box::new(tools)));
        }
        let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
        progress.now("looking for the emulators' images");
        let say = |text: &str| progress.note(text);
        let found = Images::find(&settings.containers, aws.map(images::asked), say);
        let images = runtime.block_on(found).context("the target containers can't be had")?;
        Ok(Self::Containers(Box::new(images)))
    }

    /// The target that this is.
    #[must_use]
    pub fn target(&self) -> Target {
        match self {
            Self::Processes(_) => Target::Processes,
            Self::Containers(_) => Target::Containers,
        }
    }

    /// The emulator of AWS, where there is a choice.
    #[must_use]
    pub fn aws_emulator(&self) -> Option<AwsEmulator> {
        match self {
            Self::Processes(_) => None,
            Self::Containers(images) => Some(images.aws_emulator()),
        }
    }

    /// Refuses a fault that the backend can't inject.
    pub fn require(&self, fault: Fault) -> Result<(), Failure> {
        match self {
            Self::Processes(_) => Ok(()),
            Self::Containers(images) => images.require(fault).map_err(Unsupported::failure),
        }
    }
}

/// The emulators of both clouds.
#[derive(Debug)]
pub(super) enum Emulators {
    Processes(Box<LocalClouds>),
    Containers(Box<Containers>),
}

impl Emulators {
    /// Starts all of them, and lets the network lead to them.
    pub(super) async fn start(
        deployment: &Deployment,
        launch: &Launch,
        network: &mut Network,
        progress: impl Fn(&str),
    ) -> anyhow::Result<Self> {
        let emulators = match &deployment.backend {
            Backend::Processes(tools) => {
                let seen_by_functions = || network.endpoint(Client::Aws, Service::Aws);
                let options = processes::Options {
                    tools: (**tools).clone(),
                    guard: launch.guard.clone(),
                    run_dir: launch.run_dir.clone(),
                    on_event: launch.on_event.clone(),
                    ministack: ministack::Options {
                        region: deployment.settings.aws.region.clone(),
                        endpoint_for_functions: network.is_breakable().then(seen_by_functions),
                        ..ministack::Options::default()
                    },
                };
                Self::Processes(Box::new(LocalClouds::start(&options, progress).await?))
            }
            Backend::Containers(images) => {
                anyhow::ensure!(network.is_breakable(), "containers are used through proxies only");
                let options = containers::Options {
                    images: (**images).clone(),
                    guard: launch.guard.clone(),
                    run_dir: launch.run_dir.clone(),
                    region: deployment.settings.aws.region.clone(),
                    proxy_for_functions: Some(network.port((Client::Aws, Service::Aws))?),
                };
                let containers = Containers::start(&options, progress).await?;
                for link in LINKS.into_iter().filter(|(viewer, _)| viewer.is_among_emulators()) {
                    let way_out = containers.expose(network.port(link)?).await?;
                    network.is_reached_by(link, way_out);
                }
                Self::Containers(Box::new(containers))
            }
        };
        Emulator::ALL.iter().try_for_each(|emulator| emulators.announce(*emulator, network))?;
        Ok(emulators)
    }

    fn announce(&self, emulator: Emulator, network: &mut Network) -> anyhow::Result<()> {
        let endpoint = match self {
            Self::Processes(clouds) => clouds.endpoint(emulator),
            Self::Containers(containers) => containers.endpoint(emulator),
        };
        network.leads_to(emulator.into(), endpoint)
    }

    /// SIGKILL of a cloud's emulators: all that they held is gone.
    pub(super) async fn kill(&mut self, cloud: CloudId) -> anyhow::Result<()> {
        match self {
            Self::Processes(clouds) => clouds.kill(cloud).await?,
            Self::Containers(containers) => {
                try_join_all(Emulator::of(cloud).iter().map(|it| containers.kill(*it))).await?;
            }
        }
        Ok(())
    }

    /// Starts those of a cloud that was killed, with nothing in them, and lets the network lead to them.
    pub(super) async fn start_again(
        &mut self,
        cloud: CloudId,
        network: &mut Network,
    ) -> anyhow::Result<()> {
        match self {
            Self::Processes(clouds) => clouds.start_again(cloud).await?,
            Self::Containers(containers) => {
                let each = Emulator::of(cloud).iter();
                try_join_all(each.map(|it| containers.start_again(*it))).await?;
            }
        }
        Emulator::of(cloud).iter().try_for_each(|emulator| self.announce(*emulator, network))
    }

    /// Stops those of a cloud in their tracks.
    pub(super) async fn pause(&self, cloud: CloudId) -> anyhow::Result<()> {
        match self {
            Self::Processes(clouds) => clouds.pause(cloud),
            Self::Containers(containers) => {
                try_join_all(Emulator::of(cloud).iter().map(|it| containers.pause(*it))).await?;
            }
        }
        Ok(())
    }

    /// Lets them go on where they were.
    pub(super) async fn resume(&self, cloud: CloudId) -> anyhow::Result<()> {
        match self {
            Self::Processes(clouds) => clouds.resume(cloud),
            Self::Containers(containers) => {
                try_join_all(Emulator::of(cloud).iter().map(|it| containers.unpause(*it))).await?;
            }
        }
        Ok(())
    }

    /// Kills the process of an AWS function, if there is one now, and says which it was.
    pub(super) async fn kill_function(&self) -> anyhow::Result<Option<u32>> {
        match self {
            Self::Processes(clouds) => Ok(clouds.kill_function()),
            Self::Containers(containers) => Ok(containers.kill_function().await?),
        }
    }

    /// Ends all of them, and waits until they are gone.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Self::Processes(clouds) => clouds.stop().await?,
            Self::Containers(containers) => containers.stop().await?,
        }
        Ok(())
    }
}

impl From<Emulator> for Service {
    fn from(emulator: Emulator) -> Self {
        match emulator {
            Emulator::Aws => Self::Aws,
            Emulator::PubSub => Self::PubSub,
            Emulator::Firestore => Self::Firestore,
            Emulator::Storage => Self::Storage,
        }
    }
}
