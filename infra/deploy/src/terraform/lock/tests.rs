//! Locks as Terraform 1.11 and `OpenTofu` leave them in a bucket.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::json;

use super::super::fake::{Fake, diagnostic};
use super::super::run_folder::{PROCESS, STDOUT};
use super::super::stale_run::Process;
use super::super::{Error, Progress, Purpose, Terraform};
use super::*;
use crate::served::Served;

/// The first lines of a run, between which it created its lock.
const SAID: &str = "\
{\"@level\":\"info\",\"@message\":\"Terraform 1.11.4\",\"@timestamp\":\"2026-11-30T03:23:48.747967Z\",\"type\":\"version\"}
{\"@level\":\"info\",\"@message\":\"a: Plan to create\",\"@timestamp\":\"2026-11-30T04:23:48.770580+01:00\",\"type\":\"planned_change\"}
";
const MADE: &str = "2026-11-30T03:23:48.756449723Z";

fn info(who: &str, created: &str) -> String {
    json!({
        "ID": "30b38443", "Operation": "OperationTypeApply", "Info": "", "Who": who, "Version": "1.11.4",
        "Created": created, "Path": "gs://state/tf/default.tflock",
    })
    .to_string()
}

fn here() -> String {
    format!("someone@{}", host().expect("a name"))
}

fn root(folder: &Path, backend: &[(&str, &str)]) -> Root {
    let source = folder.join("source");
    fs::create_dir_all(&source).expect("create");
    let mut root = Root::new("root", &source, &folder.join("work"));
    root.stage(false).expect("staged");
    root.backend = backend.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    root
}

/// A run that was killed and left its folder.
fn killed(root: &Root, said: &str) {
    let mut dead = Command::new("true").spawn().expect("start");
    let process = Process::of(dead.id());
    dead.wait().expect("wait");
    let folder = root.runs().join("run-1-1");
    fs::create_dir_all(&folder).expect("create");
    fs::write(folder.join(STDOUT), said).expect("write");
    fs::write(folder.join(PROCESS), serde_json::to_vec(&process).expect("JSON")).expect("write");
}

/// A fake Cloud Storage with that lock, and a root whose state is there.
async fn on_cloud_storage(folder: &Path, lock: Option<String>) -> (Served, Root) {
    let stub = Served::start(move |line, _| match &lock {
        Some(lock) if line.contains("alt=media&generation=1796009028761026") => (200, lock.clone()),
        Some(_) if line.contains("/b/state/o/tf%2Fdefault.tflock?") => {
            (200, json!({ "generation": "1796009028761026" }).to_string())
        }
        _ => (404, String::new()),
    })
    .await;
    let endpoint = format!("{}/storage/v1/", stub.url);
    let backend =
        [("bucket", "state"), ("prefix", "tf"), ("storage_custom_endpoint", endpoint.as_str())];
    let mut root = root(folder, &backend);
    root.env = BTreeMap::from([("GOOGLE_OAUTH_ACCESS_TOKEN".to_owned(), "token".to_owned())]);
    (stub, root)
}

async fn on_s3(folder: &Path, lock: Option<String>) -> (Served, Root) {
    let stub = Served::start(move |line, _| match &lock {
        Some(lock) if line.starts_with("GET /state/tf.tfstate.tflock") => (200, lock.clone()),
        _ => (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned()),
    })
    .await;
    let backend = [("bucket", "state"), ("key", "tf.tfstate"), ("region", "us-east-1")];
    let root = root(folder, &backend).on_aws_emulator(&stub.url);
    (stub, root)
}

async fn planned(terraform: &Terraform, root: &Root) -> Vec<String> {
    let mut said = Vec::new();
    let mut note = |progress: Progress<'_>| {
        if let Progress::Unlocked { id } = progress {
            said.push(id.to_owned());
        }
    };
    terraform.plan(root, Purpose::Deploy, &mut note).await.expect("plan");
    said
}

#[tokio::test]
async fn a_lock_that_a_killed_run_left_is_taken_off_on_either_storage() {
    for lock in [info(&here(), MADE), info("someone@elsewhere", MADE)] {
        let ours = lock.contains(&here());
        let folder = tempfile::tempdir().expect("a folder");
        let (_stub, root) = on_cloud_storage(folder.path(), Some(lock.clone())).await;
        let fake = Fake::new(&folder.path().join("fake"));
        killed(&root, SAID);
        let off = planned(&fake.terraform(), &root).await;
        // On Cloud Storage the generation releases it.
        assert_eq!(off, if ours { vec!["1796009028761026"] } else { vec![] }, "{lock}");
        assert_eq!(
            fake.calls(&["-force"]).first().map(String::as_str),
            Some(if ours { "force-unlock -force 1796009028761026" } else { "plan" })
        );

        let folder = tempfile::tempdir().expect("a folder");
        let (_stub, root) = on_s3(folder.path(), Some(lock.clone())).await;
        let fake = Fake::new(&folder.path().join("fake"));
        // Without a log of it, as with OpenTofu.
        killed(&root, SAID);
        let off = planned(&fake.terraform(), &root).await;
        assert_eq!(off, if ours { vec!["30b38443"] } else { vec![] }, "{lock}");
    }
}

