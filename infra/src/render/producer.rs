//! The producer's configuration and environment.

use std::collections::BTreeMap;

use candle::Symbol;
use producer_config::{Aws, AwsRegion, Gcp, Producer, ProducerConfig, Trading, VARIABLE};

use super::owned;
use crate::settings::{Region, Settings};

impl Settings {
    /// The configuration of the producer.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "symbols are checked while the settings are read"
    )]
    pub fn producer_config(&self) -> ProducerConfig {
        let (producer, aws, gcp) = (&self.producer, &self.aws, &self.gcp);
        let symbol = |name: &String| Symbol::parse(name).expect("the settings have valid symbols");
        let region = |Region { region, queue, table, .. }: &Region| {
            (region.clone(), AwsRegion { queue: queue.clone(), table: table.clone() })
        };
        ProducerConfig {
            trading: Trading { symbols: self.trading.symbols.iter().map(symbol).collect() },
            producer: Producer {
                batch_max_trades: producer.batch_max_trades,
                batch_max_bytes: producer.batch_max_bytes,
                batch_age_ms: producer.batch_age_ms,
                publish: producer.publish.clone(),
                spool: producer.spool.clone(),
                binance: producer.binance.clone(),
            },
            route: self.route.clone(),
            health: self.health,
            aws: Aws {
                region: aws.region.clone(),
                queue: aws.queue.name.clone(),
                table: aws.table.clone(),
                regions: self.regions.iter().map(region).collect(),
            },
            gcp: Gcp {
                project: gcp.project.clone(),
                topic: gcp.pubsub.topic.clone(),
                database: gcp.firestore.database.clone(),
                collection: gcp.firestore.collection.clone(),
            },
        }
    }

    /// The environment of the producer: its configuration, and the region for AWS's SDK. Credentials are the host's, and so are
    /// endpoints where the clouds are emulators.
    #[must_use]
    pub fn producer_env(&self) -> BTreeMap<String, String> {
        owned([
            ("AWS_REGION", self.aws.region.clone()),
            (VARIABLE, self.producer_config().to_json()),
        ])
    }
}
