//! The life of the stack on AWS.

use std::time::Instant;

use aws_sdk_sqs::types::QueueAttributeName;
use deploy::aws::{aws_config, emulator_credentials};
use serde_json::Value;

use super::{Up, compared, on_processes};

fn addresses(changes: &Value) -> Vec<&str> {
    let changes = changes.as_array().expect("changes");
    changes.iter().map(|change| change["address"].as_str().expect("an address")).collect()
}

/// Changes of a plan in the stack of this name.
fn changes<'p>(plan: &'p Value, stack: &str) -> &'p Value {
    let steps = plan["steps"].as_array().expect("steps");
    let step = steps.iter().find(|step| step["stack"] == stack);
    &step.unwrap_or_else(|| panic!("no step for {stack}: {plan:#}"))["changes"]
}

#[tokio::test]
async fn deployed_changed_drifted_and_destroyed() {
    const STACK: &str = "blockchain-core-local";
    let up = Up::new();

    // A plan changes nothing: the second one is the first one again.
    let plan = up.json(&["plan", "aws"]);
    assert!(plan["changes"].as_u64() > Some(20), "{plan:#}");
    let again = up.json(&["plan", "aws"]);
    assert_eq!(addresses(changes(&plan, STACK)), addresses(changes(&again, STACK)));
    let dry = up.json(&["deploy", "aws", "--dry-run"]);
    assert_eq!(addresses(changes(&plan, STACK)), addresses(changes(&dry, STACK)));

    let begun = Instant::now();
    let deployed = up.json(&["deploy", "aws", "--yes"]);
    println!(
        "deploy aws: {} ms, with both stacks, upload and smoke test",
        begun.elapsed().as_millis()
    );
    let outputs = &deployed[0]["outputs"];
    assert!(deployed[0]["smoke"]["took_ms"].is_u64(), "{deployed:#}");
    assert_eq!(up.json(&["plan", "aws"])["changes"], 0);

    // One setting is one change.
    let setting = ["--set", "aws.queue.max_receive_count=9"];
    let plan = up.json(&[&["plan", "aws"][..], &setting].concat());
    assert_eq!(plan["changes"], 1, "{plan:#}");
    let change = &changes(&plan, STACK)[0];
    assert_eq!(change["address"], "Queue");
    assert_eq!(change["properties"].as_array().map(Vec::len), Some(1), "{change:#}");
    assert_eq!(change["properties"][0]["path"], "/Properties/RedrivePolicy");
    up.ok(&[&["deploy", "aws", "--yes"][..], &setting].concat());

    // By hand.
    let text = up.ok(&["drift", "aws"]);
    assert_eq!(compared(&text), ["aws: as it was deployed"]);
    let config = aws_config(Some(up.aws()), "us-east-1", Some(emulator_credentials())).await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = outputs["QueueUrl"].as_str().expect("a queue");
    let set = sqs.set_queue_attributes().queue_url(queue);
    set.attributes(QueueAttributeName::VisibilityTimeout, "77").send().await.expect("set");
    let drift = up.checkout.deploy(&on_processes(&["drift", "aws", "--json"]));
    drift.assert_code(1);
    let drift = drift.json();
    let drifted = &drift["parts"][0]["changes"];
    assert_eq!(addresses(drifted), ["Queue"], "{drift:#}");
    assert_eq!(drifted[0]["properties"][0]["path"], "/VisibilityTimeout");
    assert_eq!(drifted[0]["properties"][0]["after"], "77");

    let status = up.json(&["status"]);
    assert_eq!(status["aws"]["stack"], "UPDATE_COMPLETE", "{status:#}");
    assert_eq!(status["aws"]["queue_depth"], 0, "{status:#}");
    assert_eq!(status["aws"]["dead_letters"], 0, "{status:#}");
    assert_eq!(status["aws"]["drift"], 1, "{status:#}");
    assert_eq!(up.json(&["outputs", "aws"])["aws"]["QueueUrl"], outputs["QueueUrl"]);

    for _ in 0..2 {
        let destroyed = up.json(&["destroy", "aws", "--yes"]);
        assert_eq!(destroyed[0]["left"], Value::Array(Vec::new()), "{destroyed:#}");
        assert_eq!(destroyed[0]["kept"], Value::Array(Vec::new()), "{destroyed:#}");
    }
    let status = up.json(&["status"]);
    assert!(status["aws"]["stack"].is_null(), "{status:#}");
}
