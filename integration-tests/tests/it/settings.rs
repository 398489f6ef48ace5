//! What the settings give and what a program reads agree.

use std::time::Duration;

use infra::Settings;
use pipeline::health::HealthConfig;
use pipeline::route::Policy;
use producer::config::ProducerConfig;

use crate::command::workspace;
use crate::on_emulators::local_settings;

#[test]
fn what_is_thought_of_a_cloud_is_the_same_by_default_everywhere() {
    let file = workspace().join(infra::settings::FILE);
    let settings = Settings::load(&file, Some("dev"), &[], std::iter::empty());
    let settings = settings.expect("the settings are right");
    assert_eq!(settings.health, infra::settings::Health::default(), "twincloud.toml and infra");
    let env = settings.producer_env();
    let config = ProducerConfig::from_vars(|name| env.get(name).cloned(), 1).expect("read it");
    assert_eq!(config.relay.health, HealthConfig::default(), "and the pipeline");
}

#[test]
fn the_producer_reads_each_variable_that_the_settings_give_it_and_no_other() {
    let env = local_settings().producer_env();
    let asked = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let get = |name: &str| {
        asked.borrow_mut().insert(name.to_owned());
        env.get(name).cloned()
    };
    let config = ProducerConfig::from_vars(get, 1).expect("the settings are right");
    assert_eq!(config.relay.router.policy, Policy::Mirror);
    assert_eq!(config.spool.targets, ["aws", "gcp"]);
    assert!(config.overrides_every <= Duration::from_secs(1));
    // The SDK reads the region; how much quicker a primary must be matters under one policy only.
    let mut given: Vec<_> = env.into_keys().collect();
    given.retain(|name| name != "AWS_REGION" && name != "TWINCLOUD_ROUTE_LATENCY_MARGIN_PERCENT");
    let mut asked: Vec<_> = asked.into_inner().into_iter().collect();
    // Only an instance on Google Cloud sets the role on AWS.
    asked.retain(|name| name != "TWINCLOUD_SPOOL_SYNC_INTERVAL_MS" && name != "TWINCLOUD_AWS_ROLE");
    given.retain(|name| name != "TWINCLOUD_SPOOL_SYNC_INTERVAL_MS");
    assert_eq!(asked, given);
}

#[test]
fn a_variable_that_is_missing_or_wrong_is_named() {
    let env = local_settings().producer_env();
    for name in env.keys().filter(|name| name.starts_with("TWINCLOUD_HEALTH_")) {
        let get = |asked: &str| env.get(asked).cloned().filter(|_| asked != name);
        let error = ProducerConfig::from_vars(get, 1).expect_err("one is missing").to_string();
        assert!(error.contains(name.as_str()), "{error}");
    }
    let wrong = |name: &str, value: &str| {
        let get = |asked: &str| {
            if asked == name { Some(value.to_owned()) } else { env.get(asked).cloned() }
        };
        ProducerConfig::from_vars(get, 1).expect_err("one is wrong").to_string()
    };
    for (name, value) in [
        ("TWINCLOUD_ROUTE_POLICY", "primary"),
        ("TWINCLOUD_ROUTE_TARGETS", "aws,azure"),
        ("TWINCLOUD_ROUTE_COSTS", "aws"),
        ("TWINCLOUD_SPOOL_SYNC", "sometimes"),
        ("TWINCLOUD_SYMBOLS", "btc usdt"),
    ] {
        let error = wrong(name, value);
        assert!(error.contains(name), "{error}");
    }
}
