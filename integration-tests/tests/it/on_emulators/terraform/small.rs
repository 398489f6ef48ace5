//! What can go wrong, on a root that needs no provider.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use deploy::terraform::{Error, Limits, Plan, Purpose, Root, Terraform};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::{BUCKET, Fixture, planned, running};
use crate::trees::{eventually, stat_field};

const MAIN: &str = r#"
terraform {
  required_version = ">= 1.10"
  backend "s3" {
    use_lockfile = true
  }
}

variable "word" {
  type = string
}

variable "command" {
  type    = string
  default = "true"
}

resource "terraform_data" "word" {
  input = var.word
}

resource "terraform_data" "work" {
  triggers_replace = var.word
  depends_on       = [terraform_data.word]

  provisioner "local-exec" {
    command = var.command
  }
}

output "word" {
  value = terraform_data.word.output
}
"#;

/// The root with its state in the emulator, and the values of its variables.
fn root(folder: &Path, endpoint: &str) -> Root {
    let source = folder.join("source");
    fs::create_dir_all(&source).expect("create");
    fs::write(source.join("main.tf"), MAIN).expect("write");
    let mut root = Root::new("small", &source, &folder.join("work")).on_aws_emulator(endpoint);
    for (key, value) in [("bucket", BUCKET), ("key", "small"), ("region", "us-east-1")] {
        root.backend.insert(key.to_owned(), value.to_owned());
    }
    root.var_file = Some(folder.join("values.tfvars.json"));
    root
}

fn set(root: &Root, word: &str, command: &str) {
    let values = serde_json::json!({ "word": word, "command": command });
    fs::write(root.var_file.as_ref().expect("a file"), values.to_string()).expect("write");
}

async fn small() -> Option<(Fixture, Root)> {
    let fixture = Fixture::new(&[]).await?;
    let root = root(fixture.folder.path(), &fixture.endpoint);
    set(&root, "one", "true");
    fixture.terraform.init(&root).await.expect("init");
    Some((fixture, root))
}

async fn plan(terraform: &Terraform, root: &Root) -> Result<Plan, Error> {
    terraform.plan(root, Purpose::Deploy, &mut |_| ()).await
}

async fn deploy(terraform: &Terraform, root: &Root) -> Result<(), Error> {
    let plan = plan(terraform, root).await?;
    terraform.apply(root, &plan, &mut |_| ()).await
}

fn patient(terraform: &Terraform, lock: Duration) -> Terraform {
    let limits = Limits { lock, ..terraform.limits };
    Terraform { limits, ..terraform.clone() }
}

/// A deploy in a process of its own, which can be killed.
struct Deploy {
    child: Child,
}

impl Deploy {
    /// Starts it, and waits until it is at its work.
    fn begin(fixture: &Fixture, root: &Root) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--ignored", "--exact", "--nocapture"]);
        command.arg("on_emulators::terraform::small::a_deploy_that_can_be_killed");
        command.env("TWINCLOUD_TEST_FOLDER", fixture.folder.path());
        command.env("TWINCLOUD_TEST_ENDPOINT", &fixture.endpoint);
        let child = command.stdout(Stdio::piped()).spawn().expect("start");
        let mark = root.work.join("at-work");
        eventually("work", || mark.exists().then_some(()).ok_or("none yet".to_owned()));
        Self { child }
    }

    fn send(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("send");
    }

    /// Waits for its end; its standard output.
    fn end(mut self) -> String {
        let mut said = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut said).expect("read");
        self.child.wait().expect("wait");
        said
    }
}

#[tokio::test]
#[ignore = "it is a part of the tests below, which start it"]
async fn a_deploy_that_can_be_killed() {
    let Ok(folder) = std::env::var("TWINCLOUD_TEST_FOLDER") else { return };
    let endpoint = std::env::var("TWINCLOUD_TEST_ENDPOINT").expect("the endpoint");
    let text = include_str!("../../../../../twincloud.toml");
    let path = Path::new("twincloud.toml");
    let settings = infra::Settings::parse(path, text, Some("local"), &[], std::env::vars());
    let terraform = Terraform::find(&settings.expect("settings")).await.expect("found before");
    let outcome = deploy(&terraform, &root(Path::new(&folder), &endpoint)).await;
    println!("outcome: {}", outcome.map_or_else(|error| error.to_string(), |()| "done".to_owned()));
}

/// Marks that it is there, and takes its time.
fn work(seconds: u32) -> String {
    format!("touch at-work; sleep {seconds}")
}

#[tokio::test]
async fn ctrl_c_saves_the_state_and_lets_go_of_the_lock() {
    let Some((fixture, root)) = small().await else { return };
    set(&root, "one", &work(60));
    let run = Deploy::begin(&fixture, &root);
    run.send(Signal::SIGINT);
    let said = run.end();
    let expected = "outcome: apply small: interrupted; the state is saved and the lock is gone";
    assert!(said.contains(expected), "{said}");

    // Right away: there is no lock to wait for.
    let terraform = patient(&fixture.terraform, Duration::ZERO);
    set(&root, "one", "true");
    let left = plan(&terraform, &root).await.expect("plan");
    let addresses: Vec<_> = left.changes.iter().map(|change| change.address.as_str()).collect();
    assert_eq!(addresses, ["terraform_data.work"], "the other one is in the state");
    terraform.apply(&root, &left, &mut |_| ()).await.expect("apply");
    assert_eq!(terraform.outputs(&root).await.expect("outputs")["word"], "one");
}

