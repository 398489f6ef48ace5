//! Google's side on the emulators as a deploy target: the life of a deployment, and the local Cloud Run below it.

mod control;
mod interrupted;
mod life;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deploy::google::{self, Desired, Endpoints, Outputs, Plan, Step};
use harness::local::Control;
use harness::processes::emulators::{self, Context, Running};
use infra::Settings;
use infra::package::{Artifact, Digest, Manifest};

use super::emulator_context;

/// Timeout for anything that happens by itself.
const EVENTUALLY: Duration = Duration::from_secs(20);

/// The emulators of Google's services, and the local Cloud Run.
pub(super) struct Google {
    pub(super) endpoints: Endpoints,
    pub(super) folder: tempfile::TempDir,
    pub(super) artifacts: PathBuf,
    control: Control,
    _emulators: [Running; 3],
}

impl Google {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let context = emulator_context(folder.path()).await;
        let (pubsub, firestore, storage, control) = tokio::join!(
            emulators::pubsub::start(&context),
            emulators::firestore::start(&context),
            emulators::fake_gcs::start(&context),
            control(&context),
        );
        let started = "the emulator starts";
        let (pubsub, firestore, storage) =
            (pubsub.expect(started), firestore.expect(started), storage.expect(started));
        let endpoints = Endpoints {
            pubsub: pubsub.endpoint.clone(),
            firestore: firestore.endpoint.clone(),
            storage: storage.endpoint.clone(),
            run: control.endpoint.clone(),
        };
        let artifacts = folder.path().join("artifacts");
        pack(&artifacts, &service_binary());
        Self { endpoints, folder, artifacts, control, _emulators: [pubsub, firestore, storage] }
    }

    pub(super) fn desired(&self, settings: &Settings) -> Desired {
        let peer = BTreeMap::from([("TWINCLOUD_PEER_BUCKET".to_owned(), "peer".to_owned())]);
        Desired::new(settings, &self.artifacts, &self.endpoints, &peer).expect("artifacts")
    }

    pub(super) async fn plan(&self, settings: &Settings) -> Plan {
        google::plan(&self.desired(settings), &self.endpoints).await.expect("plan")
    }

    pub(super) async fn apply(&self, settings: &Settings) -> Outputs {
        let plan = self.plan(settings).await;
        self.try_apply(&plan, settings).await.expect("apply")
    }

    pub(super) async fn try_apply(
        &self,
        plan: &Plan,
        settings: &Settings,
    ) -> Result<Outputs, google::Error> {
        let desired = self.desired(settings);
        Box::pin(google::apply(plan, &desired, &self.endpoints, &mut print)).await
    }

    pub(super) async fn destroy(&self, settings: &Settings) {
        let mut on_step = print;
        let destroy = google::destroy(settings, &self.endpoints, &mut on_step);
        Box::pin(destroy).await.expect("destroy");
        let left = google::inventory(settings, &self.endpoints).await.expect("inventory");
        assert_eq!(left, [], "something is left");
    }

    pub(super) async fn stop(self) {
        self.control.stop().await.expect("it stops");
    }
}

pub(super) async fn control(context: &Context) -> Control {
    Control::start(context.launch.clone()).await.expect("the control plane starts")
}

fn print(step: &Step) {
    eprintln!("{step}");
}

/// The release binary of the ingest service, as it was packed.
pub(super) fn service_binary() -> PathBuf {
    let artifacts = crate::command::artifacts();
    let manifest = Manifest::read(&artifacts).expect("`cargo xtask build` was run");
    let artifact = manifest.artifact("gcp-ingest").expect("the service is packed");
    std::path::absolute(artifacts.join(&artifact.path)).expect("a path")
}

/// Artifacts with this binary as both services: deploying is the same, whatever a service does.
pub(super) fn pack(folder: &Path, binary: &Path) {
    let artifact = |name: &str| {
        let path = format!("{name}/program");
        let packed = folder.join(&path);
        std::fs::create_dir_all(packed.parent().expect("a parent")).expect("create");
        let _ = std::fs::remove_file(&packed);
        std::fs::copy(binary, &packed).expect("copy");
        let Digest { bytes, sha256 } = Digest::of_file(&packed).expect("hash");
        Artifact {
            name: name.to_owned(),
            path,
            bytes,
            sha256,
            arch: "x86_64".to_owned(),
            glibc_max: None,
            uncompressed_bytes: bytes,
            image_digest: None,
        }
    };
    let artifacts = vec![artifact("gcp-ingest"), artifact("gcp-replicate")];
    let manifest = Manifest { schema: Manifest::SCHEMA, artifacts };
    let text = serde_json::to_string(&manifest).expect("JSON");
    std::fs::write(folder.join(Manifest::FILE), text).expect("write");
}

/// A program that isn't what Cloud Run wants.
pub(super) fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).expect("write");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
}

pub(super) fn settings(sets: &[&str]) -> Settings {
    let text = include_str!("../../../../twincloud.toml");
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Settings::parse(Path::new("twincloud.toml"), text, Some("local"), &sets, std::iter::empty())
        .expect("valid")
}

/// Waits, within a bound, for a check to succeed.
pub(super) async fn eventually<T>(
    what: &str,
    mut check: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + EVENTUALLY;
    loop {
        match check().await {
            Ok(value) => return value,
            Err(seen) => {
                assert!(Instant::now() < deadline, "no {what} in time; seen last: {seen}");
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
