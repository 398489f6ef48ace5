//! Deploys that are cut short, that meet, or that find half a stack.

use std::process::Stdio;
use std::time::Duration;

use deploy::aws::{aws_config, emulator_credentials};

use super::{Up, on_processes};
use crate::command::Ran;

#[test]
fn killed_at_any_point_the_same_command_goes_on() {
    let up = Up::new();
    // From before the first call to after the last: a warm deploy takes some seconds.
    for after_ms in [100, 400, 800, 1_200, 1_800, 2_600] {
        let mut deploy = up.checkout.deploy_command(&on_processes(&["deploy", "aws", "--yes"]));
        let mut deploy = deploy.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("start");
        std::thread::sleep(Duration::from_millis(after_ms));
        deploy.kill().expect("kill -9");
        deploy.wait().expect("wait");
    }
    up.ok(&["deploy", "aws", "--yes"]);
    assert_eq!(up.json(&["plan", "aws"])["changes"], 0);

    let mut destroy = up.checkout.deploy_command(&on_processes(&["destroy", "aws", "--yes"]));
    let mut destroy = destroy.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("start");
    std::thread::sleep(Duration::from_millis(500));
    destroy.kill().expect("kill -9");
    destroy.wait().expect("wait");
    up.ok(&["destroy", "aws", "--yes"]);
}

#[test]
fn two_at_once_both_end_well() {
    let up = Up::new();
    let start = || {
        let mut deploy = up.checkout.deploy_command(&on_processes(&["deploy", "aws", "--yes"]));
        deploy.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("start")
    };
    let both = [start(), start()]
        .map(|deploy| std::thread::spawn(|| Ran::of(&deploy.wait_with_output().expect("wait"))));
    let both = both.map(|deploy| deploy.join().expect("it ends"));
    for deploy in &both {
        eprintln!("code {:?}\n{}", deploy.code, deploy.stderr);
    }
    for deploy in &both {
        deploy.assert_code(0);
    }
    assert_eq!(up.json(&["plan", "aws"])["changes"], 0);
}

#[tokio::test]
async fn half_a_stack_is_made_whole_or_destroyed() {
    let up = Up::new();
    let deployed = up.json(&["deploy", "aws", "--yes"]);
    let config = aws_config(Some(up.aws()), "us-east-1", Some(emulator_credentials())).await;
    let sqs = aws_sdk_sqs::Client::new(&config);
    let queue = deployed[0]["outputs"]["QueueUrl"].as_str().expect("a queue");
    sqs.delete_queue().queue_url(queue).send().await.expect("delete by hand");

    let drift = up.checkout.deploy(&on_processes(&["drift", "aws"]));
    drift.assert_code(1);
    assert!(drift.stdout.contains("- Queue (AWS::SQS::Queue)"), "{}", drift.stdout);
    let destroyed = up.json(&["destroy", "aws", "--yes"]);
    assert!(destroyed[0]["left"].as_array().is_some_and(Vec::is_empty), "{destroyed:#}");
}
