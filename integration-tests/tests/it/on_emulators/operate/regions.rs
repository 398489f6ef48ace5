//! Another region of AWS: an environment that is deployed by itself and has the Google side of its home.

use std::fs::OpenOptions;
use std::io::Write as _;

use super::*;

const OVERLAY: &str = r#"
[env.localeu.project]
region_of = "local"

[env.localeu.aws]
region = "eu-west-1"
"#;
const THERE: &str = "localeu";
/// Number of trades that the producer sends to the region alone: the first of those in `messages`.
const SENT: usize = 2_000;

impl Deployed {
    /// A command for the other region that ends well; its JSON.
    #[track_caller]
    fn there(&self, words: &[&str]) -> Value {
        self.json(0, &[words, &["--env", THERE]].concat())
    }

    /// Waits until the other region or, at home, a cloud has `wanted` trades.
    fn wait_for(&self, env: &str, cloud: &str, wanted: usize) {
        self.wait_in(env, &format!("{wanted} trades in {cloud} of {env}"), |status| {
            status[cloud]["symbols"][0]["trades"] == wanted
        });
    }

    /// One run of Google's function: its status code and its report.
    async fn google_copies(&self, outputs: &Value) -> (u16, Value) {
        let url = outputs["replicate_url"].as_str().expect("a URL");
        let url = format!("{url}{}", local_settings().gcp.replicate.path);
        let answer = reqwest::Client::new().post(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// One run of a region's function.
    async fn aws_copies(&self, region: &str, outputs: &Value) -> Value {
        let config = aws_config(Some(self.up.aws()), region, Some(emulator_credentials())).await;
        let function = outputs["ReplicateFunctionName"].as_str().expect("a function");
        let client = aws_sdk_lambda::Client::new(&config);
        let answer = client.invoke().function_name(function).send().await.expect("an answer");
        let payload = answer.payload.expect("a report").into_inner();
        let report = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(answer.function_error, None, "{report:#}");
        report
    }
}

/// Trades of the symbol that is not a smoke test's.
fn traded(report: &Value) -> u64 {
    let ranges = report["ids"]["BTCUSDT"].as_array().cloned().unwrap_or_default();
    let id = |range: &Value, end: usize| range[end].as_u64().expect("an id");
    ranges.iter().map(|range| id(range, 1) - id(range, 0) + 1).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_region_took_comes_to_google_and_from_there_to_the_first_one() {
    let clouds = Deployed::new();
    let settings = clouds.up.checkout.dir.path().join("twincloud.toml");
    let mut settings = OpenOptions::new().append(true).open(settings).expect("the settings");
    settings.write_all(OVERLAY.as_bytes()).expect("another region");

    let early = clouds.up.checkout.deploy(&on_processes(&["plan", "gcp"]));
    let note = "note: Google does not copy from localeu in eu-west-1: `cargo xtask deploy aws --env localeu`";
    assert!(early.code == Some(0) && early.stderr.contains(note), "{}", early.stderr);
    let there = clouds.up.json(&["deploy", "all", "--env", THERE, "--yes"]);
    assert_eq!(there.as_array().map(Vec::len), Some(1), "AWS alone: {there:#}");
    let there = &there[0]["outputs"];
    assert_ne!(there["BucketName"], clouds.aws["BucketName"]);
    for words in [["deploy", "gcp"], ["destroy", "gcp"], ["drift", "gcp"]] {
        let words = on_processes(&[&words[..], &["--env", THERE]].concat());
        let refused = clouds.up.checkout.deploy(&words);
        refused.assert_code(2);
        assert!(refused.stderr.contains("use --env local"), "{}", refused.stderr);
    }
    clouds.ran(&["produce", "--source", "generate:1:5", "--env", THERE]).assert_code(2);
    let google = clouds.up.json(&["deploy", "gcp", "--yes"])[0]["outputs"].clone();
    let drift = clouds.up.ok(&["drift", "aws", "--env", THERE]);
    assert_eq!(super::super::deploy::compared(&drift), ["aws: as it was deployed"]);
    assert_eq!(clouds.there(&["dlq", "list", "aws"])["dead_letters"], json!([]));
    // Whatever runs by itself would do the work of what is tested.
    let stopped = clouds.there(&["sync", "stop"]);
    let paused = [&stopped["aws"]["paused"], &stopped["gcp"]["paused"]];
    assert_eq!(paused, [true, false], "Google's serves the other region, too: {stopped:#}");
    clouds.json(0, &["sync", "stop"]);

    let route = "route.targets=aws-eu-west-1,aws,gcp";
    let policy = "route.policy=primary-by-hand";
    let sent = format!("generate:{SENT}:5");
    let sets = ["--set", route, "--set", policy];
    clouds.ran(&[&["produce", "--source", &sent], &sets[..]].concat()).assert_code(0);
    clouds.wait_for(THERE, "aws", SENT);
    let status = clouds.json(0, &["sync", "status"]);
    for cloud in ["aws", "gcp"] {
        // No more than what they were tried with.
        let trades = status[cloud]["symbols"][0]["trades"].as_u64();
        assert!(trades <= Some(SENT as u64 / 2), "{status:#}");
    }

    let (code, report) = clouds.google_copies(&google).await;
    assert_eq!((code, &report["complete"]), (200, &true.into()), "{report:#}");
    clouds.wait_for("local", "gcp", SENT);
    let report = clouds.aws_copies("us-east-1", &clouds.aws).await;
    assert_eq!(report["complete"], true, "{report:#}");
    clouds.wait_for("local", "aws", SENT);
    let (_, report) = clouds.google_copies(&google).await;
    assert_eq!(report["copied"], 0, "an echo: {report:#}");

    let pubsub = local_settings().gcp.pubsub;
    publish(&clouds.topic(&pubsub.topic, &pubsub.subscription).await, messages()).await;
    clouds.wait_for("local", "gcp", TRADES);
    let report = clouds.aws_copies("eu-west-1", there).await;
    assert_eq!(traded(&report), TRADES as u64, "in other messages: {report:#}");
    clouds.aws_copies("us-east-1", &clouds.aws).await;
    let (_, report) = clouds.google_copies(&google).await;
    assert_eq!(report["copied"], 0, "an echo: {report:#}");
    for env in ["local", THERE] {
        let same = clouds.json(0, &["restore", "aws", "--from", "gcp", "--env", env]);
        assert_eq!(
            (&same["proved"], &same["pulled"]["objects"]),
            (&true.into(), &0.into()),
            "{same:#}"
        );
    }

    let order = ["failover", "--to", "aws-eu-west-1", "--set", route];
    let order = clouds.json(0, &order);
    assert_eq!(order["written"], json!(["aws", "gcp", "aws-eu-west-1"]), "{order:#}");
    let status = clouds.there(&["sync", "status"]);
    assert_eq!(status["aws"]["order"]["to"], "aws-eu-west-1", "{status:#}");

    // Gone: Google goes on with the first one, and says which is away, until it is deployed without it.
    clouds.up.ok(&["destroy", "all", "--env", THERE, "--yes"]);
    let (code, report) = clouds.google_copies(&google).await;
    let failed = report["failed"].as_str().expect("it says so");
    assert!(code == 503 && failed.starts_with("aws-eu-west-1: "), "{code}: {report:#}");
    let google = clouds.up.json(&["deploy", "gcp", "--yes"])[0]["outputs"].clone();
    let (code, report) = clouds.google_copies(&google).await;
    assert_eq!((code, &report["complete"]), (200, &true.into()), "{report:#}");
}
