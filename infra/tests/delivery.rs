//! The bounds of delivery: how long everything may fail before a message is a dead letter, and how many symbols a function
//! can be told.

use std::path::Path;

use infra::Settings;
use infra::files::ResolvedOutputs;
use insta::assert_snapshot;

const FILE: &str = include_str!("../../twincloud.toml");

fn with(env: &str, sets: &[&str]) -> Result<Settings, String> {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let path = Path::new("twincloud.toml");
    Settings::parse(path, FILE, Some(env), &sets, std::iter::empty())
        .map_err(|error| error.to_string())
}

/// The error of these settings, without the number of its line.
fn refused(sets: &[&str]) -> String {
    let error = with("dev", sets).expect_err("refused");
    let Some(rest) = error.strip_prefix("twincloud.toml:") else { return error };
    format!("twincloud.toml:LINE{}", rest.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[test]
fn what_is_shipped_outlasts_twelve_minutes_of_failing_on_both_clouds() {
    for env in ["dev", "prod"] {
        let settings = with(env, &[]).expect("valid");
        assert_eq!(settings.aws.queue.outlasts_s(), 5 * 180, "{env}");
        // 10, 20, 40 and 80 s, then 120 s each.
        assert_eq!(settings.gcp.pubsub.outlasts_ms(), (150 + 6 * 120) * 1_000, "{env}");
        assert!(
            settings.alerts.oldest_unacked_s > 6 * 180,
            "{env}: poison is gone before it rings"
        );
    }
}

#[test]
fn the_pauses_of_pubsub_double_within_their_bounds() {
    let pubsub = with("dev", &[]).expect("valid").gcp.pubsub;
    let pauses: Vec<u64> = (0..8).map(|failed| pubsub.pause_ms(failed)).collect();
    assert_eq!(pauses, [10_000, 20_000, 40_000, 80_000, 120_000, 120_000, 120_000, 120_000]);
    assert_eq!(pubsub.pause_ms(u32::MAX), 120_000, "a count that large is no overflow");
}

#[test]
fn deliveries_that_an_outage_uses_up_are_refused_with_the_number_that_fits() {
    assert_snapshot!(refused(&["aws.queue.max_receive_count=4"]), @"--set aws.queue.max_receive_count=4: `aws.queue.max_receive_count`: 4 deliveries, 180 s apart (aws.queue.visibility_timeout_s), make a message a dead letter after 540 s of failing; an outage of 600 s must make none: 5 or more");
    assert_snapshot!(refused(&["aws.queue.visibility_timeout_s=40"]), @"twincloud.toml:LINE: `aws.queue.max_receive_count`: 6 deliveries, 40 s apart (aws.queue.visibility_timeout_s), make a message a dead letter after 200 s of failing; an outage of 600 s must make none: 16 or more");
    assert_snapshot!(refused(&["gcp.pubsub.max_delivery_attempts=6"]), @"--set gcp.pubsub.max_delivery_attempts=6: `gcp.pubsub.max_delivery_attempts`: 6 deliveries, 10000 ms and then up to 120000 ms apart, make a message a dead letter after 270000 ms of failing; an outage of 600 s must make none: 9 or more");
    assert_snapshot!(refused(&["gcp.pubsub.max_delivery_attempts=5", "gcp.pubsub.min_backoff_ms=1000", "gcp.pubsub.max_backoff_ms=60000"]), @"--set gcp.pubsub.max_delivery_attempts=5: `gcp.pubsub.max_delivery_attempts`: 5 deliveries, 1000 ms and then up to 60000 ms apart, make a message a dead letter after 15000 ms of failing; an outage of 600 s must make none: 16 or more");
    assert_snapshot!(refused(&["gcp.pubsub.min_backoff_ms=1000", "gcp.pubsub.max_backoff_ms=1000"]), @"--set gcp.pubsub.max_backoff_ms=1000: `gcp.pubsub.max_backoff_ms`: 11 deliveries, 1000 ms and then up to 1000 ms apart, make a message a dead letter after 10000 ms of failing; an outage of 600 s must make none: even 100 deliveries, the most there can be, need 6178 or more here");
    assert_snapshot!(refused(&["gcp.pubsub.min_backoff_ms=1"]), @"twincloud.toml:LINE: `gcp.pubsub.max_delivery_attempts`: 11 deliveries, 1 ms and then up to 120000 ms apart, make a message a dead letter after 1023 ms of failing; an outage of 600 s must make none: 22 or more");
    assert_snapshot!(refused(&["gcp.pubsub.min_backoff_ms=0", "gcp.pubsub.max_backoff_ms=0"]), @"--set gcp.pubsub.min_backoff_ms=0: `gcp.pubsub.min_backoff_ms`: 11 deliveries, 0 ms and then up to 0 ms apart, make a message a dead letter after 0 ms of failing; an outage of 600 s must make none: 60000 or more here, and in gcp.pubsub.max_backoff_ms no less");
    assert_snapshot!(refused(&["gcp.pubsub.min_backoff_ms=0"]), @"--set gcp.pubsub.min_backoff_ms=0: `gcp.pubsub.min_backoff_ms`: 11 deliveries, 0 ms and then up to 120000 ms apart, make a message a dead letter after 0 ms of failing; an outage of 600 s must make none: 1905 or more here");
}

/// Firestore bears about one write a second of a document for long, and a message is one to each candle of its symbol.
#[test]
fn what_is_shipped_writes_a_candle_once_a_second() {
    for env in ["dev", "prod"] {
        let producer = with(env, &[]).expect("valid").producer;
        assert!(1_000 / producer.batch_age_ms <= 1, "{env}: messages a second of a symbol");
    }
}

#[test]
fn several_instances_are_refused_where_a_symbol_has_more_than_a_message_a_second() {
    assert_snapshot!(refused(&["producer.batch_age_ms=100"]), @"twincloud.toml:LINE: `gcp.ingest.max_instances`: 10 instances write the same candles, each for itself, and with producer.batch_age_ms = 100 a symbol has a message each 100 ms; Firestore bears about one write a second of a document for long: 1, or producer.batch_age_ms = 1000 or more");
    let error = refused(&["producer.batch_age_ms=999", "gcp.ingest.max_instances=2"]);
    assert!(error.contains("`gcp.ingest.max_instances`: 2 instances write"), "{error}");
    with("dev", &["producer.batch_age_ms=1000", "gcp.ingest.max_instances=1000"])
        .expect("one a second");
    with("dev", &["producer.batch_age_ms=1", "gcp.ingest.max_instances=1"]).expect("one instance");
    with("local", &["gcp.ingest.max_instances=10"]).expect("an emulator bears it");
    with("dev", &["producer.batch_age_ms=100", "route.targets=aws"])
        .expect("nothing goes to Google");
}

/// Each number that an error names is the least that is taken.
#[test]
fn the_number_that_fits_is_the_least_one() {
    for (pauses, fits) in [("10000", 9), ("2000", 11), ("120000", 6)] {
        let pause = format!("gcp.pubsub.min_backoff_ms={pauses}");
        let attempts = |n: u32| format!("gcp.pubsub.max_delivery_attempts={n}");
        with("dev", &[&pause, &attempts(fits)]).expect("fits");
        let error = with("dev", &[&pause, &attempts(fits - 1)]).expect_err("too few");
        assert!(error.ends_with(&format!(": {fits} or more")), "{error}");
    }
    with("dev", &["aws.queue.max_receive_count=5"]).expect("four pauses of 180 s are 720 s");
}

#[test]
fn a_message_stays_hidden_while_it_is_collected_and_processed() {
    assert_snapshot!(refused(&["aws.ingest.batch_window_s=300", "aws.queue.visibility_timeout_s=300", "aws.queue.max_receive_count=30"]), @"--set aws.queue.visibility_timeout_s=300: `aws.queue.visibility_timeout_s`: 300 s is less than the 330 s for which a message may be held (aws.ingest.batch_window_s, then aws.ingest.timeout_s): it would be delivered again while it is being processed; 330 or more, and AWS advises 480");
    with(
        "dev",
        &[
            "aws.ingest.batch_window_s=300",
            "aws.queue.visibility_timeout_s=330",
            "alerts.oldest_unacked_s=2000",
        ],
    )
    .expect("the window and the timeout");
}

#[test]
fn poison_rings_by_its_dead_letter_alone() {
    assert_snapshot!(refused(&["alerts.oldest_unacked_s=300"]), @"--set alerts.oldest_unacked_s=300: `alerts.oldest_unacked_s`: 300 s is not more than the 1080 s that a message waits which can't be processed, until it is a dead letter (on AWS 1080 s, on Google Cloud 870 s): each would ring twice; 1081 or more");
    assert_snapshot!(refused(&["gcp.pubsub.max_delivery_attempts=30"]), @"twincloud.toml:LINE: `alerts.oldest_unacked_s`: 1500 s is not more than the 3150 s that a message waits which can't be processed, until it is a dead letter (on AWS 1080 s, on Google Cloud 3150 s): each would ring twice; 3151 or more");
    with("dev", &["alerts.oldest_unacked_s=1081"]).expect("a second more than poison waits");
}

#[test]
fn the_emulators_redeliver_within_seconds() {
    let local = with("local", &["aws.queue.max_receive_count=2"]).expect("valid");
    assert!(local.aws.queue.outlasts_s() < 600 && local.gcp.pubsub.outlasts_ms() < 600_000);
}

fn symbols(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|n| format!("AA{n:04}USDT")).collect();
    format!("trading.symbols={}", names.join(","))
}

#[test]
fn more_symbols_than_lambda_takes_are_refused_with_the_number_that_fits() {
    let error = with("dev", &[&symbols(450)]).expect_err("too many");
    let brief = error.split_once(": `trading.symbols`: ").expect("the key").1;
    assert_snapshot!(brief, @"450 symbols don't fit, the first 304 do: Lambda takes 4096 bytes of variables in all, 3351 of them are left for this list, and with its commas it has 4950; make a deployment for each part of them, with a prefix of its own");
    let fit: usize = brief
        .split("the first ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .and_then(|n| n.parse().ok())
        .expect("a number");
    let settings = with("dev", &[&symbols(fit)]).expect("that many fit");
    with("dev", &[&symbols(fit + 1)]).expect_err("one more does not");

    // With all that a deployment adds, no more than Lambda takes; and no more than CloudFormation takes.
    let known = ResolvedOutputs {
        google_audience_for_aws: Some(format!(
            "//iam.googleapis.com/projects/{}/locations/global/workloadIdentityPools/{}/providers/{}",
            "1".repeat(19),
            "p".repeat(32),
            "q".repeat(32)
        )),
        gcs_endpoint: Some("http://127.0.0.1:65535".to_owned()),
        ..ResolvedOutputs::default()
    };
    let env = settings.aws_replicate_env("123456789012", &known);
    let bytes: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    let endpoint = "AWS_ENDPOINT_URL".len() + "http://127.0.0.1:65535".len();
    assert!(bytes + endpoint <= 4_096, "{bytes}");
    assert!(env["TWINCLOUD_SYMBOLS"].len() <= 4_096);
}
