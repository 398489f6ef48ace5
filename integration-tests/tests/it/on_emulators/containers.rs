//! The clouds as containers: the pipeline on them, their faults, whole runs, `LocalStack`'s own code alone, and that nothing of
//! them is left behind.

mod localstack;
mod pipeline;
mod reaped;
mod runs;

use std::path::Path;
use std::time::Duration;

use harness::containers::{Containers, Fault, Images, Options};
use harness::emulator::Emulator;
use harness::processes::supervised::GuardProgram;
use infra::settings::{AwsEmulator, Containers as Settings};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::json;

use crate::command::{Checkout, Ran};
use crate::trees::HARNESS;

/// If this variable is set, a test without images fails instead of being skipped.
const REQUIRED: &str = "TWINCLOUD_REQUIRE_CONTAINERS";

/// The images, where they can be had.
async fn images() -> Option<Images> {
    let found = Images::find(&Settings::default(), Some(AwsEmulator::MiniStack), |_| ()).await;
    match found {
        Ok(images) => Some(images),
        Err(error) => {
            assert!(std::env::var_os(REQUIRED).is_none(), "{REQUIRED} is set: {error}");
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// All four, with nothing in them.
async fn start(folder: &Path) -> Option<Containers> {
    let options =
        Options { guard: GuardProgram::at(HARNESS), ..Options::new(images().await?, folder) };
    let started = Containers::start(&options, |text| eprintln!("{text}")).await;
    Some(started.expect("all four start"))
}

/// The time within which an emulator answers that works. A busy machine may take long.
const ANSWERS: Duration = Duration::from_secs(30);
/// The time after which an emulator counts as frozen.
const FROZEN: Duration = Duration::from_secs(2);

/// Puts something into an emulator, and looks for it.
struct Probe {
    client: Client,
    emulator: Emulator,
    endpoint: String,
}

impl Probe {
    fn of(containers: &Containers, emulator: Emulator) -> Self {
        // Connections are not kept: a new one is what a fault is about.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0);
        let client = client.build().expect("a client");
        Self { client, emulator, endpoint: containers.endpoint(emulator).to_owned() }
    }

    async fn put(&self) {
        let documents = self.at("/v1/projects/p/databases/(default)/documents/probes");
        let request = match self.emulator {
            Emulator::Aws => self.client.put(self.at("/probe")),
            Emulator::PubSub => {
                self.client.put(self.at("/v1/projects/p/topics/probe")).json(&json!({}))
            }
            Emulator::Firestore => {
                self.client.post(format!("{documents}?documentId=probe")).json(&json!({}))
            }
            Emulator::Storage => {
                let buckets = self.at("/storage/v1/b?project=p");
                self.client.post(buckets).json(&json!({ "name": "probe" }))
            }
        };
        let answer = request.timeout(ANSWERS).send().await.expect("it answers");
        assert!(answer.status().is_success(), "{} of {}", answer.status(), answer.url());
    }

    fn get(&self) -> RequestBuilder {
        self.client.get(self.at(match self.emulator {
            Emulator::Aws => "/probe",
            Emulator::PubSub => "/v1/projects/p/topics/probe",
            Emulator::Firestore => "/v1/projects/p/databases/(default)/documents/probes/probe",
            Emulator::Storage => "/storage/v1/b/probe",
        }))
    }

    /// True if it is there; the emulator must answer.
    async fn is_there(&self) -> bool {
        self.ask(ANSWERS).await.expect("it answers")
    }

    /// The error of an emulator that is broken.
    async fn error(&self) -> reqwest::Error {
        self.ask(FROZEN).await.expect_err("it does not answer")
    }

    async fn ask(&self, timeout: Duration) -> Result<bool, reqwest::Error> {
        match self.get().timeout(timeout).send().await?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            other => panic!("{} answers {other}", self.emulator),
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.endpoint)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_can_be_paused_cut_off_killed_and_started_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(containers) = start(folder.path()).await else { return };
    for emulator in Emulator::ALL {
        let probe = Probe::of(&containers, emulator);
        probe.put().await;
        assert!(probe.is_there().await, "{emulator} keeps what it is given");

        containers.pause(emulator).await.expect("pause");
        let frozen = probe.error().await;
        assert!(frozen.is_timeout() && !frozen.is_connect(), "{emulator}: {frozen:?}");
        containers.unpause(emulator).await.expect("unpause");
        assert!(probe.is_there().await, "{emulator} lost nothing");

        containers.disconnect(emulator).await.expect("disconnect");
        let cut_off = probe.error().await;
        assert!(cut_off.is_connect(), "{emulator}: {cut_off:?}");
        containers.connect(emulator).await.expect("connect");
        assert!(probe.is_there().await, "{emulator} lost nothing");

        containers.kill(emulator).await.expect("kill");
        let dead = probe.error().await;
        assert!(dead.is_connect(), "{emulator}: {dead:?}");
        let before = containers.endpoint(emulator).to_owned();
        containers.start_again(emulator).await.expect("start again");
        assert_eq!(containers.endpoint(emulator), before);
        assert!(!probe.is_there().await, "{emulator} forgot everything");
        let others = Emulator::ALL.into_iter().filter(|other| *other < emulator);
        for other in others {
            let untouched = Probe::of(&containers, other).is_there().await;
            assert!(!untouched, "{other} is as it was");
        }
    }
    assert!(Fault::ALL.iter().all(|fault| containers.supports(*fault)));
    let run = containers.run_id().to_owned();
    containers.stop().await.expect("stop");
    assert_eq!(reaped::left_of(&run), "", "nothing is left");
    for emulator in Emulator::ALL {
        let log = std::fs::read_to_string(folder.path().join(format!("logs/{emulator}.log")));
        log.expect("each has a log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_is_an_error_that_says_how_to_get_one() {
    if images().await.is_none() {
        return;
    }
    let mut settings = Settings::default();
    settings.images.pubsub = Some("127.0.0.1:1/nowhere:1".to_owned());
    let error = Images::find(&settings, Some(AwsEmulator::MiniStack), |_| ()).await;
    let error = error.expect_err("nobody has it").to_string();
    assert!(error.starts_with("no image for pubsub: docker pull"), "{error}");
    assert!(error.contains("cargo xtask images build"), "{error}");

    settings.images.localstack = Some("127.0.0.1:1/localstack:1".to_owned());
    let asked = Images::find(&settings, Some(AwsEmulator::LocalStack), |_| ()).await;
    let asked = asked.expect_err("by name it never falls back").to_string();
    assert!(asked.starts_with("no image for aws: docker pull"), "{asked}");

    settings.images.pubsub = None;
    let said = std::cell::RefCell::new(Vec::new());
    let say = |text: &str| said.borrow_mut().push(text.to_owned());
    let images = Images::find(&settings, None, say).await.expect("ministack is there");
    assert!(images.aws.reference.contains("ministack"), "{images:?}");
    let said = said.into_inner();
    assert!(said[0].starts_with("AWS by ministack, because LocalStack can't be had"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_that_are_there_are_not_made_again() {
    let Some(images) = images().await else { return };
    if !Emulator::ALL.iter().all(|it| images.of(*it).reference.starts_with("twincloud/")) {
        eprintln!("skipped: the images are the published ones");
        return;
    }
    let built = Checkout::new().run(&["images", "build", "--json"]);
    built.assert_code(0);
    let built = built.json();
    let made = built["images"].as_array().expect("a list");
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|image| image["built"] == false), "{built}");
}

#[test]
fn without_an_engine_images_are_lacking_and_not_broken() {
    let checkout = Checkout::new();
    let mut build = checkout.harness(&["images", "build"]);
    let ran = Ran::of(&build.env("PATH", "/nonexistent").output().expect("run the harness"));
    ran.assert_code(3);
    assert!(ran.stderr.contains("install Docker"), "{}", ran.stderr);
}
