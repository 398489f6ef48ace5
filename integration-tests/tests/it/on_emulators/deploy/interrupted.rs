//! Deploys that are cut short, that meet, or that find half a stack.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use deploy::aws::{aws_config, emulator_credentials};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{Up, on_processes};
use crate::command::Ran;
use crate::interrupted::send;

/// Into how many parts the time of a command is cut; it is ended once at the start of each, and once after all.
const CUTS: u32 = 6;
const DEPLOY_GCP: [&str; 3] = ["deploy", "gcp", "--yes"];
const DESTROY_GCP: [&str; 3] = ["destroy", "gcp", "--yes"];

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

#[test]
fn google_cut_short_at_any_point_the_same_command_goes_on() {
    let up = Up::new();
    let all = up.json(&["plan", "gcp"])["changes"].as_u64().expect("a number");
    // The first one finds everything cold, and says nothing of those that are cut short.
    up.ok(&DEPLOY_GCP);
    google_is_gone(&up);
    let (whole, deployed) = timed(|| up.json(&DEPLOY_GCP));
    let outputs = &deployed[0]["outputs"];
    google_is_gone(&up);

    let in_time = (0..=CUTS).map(|cut| Cut::After(whole * cut / CUTS));
    let in_steps = [1, 3, 5, 7].map(Cut::AtStep);
    let mut halves = 0;
    for (number, cut) in in_time.chain(in_steps).enumerate() {
        let signal = if number % 3 == 1 { Signal::SIGINT } else { Signal::SIGKILL };
        let ran = cut_short(&up, &DEPLOY_GCP, cut, signal);
        if ran.code == Some(130) {
            assert!(ran.stderr.contains("run the same command again"), "{}", ran.stderr);
        }
        let left = up.json(&["plan", "gcp"])["changes"].as_u64().expect("a number");
        eprintln!("{signal} {cut:?} of {whole:?}: {left} of {all} changes are left");
        halves += u32::from(0 < left && left < all);
        google_is_whole(&up, &up.json(&DEPLOY_GCP), outputs);
        google_is_gone(&up);
    }
    assert!(halves >= 2, "a deploy was cut short in its middle {halves} times only");
}

#[test]
fn google_cut_short_again_and_again_is_made_whole_and_destroyed() {
    let up = Up::new();
    let (whole, deployed) = timed(|| up.json(&DEPLOY_GCP));
    google_is_gone(&up);
    for cut in 0..=CUTS {
        cut_short(&up, &DEPLOY_GCP, Cut::After(whole * cut / CUTS), Signal::SIGKILL);
    }
    google_is_whole(&up, &up.json(&DEPLOY_GCP), &deployed[0]["outputs"]);

    let (whole, ()) = timed(|| google_is_gone(&up));
    for cut in 0..CUTS {
        up.ok(&DEPLOY_GCP);
        cut_short(&up, &DESTROY_GCP, Cut::After(whole * cut / CUTS), Signal::SIGKILL);
        google_is_gone(&up);
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed(), done)
}

/// When a command is cut short.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// So long after its start.
    After(Duration),
    /// Once it says that it makes the resource of this number, counted from 0.
    AtStep(usize),
}

/// A command that gets a signal, wherever it is by then.
fn cut_short(up: &Up, words: &[&str], cut: Cut, signal: Signal) -> Ran {
    let mut command = up.checkout.deploy_command(&on_processes(words));
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("start");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut said = Vec::new();
    match cut {
        Cut::After(time) => std::thread::sleep(time),
        Cut::AtStep(step) => {
            let begins = |line: &String| line.starts_with("make ") && !line.contains(": done in ");
            while said.iter().filter(|line| begins(line)).count() <= step {
                said.push(lines.next().expect("it has so many steps").expect("a line"));
            }
        }
    }
    // One that is over is a child still, until it is waited for.
    send(&child, signal);
    said.extend(lines.map(|line| line.expect("a line")));
    let status = child.wait().expect("wait");
    let ended = status.signal() == Some(signal as i32) || matches!(status.code(), Some(0 | 130));
    assert!(ended, "{signal} {cut:?}: {status}\n{}", said.join("\n"));
    Ran { code: status.code(), stdout: String::new(), stderr: said.join("\n") }
}

/// Asserts the state of an undisturbed deploy: all outputs exist, and trades come through.
fn google_is_whole(up: &Up, deployed: &Value, whole_outputs: &Value) {
    assert!(deployed[0]["smoke"]["took_ms"].is_u64(), "{deployed:#}");
    let names = |outputs: &Value| {
        let outputs = outputs.as_object().expect("outputs");
        outputs.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&deployed[0]["outputs"]), names(whole_outputs));
    assert_eq!(up.json(&["plan", "gcp"])["changes"], 0);
    assert_eq!(names(&up.json(&["outputs", "gcp"])["gcp"]), names(whole_outputs));
    let status = up.json(&["status"]);
    assert_eq!(status["gcp"]["functions"].as_array().map(Vec::len), Some(2), "{status:#}");
    assert_eq!(status["gcp"]["drift"], 0, "{status:#}");
    assert_eq!(status["gcp"]["problems"], Value::Array(Vec::new()), "{status:#}");
}

/// Destroys Google's side, which must leave nothing.
fn google_is_gone(up: &Up) {
    let destroyed = up.json(&DESTROY_GCP);
    assert_eq!(destroyed[0]["left"], Value::Array(Vec::new()), "{destroyed:#}");
}
