//! Both clouds as emulators in local processes, with the release binaries of both functions: the very zip and the
//! very service that are deployed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cloud_aws::{Clients, DynamoStore, S3Archive, SqsQueue};
use cloud_gcp::{FirestoreStore, GcsArchive, PubSubQueue};
use deploy::artifact;
use deploy::aws::{aws_config, emulator_credentials};
use deploy::cloudformation::{self, Limits, Outputs, StackRequest};
use deploy::google::{self, PushTarget};
use infra::files::Known;
use infra::package::Manifest;
use infra::package::image::ImageReference;
use infra::render::{self, Code, STACK_TEMPLATE};
use infra::{Settings, names};
use toolbox::Tools;

use crate::cloud::Cloud;
use crate::history::{CloudName, Event, History};
use crate::processes::container;
use crate::processes::emulators::cloud_run::{self, Instance};
use crate::processes::emulators::{Running, ministack};
use crate::processes::supervised::{EventKind, GuardProgram, OnEvent, Supervised};
use crate::processes::{LocalClouds, Options};

/// The account of every AWS emulator.
const ACCOUNT: &str = "000000000000";

/// AWS as the harness sees it.
pub type AwsCloud = Cloud<SqsQueue, S3Archive, DynamoStore>;
/// Google Cloud as the harness sees it.
pub type GcpCloud = Cloud<PubSubQueue, GcsArchive, FirestoreStore>;

/// Both clouds, deployed.
#[derive(Debug)]
pub struct Processes {
    /// AWS.
    pub aws: AwsCloud,
    /// Google Cloud.
    pub gcp: GcpCloud,
    service: Running,
    /// Of the service's containers, if it is one.
    container_run: Option<String>,
    clouds: LocalClouds,
}

/// What to deploy, and where.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The emulators' programs.
    pub tools: Tools,
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// Where the run's files go.
    pub run_dir: PathBuf,
    /// Where `cargo xtask build` left the artifacts.
    pub artifacts: PathBuf,
    /// Names and sizes.
    pub settings: Settings,
    /// The image that the Cloud Run service is a container of; `None`: the packed program itself.
    pub gcp_image: Option<ImageReference>,
}

impl Deployment {
    /// By which this run's containers are found.
    fn container_run(&self) -> String {
        let name = self.run_dir.file_name().unwrap_or_default().to_string_lossy();
        format!("{name}-{}", std::process::id())
    }
}

impl Processes {
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
        let options = options(deployment, history);
        let clouds = LocalClouds::start(&options, &progress).await?;
        progress("deploying to both clouds");
        let (aws, (gcp, service)) = tokio::try_join!(
            async { deploy_aws(deployment, &clouds).await.context("deploy to AWS") },
            async { deploy_gcp(deployment, &options, &clouds).await.context("deploy to Google") },
        )?;
        for cloud in [CloudName::Aws, CloudName::Gcp] {
            history.record(Event::CloudReady { cloud });
        }
        let container_run = deployment.gcp_image.as_ref().map(|_| deployment.container_run());
        Ok(Self { aws, gcp, service, container_run, clouds })
    }

    /// Where everything is, for tools of one's own: the variables by which they are pointed there.
    #[must_use]
    pub fn endpoints(&self) -> BTreeMap<&'static str, String> {
        endpoints(&self.clouds)
    }

    /// Stops the emulators of a cloud: their connections stay, as those of a machine that hangs.
    pub fn pause(&self, cloud: CloudName) {
        self.emulators(cloud).into_iter().for_each(Supervised::pause);
    }

    /// Undoes [`Self::pause`].
    pub fn resume(&self, cloud: CloudName) {
        self.emulators(cloud).into_iter().for_each(Supervised::resume);
    }

    fn emulators(&self, cloud: CloudName) -> Vec<&Supervised> {
        let LocalClouds { ministack, pubsub, firestore, fake_gcs } = &self.clouds;
        let emulators = match cloud {
            CloudName::Aws => vec![ministack],
            CloudName::Gcp => vec![pubsub, firestore, fake_gcs],
        };
        emulators.into_iter().map(|running| &running.supervised).collect()
    }

    /// `kill -9` of AWS's emulator: all that it holds is gone, and nobody answers any more.
    pub async fn kill_aws(&mut self) -> anyhow::Result<()> {
        Ok(self.clouds.ministack.supervised.kill9().await?)
    }

    /// Kills the Lambda function's process, if there is one now, and says which it was.
    #[must_use]
    pub fn kill_bootstrap(&self) -> Option<u32> {
        let emulator = self.clouds.ministack.supervised.pid()?;
        crate::processes::kill_below(emulator, "bootstrap")
    }

    /// Kills the Cloud Run instance and says how; it is started again.
    pub async fn kill_service(&mut self) -> Option<String> {
        if let Some(run) = &self.container_run {
            let container = container::kill(run).await?;
            return Some(format!("docker kill --signal KILL {container}"));
        }
        let pid = self.service.supervised.pid()?;
        self.service.supervised.kill9().await.ok().map(|()| format!("kill -9 {pid}"))
    }

    /// Stops everything and waits until it is gone.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.service.stop().await?;
        if let Some(run) = &self.container_run {
            container::remove(run).await?;
        }
        self.clouds.stop().await?;
        Ok(())
    }
}

/// The variables by which AWS's and Google's own tools are pointed to emulators.
#[must_use]
pub fn endpoints(clouds: &LocalClouds) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("AWS_ENDPOINT_URL", clouds.aws_endpoint().to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("PUBSUB_EMULATOR_HOST", clouds.pubsub.host_and_port()),
        ("FIRESTORE_EMULATOR_HOST", clouds.firestore.host_and_port()),
        ("STORAGE_EMULATOR_HOST", clouds.gcs_endpoint().to_owned()),
    ])
}

