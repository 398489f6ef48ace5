//! The producer's configuration: the settings fill it, and the program reads the same value from what is rendered.

use std::path::Path;

use infra::Settings;
use infra::files::{self, ResolvedOutputs};
use producer_config::{ProducerConfig, VARIABLE};
use serde_json::{Value, json};

fn settings(env: &str, sets: &[&str]) -> Settings {
    let text = include_str!("../../twincloud.toml");
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Settings::parse(Path::new("twincloud.toml"), text, Some(env), &sets, std::iter::empty())
        .expect("valid")
}

#[test]
fn the_program_reads_the_value_that_the_settings_give() {
    for env in ["local", "dev", "prod"] {
        let settings = settings(env, &[]);
        let config = settings.producer_config();
        assert_eq!(ProducerConfig::load(None, settings.producer_env()).expect("read"), config);
        let rendered = files::render(&settings, &ResolvedOutputs::default()).expect("it renders");
        let text = |path| &rendered.iter().find(|file| file.path == path).expect("rendered").text;
        assert_eq!(ProducerConfig::parse("file", text("producer.json")).expect("read"), config);
        let quoted = format!("{VARIABLE}='{}'\n", config.to_json());
        assert!(text(".env.producer").contains(&quoted), "{}", text(".env.producer"));
    }
}

/// Each setting of the tables that the producer gets whole is at the key of the same name, with the value that was set.
#[test]
fn each_setting_arrives_at_its_own_key() {
    let mut set = 0;
    let base = serde_json::to_value(settings("dev", &[]).producer_config()).expect("JSON");
    let tables = ["producer", "producer.publish", "producer.spool", "producer.binance", "route"];
    for table in tables.into_iter().chain(["health"]) {
        let at = |value: &Value| table.split('.').fold(value.clone(), |v, name| v[name].clone());
        for (name, value) in at(&base).as_object().expect("a table") {
            let Some(number) = value.as_u64() else { continue };
            // One that is near is within the same limits.
            let other = number + 1;
            let config = settings("dev", &[&format!("{table}.{name}={other}")]).producer_config();
            let mut expected = base.clone();
            let within = table.split('.').fold(&mut expected, |v, name| &mut v[name]);
            within[name] = json!(other);
            assert_eq!(serde_json::to_value(config).expect("JSON"), expected, "{table}.{name}");
            set += 1;
        }
    }
    assert!(set > 20, "{set} numbers were set");
    let more = [
        "trading.symbols=ETHUSDT,BTCUSDT",
        "producer.spool.sync=interval",
        "producer.binance.stream_url=ws://127.0.0.1:1",
        "producer.binance.rest_url=",
        "route.policy=weighted",
        "route.targets=gcp,aws",
        "route.costs.aws=7",
        "route.weights.gcp=3",
        "aws.region=eu-west-1",
        "aws.queue.name=queue",
        "aws.table=table",
        "gcp.project=project-1",
        "gcp.pubsub.topic=topic",
        "gcp.firestore.database=database",
        "gcp.firestore.collection=collection",
    ];
    let config = serde_json::to_value(settings("dev", &more).producer_config()).expect("JSON");
    assert_eq!(config["trading"]["symbols"], json!(["ETHUSDT", "BTCUSDT"]));
    assert_eq!(config["producer"]["spool"]["sync"], "interval");
    assert_eq!(config["producer"]["binance"]["stream_url"], "ws://127.0.0.1:1");
    assert_eq!(config["producer"]["binance"]["rest_url"], Value::Null);
    assert_eq!(config["route"]["policy"], "weighted");
    assert_eq!(config["route"]["targets"], json!(["gcp", "aws"]));
    assert_eq!(config["route"]["costs"]["aws"], 7);
    assert_eq!(config["route"]["weights"]["gcp"], 3);
    let aws = json!({ "region": "eu-west-1", "queue": "queue", "table": "table", "regions": {} });
    assert_eq!(config["aws"], aws);
    let gcp = json!({
        "project": "project-1", "topic": "topic", "database": "database", "collection": "collection"
    });
    assert_eq!(config["gcp"], gcp);
}

/// These tables may be left out of the file: their defaults are those of the types.
#[test]
fn a_table_that_is_left_out_has_the_defaults_of_its_type() {
    let text = include_str!("../../twincloud.toml");
    let mut file: toml::Table = text.parse().expect("TOML");
    file.remove("health").expect("the file has it");
    file.remove("env").expect("the file has it");
    let producer = file["producer"].as_table_mut().expect("a table");
    for name in ["publish", "spool", "binance"] {
        producer.remove(name);
    }
    // One key of a table leaves its others as they are.
    let spool = toml::Table::from_iter([("window_s".to_owned(), toml::Value::Integer(7))]);
    producer.insert("spool".to_owned(), toml::Value::Table(spool));
    file.insert("env".to_owned(), toml::Value::Table(toml::toml! { [dev] }));
    let text = file.to_string();
    let settings =
        Settings::parse(Path::new("t.toml"), &text, Some("dev"), &[], std::iter::empty());
    let config = settings.expect("valid").producer_config();
    assert_eq!(config.health, producer_config::HealthConfig::default());
    assert_eq!(config.producer.publish, producer_config::Publish::default());
    assert_eq!(config.producer.binance, producer_config::Binance::default());
    let spool = producer_config::Spool { window_s: 7, ..producer_config::Spool::default() };
    assert_eq!(config.producer.spool, spool);
}

/// An unknown key of such a table is an error of the settings, though the program would pass it over.
#[test]
fn an_unknown_key_of_a_table_is_named_with_its_line() {
    let text = include_str!("../../twincloud.toml");
    let refused = |text: &str, sets: &[String]| {
        let path = Path::new("twincloud.toml");
        let read = Settings::parse(path, text, Some("dev"), sets, std::iter::empty());
        read.expect_err("no such key").to_string()
    };
    for (key, nearest) in [
        ("health.down_mss", "down_ms"),
        ("route.targetz", "targets"),
        ("producer.publish.slow", "slow_ms"),
        ("producer.spool.windows_s", "window_s"),
    ] {
        let error = refused(text, &[format!("{key}=1")]);
        let expected = format!("--set {key}=1: `{key}`: unknown key; did you mean `{nearest}`?");
        assert_eq!(error, expected);
    }
    let line = text.lines().count() + 2;
    let error = refused(&format!("{text}\n[env.dev.health]\ndown_m = 1\n"), &[]);
    let expected = "`health.down_m`: unknown key; did you mean `down_ms`?";
    assert!(error.contains(expected) && error.starts_with("twincloud.toml:"), "{line} {error}");
}
