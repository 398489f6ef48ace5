//! The whole of what a person sees of the commands that need no cloud: errors, lists, reports and verdicts.

use std::fs;
use std::path::Path;

use test_checkout::{Checkout, Ran, assert_output};

/// Runs the words of a line in a checkout.
fn run(checkout: &Checkout, line: &str) -> Ran {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut sim = checkout.command(Path::new(env!("CARGO_BIN_EXE_sim")), &words);
    Ran::of(&sim.output().expect("run sim"))
}

/// Runs a line and holds all that it prints.
macro_rules! held {
    ($checkout:expr, $name:expr, $line:expr) => {{
        let checkout = &$checkout;
        let ran = run(checkout, $line);
        assert_output!($name, $line, &ran, checkout.dir.path());
    }};
}

#[test]
fn arguments_that_are_wrong() {
    let checkout = Checkout::new();
    for (name, line) in [
        ("usage-unknown-option", "e2e --trade generate:5"),
        ("usage-unknown-target", "e2e --target docker"),
        ("usage-trades", "e2e --target sim --trades generate:many"),
        ("usage-gcp-image", "e2e --target sim --gcp-image HOST/PATH@sha256:0"),
        ("usage-two-choices", "chaos --target sim --all --kill aws"),
        ("usage-nothing-to-break", "chaos --target sim"),
        ("usage-unknown-scenario", "chaos --target sim --scenario none"),
        ("usage-dry-run", "chaos --target sim --kill aws --dry-run"),
        ("usage-unknown-bug", "chaos --target sim --kill aws --plant none"),
        ("usage-no-folder", "verify none"),
        (
            "missing-capability",
            "chaos --target sim --scenario kill-during-deploy --scenario kill-aws",
        ),
        ("missing-sim", "chaos --schedules 5"),
    ] {
        held!(checkout, name, line);
    }
}

#[test]
fn settings_that_are_wrong() {
    let checkout = Checkout::new();
    for (name, set) in [
        ("settings-set-unknown", "aws.queue.max_recieve_count=5"),
        ("settings-set-type", "aws.queue.max_receive_count=many"),
        ("settings-set-limit", "aws.queue.max_receive_count=0"),
        ("settings-set-no-value", "aws.queue.max_receive_count"),
    ] {
        held!(checkout, name, &format!("e2e --target sim --set {set}"));
    }
    let file = checkout.dir.path().join("twincloud.toml");
    let shipped = fs::read_to_string(&file).expect("read the settings");
    let limit = "max_receive_count = ";
    for (name, from, to) in [
        ("settings-file-unknown", limit, "max_recieve_count = "),
        ("settings-file-type", limit, "max_receive_count = \"many\" # "),
        ("settings-file-section", "[env.local.gcp]", "[env.local.azure]\n[env.local.gcp]"),
        ("settings-file-syntax", "[env.local.gcp]", "[env.local.gcp"),
        ("settings-file-twice", limit, "max_receive_count = 5\nmax_receive_count = "),
    ] {
        assert!(shipped.contains(from), "{name}: {from}");
        fs::write(&file, shipped.replacen(from, to, 1)).expect("write the settings");
        held!(checkout, name, "e2e --target sim");
    }
    fs::remove_file(&file).expect("remove the settings");
    held!(checkout, "settings-file-missing", "e2e --target sim");
}

#[test]
fn a_variable_that_is_wrong() {
    let checkout = Checkout::new();
    let line = "e2e --target sim";
    let mut sim =
        checkout.command(Path::new(env!("CARGO_BIN_EXE_sim")), &["e2e", "--target", "sim"]);
    sim.env("TWINCLOUD_AWS__QUEUE__MAX_RECEIVE_COUNT", "many");
    let ran = Ran::of(&sim.output().expect("run sim"));
    assert_output!("settings-variable-type", line, &ran, checkout.dir.path());
}

#[test]
fn trades_and_schedules_that_are_wrong() {
    let checkout = Checkout::new();
    let write = |name: &str, text: &str| {
        fs::write(checkout.dir.path().join(name), text).expect("write a file");
    };
    write("bad.jsonl", "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":-4}\nnothing\n");
    write("bad.toml", "[[fault]]\nat_ms = 1\nfault = \"kil\"\n");
    for (name, line) in [
        ("trades-no-file", "e2e --target sim --trades none.jsonl"),
        ("trades-none", "e2e --target sim --trades bad.jsonl"),
        ("trades-strict", "e2e --target sim --trades bad.jsonl --strict-input"),
        ("schedule-no-file", "chaos --target sim --schedule none.toml"),
        ("schedule-wrong", "chaos --target sim --schedule bad.toml"),
    ] {
        held!(checkout, name, line);
    }
}

#[test]
fn the_list_and_reports() {
    let checkout = Checkout::new();
    for (name, line) in [
        ("list", "chaos --list"),
        ("e2e", "e2e --target sim --trades generate:2000:7 --poison 3"),
        ("kill-aws", "chaos --target sim --kill aws --seed 3 --rate 300"),
    ] {
        held!(checkout, name, line);
    }
}

#[test]
fn several_scenarios_and_a_table() {
    let words = "--scenario kill-aws --scenario kill-gcp --scenario clock-skew --seed 3 --rate 300";
    held!(Checkout::new(), "several", &format!("chaos --target sim {words}"));
}

#[test]
fn random_schedules() {
    held!(Checkout::new(), "schedules", "chaos --target sim --schedules 5 --seed 77");
}

#[test]
fn a_verdict_that_is_broken() {
    let line = "chaos --target sim --kill aws --plant drop-trade --seed 3 --rate 300";
    held!(Checkout::new(), "red", line);
}

#[test]
fn verdicts_of_folders() {
    let checkout = Checkout::new();
    run(&checkout, "e2e --target sim --trades generate:2000:7").assert_code(0);
    held!(checkout, "verify", "verify");
    let latest = checkout.dir.path().join("target/runs/latest");
    let candles = latest.join("candles-aws.jsonl");
    let text = fs::read_to_string(&candles).expect("read the candles");
    let (first, _) = text.split_once('\n').expect("a candle");
    fs::write(&candles, text.replacen(&format!("{first}\n"), "", 1)).expect("write the candles");
    held!(checkout, "verify-broken", "verify");
    fs::write(&candles, "no candle\n").expect("write the candles");
    held!(checkout, "verify-unreadable", "verify");
    fs::remove_file(&candles).expect("remove the candles");
    held!(checkout, "verify-incomplete", "verify target/runs/latest");
}

/// On a machine with Rust alone.
#[test]
fn a_machine_that_lacks_what_emulators_need() {
    let checkout = Checkout::new();
    let empty = tempfile::tempdir().expect("a temporary folder");
    let line = "e2e --trades generate:100:1";
    let words: Vec<&str> = line.split(' ').collect();
    let mut sim = checkout.command(Path::new(env!("CARGO_BIN_EXE_sim")), &words);
    let ran = Ran::of(&test_checkout::bare(&mut sim, empty.path()).output().expect("run sim"));
    assert_output!("missing-python", line, &ran, checkout.dir.path());
}