fn options(deployment: &Deployment, history: &History) -> Options {
    let history = history.clone();
    let mut options = Options::new(deployment.tools.clone(), &deployment.run_dir);
    options.guard = deployment.guard.clone();
    options.ministack = ministack::Options {
        region: deployment.settings.aws.region.clone(),
        ..ministack::Options::default()
    };
    options.on_event = OnEvent::new(move |event| {
        if matches!(event.kind, EventKind::Started { restarts: 1.., .. }) {
            let cloud = if event.name == ministack::NAME { CloudName::Aws } else { CloudName::Gcp };
            history.record(Event::Restarted { cloud, process: event.name });
        }
    });
    options
}

async fn deploy_aws(deployment: &Deployment, clouds: &LocalClouds) -> anyhow::Result<AwsCloud> {
    let Deployment { settings, artifacts, .. } = deployment;
    let credentials = Some(emulator_credentials());
    let config = aws_config(Some(clouds.aws_endpoint()), &settings.aws.region, credentials).await;
    let outputs = deploy_stack(settings, artifacts, &config).await?;
    let clients = Clients::new(&config);
    let queue = |output: &str| -> anyhow::Result<SqsQueue> {
        Ok(SqsQueue::new(clients.sqs.clone(), outputs.get(output)?))
    };
    Ok(Cloud {
        name: CloudName::Aws,
        queue: queue("QueueUrl")?,
        dead_letters: queue("DeadLetterQueueUrl")?,
        archive: S3Archive::new(clients.s3.clone(), outputs.get("BucketName")?),
        store: DynamoStore::new(clients.dynamodb.clone(), outputs.get("TableName")?),
    })
}

async fn deploy_stack(
    settings: &Settings,
    artifacts: &Path,
    config: &aws_config::SdkConfig,
) -> anyhow::Result<Outputs> {
    let manifest = Manifest::read(artifacts).context("read what `cargo xtask build` made")?;
    let ingest = manifest.artifact("aws-ingest").context("find aws-ingest in the manifest")?;
    let bucket = names::aws_artifact_bucket(settings, ACCOUNT);
    artifact::create_bucket(config, &bucket).await?;
    let ingest = artifact::upload_artifact(config, &bucket, artifacts, ingest).await?;
    let code = Code { bucket, ingest, replicate: None };
    let known =
        Known { aws_endpoint: config.endpoint_url().map(ToOwned::to_owned), ..Known::default() };
    let request = StackRequest {
        name: &names::stack(settings),
        template: STACK_TEMPLATE,
        parameters: &render::stack_parameters(settings, &code, &known),
        tags: &render::tags(settings),
    };
    let client = aws_sdk_cloudformation::Client::new(config);
    Ok(cloudformation::apply(&client, &request, &Limits::default(), &mut |_| {}).await?)
}

async fn deploy_gcp(
    deployment: &Deployment,
    options: &Options,
    clouds: &LocalClouds,
) -> anyhow::Result<(GcpCloud, Running)> {
    let settings = &deployment.settings;
    let bucket = google::create_bucket(clouds.gcs_endpoint(), settings).await?;
    let mut env = settings.gcp_function_env();
    env.extend(endpoints(clouds).into_iter().map(|(name, value)| (name.to_owned(), value)));
    let instance = match &deployment.gcp_image {
        Some(image) => {
            Instance::Container { image: image.clone(), run: deployment.container_run() }
        }
        None => Instance::Program(packed_service(deployment)?),
    };
    let service = cloud_run::Options { instance, env };
    let service = cloud_run::start(&options.context(), &service).await?;

    let pubsub = Some(clouds.pubsub_endpoint());
    let push = PushTarget { url: &format!("{}/", service.endpoint), service_account: None };
    Box::pin(google::ensure_topology(pubsub, settings, push)).await?;
    let gcp = &settings.gcp;
    let names = &gcp.pubsub;
    let connect = PubSubQueue::connect;
    let store = FirestoreStore::connect(
        Some(clouds.firestore_endpoint()),
        &gcp.project,
        &gcp.firestore.database,
        &gcp.firestore.collection,
    );
    let dead_letters = (&names.dead_letter_topic, &names.dead_letter_subscription);
    let cloud = Cloud {
        name: CloudName::Gcp,
        queue: connect(pubsub, &gcp.project, &names.topic, &names.subscription).await?,
        dead_letters: connect(pubsub, &gcp.project, dead_letters.0, dead_letters.1).await?,
        archive: GcsArchive::connect(Some(clouds.gcs_endpoint()), &bucket).await?,
        store: store.await?,
    };
    Ok((cloud, service))
}

/// The packed program, under a link of our own: another build may put another file in its place while this run restarts
/// it.
fn packed_service(deployment: &Deployment) -> anyhow::Result<PathBuf> {
    let artifacts = &deployment.artifacts;
    let manifest = Manifest::read(artifacts).context("read what `cargo xtask build` made")?;
    let service = manifest.artifact("gcp-ingest").context("find gcp-ingest in the manifest")?;
    let program = deployment.run_dir.join("gcp-ingest");
    let packed = artifacts.join(&service.path);
    std::fs::hard_link(&packed, &program)
        .or_else(|_| std::fs::copy(&packed, &program).map(drop))
        .with_context(|| format!("link {} into the run's folder", packed.display()))?;
    Ok(program)
}
