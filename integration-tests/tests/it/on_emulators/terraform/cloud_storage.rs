//! A state on Cloud Storage, whose backend writes nothing of its lock into its log.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use deploy::terraform::{Limits, Purpose, Root, Terraform};
use harness::processes::emulators::fake_gcs;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::super::emulator_context;
use super::{BUCKET, planned, running};
use crate::trees::{eventually, stat_field};

const MAIN: &str = r#"
terraform {
  backend "gcs" {}
}

variable "command" {
  type = string
}

resource "terraform_data" "work" {
  provisioner "local-exec" {
    command = var.command
  }
}
"#;

fn root(folder: &Path, endpoint: &str) -> Root {
    let source = folder.join("source");
    fs::create_dir_all(&source).expect("create");
    fs::write(source.join("main.tf"), MAIN).expect("write");
    let mut root = Root::new("terraform-gcp", &source, &folder.join("work"));
    let endpoint = format!("{endpoint}/storage/v1/");
    for (key, value) in
        [("bucket", BUCKET), ("prefix", "tf"), ("storage_custom_endpoint", endpoint.as_str())]
    {
        root.backend.insert(key.to_owned(), value.to_owned());
    }
    root.env.insert("GOOGLE_OAUTH_ACCESS_TOKEN".to_owned(), "none".to_owned());
    root.var_file = Some(folder.join("values.tfvars.json"));
    root
}

fn set(root: &Root, command: &str) {
    let values = serde_json::json!({ "command": command });
    fs::write(root.var_file.as_ref().expect("a file"), values.to_string()).expect("write");
}

async fn terraform() -> Option<Terraform> {
    let found = Terraform::find(&super::super::local_settings()).await;
    found.map_err(|error| eprintln!("skipped: {error}")).ok()
}

#[tokio::test]
#[ignore = "it is a part of the test below, which starts it"]
async fn a_deploy_to_be_killed() {
    let Ok(folder) = std::env::var("TWINCLOUD_TEST_FOLDER") else { return };
    let endpoint = std::env::var("TWINCLOUD_TEST_ENDPOINT").expect("the endpoint");
    let terraform = terraform().await.expect("found before");
    let root = root(Path::new(&folder), &endpoint);
    let plan = terraform.plan(&root, Purpose::Deploy, &mut |_| ()).await.expect("plan");
    terraform.apply(&root, &plan, &mut |_| ()).await.expect("it is killed before");
}

#[tokio::test]
async fn the_lock_of_a_killed_run_is_taken_off_and_that_of_another_kept() {
    let Some(found) = terraform().await else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let context = emulator_context(folder.path()).await;
    let storage = fake_gcs::start(&context).await.expect("the emulator starts");
    let bucket = format!("{}/storage/v1/b?project=p", storage.endpoint);
    let made = reqwest::Client::new()
        .post(bucket)
        .header("content-type", "application/json")
        .body(format!("{{\"name\":\"{BUCKET}\"}}"));
    assert!(made.send().await.expect("an answer").status().is_success());

    let limits = Limits { lock: Duration::ZERO, ..found.limits };
    let terraform = Terraform { limits, ..found };
    let root = root(folder.path(), &storage.endpoint);
    set(&root, "touch at-work; sleep 60");
    terraform.init(&root).await.expect("init");
    let mut run = Command::new(std::env::current_exe().expect("this program"))
        .args(["--ignored", "--exact", "--nocapture"])
        .arg("on_emulators::terraform::cloud_storage::a_deploy_to_be_killed")
        .env("TWINCLOUD_TEST_FOLDER", folder.path())
        .env("TWINCLOUD_TEST_ENDPOINT", &storage.endpoint)
        .stdout(Stdio::null())
        .spawn()
        .expect("start");
    let mark = root.work.join("at-work");
    eventually("work", || mark.exists().then_some(()).ok_or("none yet".to_owned()));

    // From another folder it is another's, and alive.
    let elsewhere = Root { work: folder.path().join("elsewhere"), ..root.clone() };
    terraform.init(&elsewhere).await.expect("init");
    let error = terraform.plan(&elsewhere, Purpose::Deploy, &mut |_| ()).await;
    let error = error.expect_err("it is locked").to_string();
    assert!(error.contains("is locked by"), "{error}");

    let group = running(&root).expect("it runs");
    kill(Pid::from_raw(run.id().cast_signed()), Signal::SIGKILL).expect("kill");
    killpg(Pid::from_raw(group), Signal::SIGKILL).expect("kill");
    run.wait().expect("wait");
    eventually("end of Terraform", || match stat_field(group.cast_unsigned(), 0) {
        Some(state) if state != "Z" => Err(state),
        _ => Ok(()),
    });
    let error = terraform.plan(&elsewhere, Purpose::Deploy, &mut |_| ()).await;
    error.expect_err("it is not this folder's to take off");
    set(&root, "true");
    let (plan, said) = planned(&terraform, &root).await;
    assert_eq!(said, ["unlocked", "uncertain terraform_data.work"]);
    terraform.apply(&root, &plan, &mut |_| ()).await.expect("apply");
}