#[tokio::test]
async fn when_all_is_killed_the_next_takes_off_the_lock_and_takes_up_what_was_made() {
    let Some((fixture, root)) = small().await else { return };
    set(&root, "one", &work(60));
    let run = Deploy::begin(&fixture, &root);
    let group = running(&root).expect("it runs");
    run.send(Signal::SIGKILL);
    killpg(Pid::from_raw(group), Signal::SIGKILL).expect("kill");
    run.end();
    // It is not our child, and takes a moment to die.
    eventually("end of Terraform", || match stat_field(group.cast_unsigned(), 0) {
        Some(state) if state != "Z" => Err(state),
        _ => Ok(()),
    });

    set(&root, "one", "true");
    let terraform = patient(&fixture.terraform, Duration::ZERO);
    let (plan, said) = planned(&terraform, &root).await;
    assert_eq!(said, ["unlocked", "adopted terraform_data.word", "uncertain terraform_data.work"]);
    terraform.apply(&root, &plan, &mut |_| ()).await.expect("apply");
    let (plan, said) = planned(&terraform, &root).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(said, [""; 0], "nothing is left to take up");
}

#[tokio::test]
async fn when_only_we_are_killed_terraform_goes_on_to_its_end() {
    let Some((fixture, root)) = small().await else { return };
    set(&root, "one", &work(2));
    let run = Deploy::begin(&fixture, &root);
    run.send(Signal::SIGKILL);
    run.end();

    let impatient = patient(&fixture.terraform, Duration::ZERO);
    let error = plan(&impatient, &root).await.expect_err("it goes on");
    assert!(matches!(error, Error::Locked { .. }), "{error}");
    let plan = plan(&fixture.terraform, &root).await.expect("plan");
    assert!(plan.is_empty(), "{plan}");
}

#[tokio::test]
async fn of_two_deploys_the_second_waits_and_then_says_for_whom() {
    let Some((fixture, root)) = small().await else { return };
    set(&root, "one", &work(4));
    let run = Deploy::begin(&fixture, &root);
    let impatient = patient(&fixture.terraform, Duration::from_secs(1));
    let error = plan(&impatient, &root).await.expect_err("the other one works");
    println!("{error}");
    let Error::Locked { lock, waited_s: 1, .. } = &error else { panic!("{error}") };
    assert_eq!(lock.operation, "apply");
    assert!(lock.who.contains('@'), "{lock:?}");

    let (plan, said) = planned(&fixture.terraform, &root).await;
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(said, ["waiting for the lock"]);
    assert!(run.end().contains("outcome: done"));
}

#[tokio::test]
async fn a_plan_that_was_overtaken_changes_nothing() {
    let Some((fixture, root)) = small().await else { return };
    let terraform = &fixture.terraform;
    let old = plan(terraform, &root).await.expect("plan");
    set(&root, "two", "true");
    deploy(terraform, &root).await.expect("another deploy");
    let error = terraform.apply(&root, &old, &mut |_| ()).await.expect_err("it is stale");
    assert!(matches!(error, Error::Stale { .. }), "{error}");
    assert_eq!(terraform.outputs(&root).await.expect("outputs")["word"], "two");
}

#[tokio::test]
async fn a_failure_names_the_resource_and_the_same_again_goes_on() {
    let Some((fixture, root)) = small().await else { return };
    let terraform = &fixture.terraform;
    set(&root, "one", "echo it broke >&2; exit 3");
    let error = deploy(terraform, &root).await.expect_err("it broke");
    println!("{error}");
    let text = error.to_string();
    assert!(text.starts_with("apply small: terraform_data.work: "), "{text}");
    assert!(text.contains("it broke"), "{text}");
    set(&root, "one", "true");
    deploy(terraform, &root).await.expect("mended");
    let plan = terraform.destroy(&root, &mut |_| ()).await.expect("destroy");
    assert_eq!(plan.changes.len(), 2, "{plan}");
    let plan = terraform.destroy(&root, &mut |_| ()).await.expect("destroy again");
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(terraform.resources(&root).await.expect("list"), [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_with_where_the_state_is_is_said() {
    let Some((fixture, root)) = small().await else { return };
    let terraform = &fixture.terraform;
    let anew = |name: &str| Root { work: fixture.path(name), ..root.clone() };

    let mut other = root.clone();
    other.backend.insert("key".to_owned(), "elsewhere".to_owned());
    let error = terraform.init(&other).await.expect_err("it was elsewhere");
    assert!(matches!(error, Error::BackendChanged { .. }), "{error}");

    let mut none = anew("none");
    none.backend.remove("bucket");
    let error = terraform.init(&none).await.expect_err("no bucket is named");
    assert!(matches!(error, Error::NoBackend { .. }), "{error}");

    let mut missing = anew("missing");
    missing.backend.insert("bucket".to_owned(), "no-such-bucket".to_owned());
    let error = terraform.init(&missing).await.expect_err("no such bucket");
    assert!(matches!(error, Error::NoStateBucket { .. }), "{error}");

    let mut nobody = anew("nobody");
    nobody.env.insert("AWS_ACCESS_KEY_ID".to_owned(), String::new());
    nobody.env.insert("AWS_SECRET_ACCESS_KEY".to_owned(), String::new());
    nobody.env.insert("AWS_CONFIG_FILE".to_owned(), "/nonexistent".to_owned());
    nobody.env.insert("AWS_SHARED_CREDENTIALS_FILE".to_owned(), "/nonexistent".to_owned());
    let error = terraform.init(&nobody).await.expect_err("no credentials");
    assert!(matches!(error, Error::Credentials { .. }), "{error}");

    // A port without a listener.
    let mut away = anew("away").on_aws_emulator("http://127.0.0.1:1");
    away.backend.insert("max_retries".to_owned(), "1".to_owned());
    let error = terraform.init(&away).await.expect_err("nobody listens");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
