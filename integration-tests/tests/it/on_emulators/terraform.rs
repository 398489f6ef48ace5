//! Terraform on the AWS emulator, its state there too.

mod cloud_storage;
mod foundation;
mod small;

use std::path::{Path, PathBuf};

use deploy::artifact::create_bucket;
use deploy::aws::{aws_config, emulator_credentials};
use deploy::terraform::{Error, Plan, Progress, Purpose, Root, Terraform};
use harness::processes::emulators::{Running, ministack};
use infra::Settings;

use super::emulator_context;

const BUCKET: &str = "terraform-state";

/// An emulator with a bucket for states, and a folder for copies of roots.
struct Fixture {
    folder: tempfile::TempDir,
    _emulator: Running,
    endpoint: String,
    terraform: Terraform,
    settings: Settings,
}

impl Fixture {
    /// None where there is no Terraform.
    async fn new(sets: &[String]) -> Option<Self> {
        let settings = Settings::parse(
            Path::new("twincloud.toml"),
            include_str!("../../../../twincloud.toml"),
            Some("local"),
            sets,
            std::env::vars(),
        );
        let settings = settings.expect("the settings are valid");
        let terraform = match Terraform::find(&settings).await {
            Ok(terraform) => terraform,
            Err(error @ Error::NoProgram { .. }) => {
                eprintln!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let context = emulator_context(folder.path()).await;
        let emulator = ministack::start(&context, &ministack::Options::default()).await;
        let emulator = emulator.expect("the emulator starts");
        let endpoint = emulator.endpoint.clone();
        let config =
            aws_config(Some(&endpoint), &settings.aws.region, Some(emulator_credentials())).await;
        create_bucket(&config, BUCKET).await.expect("create the bucket");
        Some(Self { folder, _emulator: emulator, endpoint, terraform, settings })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a request as AWS's oldest services take it, and gives the answer's text.
    async fn ask(&self, service: &str, query: &str) -> String {
        let credential = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
        let request = reqwest::Client::new().post(&self.endpoint).body(query.to_owned());
        let request = request.header("content-type", "application/x-www-form-urlencoded").header(
            "authorization",
            format!("AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=none"),
        );
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{query}: {}", answer.status());
        answer.text().await.expect("a text")
    }
}

/// Plans, and gives what was said meanwhile.
async fn planned(terraform: &Terraform, root: &Root) -> (Plan, Vec<String>) {
    let mut said = Vec::new();
    let mut note = |progress: Progress<'_>| said.push(words(&progress));
    let plan = terraform.plan(root, Purpose::Deploy, &mut note).await.expect("plan");
    (plan, said)
}

fn words(progress: &Progress<'_>) -> String {
    match progress {
        Progress::WaitingForLock => "waiting for the lock".to_owned(),
        Progress::Unlocked { .. } => "unlocked".to_owned(),
        Progress::Adopted { address } => format!("adopted {address}"),
        Progress::Uncertain { address } => format!("uncertain {address}"),
        Progress::Left { address } => format!("left {address}"),
        Progress::Event(event) => event.to_string(),
        Progress::Stopping => "stopping".to_owned(),
    }
}

/// The process group of the run that is under way in a root.
fn running(root: &Root) -> Option<i32> {
    let entries = std::fs::read_dir(root.work.join(".twincloud")).ok()?;
    let mut processes = entries.filter_map(|entry| {
        let bytes = std::fs::read(entry.ok()?.path().join("process.json")).ok()?;
        let process: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
        i32::try_from(process["pid"].as_i64()?).ok()
    });
    processes.next()
}
