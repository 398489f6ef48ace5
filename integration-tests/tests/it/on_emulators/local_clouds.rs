//! The four emulators, for real.

use std::path::Path;
use std::time::Instant;

use harness::processes::supervised::{EventKind, Exit, GuardProgram, OnEvent};
use harness::processes::{LocalClouds, Options, emulators, fetch, ports};
use reqwest::Client;
use serde_json::json;
use toolbox::emulators::Emulator;
use toolbox::{Cache, Env, Tools, cloud_sdk};

use crate::trees::HARNESS;

/// Only Python on `PATH`, no Java, no Cloud SDK, and an empty cache, into which the jars of an installed SDK are put by
/// hand if there is one. Otherwise they are downloaded, like all the rest.
#[tokio::test(flavor = "multi_thread")]
async fn with_nothing_but_python_everything_is_fetched_and_runs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let env = bare_environment(folder.path());
    put_installed_jars_into(&Cache::locate(&env).expect("a cache"));

    let begun = Instant::now();
    let tools = fetch::tools(&env, &print_steps()).await.expect("everything can be fetched");
    eprintln!("fetched after {} ms", begun.elapsed().as_millis());
    assert!(
        tools.java.starts_with(folder.path()),
        "the Java of the machine was taken: {}",
        tools.java.display()
    );
    let again = fetch::tools(
        &env,
        &fetch::OnProgress::new(|progress| panic!("fetched again: {progress:?}")),
    )
    .await;
    assert_eq!(again.expect("all is there"), tools);

    let clouds = start(tools, &folder.path().join("run")).await;
    assert_each_works(&clouds).await;
    stop(clouds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_write_only_below_the_folder_of_the_run_and_leave_no_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tools =
        fetch::tools(&Env::from_process(), &print_steps()).await.expect("the tools are there");
    let before = temporary_files();
    let clouds = start(tools, folder.path()).await;
    assert_each_works(&clouds).await;
    let written: Vec<String> =
        temporary_files().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(
        !written.iter().any(|name| name.contains("ministack") || name.contains("hsperf")),
        "{written:?}"
    );
    stop(clouds).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_emulator_is_reported_and_can_be_started_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let tools =
        fetch::tools(&Env::from_process(), &print_steps()).await.expect("the tools are there");
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let options = Options {
        guard: GuardProgram::at(HARNESS),
        on_event: OnEvent::new(move |event| sender.send(event).expect("the test listens")),
        ..Options::new(tools, folder.path())
    };
    let mut first = emulators::fake_gcs::start(&options.context()).await.expect("it starts");
    first.supervised.kill9().await.expect("it dies");
    assert!(!ports::is_listened_on_by(first.port, first.supervised.pid().unwrap_or_default()));
    events.recv().await.expect("it was started");
    let told = events.recv().await.expect("it was killed");
    assert_eq!(
        (told.name.as_str(), told.kind),
        ("fake-gcs", EventKind::Exited { exit: Exit::Signal(9), will_restart: false })
    );
    let mut second = emulators::fake_gcs::start(&options.context()).await.expect("it starts again");
    second.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_that_does_not_start_shows_the_end_of_its_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut tools =
        fetch::tools(&Env::from_process(), &print_steps()).await.expect("the tools are there");
    tools.pubsub_jar = folder.path().join("no.jar");
    let options =
        Options { guard: GuardProgram::at(HARNESS), ..Options::new(tools, folder.path()) };
    let error =
        LocalClouds::start(&options, |_| ()).await.expect_err("there is no such jar").to_string();
    assert!(
        error.contains("pubsub ended (exit code 1) before it was ready")
            && error.contains("no.jar"),
        "{error}"
    );
}

async fn start(tools: Tools, run_dir: &Path) -> LocalClouds {
    let options = Options { guard: GuardProgram::at(HARNESS), ..Options::new(tools, run_dir) };
    let begun = Instant::now();
    let clouds =
        LocalClouds::start(&options, |text| eprintln!("{text}")).await.expect("all four start");
    eprintln!("all four ready after {} ms", begun.elapsed().as_millis());
    clouds
}

async fn stop(clouds: LocalClouds) {
    let running = [&clouds.ministack, &clouds.pubsub, &clouds.firestore, &clouds.fake_gcs];
    let pids: Vec<u32> = running.iter().filter_map(|running| running.supervised.pid()).collect();
    assert_eq!(pids.len(), 4);
    let begun = Instant::now();
    clouds.stop().await.expect("all four stop");
    eprintln!("all four gone after {} ms", begun.elapsed().as_millis());
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid} is still there");
    }
}

async fn assert_each_works(clouds: &LocalClouds) {
    let client = Client::builder().no_proxy().build().expect("a client");
    let bucket = format!("{}/probe", clouds.aws_endpoint());
    let topic = format!("{}/v1/projects/p/topics/probe", clouds.pubsub_endpoint());
    let documents = format!(
        "{}/v1/projects/p/databases/(default)/documents/probe",
        clouds.firestore_endpoint()
    );
    let buckets = format!("{}/storage/v1/b?project=p", clouds.gcs_endpoint());
    let requests = [
        client.put(bucket),
        client.put(topic).json(&json!({})),
        client.post(documents).json(&json!({"fields": {"a": {"stringValue": "b"}}})),
        client.post(buckets).json(&json!({"name": "probe"})),
    ];
    for request in requests {
        let answer = request.send().await.expect("it answers");
        assert!(answer.status().is_success(), "{} of {}", answer.status(), answer.url());
    }
}

fn bare_environment(folder: &Path) -> Env {
    let env = Env::from_process();
    let python = toolbox::python::find(&env).expect("these tests need Python");
    let real = std::process::Command::new(python.path)
        .args(["-c", "import sys; print(sys.executable)"])
        .output();
    let real = String::from_utf8(real.expect("it runs").stdout).expect("a path");
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).expect("create");
    std::os::unix::fs::symlink(real.trim(), bin.join("python3")).expect("link");
    let env = env
        .with("PATH", &bin)
        .with("TWINCLOUD_CACHE", folder.join("cache"))
        .with(cloud_sdk::VARIABLE, "");
    let overrides = ["JAVA_HOME", "TWINCLOUD_JAVA", "TWINCLOUD_PYTHON"];
    let jars = Emulator::ALL.map(Emulator::variable);
    overrides.into_iter().chain(jars).fold(env, Env::without)
}

fn put_installed_jars_into(cache: &Cache) {
    let Some(sdk) = cloud_sdk::find(&Env::from_process()) else { return };
    std::fs::create_dir_all(cache.emulators()).expect("create");
    let jars = [sdk.pubsub_jar(), sdk.firestore_jar()];
    for (jar, _) in jars.into_iter().flatten() {
        let name = jar.file_name().expect("a file");
        std::fs::copy(&jar, cache.emulators().join(name)).expect("copy");
    }
}

fn print_steps() -> fetch::OnProgress {
    fetch::OnProgress::new(|progress| {
        if let fetch::Progress::Step(text) = progress {
            eprintln!("{text}");
        }
    })
}

fn temporary_files() -> Vec<String> {
    let entries = std::fs::read_dir(std::env::temp_dir()).expect("read").filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
