//! Clouds that are lost, and what the verdict on it says.

use std::fs;

use serde_json::{Value, json};

use crate::command::{Checkout, workspace};

fn chaos(checkout: &Checkout, words: &[&str]) -> Value {
    let ran = checkout.run(&[&["chaos", "--seed", "3"], words].concat());
    ran.assert_code(0);
    checkout.report()
}

/// Asserts the promise of `--kill`: the other cloud takes over within two seconds, and nothing is lost.
pub(super) fn assert_recovered(report: &Value) {
    assert_eq!(report["rpo_trades"], 0, "{report}");
    assert!(report["rto_ms"].as_u64().expect("an RTO") < 2_000, "{report}");
    assert!(report["convergence_ms"].is_u64(), "{report}");
    assert_eq!(report["trades"]["accepted"], report["trades"]["unique"], "{report}");
    assert_eq!(report["faults"][0]["fired"], 1, "{report}");
}

#[test]
fn aws_is_lost_and_failed_back_to() {
    let checkout = Checkout::new();
    let report = chaos(&checkout, &["--kill", "aws"]);
    assert_recovered(&report);

    // The verdict is in the files: it comes out again, and not if one of them is another.
    let run = checkout.dir.path().join("target/runs/latest");
    let folder = run.to_str().expect("a path in UTF-8");
    let again = checkout.sim(&["verify", folder, "--json"]);
    again.assert_code(0);
    assert_eq!(again.json(), report);
    let page = checkout.latest("report.html");
    assert!(page.contains("kill_cloud 1") && page.contains("holds"), "{page}");

    let history = checkout.latest("history.jsonl");
    let first = history.lines().find(|line| line.contains("\"spooled\"")).expect("a message");
    let first: Value = serde_json::from_str(first).expect("JSON");
    // A trade that was never sent, in a message that AWS is said to have.
    let spooled = json!({
        "at_us": first["at_us"], "event": "spooled", "sequence": 999_999, "symbol": first["symbol"], "ids": [[1, 1]]
    });
    let accepted = json!({
        "at_us": first["at_us"], "event": "accepted", "target": "aws", "sequence": 999_999, "is_first": false
    });
    let more = [spooled.to_string(), accepted.to_string()];
    let lines: Vec<&str> = history.lines().chain(more.iter().map(String::as_str)).collect();
    fs::write(run.join("history.jsonl"), lines.join("\n")).expect("write");
    let broken = checkout.sim(&["verify", folder]);
    broken.assert_code(1);
    assert!(broken.stdout.contains("BROKEN     nothing accepted is lost"), "{}", broken.stdout);
    assert!(broken.stdout.contains("reproduce  cargo xtask chaos --scenario kill-aws"));
}

/// By its incarnation id alone it is known that the primary has lost what it had acknowledged.
#[test]
fn what_is_lost_while_no_producer_runs_is_published_again() {
    let checkout = Checkout::new();
    let report = chaos(&checkout, &["--scenario", "kill-unseen"]);
    assert_eq!(report["rpo_trades"], 0, "{report}");
    let history = checkout.latest("history.jsonl");
    let again =
        |line: &&str| line.contains("\"incarnation_changed\"") && line.contains("\"is_any\":true");
    assert!(history.lines().filter(again).count() > 0, "{report}");
}

#[test]
fn google_is_lost_and_failed_back_to() {
    assert_recovered(&chaos(&Checkout::new(), &["--kill", "gcp"]));
}

/// Twelve minutes, divided by the factor that the report says, with as many deliveries as are shipped.
#[test]
fn an_outage_of_a_store_makes_no_dead_letter() {
    let words = ["--scenario", "outage-aws", "--scenario", "outage-gcp"];
    let report = chaos(&Checkout::new(), &words);
    let note = report["note"].as_str().expect("what was played");
    assert!(note.contains("times divided by 60"), "{note}");
    assert!(note.contains("11 deliveries in 14.5s on Google Cloud"), "{note}");
    for cloud in ["aws", "gcp"] {
        assert_eq!(report["clouds"][cloud]["dead_letters"], 0, "{report}");
    }
}

/// A limit named by `--set` is the one that the queue has, and that the report's last line says.
#[test]
fn limits_that_are_set_are_played() {
    let words = ["--scenario", "outage-aws", "--set", "aws.queue.max_receive_count=2"];
    let checkout = Checkout::new();
    let ran = checkout.run(&[&["chaos", "--seed", "3"], &words[..]].concat());
    ran.assert_code(1);
    let report = checkout.report();
    assert!(report["clouds"]["aws"]["dead_letters"].as_u64().is_some_and(|n| n > 0), "{report}");
    let reproduce = report["reproduce"].as_str().expect("a command");
    assert!(reproduce.contains("--set aws.queue.max_receive_count=2"), "{reproduce}");
}

#[test]
fn several_scenarios_leave_a_summary_and_junit() {
    let checkout = Checkout::new();
    let (junit, summary) = ("junit.xml", "summary.md");
    let words = ["--scenario", "both-down", "--scenario", "producer-crash"];
    let files = ["--junit", junit, "--summary", summary, "--duration", "8"];
    chaos(&checkout, &[&words[..], &files].concat());
    let read = |name| fs::read_to_string(checkout.dir.path().join(name)).expect("the file is left");
    assert!(read(junit).contains(r#"<testsuite name="both-down""#), "{}", read(junit));
    assert!(read(summary).contains("| producer-crash | holds |"), "{}", read(summary));
}

#[test]
fn what_cannot_be_broken_is_said_and_not_passed_over() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["chaos"]);
    ran.assert_code(2);
    assert!(ran.stderr.contains("--list"), "{}", ran.stderr);
    let ran = checkout.run(&["chaos", "--scenario", "no-such"]);
    ran.assert_code(2);
    let ran = checkout.run(&["chaos", "--scenario", "clock-skew"]);
    ran.assert_code(3);
    assert!(ran.stderr.contains("clock-skew needs set-clock"), "{}", ran.stderr);
    let listed = checkout.sim(&["chaos", "--list"]);
    listed.assert_code(0);
    let page = fs::read_to_string(workspace().join("docs/chaos.md")).expect("the page on chaos");
    assert!(page.contains("chaos --list"), "a user finds the list");
    assert!(listed.stdout.lines().count() > 20, "{}", listed.stdout);
}
