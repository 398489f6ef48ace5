//! Whole runs on containers: the same verdicts from the same files as on processes.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::images;
use super::reaped::{labelled, left_of};
use crate::command::{Checkout, Ran};
use crate::interrupted::{assert_nothing_left, send};
use crate::on_emulators::chaos::assert_recovered;
use crate::trees::eventually_within;

const ON_CONTAINERS: [&str; 4] = ["--target", "containers", "--aws-emulator", "ministack"];

fn run(checkout: &Checkout, words: &[&str]) -> Ran {
    checkout.run(&[words, &ON_CONTAINERS].concat())
}

/// Asserts that a run on containers leaves a folder with its verdict, and nothing else.
fn assert_left(checkout: &Checkout) -> Value {
    let report = checkout.report();
    assert_eq!(report["target"], "containers", "{report}");
    let about: Value = serde_json::from_str(&checkout.latest("run.json")).expect("JSON");
    assert_eq!(about["target"], "containers", "{about}");
    let folder = checkout.dir.path().join("target/runs/latest");
    let again = checkout.sim(&["verify", folder.to_str().expect("UTF-8"), "--json"]);
    again.assert_code(0);
    assert_eq!(again.json(), report);
    for emulator in ["aws", "pubsub", "firestore", "storage"] {
        assert!(folder.join(format!("logs/{emulator}.log")).exists(), "{emulator} has a log");
    }
    assert_no_containers(&folder);
    report
}

fn assert_no_containers(folder: &Path) {
    let folder = fs::read_link(folder).expect("it leads to a run");
    let name = folder.file_name().expect("a name").to_string_lossy();
    let run = format!("twincloud-{name:.32}");
    let left: Vec<String> = labelled().into_iter().filter(|it| it.starts_with(&run)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn e2e_gives_the_verdict_that_it_gives_elsewhere() {
    if images().await.is_none() {
        return;
    }
    let checkout = Checkout::new();
    let workload = ["e2e", "--trades", "generate:6000:7", "--poison", "2"];
    run(&checkout, &[&workload[..], &["--kill-functions", "1"]].concat()).assert_code(0);
    let report = assert_left(&checkout);
    for cloud in ["aws", "gcp"] {
        assert_eq!(report["clouds"][cloud]["dead_letters"], 2, "{report}");
        let candles = checkout.latest(&format!("candles-{cloud}.csv"));
        assert_eq!(candles, checkout.latest("candles-expected.csv"), "{cloud}");
    }
    let history = checkout.latest("history.jsonl");
    let is_kill = |line: &&str| line.contains("fault_fired") && line.contains("kill_function");
    assert_eq!(history.lines().filter(is_kill).count(), 2, "one in each cloud");

    let elsewhere = Checkout::new();
    elsewhere.sim(&[&workload[..], &["--target", "sim"]].concat()).assert_code(0);
    let file = |name: &str| (checkout.latest(name), elsewhere.latest(name));
    for name in ["candles-aws.jsonl", "candles-gcp.jsonl", "trades.jsonl"] {
        let (here, there) = file(name);
        assert!(here == there, "{name} is the same on sim");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_is_lost_and_failed_back_to() {
    if images().await.is_some() {
        lose("aws");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn google_is_lost_and_failed_back_to() {
    if images().await.is_some() {
        lose("gcp");
    }
}

fn lose(cloud: &str) {
    let checkout = Checkout::new();
    run(&checkout, &["chaos", "--seed", "3", "--kill", cloud]).assert_code(0);
    assert_recovered(&assert_left(&checkout));
    let page = checkout.latest("report.html");
    assert!(page.contains("kill_cloud 1") && page.contains("containers"), "{page}");
    let restored = checkout.latest(&format!("candles-{cloud}.csv"));
    assert_eq!(restored, checkout.latest("candles-expected.csv"), "it has all that it had lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_a_whole_run_leaves_nothing() {
    if images().await.is_none() {
        return;
    }
    let checkout = Checkout::new();
    let words = ["e2e", "--trades", "generate:200000:1", "--rate", "2000"];
    let mut harness = checkout.harness(&[&words, &ON_CONTAINERS[..]].concat());
    let mut harness = harness.spawn().expect("start the harness");
    let history = checkout.dir.path().join("target/runs/latest/history.jsonl");
    let limit = std::time::Duration::from_mins(1);
    eventually_within(limit, "run in which trades flow", || {
        let history = fs::read_to_string(&history).unwrap_or_default();
        if history.contains("\"accepted\"") { Ok(()) } else { Err(history) }
    });
    let own = format!("-{}", harness.id());
    let runs = || labelled().into_iter().filter(|run| run.ends_with(&own)).collect::<Vec<_>>();
    let run = runs().pop().expect("the run has containers");
    send(&harness, Signal::SIGKILL);
    harness.wait().expect("wait");
    eventually_within(limit, "end of everything", || {
        let left = left_of(&run);
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    assert_nothing_left(&checkout);
}

/// Never a skip, and before anything is started.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_exit_code_3() {
    let checkout = Checkout::new();
    let mut e2e = checkout.harness(&["e2e", "--target", "containers"]);
    let ran = Ran::of(&e2e.env("PATH", "/nonexistent").output().expect("run the harness"));
    ran.assert_code(3);
    assert!(ran.stderr.contains("install Docker"), "{}", ran.stderr);
    let Some(images) = images().await else { return };

    let nowhere = ["--set", "containers.images.pubsub=127.0.0.1:1/nowhere:1"];
    for command in [&["e2e"][..], &["chaos", "--kill", "aws"]] {
        let ran = run(&checkout, &[command, &nowhere].concat());
        ran.assert_code(3);
        assert!(ran.stderr.contains("cargo xtask images build"), "{}", ran.stderr);
    }
    // Any image will do: it is not started.
    let any = format!("containers.images.localstack={}", images.aws.reference);
    let localstack = ["--target", "containers", "--aws-emulator", "localstack", "--set", &any];
    for command in [&["e2e", "--kill-functions", "1"][..], &["chaos", "--all"]] {
        let ran = checkout.run(&[command, &localstack].concat());
        ran.assert_code(3);
        assert!(ran.stderr.contains("the fault kill_function can't be had"), "{}", ran.stderr);
    }
    let elsewhere = ["e2e", "--target", "processes", "--aws-emulator", "ministack"];
    checkout.run(&elsewhere).assert_code(2);
}
