//! A game day's rehearsal, as a person types it: on clouds that `up` started and `deploy` deployed.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_sqs::types::QueueAttributeName;
use deploy::aws::{aws_config, emulator_credentials};
use serde_json::Value;

use super::deploy::Up;
use crate::command::Ran;

/// Timeout for anything that happens by itself.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

struct Rehearsal {
    up: Up,
    queue_url: String,
}

impl Rehearsal {
    fn new() -> Self {
        let up = Up::start(&["--enforce-policies"]);
        let deployed = up.json(&["deploy", "all", "--yes"]);
        let queue_url = deployed[0]["outputs"]["QueueUrl"].as_str().expect("a queue").to_owned();
        Self { up, queue_url }
    }

    fn chaos(&self, words: &[&str]) -> Ran {
        self.up.checkout.run(&[&["chaos", "--target", "up"], words].concat())
    }

    fn begin(&self, words: &[&str]) -> Child {
        let words = [&["chaos", "--target", "up"], words].concat();
        let mut harness = self.up.checkout.harness(&words);
        harness.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start the harness")
    }

    fn record(&self) -> PathBuf {
        self.up.checkout.dir.path().join("outputs/local/game-day.json")
    }

    async fn policy(&self) -> Option<String> {
        let config = aws_config(Some(self.up.aws()), "us-east-1", Some(emulator_credentials()));
        let sqs = aws_sdk_sqs::Client::new(&config.await);
        let asked = sqs.get_queue_attributes().queue_url(&self.queue_url);
        let answer = asked.attribute_names(QueueAttributeName::Policy).send().await;
        let attributes = answer.expect("an answer").attributes?;
        attributes.get(&QueueAttributeName::Policy).cloned()
    }

    #[track_caller]
    fn assert_as_deployed(&self) {
        assert!(!self.record().exists(), "nothing is left to undo");
        // A thing that is off can't be switched off, so a plan shows if all is on again. Drift would not: of what the
        // stack leaves to its default, CloudFormation does not look.
        self.chaos(&["--kill", "aws", "--dry-run"]).assert_code(0);
        self.chaos(&["--scenario", "functions-gcp", "--dry-run"]).assert_code(0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_given_back_and_nothing_is_lost() {
    let rehearsal = Rehearsal::new();

    let planned = rehearsal.chaos(&["--scenario", "functions-gcp", "--dry-run", "--json"]);
    planned.assert_code(0);
    let calls = planned.json()[0]["calls"].as_array().expect("calls").clone();
    let thrown: Vec<&str> = calls.iter().filter_map(|call| call["throw"].as_str()).collect();
    assert!(thrown[0].starts_with("Pub/Sub ModifyPushConfig"), "{thrown:?}");
    assert!(thrown[1].starts_with("Cloud Scheduler PauseJob"), "{thrown:?}");
    rehearsal.assert_as_deployed();

    // Unsupported options are refused before anything begins.
    let refused = rehearsal.chaos(&["--kill", "gcp", "--yes"]);
    refused.assert_code(3);
    assert!(refused.stderr.contains("functions-gcp"), "{}", refused.stderr);
    let nobody = rehearsal.chaos(&["--kill", "aws"]);
    nobody.assert_code(2);
    assert!(nobody.stderr.contains("--yes"), "{}", nobody.stderr);

    killed_in_the_middle(&rehearsal).await;
    rehearsal.assert_as_deployed();

    let ran = rehearsal.chaos(&["--kill", "aws", "--yes", "--json", "--duration", "20"]);
    ran.assert_code(0);
    let report: Value = ran.json();
    assert_eq!(report["verdict"], "holds", "{report:#}");
    assert_eq!(report["rpo_trades"], 0, "{report:#}");
    assert!(report["rto_ms"].is_u64(), "it was taken over: {report:#}");
    assert!(report["faults"][0]["fired"].as_u64() > Some(0), "{report:#}");
    rehearsal.assert_as_deployed();
    let policy = rehearsal.policy().await.expect("the stack's own");
    assert!(policy.contains("TlsOnly") && !policy.contains("TwincloudGameDay"), "{policy}");

    let heal = rehearsal.up.checkout.run(&["chaos", "heal", "--env", "local"]);
    heal.assert_code(0);
    assert!(heal.stdout.contains("nothing to undo"), "{}", heal.stdout);
}

/// `kill -9` of the harness while a cloud is away: what it has started below the guard gives the cloud back.
async fn killed_in_the_middle(rehearsal: &Rehearsal) {
    let mut harness = rehearsal.begin(&["--kill", "aws", "--yes", "--duration", "60"]);
    let begun = Instant::now();
    while !rehearsal.policy().await.is_some_and(|policy| policy.contains("TwincloudGameDay")) {
        assert!(begun.elapsed() < PATIENCE, "the queue denies nobody");
        tokio::time::sleep(POLL).await;
    }
    let second = rehearsal.chaos(&["--scenario", "functions-gcp", "--yes"]);
    second.assert_code(3);
    assert!(second.stderr.contains("cargo xtask chaos heal --env local"), "{}", second.stderr);

    harness.kill().expect("kill -9");
    harness.wait().expect("it is gone");
    let begun = Instant::now();
    while rehearsal.record().exists() {
        assert!(begun.elapsed() < PATIENCE, "nobody gives the cloud back");
        tokio::time::sleep(POLL).await;
    }
}

#[test]
fn only_what_is_deployed_has_game_days() {
    let checkout = crate::command::Checkout::new();
    for (words, code, said) in [
        (&["chaos", "--kill", "aws", "--target", "up", "--yes"][..], 3, "cargo xtask up"),
        (&["chaos", "--kill", "aws", "--target", "processes", "--dry-run"], 2, "--target cloud"),
        (&["chaos", "--scenario", "flapping", "--target", "up"], 3, "flapping needs break-links"),
        (&["chaos", "--kill", "aws", "--target", "cloud", "--yes"], 3, "deploy aws"),
        (&["e2e", "--target", "cloud"], 2, "cargo xtask chaos --target cloud"),
    ] {
        let ran = checkout.run(words);
        ran.assert_code(code);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
}
