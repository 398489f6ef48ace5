//! The wanted state of Google's side, from the settings and the artifacts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use google_cloud_pubsub::model::{Subscription, Topic};
use infra::package::{Digest, Manifest};
use infra::render::tags;
use infra::{Settings, names};

use super::properties::{self, Properties, UNKNOWN};
use super::topology::{PushTarget, Topology, dead_letter_subscription, push_subscription, topics};
use super::{Endpoints, Error, schedule, storage};
use crate::local::run::{Job, Service, ServiceState};

/// The binaries of the services.
const INGEST: &str = "gcp-ingest";
const REPLICATE: &str = "gcp-replicate";

/// The wanted state of Google's side. On emulators only: on Google Cloud itself it is Terraform's.
#[derive(Clone, Debug)]
pub struct Desired {
    pub(super) settings: Settings,
    pub(super) topology: Topology,
    pub(super) ingest: DesiredService,
    pub(super) replicate: Option<(DesiredService, Schedule)>,
}

/// A service, and the hash of its binary.
#[derive(Clone, Debug)]
pub(super) struct DesiredService {
    pub(super) name: String,
    pub(super) service: Service,
    sha256: String,
}

/// The schedule of replicate.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    path: String,
    every_s: u32,
    paused: bool,
}

/// The services' URLs, if known.
#[derive(Clone, Debug, Default)]
pub(super) struct Uris {
    pub(super) ingest: Option<String>,
    pub(super) replicate: Option<String>,
}

/// A wanted resource.
#[derive(Clone, Debug)]
pub(super) enum DesiredItem {
    Bucket(String, Properties),
    Topic(Box<Topic>),
    Subscription(Box<Subscription>),
    Service(Box<DesiredService>),
    Job(String, Job),
}

impl Desired {
    /// The wanted state of the settings, with the binaries in the manifest of the folder `artifacts`. Replicate is
    /// included if it has a binary; `replicate_env` are its additional variables, such as its peer's address.
    pub fn new(
        settings: &Settings,
        artifacts: &Path,
        endpoints: &Endpoints,
        replicate_env: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let manifest = Manifest::read(artifacts).map_err(Error::Package)?;
        let mut env = settings.gcp_function_env();
        env.extend(endpoints.for_services());
        let labels = tags(settings);
        let service = |name: String, artifact, env, concurrency| {
            let (binary, sha256) = binary(artifacts, &manifest, artifact)?;
            let labels = labels.clone();
            let service = Service { binary, env, concurrency, labels };
            Ok::<_, Error>(DesiredService { name, service, sha256 })
        };
        let gcp = &settings.gcp;
        let ingest =
            service(gcp.ingest.service.clone(), INGEST, env.clone(), gcp.ingest.concurrency)?;
        env.extend(replicate_env.clone());
        let replicate = match manifest.artifact(REPLICATE) {
            Some(_) => {
                let replicate = &gcp.replicate;
                let schedule = Schedule {
                    path: replicate.path.clone(),
                    every_s: schedule::period_s(&replicate.schedule)?,
                    paused: replicate.paused,
                };
                // One run at a time, as in terraform-gcp/.
                Some((service(replicate_name(settings), REPLICATE, env, 1)?, schedule))
            }
            None => None,
        };
        Ok(Self { topology: Topology::of(settings), settings: settings.clone(), ingest, replicate })
    }

