//! The local Cloud Run and Cloud Scheduler by themselves; a shell script is a service here, and Python its server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deploy::google::Run;
use deploy::local::run::{Job, Service};
use harness::local::Control;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{control, emulator_context, eventually, script};

struct Local {
    folder: tempfile::TempDir,
    control: Control,
    run: Run,
}

impl Local {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let control = control(&emulator_context(folder.path()).await).await;
        let run = Run::new(&control.endpoint).expect("a client");
        Self { folder, control, run }
    }

    /// A service that answers every request with `answer`.
    fn service(&self, answer: &str) -> Service {
        let server = self.folder.path().join("server.py");
        std::fs::write(&server, SERVER).expect("write");
        let binary = self.folder.path().join("built");
        script(&binary, &format!("exec python3 {} # {answer}", server.display()));
        Service {
            binary,
            env: BTreeMap::from([("ANSWER".to_owned(), answer.to_owned())]),
            concurrency: 8,
            labels: BTreeMap::from([("project".to_owned(), "test".to_owned())]),
        }
    }

    fn programs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path().join("services")).expect("read");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }
}

const SERVER: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write((os.environ["ANSWER"] + " " + os.environ["K_REVISION"]).encode())
    do_POST = do_GET
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

async fn said(uri: &str) -> Result<String, String> {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build();
    let answer = client.expect("a client").get(uri).send().await;
    answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_replaced_behind_the_same_url() {
    let local = Local::start().await;
    let first = local.run.put_service("trades", &local.service("one")).await.expect("it starts");
    assert_eq!((first.revision, first.restarts), (1, 0));
    assert_eq!(said(&first.uri).await.expect("it answers"), "one trades-r1");

    // The same again is the same process; the build's own file may go in the meantime.
    let service = local.service("one");
    let same = local.run.put_service("trades", &service).await.expect("it is there");
    assert_eq!(same, first);
    std::fs::remove_file(&service.binary).expect("remove");
    kill(pid(first.pid), Signal::SIGKILL).expect("kill");
    let back = eventually("restart", async || {
        let state = local.run.service("trades").await.expect("read").expect("it is there");
        said(&state.uri).await.map(|answer| (state, answer))
    });
    let (back, answer) = back.await;
    assert_eq!(answer, "one trades-r1");
    assert!(back.restarts == 1 && back.pid != first.pid && back.uri == first.uri, "{back:?}");

    // Labels and concurrency are no reason to start anything.
    let relabelled = Service { concurrency: 9, labels: BTreeMap::new(), ..local.service("one") };
    let relabelled = local.run.put_service("trades", &relabelled).await.expect("it is changed");
    assert_eq!((relabelled.pid, relabelled.concurrency), (back.pid, 9));

    let second = local.run.put_service("trades", &local.service("two")).await.expect("it starts");
    assert_eq!(second.uri, first.uri);
    assert_ne!(second.sha256, first.sha256);
    let answer = said(&second.uri).await.expect("it answers");
    assert!(answer.starts_with("two "), "{answer}");
    assert_eq!(local.programs().len(), 1, "the binary before is gone");

    assert_eq!(local.run.services().await.expect("list"), std::slice::from_ref(&second));
    local.run.delete_service("trades").await.expect("delete");
    local.run.delete_service("trades").await.expect("it is gone already");
    assert!(said(&second.uri).await.is_err(), "nobody answers");
    assert_eq!(local.programs().len(), 0);
    local.control.stop().await.expect("it stops");
}

fn pid(pid: Option<u32>) -> Pid {
    Pid::from_raw(pid.expect("it runs").cast_signed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_that_does_not_come_up_leaves_the_one_before() {
    let local = Local::start().await;
    let first = local.run.put_service("trades", &local.service("one")).await.expect("it starts");
    let broken = local.folder.path().join("broken");
    script(&broken, "echo no configuration >&2; exit 3");
    let service = Service { binary: broken, ..local.service("one") };
    for name in ["trades", "another"] {
        let error = local.run.put_service(name, &service).await.expect_err("it ends");
        let error = error.to_string();
        assert!(error.contains("exit code 3") && error.contains("no configuration"), "{error}");
    }
    assert_eq!(local.run.services().await.expect("list"), std::slice::from_ref(&first));
    assert_eq!(said(&first.uri).await.expect("it answers"), "one trades-r1");
    assert_eq!(local.programs().len(), 1, "what didn't start isn't kept");
    local.control.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_posts_again_and_again_one_at_a_time() {
    let local = Local::start().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, seen) = (Arc::clone(&now), Arc::clone(&most));
    let slow = axum::routing::post(async move || {
        seen.fetch_max(counted.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Longer than the period: the next one would begin meanwhile.
        tokio::time::sleep(Duration::from_millis(1_400)).await;
        counted.fetch_sub(1, Ordering::SeqCst);
        "copied 3"
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let uri = format!("http://{}/run", listener.local_addr().expect("an address"));
    let server = axum::serve(listener, axum::Router::new().route("/run", slow));
    let server = tokio::spawn(async move { server.await });

    let job = Job { uri, every_s: 1, paused: false, labels: BTreeMap::new() };
    let made = local.run.put_job("replicate", &job).await.expect("it is made");
    assert_eq!((made.runs, made.last), (0, None));
    let runs = async |at_least: u64| {
        eventually("run", async || {
            let job = local.run.job("replicate").await.expect("read").expect("it is there");
            if job.runs >= at_least { Ok(job) } else { Err(format!("{job:?}")) }
        })
        .await
    };
    let last = runs(2).await.last.expect("it ran");
    assert_eq!((last.status, last.answer.as_str()), (Some(200), "copied 3"));
    assert!(last.took_ms >= 1_000, "{last:?}");
    assert_eq!(most.load(Ordering::SeqCst), 1, "never two at a time");

    // The same again changes nothing; another one goes on counting.
    assert!(local.run.put_job("replicate", &job).await.expect("it is there").runs >= 2);
    server.abort();
    let _ = server.await;
    let last = runs(4).await.last.expect("it ran");
    assert_eq!(last.status, None, "nobody answers: {last:?}");
    let paused = Job { paused: true, ..job };
    let state = local.run.put_job("replicate", &paused).await.expect("it is paused");
    assert!(state.paused && state.runs >= 4, "{state:?}");
    local.run.delete_job("replicate").await.expect("delete");
    assert_eq!(local.run.jobs().await.expect("list"), []);
    local.control.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_right_is_refused_in_words() {
    let local = Local::start().await;
    let good = local.service("one");
    let refused = async |name: &str, service: Service| {
        let error = local.run.put_service(name, &service).await.expect_err("refused");
        error.to_string()
    };
    let with_env = |name: &str| {
        let env = BTreeMap::from([(name.to_owned(), String::new())]);
        Service { env, ..good.clone() }
    };
    let relative = Service { binary: "built".into(), ..good.clone() };
    let missing = Service { binary: "/nonexistent/program".into(), ..good.clone() };
    let folder = Service { binary: local.folder.path().to_owned(), ..good.clone() };
    let idle = Service { concurrency: 0, ..good.clone() };
    for (said, error) in [
        ("up to 49", refused("Trades", good.clone()).await),
        ("absolute path", refused("trades", relative).await),
        ("build it first", refused("trades", missing).await),
        ("no program", refused("trades", folder).await),
        ("concurrency", refused("trades", idle).await),
        ("env.PORT", refused("trades", with_env("PORT")).await),
        ("no name of a variable", refused("trades", with_env("A B")).await),
    ] {
        assert!(error.contains(said) && error.contains("400"), "{said}: {error}");
    }
    for (uri, every_s) in [
        ("http://example.com/", 1),
        ("https://127.0.0.1/", 1),
        ("nowhere", 1),
        ("http://127.0.0.1/", 0),
    ] {
        let job = Job { uri: uri.to_owned(), every_s, paused: false, labels: BTreeMap::new() };
        let error = local.run.put_job("replicate", &job).await.expect_err("refused").to_string();
        assert!(error.contains("400"), "{uri}: {error}");
    }
    assert_eq!(local.run.service("trades").await.expect("read"), None);

    let http = reqwest::Client::new();
    let url = format!("{}/v1/services/trades", local.control.endpoint);
    let answer = http.put(&url).body("{").send().await.expect("it answers");
    assert_eq!(answer.status(), 400);
    let answer = http.put(&url).body(vec![b' '; 300 * 1024]).send().await.expect("it answers");
    assert_eq!(answer.status(), 413);
    let answer = http.delete(&url).send().await.expect("it answers");
    assert_eq!(answer.status(), 404);
    // Requests without the secret are refused.
    let root = reqwest::Url::parse(&url).expect("a URL").join("/v1/services").expect("a URL");
    assert_eq!(http.get(root).send().await.expect("it answers").status(), 404);
    local.control.stop().await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_it_takes_all_services_along() {
    let local = Local::start().await;
    for name in ["one", "two"] {
        local.run.put_service(name, &local.service(name)).await.expect("it starts");
    }
    let folder = local.folder;
    assert!(!crate::interrupted::processes_in(folder.path()).is_empty());
    local.control.stop().await.expect("it stops");
    assert_eq!(crate::interrupted::processes_in(folder.path()), Vec::<String>::new());
}
