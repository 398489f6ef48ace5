//! `e2e` on clouds in memory: needs nothing installed.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::time::{Duration, Instant};

use candle::binance::{Kind, Outcome};
use producer::Generator;

use test_checkout::{Ran, recording};

/// A checkout of its own, so that tests do not share `target/runs`.
struct Checkout(test_checkout::Checkout);

impl Checkout {
    fn new() -> Self {
        Self(test_checkout::Checkout::new())
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut command = self.0.command(Path::new(env!("CARGO_BIN_EXE_sim")), words);
        Ran::of(&command.output().expect("run sim"))
    }
}

impl Deref for Checkout {
    type Target = test_checkout::Checkout;

    fn deref(&self) -> &test_checkout::Checkout {
        &self.0
    }
}

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
        let history = checkout.latest("history.jsonl");
        let is_crash = |line: &&str| line.contains("fault_fired") && line.contains("kill_function");
        assert_eq!(history.lines().filter(is_crash).count(), 8);
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

/// Trades as a recorder of Binance has them, one frame a line.
fn frames(count: u64) -> Vec<String> {
    let symbol = "BTCUSDT".parse().expect("a symbol");
    Generator::new(symbol, count, 7).map(|trade| Generator::frame(&trade)).collect()
}

/// A line of each kind that a file of its own can't have, with its kind.
fn odd_lines(good: &str) -> Vec<(String, Kind)> {
    let raw = |edit: &[(&str, &str)]| {
        let edits = edit.iter().fold(good.to_owned(), |line, (from, to)| line.replace(from, to));
        assert_ne!(edits, good);
        edits
    };
    let row = r#"{"id":900000001,"price":"64000.1","qty":"0.5","time":1723161255342123,"isBuyerMaker":true}"#;
    let quantity = raw(&[("\"q\":\"", "\"q\":\"0\",\"was\":\"")]);
    let zeros = quantity.replace("\"p\":\"", "\"p\":\"0\",\"price was\":\"");
    let of = |line: &str, kind| (line.to_owned(), kind);
    vec![
        of(row, Kind::RestRow),
        of(&format!("[{}]", row.replace("900000001", "900000002")), Kind::RestRow),
        of("900000003,64000.1,0.5,32000.05,1723161255342,True,True", Kind::CsvRow),
        of("900000004,64000.1,0.5,32000.05,1723161255342123,true", Kind::CsvRow),
        of("", Kind::Blank),
        of("id,price,qty,quote_qty,time,is_buyer_maker", Kind::Header),
        of(r#"{"method":"SUBSCRIBE","params":["btcusdt@trade"],"id":1}"#, Kind::Request),
        of(r#"{"result":null,"id":1}"#, Kind::Answer),
        of(r#"{"error":{"code":2,"msg":"Invalid request"},"id":1}"#, Kind::ErrorAnswer),
        of(r#"{"code":-1121,"msg":"Invalid symbol."}"#, Kind::ErrorAnswer),
        of(r#"{"e":"aggTrade","E":1,"s":"BTCUSDT","a":1,"p":"1","q":"1"}"#, Kind::OtherEvent),
        of(r#"{"u":4,"s":"BNBUSDT","b":"25.3","B":"31","a":"25.4","A":"40"}"#, Kind::OtherEvent),
        of(r#"{"lastUpdateId":160,"bids":[],"asks":[]}"#, Kind::OtherEvent),
        of(r#"[{"e":"24hrMiniTicker"}]"#, Kind::OtherEvent),
        of("1,61837.6,0.02,7,7,1723161255342,true", Kind::OtherRow),
        of(&raw(&[("\"m\":", "\"X\":\"NA\",\"m\":")]), Kind::Placeholder),
        of(&zeros, Kind::Placeholder),
        of(&raw(&[("\"m\":", "\"X\":\"INSURANCE_FUND\",\"m\":")]), Kind::OffBook),
        of(&quantity, Kind::Zero),
        of(&raw(&[("BTCUSDT", "币安人生USDT")]), Kind::ForeignSymbol),
        of(&raw(&[("BTCUSDT", "ETHUSDT")]), Kind::OtherSymbol),
        of(&raw(&[("\"t\":", "\"t\":-")]), Kind::BadTrade),
        of(&raw(&[("\"q\":\"", "\"q\":\"9")]), Kind::Conflict),
        of(r#"{"hello":"world"}"#, Kind::Unknown),
        of("garbage", Kind::Garbage),
        of(&"x".repeat((1 << 20) + 1), Kind::TooLong),
    ]
}

#[test]
fn a_line_of_every_kind_among_good_ones_is_taken_counted_or_told() {
    let checkout = Checkout::new();
    let mut lines = frames(300);
    let good = lines[0].clone();
    // A trade in microseconds, and one of a futures stream, are trades.
    lines[7] = lines[7].replace("\"m\":", "\"X\":\"MARKET\",\"m\":");
    lines[9] = {
        let (before, after) = lines[9].split_once("\"T\":").expect("a time");
        format!("{before}\"T\":{}999{}", &after[..13], &after[13..])
    };
    let mut expected: BTreeMap<Kind, u64> = [(Kind::Trade, 300), (Kind::CutShort, 1)].into();
    for (index, (line, kind)) in odd_lines(&good).into_iter().enumerate() {
        lines.insert(20 + 7 * index, line);
        *expected.entry(kind).or_default() += 1;
    }
    let content = format!("\u{feff}{}\r\n{}", lines.join("\r\n"), &good[..40]);
    std::fs::write(checkout.dir.path().join("mixed.log"), &content).expect("write");
    let words = ["e2e", "--target", "sim", "--trades", "mixed.log", "--symbol", "BTCUSDT"];
    let ran = checkout.run(&words);
    ran.assert_code(0);
    let report = checkout.report();
    assert_eq!(report["verdict"], "holds");
    assert_eq!(report["trades"]["unique"], 304);
    let counted = &report["recording"];
    for (kind, count) in &expected {
        let outcome = match kind.outcome() {
            Outcome::Taken => "taken",
            Outcome::PassedOver => "passed_over",
            Outcome::Refused => "refused",
        };
        assert_eq!(counted[outcome][kind.as_str()], *count, "{kind}: {counted}");
        assert!(ran.stdout.contains(&format!("{count} {kind}")), "{kind}: {}", ran.stdout);
    }
    let missing: Vec<_> = Kind::ALL.iter().filter(|kind| !expected.contains_key(kind)).collect();
    assert_eq!(missing, [&Kind::NoSymbol], "rows have the symbol of --symbol here");
    let all: u64 = expected.values().sum();
    assert_eq!(counted["lines"], all);
    let told = counted["told"].as_array().expect("lines that are told");
    assert_eq!(told.len(), 6, "{told:?}");
    assert_eq!((&told[5]["line"], &told[5]["kind"]), (&all.into(), &"cut_short".into()));
    // The verdict comes from the files alone, also from those of runs that counted nothing.
    let verified = checkout.run(&["verify", "--json"]);
    verified.assert_code(0);
    assert_eq!(verified.json()["recording"], *counted);
    let about = checkout.dir.path().join("target/runs/latest/run.json");
    let mut old: serde_json::Value =
        serde_json::from_str(&checkout.latest("run.json")).expect("run.json is JSON");
    old.as_object_mut().and_then(|about| about.remove("recording")).expect("counts");
    std::fs::write(about, old.to_string()).expect("write");
    let verified = checkout.run(&["verify", "--json"]);
    verified.assert_code(0);
    assert_eq!(verified.json().get("recording"), None);
    // Strict input has no room for any of it, and says for which.
    let ran = checkout.run(&[&words[..], &["--strict-input"]].concat());
    ran.assert_code(2);
    let first = told[0]["line"].to_string();
    assert!(ran.stderr.contains(&format!("mixed.log, line {first}: ")), "{}", ran.stderr);
}

#[test]
fn a_file_of_data_binance_vision_is_taken_as_it_comes() {
    let Some((recording, expected)) = recording() else { return };
    for name in ["BTCUSDT-trades-2024-08-08.zip", "BTCUSDT-trades-microseconds.zip"] {
        let checkout = Checkout::new();
        let trades = recording.with_file_name(name);
        let trades = trades.to_str().expect("a path in UTF-8");
        checkout.run(&["e2e", "--target", "sim", "--trades", trades]).assert_code(0);
        for cloud in ["aws", "gcp"] {
            assert_eq!(checkout.latest(&format!("candles-{cloud}.csv")), expected, "{name}");
        }
        let ran = chaos(&checkout, &["--kill", "aws", "--trades", trades, "--strict-input"]);
        ran.assert_code(0);
        assert_eq!(checkout.report()["recording"]["taken"]["csv_row"], 9_757);
    }
}

#[test]
fn a_file_without_a_trade_is_a_usage_error_that_says_what_it_has() {
    let checkout = Checkout::new();
    let bad = checkout.dir.path().join("bad.jsonl");
    std::fs::write(&bad, "{\"e\":\"trade\",\"s\":\"BTCUSDT\",\"t\":-4}\n").expect("write");
    let e2e = |trades: &str| checkout.run(&["e2e", "--target", "sim", "--trades", trades]);
    let ran = e2e(bad.to_str().expect("UTF-8"));
    ran.assert_code(2);
    assert!(ran.stderr.contains("bad.jsonl: there is no trade in it"), "{}", ran.stderr);
    assert!(ran.stderr.contains("line 1: t: negative (bad_trade)"), "{}", ran.stderr);
    let ran = e2e("no/such/file");
    ran.assert_code(2);
    assert!(ran.stderr.contains("no/such/file"), "{}", ran.stderr);
    e2e("generate:0").assert_code(2);
}

/// Settings are the user's: another exit code than that of a verdict.
#[test]
fn a_setting_that_is_unknown_is_a_usage_error() {
    let checkout = Checkout::new();
    for command in [&["e2e"][..], &["chaos", "--kill", "aws"]] {
        let ran = checkout.run(&[command, &["--target", "sim", "--set", "nonsense=1"]].concat());
        ran.assert_code(2);
        assert!(ran.stderr.contains("nonsense"), "{}", ran.stderr);
    }
}

/// A machine with Rust alone gets a verdict, and is told what to install.
#[test]
fn without_python_auto_is_sim_and_says_what_is_lacking() {
    let checkout = Checkout::new();
    let empty = tempfile::tempdir().expect("a temporary folder");
    let mut e2e = checkout.command(
        Path::new(env!("CARGO_BIN_EXE_sim")),
        &["e2e", "--trades", "generate:100:1", "--target", "auto"],
    );
    let ran = Ran::of(&test_checkout::bare(&mut e2e, empty.path()).output().expect("run sim"));
    ran.assert_code(0);
    let said = ran.stderr + &ran.stdout;
    assert!(said.contains("target: sim") && said.contains("python3"), "{said}");
}

/// What `chaos --target sim` is asked for.
fn chaos(checkout: &Checkout, words: &[&str]) -> Ran {
    checkout.run(&[&["chaos", "--target", "sim"], words].concat())
}

#[test]
fn a_cloud_that_dies_is_failed_over_from_and_nothing_is_lost() {
    let checkout = Checkout::new();
    chaos(&checkout, &["--kill", "aws", "--seed", "3"]).assert_code(0);
    let report = checkout.report();
    assert_eq!(report["verdict"], "holds");
    assert_eq!(report["rpo_trades"], 0);
    assert!(report["rto_ms"].as_u64().expect("a takeover") < 2_000, "{}", report["rto_ms"]);
    let history = checkout.latest("history.jsonl");
    for event in ["fault_begun", "fault_fired", "fault_healed", "health", "routed", "replicated"] {
        assert!(history.contains(&format!("\"event\":\"{event}\"")), "{event}");
    }
    checkout.run(&["verify"]).assert_code(0);
}

/// Every scenario but the one that needs a deploy, which simulated clouds have not.
#[test]
fn every_scenario_holds_and_one_that_needs_more_is_lacking() {
    let checkout = Checkout::new();
    let listed = checkout.run(&["chaos", "--list", "--json"]);
    let lines = listed.stdout.lines();
    let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let (cannot, can): (Vec<_>, Vec<_>) = lines.partition(|line| {
        let needs = line["needs"].as_array().expect("the capabilities it needs");
        needs.iter().any(|need| need == "interrupt-deploy")
    });
    let name = |line: &serde_json::Value| line["name"].as_str().expect("a name").to_owned();
    let names: Vec<String> = can.iter().map(name).collect();
    assert!(names.len() >= 36, "{names:?}");
    let words: Vec<&str> = names.iter().flat_map(|name| ["--scenario", name.as_str()]).collect();
    chaos(&checkout, &[&["--seed", "5", "--rate", "300"], &words[..]].concat()).assert_code(0);
    assert_eq!(cannot.len(), 1, "{cannot:?}");
    for line in cannot {
        let ran = chaos(&checkout, &["--scenario", &name(&line)]);
        ran.assert_code(3);
        assert!(ran.stderr.contains("needs interrupt-deploy"), "{}", ran.stderr);
    }
}

/// In full length: what is shipped outlasts it, and what was shipped before does not.
#[test]
fn twelve_minutes_without_a_store_make_no_dead_letter() {
    let checkout = Checkout::new();
    let play = |words: &[&str]| {
        let ran = chaos(&checkout, &[&["--seed", "5", "--rate", "100"], words].concat());
        (ran, checkout.report())
    };
    for scenario in ["outage-aws", "outage-gcp"] {
        let (ran, report) = play(&["--scenario", scenario]);
        ran.assert_code(0);
        let note = report["note"].as_str().expect("what was played").to_owned();
        assert!(
            note.ends_with(
                "deliveries: as shipped; poison is a dead letter after 6 deliveries in 1080.0s on AWS, 11 deliveries in 870.0s \
                 on Google Cloud"
            ),
            "{note}"
        );
        let fault = &report["faults"][0];
        assert!(fault["fired"].as_u64().is_some_and(|fired| fired > 1), "{report}");
        let (begun, healed) = (fault["begun_ms"].as_u64(), fault["healed_ms"].as_u64());
        assert!(begun.zip(healed).is_some_and(|(b, h)| h - b >= 720_000), "{report}");
    }

    let before = ["max_delivery_attempts=5", "min_backoff_ms=1000", "max_backoff_ms=60000"];
    let before = before.map(|set| format!("gcp.pubsub.{set}"));
    let [attempts, min, max] = before.each_ref().map(String::as_str);
    let short: [&[&str]; 2] = [
        &["--scenario", "outage-gcp", "--set", attempts, "--set", min, "--set", max],
        &["--scenario", "outage-aws", "--set", "aws.queue.max_receive_count=4"],
    ];
    for words in short {
        let (ran, report) = play(words);
        ran.assert_code(1);
        assert!(ran.stdout.contains("BROKEN     dead letters are the poison"), "{}", ran.stdout);
        // A limit that is set is played, told, and in the line that repeats it.
        for set in words.iter().filter(|word| word.contains('=')) {
            let note = report["note"].as_str().expect("what was played");
            assert!(
                note.split("by hand: ").nth(1).is_some_and(|sets| sets.contains(set)),
                "{note}"
            );
            let reproduce = report["reproduce"].as_str().expect("a command");
            assert!(reproduce.contains(&format!("--set {set}")), "{reproduce}");
        }
    }
}

#[test]
fn one_seed_gives_one_history_of_faults_to_the_last_byte() {
    let schedule = "route = \"aws\"\n\
        [[fault]]\nat_ms = 500\nfault = \"pause\"\ncloud = \"gcp\"\nfor_ms = 900\n\
        [[fault]]\nat_ms = 900\nfault = \"crash-function\"\ncloud = \"aws\"\ntimes = 3\n\
        [[fault]]\nat_ms = 1500\nfault = \"crash-producer\"\nfor_ms = 100\n\
        [[fault]]\nat_ms = 5000\nfault = \"kill\"\ncloud = \"aws\"\nfor_ms = 2500\n";
    let [first, second] = [(), ()].map(|()| {
        let checkout = Checkout::new();
        std::fs::write(checkout.dir.path().join("mine.toml"), schedule).expect("write");
        let words = ["--schedule", "mine.toml", "--trades", "generate:4000:5", "--rate", "500"];
        chaos(&checkout, &words).assert_code(0);
        checkout.latest("history.jsonl") + &checkout.latest("candles-aws.jsonl")
    });
    assert_eq!(first.matches("fault_healed").count(), 4);
    assert!(first == second, "two runs with one seed differ");
}

/// What only the dead cloud had acknowledged is in nobody's archive yet, and nobody else can be given it.
#[test]
fn a_cloud_that_dies_while_the_other_is_out_of_reach_loses_nothing() {
    let checkout = Checkout::new();
    let schedule = "route = \"aws\"\n\
        [[fault]]\nat_ms = 1000\nfault = \"fail\"\nservice = \"archive\"\ncloud = \"aws\"\nfor_ms = 490\n\
        [[fault]]\nat_ms = 1400\nfault = \"cut\"\nlink = \"producer\"\ncloud = \"gcp\"\nfor_ms = 4000\n\
        [[fault]]\nat_ms = 1500\nfault = \"kill\"\ncloud = \"aws\"\nfor_ms = 2500\n";
    std::fs::write(checkout.dir.path().join("mine.toml"), schedule).expect("write");
    let words = ["--schedule", "mine.toml", "--trades", "generate:3000:5", "--rate", "500"];
    chaos(&checkout, &[&words[..], &["--seed", "5"]].concat()).assert_code(0);
    assert_eq!(checkout.report()["rpo_trades"], 0);
}

#[test]
fn poison_is_a_dead_letter_after_the_shipped_deliveries_and_nothing_else_is() {
    let checkout = Checkout::new();
    let words = ["--scenario", "poison-flood", "--seed", "5", "--trades", "generate:600"];
    chaos(&checkout, &[&words[..], &["--rate", "200"]].concat()).assert_code(0);
    let report = checkout.report();
    for cloud in ["aws", "gcp"] {
        assert_eq!(report["clouds"][cloud]["dead_letters"], 30, "{cloud}");
    }
    // SQS hides a message for three seconds after each of its six deliveries.
    let history = checkout.latest("history.jsonl");
    let at_s = |event: &str| {
        let is_meant = |line: &&str| line.contains(event) && line.contains("\"cloud\":\"aws\"");
        let line = history.lines().rfind(is_meant).unwrap_or_else(|| panic!("no {event}"));
        let entry: serde_json::Value = serde_json::from_str(line).expect("JSON");
        entry["at_us"].as_u64().expect("a time") / 1_000_000
    };
    let waited_s = at_s("\"converged\"") - at_s("\"poison_accepted\"");
    assert!((17..=20).contains(&waited_s), "{waited_s} s");

    let broken = [&words[..], &["--rate", "200", "--plant", "acknowledge-poison"]].concat();
    let ran = chaos(&checkout, &broken);
    ran.assert_code(1);
    assert!(ran.stdout.contains("BROKEN     dead letters are the poison"), "{}", ran.stdout);
}

#[test]
fn the_first_failing_schedule_is_the_same_for_any_number_of_threads() {
    let played = |jobs: &str| {
        let words = ["--schedules", "60", "--seed", "3", "--plant", "acknowledge-first", "--json"];
        let ran = chaos(&Checkout::new(), &[&words[..], &["--jobs", jobs]].concat());
        ran.assert_code(1);
        let line = ran.stdout.lines().next().expect("a line");
        let mut value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        for time in ["took_ms", "a_minute"] {
            value.as_object_mut().and_then(|value| value.remove(time)).expect("a time");
        }
        value
    };
    let alone = played("1");
    assert!(alone["failed"].is_u64(), "{alone}");
    assert_eq!(alone, played("5"));
}

#[test]
fn schedules_that_are_interrupted_end_at_once() {
    let checkout = Checkout::new();
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let words = ["chaos", "--target", "sim", "--schedules", "100000", "--seed", "3"];
    let mut command = checkout.0.command(Path::new(env!("CARGO_BIN_EXE_sim")), &words);
    command.env("TMPDIR", scratch.path());
    let mut running = command.spawn().expect("run sim");
    // Its first spool is there, so it plays.
    let deadline = Instant::now() + Duration::from_mins(1);
    while std::fs::read_dir(scratch.path()).expect("the folder").next().is_none() {
        assert!(Instant::now() < deadline, "no run was begun within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = running.id().to_string();
    let killed = std::process::Command::new("kill").args(["-INT", &pid]).status().expect("kill");
    assert!(killed.success());
    let asked = Instant::now();
    assert_eq!(running.wait().expect("it ends").code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
}

#[test]
fn random_schedules_hold() {
    let ran = chaos(&Checkout::new(), &["--schedules", "150", "--seed", "77"]);
    ran.assert_code(0);
    assert!(ran.stdout.starts_with("150 schedules with "), "{}", ran.stdout);
}

#[test]
fn a_failing_schedule_is_shrunk_and_left_with_the_command_that_repeats_it() {
    let checkout = Checkout::new();
    let words = ["--schedules", "500", "--seed", "3", "--plant", "acknowledge-first"];
    let ran = chaos(&checkout, &words);
    ran.assert_code(1);
    let report = checkout.report();
    assert_eq!(report["verdict"], "broken");
    let command = report["reproduce"].as_str().expect("a command");
    let words: Vec<&str> = command.split(' ').skip(2).collect();
    checkout.run(&words).assert_code(1);
    let file = words[words.iter().position(|word| *word == "--schedule").expect("it") + 1];
    let text = std::fs::read_to_string(checkout.dir.path().join(file)).expect("the schedule");
    let schedule = sim::schedule::Schedule::parse(&text).expect("a schedule");
    assert_eq!(schedule.faults.len(), 1, "{text}");
}

#[test]
fn every_planted_bug_is_found_by_what_must_and_the_page_says_so() {
    let ran = Checkout::new().run(&["chaos", "--planted"]);
    ran.assert_code(0);
    let page = test_checkout::workspace().join("integration-tests/PLANTED.md");
    assert_eq!(ran.stdout, std::fs::read_to_string(page).expect("the page"));
}

#[test]
fn a_schedule_that_cannot_be_played_says_why() {
    let checkout = Checkout::new();
    let path = checkout.dir.path().join("mine.toml");
    std::fs::write(&path, "[[fault]]\nat_ms = 1\nfault = \"kil\"\n").expect("write");
    let ran = chaos(&checkout, &["--schedule", "mine.toml"]);
    ran.assert_code(2);
    assert!(ran.stderr.contains("mine.toml") && ran.stderr.contains("\"kil\""), "{}", ran.stderr);
    chaos(&checkout, &["--schedule", "none.toml"]).assert_code(2);
    chaos(&checkout, &["--scenario", "none"]).assert_code(2);
    checkout.run(&["chaos", "--schedule", "mine.toml"]).assert_code(3);
}
