//! However a run on containers ends, nothing of it is left.

use std::process::{Command, Stdio};
use std::time::Duration;

use harness::containers::Images;
use harness::docker::{HOLDER, RUN};
use harness::emulator::Emulator;
use nix::sys::signal::Signal;

use super::{images, start};
use crate::command::Checkout;
use crate::interrupted::send;
use crate::trees::{eventually_within, stat_field};

/// Names the file into which [`held`] writes its run.
const RUN_FILE: &str = "TWINCLOUD_TEST_RUN_FILE";

/// Containers and networks with the label of a run.
pub(super) fn left_of(run: &str) -> String {
    let label = format!("label={RUN}={run}");
    let containers = docker(&["ps", "--all", "--quiet", "--filter", &label]);
    containers + &docker(&["network", "ls", "--quiet", "--filter", &label])
}

/// The runs of which anything is there.
pub(super) fn labelled() -> Vec<String> {
    let (label, format) = (format!("label={RUN}"), format!("{{{{.Label \"{RUN}\"}}}}"));
    let containers = docker(&["ps", "--all", "--filter", &label, "--format", &format]);
    let networks = docker(&["network", "ls", "--filter", &label, "--format", &format]);
    containers.lines().chain(networks.lines()).map(str::to_owned).collect()
}

/// Not a test of its own: what [`kill_9_leaves_nothing`] kills.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
async fn held() {
    let file = std::env::var_os(RUN_FILE).expect("started by another test");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let containers = start(folder.path()).await.expect("the images are there");
    std::fs::write(file, containers.run_id()).expect("write the run");
    tokio::time::sleep(Duration::from_mins(2)).await;
    panic!("nobody killed this process");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_leaves_nothing() {
    if images().await.is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("run");
    let mut harness = Command::new(std::env::current_exe().expect("this program"));
    harness.args(["--exact", "on_emulators::containers::reaped::held", "--ignored"]);
    harness.env(RUN_FILE, &file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut harness = harness.spawn().expect("start it");
    let run = eventually_within(Duration::from_mins(1), "run that has started", || {
        let run = std::fs::read_to_string(&file).unwrap_or_default();
        if run.is_empty() { Err("nothing yet".to_owned()) } else { Ok(run) }
    });
    assert_eq!(left_of(&run).lines().count(), Emulator::ALL.len() + 1, "containers and a network");
    send(&harness, Signal::SIGKILL);
    harness.wait().expect("wait");
    eventually_within(Duration::from_secs(30), "end of everything", || {
        let left = left_of(&run);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

/// As if the harness and its reaper had been killed at once.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_run_has_left_is_removed_by_the_next_and_by_down() {
    let Some(images) = images().await else { return };
    let namespace = std::fs::read_link("/proc/self/ns/pid").expect("a namespace");
    let started = stat_field(std::process::id(), 19).expect("when this process was started");
    let holder =
        |started: &str| format!("{}/{}/{started}", namespace.display(), std::process::id());
    // The same number, of an earlier process.
    let (dead, alive) = (holder("1"), holder(&started));
    let run = |name: &str| format!("test-{name}-{}", std::process::id());
    let checkout = Checkout::new();

    leave(&images, &run("dead"), &dead);
    leave(&images, &run("alive"), &alive);
    let down = checkout.run(&["down"]);
    down.assert_code(0);
    assert_eq!(left_of(&run("dead")), "");
    assert_eq!(left_of(&run("alive")).lines().count(), 2, "of a run that goes on");
    assert!(down.stdout.contains("removed container"), "{}", down.stdout);

    leave(&images, &run("dead"), &dead);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let containers = start(folder.path()).await.expect("the images are there");
    assert_eq!(left_of(&run("dead")), "");
    assert_eq!(left_of(&run("alive")).lines().count(), 2, "of a run that goes on");
    let own = containers.run_id().to_owned();
    drop(containers);
    eventually_within(Duration::from_secs(30), "end of what was dropped", || {
        let left = left_of(&own);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    docker(&["rm", "--force", &run("alive")]);
    docker(&["network", "rm", &run("alive")]);
}

/// A container that runs, on a network, as a run has them.
fn leave(images: &Images, run: &str, holder: &str) {
    let labels = [format!("--label={RUN}={run}"), format!("--label={HOLDER}={holder}")];
    let [run_label, holder_label] = &labels;
    docker(&["network", "create", run_label, holder_label, run]);
    let image = &images.storage.reference;
    let arguments = ["-backend", "memory", "-scheme", "http", "-port", "1"];
    let words =
        ["run", "--detach", "--name", run, "--network", run, run_label, holder_label, image];
    docker(&[&words[..], &arguments].concat());
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("run docker");
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
