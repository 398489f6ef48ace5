//! `e2e` on clouds in memory: needs nothing installed.

use crate::command::{Checkout, recording};

#[test]
fn the_verdict_holds_and_the_files_say_so_too() {
    let checkout = Checkout::new();
    let ran =
        checkout.run(&["e2e", "--target", "sim", "--trades", "generate:5000:7", "--poison", "7"]);
    ran.assert_code(0);
    assert!(ran.stdout.contains("no verdict on the release binaries"), "{}", ran.stdout);
    let report = checkout.report();
    assert_eq!(report["verdict"], "holds");
    assert_eq!((&report["target"], &report["seed"]), (&"sim".into(), &7.into()));
    assert_eq!(report["trades"]["unique"], 5000);
    assert_eq!(report["clouds"]["aws"]["dead_letters"], 7);
    assert_eq!(report["clouds"]["aws"]["digest"], report["clouds"]["gcp"]["digest"]);
    assert_eq!(checkout.latest("candles-aws.csv"), checkout.latest("candles-expected.csv"));
    assert_eq!(checkout.latest("candles-gcp.csv"), checkout.latest("candles-expected.csv"));
    assert_eq!(checkout.latest("trades.jsonl").lines().count(), 5000);
}

#[test]
fn functions_that_crash_between_two_effects_lose_nothing() {
    for seed in ["1", "2", "3", "4", "5"] {
        let trades = format!("generate:20000:{seed}");
        let checkout = Checkout::new();
        let ran =
            checkout.run(&["e2e", "--target", "sim", "--trades", &trades, "--kill-functions", "4"]);
        ran.assert_code(0);
        assert_eq!(checkout.latest("history.jsonl").matches("crash_function").count(), 8);
    }
}

#[test]
fn one_seed_gives_one_history_to_the_last_byte() {
    let [first, second] = [(), ()].map(|()| {
        let checkout = Checkout::new();
        let words =
            ["e2e", "--target", "sim", "--trades", "generate:3000:5", "--kill-functions", "2"];
        checkout.run(&words).assert_code(0);
        checkout.latest("history.jsonl") + &checkout.latest("candles-aws.jsonl")
    });
    assert!(first == second, "two runs with one seed differ");
}

#[test]
fn a_recording_gives_the_candles_that_python_computed() {
    let Some((trades, expected)) = recording() else { return };
    let checkout = Checkout::new();
    let trades = trades.to_str().expect("a path in UTF-8");
    checkout.run(&["e2e", "--target", "sim", "--trades", trades]).assert_code(0);
    for cloud in ["aws", "gcp"] {
        assert_eq!(checkout.latest(&format!("candles-{cloud}.csv")), expected, "{cloud}");
    }
}

#[test]
fn bad_input_is_a_usage_error_that_names_the_place() {
    let checkout = Checkout::new();
    let bad = checkout.dir.path().join("bad.jsonl");
    std::fs::write(&bad, "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":-4}\n").expect("write");
    let e2e = |trades: &str| checkout.run(&["e2e", "--target", "sim", "--trades", trades]);
    let ran = e2e(bad.to_str().expect("UTF-8"));
    ran.assert_code(2);
    assert!(ran.stderr.contains("bad.jsonl, line 1"), "{}", ran.stderr);
    let ran = e2e("no/such/file");
    ran.assert_code(2);
    assert!(ran.stderr.contains("no/such/file"), "{}", ran.stderr);
    e2e("generate:0").assert_code(2);
}

/// A machine with Rust alone: `auto` gives a verdict and says what to install, a target by name does not fall back.
#[test]
fn without_python_auto_is_sim_and_processes_is_an_error() {
    let checkout = Checkout::new();
    let empty = tempfile::tempdir().expect("a temporary folder");
    let bare = |target: &str| {
        let mut e2e = checkout.harness(&["e2e", "--trades", "generate:100:1", "--target", target]);
        e2e.env("PATH", empty.path()).env("HOME", empty.path());
        for variable in ["TWINCLOUD_CACHE", "XDG_CACHE_HOME", "TWINCLOUD_PYTHON", "JAVA_HOME"] {
            e2e.env_remove(variable);
        }
        let output = e2e.env("TWINCLOUD_CLOUD_SDK", "").output().expect("run the harness");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text + &String::from_utf8_lossy(&output.stdout))
    };
    let (code, said) = bare("auto");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("target: sim") && said.contains("python3"), "{said}");
    let (code, said) = bare("processes");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("python3"), "{said}");
}
