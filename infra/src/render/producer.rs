//! The producer's environment.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::owned;
use crate::settings::{Region, Settings};

const MIB: u64 = 1 << 20;

impl Settings {
    /// The environment of the producer: all of it except credentials, and endpoints if the clouds are
    /// emulators.
    #[must_use]
    pub fn producer_env(&self) -> BTreeMap<String, String> {
        let mut env = self.where_to();
        env.extend(self.messages());
        env.extend(self.choice());
        env
    }

    /// The variables of the clouds.
    fn where_to(&self) -> BTreeMap<String, String> {
        let (aws, gcp) = (&self.aws, &self.gcp);
        let by_region = |name: fn(&Region) -> &str| {
            let named = self.regions.iter().map(|region| (region.region.clone(), name(region)));
            pairs(&named.collect())
        };
        owned([
            ("AWS_REGION", aws.region.clone()),
            ("TWINCLOUD_QUEUE", aws.queue.name.clone()),
            ("TWINCLOUD_TABLE", aws.table.clone()),
            ("TWINCLOUD_REGION_QUEUES", by_region(|region| &region.queue)),
            ("TWINCLOUD_REGION_TABLES", by_region(|region| &region.table)),
            ("TWINCLOUD_GCP_PROJECT", gcp.project.clone()),
            ("TWINCLOUD_TOPIC", gcp.pubsub.topic.clone()),
            ("TWINCLOUD_FIRESTORE_DATABASE", gcp.firestore.database.clone()),
            ("TWINCLOUD_FIRESTORE_COLLECTION", gcp.firestore.collection.clone()),
        ])
    }

    /// The variables of the source of trades, and of batching, spooling and publishing.
    fn messages(&self) -> BTreeMap<String, String> {
        let producer = &self.producer;
        let (publish, spool, binance) = (&producer.publish, &producer.spool, &producer.binance);
        owned([
            ("TWINCLOUD_SYMBOLS", self.trading.symbols.join(",")),
            ("TWINCLOUD_BATCH_MAX_TRADES", producer.batch_max_trades.to_string()),
            ("TWINCLOUD_BATCH_MAX_BYTES", producer.batch_max_bytes.to_string()),
            ("TWINCLOUD_BATCH_AGE_MS", producer.batch_age_ms.to_string()),
            ("TWINCLOUD_PUBLISH_MESSAGES", publish.messages.to_string()),
            ("TWINCLOUD_PUBLISH_BYTES", publish.bytes.to_string()),
            ("TWINCLOUD_PUBLISH_SLOW_MS", publish.slow_ms.to_string()),
            ("TWINCLOUD_PUBLISH_DEADLINE_MS", publish.deadline_ms.to_string()),
            ("TWINCLOUD_PUBLISH_BACKOFF_BASE_MS", publish.backoff_base_ms.to_string()),
            ("TWINCLOUD_PUBLISH_BACKOFF_CAP_MS", publish.backoff_cap_ms.to_string()),
            ("TWINCLOUD_PROBE_MS", publish.probe_ms.to_string()),
            ("TWINCLOUD_SPOOL_SYNC", spool.sync.as_str().to_owned()),
            ("TWINCLOUD_SPOOL_SYNC_INTERVAL_MS", spool.sync_interval_ms.to_string()),
            ("TWINCLOUD_SPOOL_MAX_BYTES", (u64::from(spool.max_mb) * MIB).to_string()),
            ("TWINCLOUD_SPOOL_SEGMENT_BYTES", (u64::from(spool.segment_mb) * MIB).to_string()),
            ("TWINCLOUD_SPOOL_WINDOW_S", spool.window_s.to_string()),
            ("TWINCLOUD_CHECKPOINT_MS", spool.checkpoint_ms.to_string()),
            ("TWINCLOUD_BINANCE_STREAM_URL", binance.stream_url.clone()),
            ("TWINCLOUD_BINANCE_REST_URL", binance.rest_url.clone().unwrap_or_default()),
            ("TWINCLOUD_BINANCE_GAP_MAX_TRADES", binance.gap_max_trades.to_string()),
        ])
    }

    /// The variables of the route and of health.
    fn choice(&self) -> BTreeMap<String, String> {
        let (route, health) = (&self.route, &self.health);
        owned([
            ("TWINCLOUD_ROUTE_POLICY", route.policy.as_str().to_owned()),
            ("TWINCLOUD_ROUTE_TARGETS", route.targets.join(",")),
            ("TWINCLOUD_ROUTE_COSTS", pairs(&route.costs)),
            ("TWINCLOUD_ROUTE_WEIGHTS", pairs(&route.weights)),
            ("TWINCLOUD_ROUTE_LATENCY_MARGIN_PERCENT", route.latency_margin_percent.to_string()),
            ("TWINCLOUD_ROUTE_FAILBACK_S", route.failback_s.to_string()),
            ("TWINCLOUD_ROUTE_LEASE_S", route.lease_s.to_string()),
            ("TWINCLOUD_HEALTH_REFUSED_POINTS", health.refused_points.to_string()),
            ("TWINCLOUD_HEALTH_SUSPECT_POINTS", health.suspect_points.to_string()),
            ("TWINCLOUD_HEALTH_DOWN_POINTS", health.down_points.to_string()),
            ("TWINCLOUD_HEALTH_SUSPECT_MS", health.suspect_ms.to_string()),
            ("TWINCLOUD_HEALTH_CLEAR_SUCCESSES", health.clear_successes.to_string()),
            ("TWINCLOUD_HEALTH_DOWN_MS", health.down_ms.to_string()),
            ("TWINCLOUD_HEALTH_RECOVER_SUCCESSES", health.recover_successes.to_string()),
            ("TWINCLOUD_HEALTH_RECOVERING_MS", health.recovering_ms.to_string()),
        ])
    }
}

/// `aws=3,gcp=1`
fn pairs<T: Display>(values: &BTreeMap<String, T>) -> String {
    let pairs: Vec<_> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(",")
}
