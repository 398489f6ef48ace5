//! What the producer takes: sizes, waits, and where messages go.

use producer_config::{HealthConfig, Publish, Route, Spool};

use crate::settings::model::{Host, Producer};

use super::{Checked, LOWER, binance, ensure, name, range, unique};

pub(super) fn producer(producer: &Producer) -> Checked {
    publish(&producer.publish)?;
    spool(&producer.spool)?;
    host(&producer.host, &producer.spool)?;
    binance::binance(&producer.binance)
}

fn publish(publish: &Publish) -> Checked {
    range("producer.publish.slow_ms", publish.slow_ms, 50..=publish.deadline_ms)?;
    let cap = publish.backoff_base_ms..=60_000;
    range("producer.publish.backoff_cap_ms", publish.backoff_cap_ms, cap)
}

fn spool(spool: &Spool) -> Checked {
    range("producer.spool.segment_mb", spool.segment_mb, 1..=spool.max_mb.min(1_024))
}

fn host(host: &Host, spool: &Spool) -> Checked {
    unique("producer.host.clouds", &host.clouds)?;
    for cloud in &host.clouds {
        let problem = format!("`{cloud}` must be `aws` or `gcp`");
        ensure("producer.host.clouds", matches!(cloud.as_str(), "aws" | "gcp"), problem)?;
    }
    if host.clouds.is_empty() {
        return Ok(());
    }
    // 10 GB is the smallest disk on Google Cloud; the file system needs space beside the spool.
    let least = 10.max(spool.max_mb / 1_024 + 1);
    let problem = format!(
        "{} MiB do not fit on the disk of an instance, which has 1024 GB at most; choose less than 1048576",
        spool.max_mb
    );
    ensure("producer.spool.max_mb", least <= 1_024, problem)?;
    range("producer.host.disk_gb", host.disk_gb, least..=1_024)
}

pub(super) fn route(route: &Route) -> Checked {
    let problem = "name at least one target, such as \"aws\"";
    ensure("route.targets", !route.targets.is_empty(), problem)?;
    unique("route.targets", &route.targets)?;
    for target in &route.targets {
        self::target("route.targets", target)?;
    }
    route.costs.keys().try_for_each(|named| target("route.costs", named))?;
    route.weights.keys().try_for_each(|named| target("route.weights", named))?;
    for weight in route.weights.values() {
        range("route.weights", *weight, 0..=1_000)?;
    }
    let is_heavy = |target: &String| route.weights.get(target).is_none_or(|weight| *weight > 0);
    let problem = "every target's weight is 0; give one of them more";
    ensure("route.weights", route.targets.iter().any(is_heavy), problem)
}

/// A cloud, or a region of one.
fn target(key: &'static str, target: &str) -> Checked {
    let (cloud, region) =
        target.split_once('-').map_or((target, None), |(cloud, region)| (cloud, Some(region)));
    let problem =
        format!("`{target}` must be `aws` or `gcp`, or one of them and a region, as aws-eu-west-1");
    ensure(key, matches!(cloud, "aws" | "gcp"), problem)?;
    region.map_or(Ok(()), |region| name(key, region, 5..=30, "-", &LOWER))
}

pub(super) fn health(health: &HealthConfig) -> Checked {
    range("health.down_points", health.down_points, health.suspect_points..=10_000)
}
