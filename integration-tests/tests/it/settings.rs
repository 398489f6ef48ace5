//! The settings that a deployment gives a program, read by that program's own crate.

use infra::Settings;
use infra::settings::Policy;
use pipeline::route::Policy as RouterPolicy;
use producer::config::{ProducerConfig, VARIABLE};
use producer::relay::RelayConfig;
use producer::spool::SpoolConfig;

use crate::command::workspace;
use crate::on_emulators::local_settings;

#[test]
fn health_of_a_cloud_has_the_defaults_of_the_pipeline() {
    let file = workspace().join(infra::settings::FILE);
    let settings = Settings::load(&file, Some("dev"), &[], std::iter::empty());
    let settings = settings.expect("the settings are right");
    assert_eq!(settings.health, pipeline::health::HealthConfig::default(), "twincloud.toml");
}

#[test]
fn the_producer_reads_the_configuration_that_the_settings_give() {
    let mut settings = local_settings();
    settings.route.policy = Policy::PrimaryByCost;
    let env = settings.producer_env();
    assert_eq!(env.keys().collect::<Vec<_>>(), ["AWS_REGION", VARIABLE]);
    let config = ProducerConfig::load(None, env).expect("the settings are right");
    assert_eq!(config, settings.producer_config());
    let relay = RelayConfig::of(&config, 1).expect("the settings are right");
    let by_cost = pipeline::route::PrimarySelection::Cost;
    assert_eq!(relay.router.policy, RouterPolicy::Primary(by_cost));
    assert_eq!(SpoolConfig::of(&config).targets, ["aws", "gcp"]);
}