#[tokio::test]
async fn of_the_same_machine_only_the_lock_of_that_very_run_is_taken_off() {
    for created in ["2026-11-30T03:23:48.747966Z", "2026-11-30T03:23:48.770581Z"] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_stub, root) = on_cloud_storage(folder.path(), Some(info(&here(), created))).await;
        let fake = Fake::new(&folder.path().join("fake"));
        killed(&root, SAID);
        assert_eq!(planned(&fake.terraform(), &root).await, [""; 0], "{created}");
    }
}

#[tokio::test]
async fn a_lock_that_could_not_be_read_is_looked_for_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_stub, mut root) = on_cloud_storage(folder.path(), Some(info(&here(), MADE))).await;
    let fake = Fake::new(&folder.path().join("fake"));
    killed(&root, SAID);
    let there = root.backend.clone();
    root.backend.insert("storage_custom_endpoint".to_owned(), "http://127.0.0.1:1/".to_owned());
    assert_eq!(planned(&fake.terraform(), &root).await, [""; 0]);
    root.backend = there;
    assert_eq!(planned(&fake.terraform(), &root).await, ["1796009028761026"]);
    assert_eq!(planned(&fake.terraform(), &root).await, [""; 0], "nothing is left to take up");
}

/// The output of `OpenTofu` 1.11.2 after a signal to stop.
fn not_let_go() -> String {
    let begun = SAID.lines().next().expect("a line");
    let end = "{\"@timestamp\":\"2026-11-30T03:23:49Z\",\"type\":\"none\"}";
    [begun, end, &diagnostic("Error releasing the state lock", None)].join("\n")
}

#[tokio::test]
async fn a_lock_that_was_not_let_go_is_taken_off_at_once_or_told_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_stub, root) = on_s3(folder.path(), Some(info(&here(), MADE))).await;
    let fake = Fake::new(&folder.path().join("fake"));
    fake.fails("plan", &not_let_go());
    let error = fake.terraform().plan(&root, Purpose::Deploy, &mut |_| ()).await;
    let error = error.expect_err("it said so").to_string();
    assert!(error.ends_with("it was taken off since: run the same command again"), "{error}");
    assert_eq!(fake.calls(&[]), ["plan", "force-unlock 30b38443"]);

    fake.fails("force-unlock", "no");
    let error = fake.terraform().plan(&root, Purpose::Deploy, &mut |_| ()).await;
    let error = error.expect_err("it said so");
    assert!(matches!(error, Error::LockLeft { .. }), "{error}");
    assert!(error.to_string().contains("force-unlock 30b38443"), "{error}");
    let left = fs::read_dir(root.runs()).expect("read").count();
    assert_eq!(left, 1, "the next plan looks through it");
}

#[tokio::test]
async fn looking_takes_no_lock_and_leaves_all_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (stub, root) = on_cloud_storage(folder.path(), Some(info(&here(), MADE))).await;
    let fake = Fake::new(&folder.path().join("fake"));
    let made = json!({
        "type": "apply_complete",
        "hook": { "resource": { "addr": "a.b" }, "action": "create", "id_value": "id", "elapsed_seconds": 1 },
    });
    killed(&root, &format!("{SAID}{made}\n"));
    let mut said = Vec::new();
    let mut note = |progress: Progress<'_>| {
        if let Progress::Left { address } = progress {
            said.push(address.to_owned());
        }
    };
    fake.terraform().look(&root, Purpose::Deploy, &mut note).await.expect("looked");
    assert_eq!(said, ["a.b"]);
    assert_eq!(fake.calls(&["-lock"]), ["state list", "plan -lock=false", "show"]);
    assert_eq!(stub.asked(), [""; 0]);
    assert!(root.runs().join("run-1-1").exists());
}

#[test]
fn where_the_lock_lies_is_read_from_what_the_program_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut root = root(folder.path(), &[]);
    assert_eq!(File::of(&root), None);
    let file = folder.path().join("gcp.gcs.tfbackend");
    fs::write(&file, "# of dev\nbucket = \"state\"\nprefix = \"a/b\"\n").expect("write");
    root.backend_file = Some(file.clone());
    let name = "a/b/default.tflock".to_owned();
    assert_eq!(File::of(&root), Some(File::CloudStorage { bucket: "state".to_owned(), name }));
    fs::write(&file, "# no bucket yet\nkey    = \"k\"\nregion = \"r\"\n").expect("write");
    assert_eq!(File::of(&root), None);
    root.backend.insert("bucket".to_owned(), "state".to_owned());
    let (bucket, key) = ("state".to_owned(), "k.tflock".to_owned());
    assert_eq!(File::of(&root), Some(File::S3 { bucket, key, region: "r".to_owned() }));
}