    /// All wanted resources, in the order of their creation.
    pub(super) fn all(&self, uris: &Uris) -> Vec<DesiredItem> {
        let settings = &self.settings;
        let bucket = DesiredItem::Bucket(names::gcp_bucket(settings), storage::wanted());
        let topics =
            topics(settings, &self.topology).map(|topic| DesiredItem::Topic(Box::new(topic)));
        let url = uris.ingest.as_ref().map_or_else(|| UNKNOWN.to_owned(), |uri| format!("{uri}/"));
        let push = PushTarget { url: &url, service_account: None };
        let dead_letters = dead_letter_subscription(settings, &self.topology);
        let trades = push_subscription(settings, &self.topology, push);
        let mut all = vec![bucket];
        all.extend(topics);
        all.extend([
            DesiredItem::Subscription(Box::new(dead_letters)),
            DesiredItem::Service(Box::new(self.ingest.clone())),
            DesiredItem::Subscription(Box::new(trades)),
        ]);
        if let Some((service, schedule)) = &self.replicate {
            let uri = uris.replicate.as_ref();
            let job = Job {
                uri: uri.map_or_else(|| UNKNOWN.to_owned(), |uri| uri.clone() + &schedule.path),
                every_s: schedule.every_s,
                paused: schedule.paused,
                labels: service.service.labels.clone(),
            };
            all.push(DesiredItem::Service(Box::new(service.clone())));
            all.push(DesiredItem::Job(service.name.clone(), job));
        }
        all
    }
}

/// The service that copies from the peer, and its job; by default with the name in terraform-gcp/.
#[must_use]
pub fn replicate_name(settings: &Settings) -> String {
    let own = settings.gcp.replicate.service.clone();
    own.unwrap_or_else(|| format!("{}-replicate", settings.project.prefix))
}

/// A packed binary's path and hash.
fn binary(
    artifacts: &Path,
    manifest: &Manifest,
    name: &'static str,
) -> Result<(PathBuf, String), Error> {
    let found = manifest.artifact(name);
    let artifact = found.ok_or_else(|| Error::NoArtifact {
        artifact: name,
        manifest: artifacts.join(Manifest::FILE),
    })?;
    let path = artifacts.join(&artifact.path);
    let path = std::path::absolute(&path).unwrap_or(path);
    let found = Digest::of_file(&path).map_err(Error::Package)?.sha256;
    if found != artifact.sha256 {
        return Err(Error::Changed { path, found, expected: artifact.sha256.clone() });
    }
    Ok((path, found))
}

impl DesiredService {
    fn properties(&self) -> Properties {
        properties::of_service(&ServiceState {
            name: self.name.clone(),
            uri: String::new(),
            revision: 0,
            sha256: self.sha256.clone(),
            env: self.service.env.clone(),
            concurrency: self.service.concurrency,
            labels: self.service.labels.clone(),
            restarts: 0,
            pid: None,
        })
    }
}

impl DesiredItem {
    pub(super) fn resource_type(&self) -> &'static str {
        match self {
            Self::Bucket(..) => BUCKET,
            Self::Topic(_) => TOPIC,
            Self::Subscription(_) => SUBSCRIPTION,
            Self::Service(_) => SERVICE,
            Self::Job(..) => JOB,
        }
    }

    /// Its full name.
    pub(super) fn address(&self, settings: &Settings) -> String {
        match self {
            Self::Bucket(name, _) => bucket_address(name),
            Self::Topic(topic) => topic.name.clone(),
            Self::Subscription(subscription) => subscription.name.clone(),
            Self::Service(service) => regional(settings, "services", &service.name),
            Self::Job(name, _) => regional(settings, "jobs", name),
        }
    }

    pub(super) fn properties(&self) -> Properties {
        match self {
            Self::Bucket(_, properties) => properties.clone(),
            Self::Topic(topic) => properties::of_topic(topic),
            Self::Subscription(subscription) => properties::of_subscription(subscription),
            Self::Service(service) => service.properties(),
            Self::Job(_, job) => properties::of_job(job),
        }
    }
}

/// Resource types, as Terraform's provider names them.
pub(super) const BUCKET: &str = "google_storage_bucket";
pub(super) const TOPIC: &str = "google_pubsub_topic";
pub(super) const SUBSCRIPTION: &str = "google_pubsub_subscription";
pub(super) const SERVICE: &str = "google_cloud_run_v2_service";
pub(super) const JOB: &str = "google_cloud_scheduler_job";

pub(super) fn bucket_address(name: &str) -> String {
    format!("projects/_/buckets/{name}")
}

/// The full name of a regional resource.
pub(super) fn regional(settings: &Settings, kind: &str, name: &str) -> String {
    format!("projects/{}/locations/{}/{kind}/{name}", settings.gcp.project, settings.gcp.region)
}
