//! Reading the configuration: errors name the key, and say what to do.

use std::collections::BTreeMap;

use producer_config::{
    Aws, AwsRegion, Binance, ConfigError, Gcp, HealthConfig, Policy, Producer, ProducerConfig,
    Publish, Route, Spool, SpoolSync, Trading, VARIABLE,
};
use serde_json::{Value, json};

fn config() -> ProducerConfig {
    ProducerConfig {
        trading: Trading {
            symbols: ["BTCUSDT", "ETHUSDT"].map(|s| s.parse().expect("a symbol")).into(),
        },
        producer: Producer {
            batch_max_trades: 500,
            batch_max_bytes: 200_000,
            batch_age_ms: 1_000,
            publish: Publish::default(),
            spool: Spool::default(),
            binance: Binance::default(),
        },
        route: Route {
            costs: BTreeMap::from([("gcp".to_owned(), 17)]),
            weights: BTreeMap::from([("aws".to_owned(), 18)]),
            ..Route::default()
        },
        health: HealthConfig::default(),
        aws: Aws {
            region: "us-east-1".to_owned(),
            queue: "queue".to_owned(),
            table: "table".to_owned(),
            regions: BTreeMap::from([(
                "eu-west-1".to_owned(),
                AwsRegion { queue: "queue-eu".to_owned(), table: "table-eu".to_owned() },
            )]),
        },
        gcp: Gcp {
            project: "project".to_owned(),
            topic: "topic".to_owned(),
            database: "(default)".to_owned(),
            collection: "candles".to_owned(),
        },
    }
}

fn load(vars: &[(&str, &str)]) -> Result<ProducerConfig, ConfigError> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    ProducerConfig::load(None, vars.iter().map(owned))
}

/// The dotted keys of a value, down to the last ones.
fn keys(value: &Value, above: &str, all: &mut Vec<String>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        keys(value, &key, all);
        all.push(key);
    }
}

fn table<'v>(value: &'v mut Value, key: &str) -> (&'v mut serde_json::Map<String, Value>, String) {
    let (above, name) = key.rsplit_once('.').unwrap_or(("", key));
    let names = above.split('.').filter(|name| !name.is_empty());
    let table = names.fold(value, |table, name| &mut table[name]);
    (table.as_object_mut().expect("a table"), name.to_owned())
}

#[test]
fn what_is_written_is_read() {
    let config = config();
    assert_eq!(load(&[(VARIABLE, &config.to_json())]).unwrap(), config);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("producer.json");
    std::fs::write(&path, config.to_json()).unwrap();
    assert_eq!(ProducerConfig::load(Some(&path), []).unwrap(), config);
    assert_eq!(config.aws.queue_in("eu-west-1"), "queue-eu");
    assert_eq!(config.aws.table_in("ap-east-1"), "table");
}

/// No field is lost, and none is read for another one: each number is another one, and no choice is the default.
#[test]
fn every_field_is_written_and_read() {
    let mut whole = serde_json::to_value(config()).unwrap();
    let mut all = Vec::new();
    keys(&whole, "", &mut all);
    for (number, key) in all.iter().enumerate() {
        let (table, name) = table(&mut whole, key);
        if table[&name].is_number() {
            table.insert(name, json!(number + 1));
        }
    }
    whole["producer"]["spool"]["sync"] = json!("interval");
    whole["route"]["policy"] = json!("primary-by-latency");
    whole["producer"]["binance"]["rest_url"] = Value::Null;
    let read = load(&[(VARIABLE, &whole.to_string())]).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), whole);
    assert_eq!(read.producer.spool.sync, SpoolSync::Interval);
    assert_eq!(read.route.policy, Policy::PrimaryByLatency);
    assert_eq!(load(&[(VARIABLE, &read.to_json())]).unwrap(), read);
}

/// A default would be the value of this version, and the file is of another one.
#[test]
fn each_missing_key_and_each_wrong_type_is_an_error_that_names_it() {
    let whole = serde_json::to_value(config()).unwrap();
    let mut all = Vec::new();
    keys(&whole, "", &mut all);
    // Entries of a map are values, not keys.
    let entries = ["route.costs.", "route.weights.", "aws.regions."];
    for key in &all {
        let is_entry = entries.iter().any(|map| key.starts_with(map));
        for is_missing in [true, false] {
            if is_missing && is_entry && !key.starts_with("aws.regions.eu-west-1.") {
                continue;
            }
            let mut spoilt = whole.clone();
            let (table, name) = table(&mut spoilt, key);
            if is_missing {
                table.remove(&name);
            } else {
                table.insert(name, json!(true));
            }
            let error = ProducerConfig::parse(VARIABLE, &spoilt.to_string()).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{VARIABLE}: {key}: ")), "{key}: {text}");
            assert_eq!(text.contains("the key is missing"), is_missing, "{key}: {text}");
        }
    }
    assert!(all.len() > 45, "{}", all.len());
}

#[test]
fn an_older_program_takes_the_configuration_of_a_newer_version() {
    let mut newer = serde_json::to_value(config()).unwrap();
    newer["later"] = json!({ "key": 1 });
    newer["producer"]["spool"]["later_ms"] = json!(1);
    assert_eq!(load(&[(VARIABLE, &newer.to_string())]).unwrap(), config());
}

#[test]
fn errors() {
    let json = config().to_json();
    let with = |key: &str, value: Value| {
        let mut spoilt = serde_json::to_value(config()).unwrap();
        let (table, name) = table(&mut spoilt, key);
        match value {
            Value::Null => table.remove(&name),
            value => table.insert(name, value),
        };
        load(&[(VARIABLE, &spoilt.to_string())])
    };
    let missing = std::path::Path::new("no/producer.json");
    let vars = || [(VARIABLE.to_owned(), json.clone())];
    let results = [
        load(&[]),
        load(&[(VARIABLE, "")]),
        load(&[("TWINCLOUD_PROBE_MS", "1000"), (VARIABLE, &json)]),
        load(&[
            ("TWINCLOUD_SPOOL", "/spool"),
            ("TWINCLOUD_ROUTE__POLICY", "mirror"),
            ("TWINCLOUD_SYMBOLS", "BTCUSDT"),
            ("TWINCLOUD_HEALTH_DOWN_MS", "1000"),
            ("TWINCLOUD_BATCH_AGE_MS", "50"),
            ("TWINCLOUD_ROUTE_POLICY", "mirror"),
        ]),
        ProducerConfig::load(Some(missing), vars()),
        ProducerConfig::load(Some(missing), []),
        load(&[(VARIABLE, "{\"trading\":")]),
        with("producer.publish.slow_ms", Value::Null),
        with("health", Value::Null),
        with("producer.publish.slow_ms", json!("500")),
        with("producer.binance.rest_url", Value::Null),
        with("producer.spool.sync", json!("sometimes")),
        with("route.policy", json!("primary")),
        with("route.targets", json!(["aws", "azure"])),
        with("route.targets", json!([])),
        with("trading.symbols", json!([])),
        with("route.costs", json!({ "aws": -1 })),
        with("trading.symbols", json!(["BTCUSDT", "eth usdt"])),
    ];
    let texts = results.map(|result| result.unwrap_err().to_string());
    insta::assert_snapshot!("errors", texts.join("\n"));
}
