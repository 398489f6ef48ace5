//! The images of the Google services, with a real registry on loopback and, where there is one, a real engine.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use deploy::images::{Error, fetch_base, push, push_services};
use harness::processes::emulators::{Running, registry};
use infra::files::ResolvedOutputs;
use infra::package::Service;
use infra::package::image::{Image, ImageReference, Manifest, Repository};
use infra::settings::Architecture;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{emulator_context, local_settings};
use crate::command::{Checkout, artifacts};
use crate::interrupted::{assert_nothing_left, long_run_with, send};
use crate::trees::{HARNESS, eventually};

/// The login `user`, `secret`.
const HTPASSWD: &str = "user:$2b$04$A7JyB56JHUbez9jwUw/XP.anNRSMUvtZyMoUizFYg9SL4Ztfqqb8m\n";

/// Writes to a registry for all images. Of each: two blobs, begun and ended, and the manifest.
const WRITES: [usize; 3] = [2 * Service::ALL.len(), 0, 3 * Service::ALL.len()];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_what_was_built_and_pushing_again_sends_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut registry) = start(folder.path(), &registry::Options::default()).await else {
        return;
    };
    let to = repository(&registry, "project/images");
    let first = push_services(&artifacts(), &to).await.expect("push");
    let image = packed();
    assert_eq!(first.len(), Service::ALL.len());
    let reference: ImageReference = first[0].image.parse().expect("a reference by digest");
    assert_eq!(reference.digest, image.digest());
    assert_eq!(reference.repository, to.below("ingest"));
    assert_eq!((first[0].blobs_sent, first[0].manifest_sent), (2, true));

    let manifest = get(&reference, &format!("manifests/{}", reference.digest)).await;
    assert_eq!(manifest, image.manifest.content);
    let manifest: Manifest = serde_json::from_slice(&manifest).expect("a manifest");
    for (descriptor, blob) in manifest.layers.iter().chain([&manifest.config]).zip(image.blobs()) {
        assert_eq!(get(&reference, &format!("blobs/{}", descriptor.digest)).await, blob.content);
    }

    let writes = || {
        let log = std::fs::read_to_string(registry.supervised.log()).expect("the registry's log");
        ["\"POST /v2/", "\"PATCH /v2/", "\"PUT /v2/"].map(|write| log.matches(write).count())
    };
    eventually("the registry has logged the first push", || {
        let seen = writes();
        if seen == WRITES { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    let again = push_services(&artifacts(), &to).await.expect("push again");
    assert_eq!((again[0].blobs_sent, again[0].manifest_sent), (0, false));
    assert_eq!(again[0].image, first[0].image);
    assert_eq!(writes(), WRITES, "nothing was sent");
    let (status, tags) = ask(&reference, "tags/list").await;
    assert_eq!(status, 404, "there is no tag: {}", String::from_utf8_lossy(&tags));
    registry.stop().await.expect("it stops");
}

#[test]
fn the_same_binary_gives_the_same_image_wherever_it_lies() {
    let service = &Service::ALL[0];
    let binary = std::fs::read(artifacts().join(service.program())).expect("the packed program");
    let built = Image::build(service, &binary, own_architecture(), None).expect("it builds");
    assert_eq!(built, packed());
    let manifest = infra::package::Manifest::read(&artifacts()).expect("the manifest");
    let artifact = manifest.artifact(service.binary).expect("the service is in it");
    assert_eq!(artifact.image_digest.as_deref(), Some(built.digest()));
}

#[test]
fn skopeo_reads_the_layout() {
    let Some(inspected) = skopeo(&["inspect", &oci_layout()]) else { return };
    assert_eq!(inspected["Digest"], packed().digest());
    assert_eq!(inspected["Os"], "linux");
    let Some(config) = skopeo(&["inspect", "--config", &oci_layout()]) else { return };
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"][0], "/ingest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_by_digest_is_put_under_the_layer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut registry) = start(folder.path(), &registry::Options::default()).await else {
        return;
    };
    let below = packed();
    let pushed = push(&below, &repository(&registry, "bases/one")).await.expect("push the base");
    let base = fetch_base(&pushed.reference, own_architecture()).await.expect("fetch the base");
    let image = Image::build(&Service::ALL[0], b"other", own_architecture(), Some(&base))
        .expect("it builds");
    assert_eq!(image.layers.len(), 2);
    assert_eq!(image.layers[0], below.layers[0]);
    let pushed = push(&image, &repository(&registry, "bases/one")).await.expect("push on it");
    assert_eq!(pushed.blobs_sent, 2, "the base's layer is there already");

    let absent =
        ImageReference { digest: format!("sha256:{}", "0".repeat(64)), ..pushed.reference };
    let error = fetch_base(&absent, own_architecture()).await.expect_err("there is none");
    assert!(matches!(error, Error::Absent { .. }), "{error}");
    registry.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_wants_a_login_says_so_and_takes_what_docker_login_left() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = registry::Options { htpasswd: HTPASSWD.to_owned(), ..Default::default() };
    let Some(mut registry) = start(folder.path(), &options).await else { return };
    let to = repository(&registry, "images");
    let push = |login: Option<&str>| {
        let home = tempfile::tempdir().expect("a temporary folder");
        if let Some(login) = login {
            let auths = serde_json::json!({ "auths": { to.registry(): { "auth": login } } });
            std::fs::write(home.path().join("config.json"), auths.to_string()).expect("write");
        }
        deploy(&["image", "push", "--json", "--to", &to.to_string()], home.path())
    };
    let refused = push(None);
    let registry_name = to.registry();
    assert_eq!(refused.0, Some(3), "{}", refused.2);
    let expected = format!("sign in with `docker login {registry_name}`");
    assert!(refused.2.contains("(401)") && refused.2.contains(&expected), "{}", refused.2);
    // user:wrong
    let wrong = push(Some("dXNlcjp3cm9uZw=="));
    assert_eq!(wrong.0, Some(3), "{}", wrong.2);
    // user:secret
    let right = push(Some("dXNlcjpzZWNyZXQ="));
    assert_eq!(right.0, Some(0), "{}", right.2);
    let printed: Value = serde_json::from_str(&right.1).expect("JSON");
    assert_eq!(printed[0]["image"], format!("{to}/ingest@{}", packed().digest()));
    registry.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_registry_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = registry::Options { prefix: "/elsewhere/".to_owned(), ..Default::default() };
    let Some(mut registry) = start(folder.path(), &options).await else { return };
    let error = push(&packed(), &repository(&registry, "images")).await.expect_err("no registry");
    assert!(matches!(error, Error::Absent { .. }), "{error}");
    let error = error.to_string();
    let expected = "(404): 404 page not found; make the repository, or name another";
    assert!(error.ends_with(expected), "{error}");
    registry.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_after_a_bounded_time() {
    // A port that was free a moment ago.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let to: Repository = format!("127.0.0.1:{port}/images").parse().expect("a repository");
    let error = push(&packed(), &to).await.expect_err("nobody is there");
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let error = error.to_string();
    assert!(
        error.contains("Connection refused") && error.ends_with("check its name and the network"),
        "{error}"
    );

    let home = tempfile::tempdir().expect("a temporary folder");
    let usage = deploy(&["image", "push", "--to", "images:latest"], home.path());
    assert_eq!(usage.0, Some(2), "{}", usage.2);
}

/// The engine pulls the image by its digest, and the service in it does what the packed program does, crashes included.
#[tokio::test(flavor = "multi_thread")]
async fn the_pushed_image_itself_passes_e2e() {
    if !has_engine() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut registry) = start(folder.path(), &registry::Options::default()).await else {
        return;
    };
    let image = push(&packed(), &repository(&registry, "e2e")).await.expect("push").reference;
    let image = image.to_string();

    let checkout = Checkout::new();
    let words = ["e2e", "--target", "processes", "--trades", "generate:10000:5", "--poison", "3"];
    let more = ["--kill-functions", "2", "--gcp-image", &image];
    checkout.run(&[&words[..], &more[..]].concat()).assert_code(0);
    let report = checkout.report();
    assert_eq!(report["gcp_image"], image.as_str());
    assert_eq!(report["clouds"]["gcp"]["dead_letters"], 3);
    let candles = checkout.latest("candles-gcp.csv");
    assert_eq!(candles, checkout.latest("candles-expected.csv"));
    let history = checkout.latest("history.jsonl");
    assert_eq!(history.matches("docker kill").count(), 2, "{history}");
    assert_eq!(containers(&checkout), BTreeSet::new());

    let checkout = Checkout::new();
    let mut run = long_run_with(&checkout, &["--gcp-image", &image]);
    assert_eq!(containers(&checkout).len(), 1);
    send(&run, Signal::SIGKILL);
    run.wait().expect("wait");
    assert_nothing_left(&checkout);
    eventually("no container of the killed run", || {
        let left = containers(&checkout);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    remove(&image);
    registry.stop().await.expect("it stops");
}

/// In any container, the producer writes its spool to the volume as the image's user, and serves its health check.
#[tokio::test(flavor = "multi_thread")]
async fn the_producer_s_image_keeps_its_spool_in_a_volume() {
    if !has_engine() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut registry) = start(folder.path(), &registry::Options::default()).await else {
        return;
    };
    let image = Service::ALL[2].layout(&artifacts()).read().expect("the image that was packed");
    let image = push(&image, &repository(&registry, "producer")).await.expect("push").reference;
    let image = image.to_string();
    let mut settings = local_settings();
    settings.producer.binance.stream_url = "ws://127.0.0.1:1".to_owned();
    let rendered =
        infra::files::render(&settings, &ResolvedOutputs::default()).expect("it renders");
    infra::files::write(&rendered, folder.path()).expect("it is written");
    let env_file = folder.path().join("producer.env").display().to_string();

    let name = format!("twincloud-test-producer-{}", std::process::id());
    let volume = format!("{name}:/spool");
    // The network has no route out, so both clouds and the stream are unreachable.
    let words = ["create", "--read-only", "--cap-drop", "ALL", "--env-file", &env_file];
    let more = ["--volume", &volume, "--publish", "127.0.0.1::8080", "--name", &name];
    let nowhere = ["AWS_ENDPOINT_URL", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"]
        .map(|variable| format!("{variable}=http://127.0.0.1:1"));
    let keys = ["AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"].map(str::to_owned);
    let env: Vec<_> = nowhere.iter().chain(&keys).flat_map(|env| ["--env", env]).collect();
    // The start time of its producer, from the status in the volume.
    let started_at = || {
        let status = docker(&["cp", &format!("{name}:/spool/status.json"), "-"]);
        let line = status.lines().find(|line| line.contains("started_at_us"));
        line.unwrap_or_else(|| panic!("no status: {status}")).to_owned()
    };
    let mut before = None;
    for _ in 0..2 {
        docker(&[&words[..], &more[..], &env[..], &[image.as_str()]].concat());
        // The volume's status is of the container before: this one has not started yet.
        if let Some(before) = &before {
            assert_eq!(started_at(), *before, "the volume keeps the status");
        }
        docker(&["start", &name]);
        let port = docker(&["port", &name, "8080/tcp"]);
        let health = format!("http://{}/healthz", port.trim());
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut health_now = String::new();
        for _ in 0..100 {
            if let Ok(answer) = client.get(&health).send().await {
                health_now = answer.text().await.expect("a text");
            }
            if health_now.contains("no connection to the stream") {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        let log = Command::new("docker").args(["logs", &name]).output().expect("run docker");
        let log = String::from_utf8_lossy(&log.stderr).into_owned();
        assert!(health_now.contains("no connection to the stream"), "{health_now}\n{log}");
        docker(&["kill", &name]);
        let at = started_at();
        assert_ne!(before.as_ref(), Some(&at), "the second producer writes its own status");
        before = Some(at);
        docker(&["rm", &name]);
    }
    docker(&["volume", "rm", &name]);
    remove(&image);
    registry.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_holder_was_killed_is_removed_by_the_next_holder() {
    if !has_engine() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut registry) = start(folder.path(), &registry::Options::default()).await else {
        return;
    };
    let image = push(&packed(), &repository(&registry, "orphans")).await.expect("push").reference;
    let image = image.to_string();
    let run = |name: &str| format!("{name}-{}", std::process::id());
    let running = |name: &str| {
        let name = run(name);
        eventually("container that runs", || match labelled(&name).len() {
            1 => Ok(()),
            other => Err(format!("{other} containers of {name}")),
        });
    };
    // Takes connections and says nothing: the service neither gets on nor gives up.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let firestore = silent.local_addr().expect("it is bound").to_string();
    let mut killed = hold(&run("killed"), &image, &firestore);
    running("killed");
    killed.kill().expect("SIGKILL is sent");
    killed.wait().expect("it is dead");
    assert_eq!(labelled(&run("killed")).len(), 1, "the engine keeps it");

    let mut next = hold(&run("next"), &image, &firestore);
    running("next");
    assert_eq!(labelled(&run("killed")), BTreeSet::new());
    send(&next, Signal::SIGTERM);
    next.wait().expect("it ends");
    assert_eq!(labelled(&run("next")), BTreeSet::new());
    remove(&image);
    registry.stop().await.expect("it stops");
}

#[test]
fn an_image_is_not_silently_left_out() {
    let checkout = Checkout::new();
    let image = format!("127.0.0.1:1/images/ingest@sha256:{}", "0".repeat(64));
    let e2e = |target: &str, image: &str| {
        checkout.run(&[
            "e2e",
            "--target",
            target,
            "--trades",
            "generate:10:1",
            "--gcp-image",
            image,
        ])
    };
    let words = ["e2e", "--target", "sim", "--trades", "generate:10:1", "--gcp-image", &image];
    checkout.sim(&words).assert_code(2);
    e2e("processes", "127.0.0.1:1/images/ingest:latest").assert_code(2);
    let absent = e2e("processes", &image);
    absent.assert_code(3);
    assert!(absent.stderr.contains("get the image of --gcp-image"), "{}", absent.stderr);
}

/// Starts a registry, where there is one.
async fn start(run_dir: &Path, options: &registry::Options) -> Option<Running> {
    if toolbox::Env::from_process().which(registry::NAME).is_none() {
        eprintln!("skipped: no {} on PATH (`cargo xtask doctor`)", registry::NAME);
        return None;
    }
    let context = emulator_context(run_dir).await;
    Some(registry::start(&context.launch, options).await.expect("the registry starts"))
}

fn has_engine() -> bool {
    let mut docker = Command::new("docker");
    docker.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
    let answers = docker.status().is_ok_and(|status| status.success());
    if !answers {
        eprintln!("skipped: no Docker engine answers (`cargo xtask doctor`)");
    }
    answers
}

fn repository(registry: &Running, path: &str) -> Repository {
    format!("{}/{path}", registry.host_and_port()).parse().expect("a repository")
}

fn packed() -> Image {
    let service = &Service::ALL[0];
    service.layout(&artifacts()).read().expect("the image that was packed")
}

fn own_architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 }
}

async fn get(image: &ImageReference, path: &str) -> Vec<u8> {
    let (status, content) = ask(image, path).await;
    assert_eq!(status, 200, "of {path}: {}", String::from_utf8_lossy(&content));
    content
}

async fn ask(image: &ImageReference, path: &str) -> (u16, Vec<u8>) {
    let (registry, name) = (image.repository.registry(), image.repository.path());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = client.get(format!("http://{registry}/v2/{name}/{path}"));
    let accept = infra::package::image::MANIFEST_TYPE;
    let answer = request.header("accept", accept).send().await.expect("it answers");
    let status = answer.status().as_u16();
    (status, answer.bytes().await.expect("the content").to_vec())
}

fn oci_layout() -> String {
    format!("oci:{}", artifacts().join("gcp/images/ingest").display())
}

fn skopeo(words: &[&str]) -> Option<Value> {
    match Command::new("skopeo").args(words).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(serde_json::from_slice(&output.stdout).expect("JSON"))
        }
        Err(error) => {
            eprintln!("skipped: no skopeo: {error}");
            None
        }
    }
}

/// The deploy engine, which lies beside the harness; its exit code and what it said.
fn deploy(words: &[&str], docker_config: &Path) -> (Option<i32>, String, String) {
    let program = Path::new(HARNESS).with_file_name("deploy");
    let mut command = Command::new(program);
    command.args(words).env("DOCKER_CONFIG", docker_config).env("TWINCLOUD_ARTIFACTS", artifacts());
    let output = command.output().expect("run the deploy engine");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A holder of a container of the service.
fn hold(run: &str, image: &str, firestore: &str) -> Child {
    let mut command = Command::new(HARNESS);
    command.args(["container", "--run", run, "--", "--env", "PORT=0"]);
    let nowhere = [
        "TWINCLOUD_LISTEN_HOST=127.0.0.1",
        "TWINCLOUD_BUCKET=bucket",
        "TWINCLOUD_GCP_PROJECT=project",
        "TWINCLOUD_FIRESTORE_DATABASE=(default)",
        "TWINCLOUD_FIRESTORE_COLLECTION=candles",
        "TWINCLOUD_SYMBOLS=BTCUSDT",
        "TWINCLOUD_INTERVALS=1m",
        "STORAGE_EMULATOR_HOST=http://127.0.0.1:1",
        "PUBSUB_EMULATOR_HOST=127.0.0.1:1",
    ];
    command.args(["--env", &format!("FIRESTORE_EMULATOR_HOST={firestore}")]);
    command.args(nowhere.iter().flat_map(|variable| ["--env", variable])).arg(image);
    command.spawn().expect("start the holder")
}

/// Containers of the latest run of a checkout.
fn containers(checkout: &Checkout) -> BTreeSet<String> {
    let latest = checkout.dir.path().join("target/runs/latest");
    let run = std::fs::read_link(latest).expect("there was a run").display().to_string();
    labelled(&run)
}

/// Containers of runs whose name starts so.
fn labelled(run: &str) -> BTreeSet<String> {
    let format = "{{.ID}} {{.Label \"twincloud.run\"}}";
    let listed = docker(&["ps", "--all", "--filter", "label=twincloud.run", "--format", format]);
    let lines = listed.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(_, name)| name.starts_with(run)).map(|(id, _)| id.to_owned()).collect()
}

fn remove(image: &str) {
    docker(&["image", "rm", "--force", image]);
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("run docker");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
