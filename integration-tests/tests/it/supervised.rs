//! A supervised process, from its start to its end.

use std::path::Path;
use std::sync::{Arc, Mutex};

use harness::processes::supervised::{
    Event, EventKind, Exit, GuardProgram, OnEvent, Restart, Spec, State, Supervised,
};

use crate::trees::{HARNESS, Marker, eventually, stat_field};

fn sh(run_dir: &Path, script: &str) -> Spec {
    Spec::new("process", "sh", run_dir).args(["-c", script])
}

async fn spawn(spec: Spec) -> Supervised {
    Supervised::spawn(&GuardProgram::at(HARNESS), spec).await.expect("it starts")
}

fn log(supervised: &Supervised) -> String {
    std::fs::read_to_string(supervised.log()).expect("there is a log")
}

#[tokio::test]
async fn its_output_its_exit_and_only_the_given_variables() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spec = sh(folder.path(), "echo out; echo err >&2; env; pwd; exit 4").env("GIVEN", "this");
    let mut supervised = spawn(spec).await;
    assert_eq!(supervised.wait().await, Exit::Code(4));
    let log = log(&supervised);
    for line in ["out", "err", "GIVEN=this", &folder.path().display().to_string()] {
        assert!(log.lines().any(|seen| seen == line), "no {line} in {log}");
    }
    assert!(!log.contains("CARGO"), "a variable of the harness leaked: {log}");
}

#[tokio::test]
async fn kill_9_hits_the_process_itself_and_all_below_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let marker = Marker::new();
    let mut supervised = spawn(sh(folder.path(), &marker.tree())).await;
    marker.assert_count(Marker::SLEEPERS);
    supervised.kill9().await.expect("it dies");
    assert_eq!(supervised.wait().await, Exit::Signal(9));
    assert_eq!(marker.pids(), [0_u32; 0]);
    let error = supervised.kill9().await.expect_err("it is dead").to_string();
    assert!(error.contains("process has ended (signal 9)"), "{error}");
}

#[tokio::test]
async fn it_is_restarted_so_often_and_every_restart_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let on_event =
        OnEvent::new(move |event: Event| seen.lock().expect("not poisoned").push(event.kind));
    let restart = Restart::Always { backoff_ms: 10, restarts_max: 2 };
    let mut supervised =
        spawn(sh(folder.path(), "echo life; exit 9").restart(restart).on_event(on_event)).await;
    assert_eq!(supervised.wait().await, Exit::Code(9));
    assert_eq!(supervised.restarts(), 2);
    assert_eq!(log(&supervised), "life\n".repeat(3));
    let told: Vec<(Option<u32>, Option<bool>)> = events
        .lock()
        .expect("not poisoned")
        .iter()
        .map(|kind| match kind {
            EventKind::Started { restarts, .. } => (Some(*restarts), None),
            EventKind::Exited { will_restart, .. } => (None, Some(*will_restart)),
        })
        .collect();
    let life = |restarts, again| [(Some(restarts), None), (None, Some(again))];
    assert_eq!(told, [life(0, true), life(1, true), life(2, false)].concat());
}

#[tokio::test]
async fn one_that_is_killed_comes_back_and_one_that_is_stopped_does_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let restart = Restart::Always { backoff_ms: 10, restarts_max: 100 };
    let mut supervised = spawn(sh(folder.path(), "exec sleep 60").restart(restart)).await;
    let first = supervised.pid().expect("it runs");
    supervised.kill9().await.expect("it dies");
    let second = eventually_running(&supervised, first).await;
    assert_ne!(first, second);
    assert_eq!(supervised.stop().await.expect("it stops"), Exit::Signal(15));
    assert!(matches!(supervised.state(), State::Ended { .. }));
    assert_eq!(supervised.stop().await.expect("twice is as good"), Exit::Signal(15));
}

async fn eventually_running(supervised: &Supervised, before: u32) -> u32 {
    for _ in 0..500 {
        match supervised.pid() {
            Some(pid) if pid != before => return pid,
            _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
    panic!("not restarted: {:?}", supervised.state());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_paused_stands_still_until_it_is_resumed_or_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut supervised = spawn(sh(folder.path(), "exec sleep 60")).await;
    let pid = supervised.pid().expect("it runs");
    let assert_state = |wanted: &str| {
        eventually(wanted, || {
            let state = stat_field(pid, 0).unwrap_or_default();
            if state == wanted { Ok(()) } else { Err(state) }
        });
    };
    supervised.pause();
    assert_state("T");
    supervised.resume();
    assert_state("S");
    supervised.pause();
    assert_state("T");
    supervised.stop().await.expect("it stops although it stands still");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_handle_ends_everything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let marker = Marker::new();
    let supervised = spawn(sh(folder.path(), &marker.tree())).await;
    marker.assert_count(Marker::SLEEPERS);
    drop(supervised);
    marker.assert_count(0);
}

#[test]
fn dropping_the_runtime_ends_everything() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let marker = Marker::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let supervised = runtime.block_on(spawn(sh(folder.path(), &marker.tree())));
    marker.assert_count(Marker::SLEEPERS);
    drop(runtime);
    marker.assert_count(0);
    drop(supervised);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_in_the_log() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut supervised = spawn(Spec::new("process", "/nonexistent/program", folder.path())).await;
    assert_eq!(supervised.wait().await, Exit::Code(127));
    assert!(
        supervised.ended().to_string().contains("start /nonexistent/program: No such file"),
        "{}",
        supervised.ended()
    );
}
