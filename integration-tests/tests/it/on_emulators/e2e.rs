//! Whole runs: the release binaries of both functions on the emulators of both clouds.

use std::io::{Read as _, Write as _};
use std::path::Path;

use flate2::read::GzDecoder;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::command::{Checkout, recording};

#[test]
fn a_recording_with_poison_gives_the_candles_that_python_computed() {
    let Some((trades, expected)) = recording() else { return };
    let checkout = Checkout::new();
    run(&checkout, &trades, &["--poison", "6"]);
    assert_candles(&checkout, &expected);
    let report = checkout.report();
    for cloud in ["aws", "gcp"] {
        assert_eq!(report["clouds"][cloud]["dead_letters"], 6);
        assert!(report["clouds"][cloud]["trades_per_s"].as_u64() > Some(0), "{report}");
    }
}

#[test]
fn shuffled_and_every_line_three_times_gives_the_same_candles() {
    let Some((trades, expected)) = recording() else { return };
    let checkout = Checkout::new();
    let mut text = String::new();
    let file = std::fs::File::open(trades).expect("open the recording");
    GzDecoder::new(file).read_to_string(&mut text).expect("read the recording");
    let mut lines: Vec<&str> = text.lines().flat_map(|line| [line; 3]).collect();
    lines.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
    let shuffled = checkout.dir.path().join("shuffled.jsonl");
    let mut file = std::fs::File::create(&shuffled).expect("create the file");
    file.write_all(lines.join("\n").as_bytes()).expect("write the file");
    run(&checkout, &shuffled, &[]);
    assert_candles(&checkout, &expected);
    let report = checkout.report();
    assert_eq!(report["trades"]["published"], 3 * 9757);
    assert_eq!(report["trades"]["unique"], 9757);
}

#[test]
fn kill_9_of_both_functions_in_the_middle_gives_the_same_candles() {
    let checkout = Checkout::new();
    let (trades, expected) = match recording() {
        Some((trades, expected)) => (trades, Some(expected)),
        None => ("generate:10000:3".into(), None),
    };
    run(&checkout, &trades, &["--kill-functions", "2"]);
    let expected = expected.unwrap_or_else(|| checkout.latest("candles-expected.csv"));
    assert_candles(&checkout, &expected);
    let history = checkout.latest("history.jsonl");
    let is_kill = |line: &&str| line.contains("fault_fired") && line.contains("kill_function");
    assert_eq!(history.lines().filter(is_kill).count(), 4, "two kills in each cloud");
    assert!(history.contains("\"restarted\""), "the service was started again");
}

#[test]
fn two_runs_beside_each_other_do_not_meet() {
    std::thread::scope(|scope| {
        let runs = ["generate:3000:1", "generate:3000:2"].map(|trades| {
            scope.spawn(move || {
                let checkout = Checkout::new();
                run(&checkout, Path::new(trades), &[]);
                assert_candles(&checkout, &checkout.latest("candles-expected.csv"));
            })
        });
        for run in runs {
            run.join().expect("the run holds");
        }
    });
}

#[test]
fn what_only_one_cloud_is_sent_the_other_copies_and_the_lag_is_told() {
    let checkout = Checkout::new();
    let primary = ["--set", "route.policy=primary-by-hand", "--rate", "2000"];
    run(&checkout, Path::new("generate:8000:9"), &primary);
    let report = checkout.report();
    // Google's queue gets probes alone, which are messages that AWS has.
    assert!(report["replicated_trades"].as_u64() > Some(0), "{report}");
    let lag = |name: &str| report["replication_lag"][name].as_u64().expect("a lag");
    let (p50, p99, max) = (lag("p50_ms"), lag("p99_ms"), lag("max_ms"));
    assert!(0 < p50 && p50 <= p99 && p99 <= max, "{report}");
    assert!(max <= report["duration_ms"].as_u64().expect("a duration"), "{report}");
    println!("lag p50 {p50} ms, p99 {p99} ms, max {max} ms");
}

fn run(checkout: &Checkout, trades: &Path, more: &[&str]) {
    let trades = trades.to_str().expect("a path in UTF-8");
    let words = ["e2e", "--target", "processes", "--trades", trades];
    checkout.run(&[&words, more].concat()).assert_code(0);
}

fn assert_candles(checkout: &Checkout, expected: &str) {
    for cloud in ["aws", "gcp"] {
        assert_eq!(checkout.latest(&format!("candles-{cloud}.csv")), expected, "{cloud}");
    }
}
