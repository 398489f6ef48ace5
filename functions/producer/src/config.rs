//! Settings that a producer reads from its environment; `infra`'s `Settings::producer_env` renders all of them.
//!
//! | variable | meaning |
//! |---|---|
//! | `TWINCLOUD_SYMBOLS` | symbols, comma-separated |
//! | `TWINCLOUD_BATCH_MAX_TRADES`, `_MAX_BYTES`, `_AGE_MS` | when a message is closed |
//! | `TWINCLOUD_PUBLISH_MESSAGES`, `_BYTES` | what a target is given at once |
//! | `TWINCLOUD_PUBLISH_SLOW_MS`, `_DEADLINE_MS`, `_BACKOFF_BASE_MS`, `_BACKOFF_CAP_MS` | waits |
//! | `TWINCLOUD_PROBE_MS`, `TWINCLOUD_CHECKPOINT_MS` | how often |
//! | `TWINCLOUD_SPOOL_SYNC` | `always`, `interval` or `never` |
//! | `TWINCLOUD_SPOOL_SYNC_INTERVAL_MS`, `_MAX_BYTES`, `_SEGMENT_BYTES`, `_WINDOW_S` | the spool's limits |
//! | `TWINCLOUD_ROUTE_POLICY` | `mirror`, `primary-by-hand`, `primary-by-cost`, `primary-by-latency` or `weighted` |
//! | `TWINCLOUD_ROUTE_TARGETS` | `aws`, `gcp`, `aws-REGION`, `gcp-REGION`, comma-separated |
//! | `TWINCLOUD_ROUTE_COSTS`, `_WEIGHTS` | `aws=3,gcp=1` |
//! | `TWINCLOUD_ROUTE_LATENCY_MARGIN_PERCENT`, `_FAILBACK_S`, `_LEASE_S` | see `pipeline::route` |
//! | `TWINCLOUD_HEALTH_…` | see `pipeline::health` |
//! | `TWINCLOUD_QUEUE`, `TWINCLOUD_TABLE` | the SQS queue and the `DynamoDB` table, by name |
//! | `TWINCLOUD_REGION_QUEUES`, `_TABLES` | those of another region, where they have other names: `eu-west-1=NAME` |
//! | `TWINCLOUD_AWS_ROLE`, `TWINCLOUD_AWS_AUDIENCE` | on a machine of Google's: the role that sends to AWS, as an ARN, and the audience of the identity token that it is assumed by; not set: credentials of AWS's own tools |
//! | `TWINCLOUD_GCP_PROJECT`, `TWINCLOUD_TOPIC` | the Pub/Sub topic |
//! | `TWINCLOUD_FIRESTORE_DATABASE`, `_COLLECTION` | where the override store is |
//! | `TWINCLOUD_BINANCE_STREAM_URL`, `_REST_URL` (may be empty), `_GAP_MAX_TRADES` | the exchange |
//!
//! Region, credentials and endpoints come from the variables of AWS's and Google's own tools.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use candle::message::MAX_TRADES;
use candle::{Symbol, Symbols};
use pipeline::config::{ConfigError, required, required_as};
use pipeline::health::HealthConfig;
use pipeline::route::{Policy, PrimarySelection, Router, Target};

use crate::BatchLimits;
use crate::relay::RelayConfig;
use crate::spool::{SpoolConfig, Sync};

/// The longest interval between two reads of the routing overrides, so that one takes effect within a second or so.
const OVERRIDES_EVERY: Duration = Duration::from_secs(1);

/// The settings of a producer.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// Symbols to send; the functions treat messages of others as poison.
    pub symbols: Symbols,
    /// Messages, targets and policy.
    pub relay: RelayConfig,
    /// The policy, as the settings spell it.
    pub policy: String,
    /// The spool.
    pub spool: SpoolConfig,
    /// The interval between two reads of each cloud's override store.
    pub overrides_every: Duration,
    /// The queue and the override store of AWS.
    pub aws: AwsPlace,
    /// The queue and the override store of Google Cloud.
    pub gcp: GcpPlace,
    /// The source of trades.
    pub exchange: Exchange,
}

/// Resources of AWS that the producer uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsPlace {
    /// The SQS queue.
    pub queue: String,
    /// The table of candles, with the override store.
    pub table: String,
    /// Names of the queues of other regions, if they differ.
    pub region_queues: BTreeMap<String, String>,
    /// Names of their tables, if they differ.
    pub region_tables: BTreeMap<String, String>,
    /// The sign-in of a virtual machine on Google Cloud to AWS.
    pub sign_in: Option<SignIn>,
}

/// The sign-in to AWS from a virtual machine on Google Cloud; none for the SDK's default credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The role, as an ARN.
    pub role: String,
    /// The audience of its identity token.
    pub audience: String,
}

impl AwsPlace {
    /// The name of the queue in a region; the empty text stands for the first region.
    #[must_use]
    pub fn queue_in(&self, region: &str) -> &str {
        self.region_queues.get(region).unwrap_or(&self.queue)
    }

    /// The name of the table in a region.
    #[must_use]
    pub fn table_in(&self, region: &str) -> &str {
        self.region_tables.get(region).unwrap_or(&self.table)
    }
}

/// The candle store behind a target: AWS has one in each region, Google Cloud one for all of them.
#[must_use]
pub fn store_of(target: &Target) -> &str {
    if target.cloud == "aws" { &target.name } else { &target.cloud }
}

/// Resources of Google Cloud that the producer uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GcpPlace {
    /// The project's id.
    pub project: String,
    /// The Pub/Sub topic.
    pub topic: String,
    /// The Firestore database.
    pub database: String,
    /// The collection of charts, with the override store.
    pub collection: String,
}

/// Addresses of Binance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The URL of the stream.
    pub stream_url: String,
    /// The URL from which missed trades are fetched; `None`: they are not.
    pub rest_url: Option<String>,
    /// The most missing trades to fetch while the stream waits.
    pub gap_max_trades: u64,
}

impl ProducerConfig {
    /// Reads the settings through `get`, which looks up a variable. `seed` should differ between producers.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>, seed: u64) -> Result<Self, ConfigError> {
        let vars = Vars(&get);
        let router = vars.router()?;
        let spool = vars.spool(&router)?;
        let lease = vars.seconds("TWINCLOUD_ROUTE_LEASE_S")?;
        let max_trades: usize = vars.number("TWINCLOUD_BATCH_MAX_TRADES")?;
        let relay = RelayConfig {
            router,
            health: vars.health()?,
            limits: BatchLimits {
                max_trades: max_trades.min(MAX_TRADES),
                max_bytes: vars.number("TWINCLOUD_BATCH_MAX_BYTES")?,
            },
            batch_age: vars.millis("TWINCLOUD_BATCH_AGE_MS")?,
            publish_messages: vars.number("TWINCLOUD_PUBLISH_MESSAGES")?,
            publish_bytes: vars.number("TWINCLOUD_PUBLISH_BYTES")?,
            publish_slow: vars.millis("TWINCLOUD_PUBLISH_SLOW_MS")?,
            publish_deadline: vars.millis("TWINCLOUD_PUBLISH_DEADLINE_MS")?,
            backoff_base: vars.millis("TWINCLOUD_PUBLISH_BACKOFF_BASE_MS")?,
            backoff_cap: vars.millis("TWINCLOUD_PUBLISH_BACKOFF_CAP_MS")?,
            probe: vars.millis("TWINCLOUD_PROBE_MS")?,
            checkpoint: vars.millis("TWINCLOUD_CHECKPOINT_MS")?,
            lease: Some(lease),
            seed,
        };
        Ok(Self {
            symbols: vars.symbols()?,
            relay,
            policy: vars.text("TWINCLOUD_ROUTE_POLICY")?,
            spool,
            overrides_every: OVERRIDES_EVERY.min(lease / 3),
            aws: AwsPlace {
                queue: vars.text("TWINCLOUD_QUEUE")?,
                table: vars.text("TWINCLOUD_TABLE")?,
                region_queues: vars.pairs("TWINCLOUD_REGION_QUEUES")?,
                region_tables: vars.pairs("TWINCLOUD_REGION_TABLES")?,
                sign_in: vars.sign_in()?,
            },
            gcp: GcpPlace {
                project: vars.text("TWINCLOUD_GCP_PROJECT")?,
                topic: vars.text("TWINCLOUD_TOPIC")?,
                database: vars.text("TWINCLOUD_FIRESTORE_DATABASE")?,
                collection: vars.text("TWINCLOUD_FIRESTORE_COLLECTION")?,
            },
            exchange: Exchange {
                stream_url: vars.text("TWINCLOUD_BINANCE_STREAM_URL")?,
                rest_url: get("TWINCLOUD_BINANCE_REST_URL").filter(|url| !url.is_empty()),
                gap_max_trades: vars.number("TWINCLOUD_BINANCE_GAP_MAX_TRADES")?,
            },
        })
    }
}

struct Vars<'a, G>(&'a G);

impl<G: Fn(&str) -> Option<String>> Vars<'_, G> {
    fn text(&self, name: &'static str) -> Result<String, ConfigError> {
        required(self.0, name)
    }

    fn number<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, ConfigError> {
        required_as(self.0, name)
    }

    fn millis(&self, name: &'static str) -> Result<Duration, ConfigError> {
        self.number(name).map(Duration::from_millis)
    }

    fn seconds(&self, name: &'static str) -> Result<Duration, ConfigError> {
        self.number(name).map(Duration::from_secs)
    }

    fn sign_in(&self) -> Result<Option<SignIn>, ConfigError> {
        let Some(role) = (self.0)("TWINCLOUD_AWS_ROLE").filter(|role| !role.is_empty()) else {
            return Ok(None);
        };
        Ok(Some(SignIn { role, audience: self.text("TWINCLOUD_AWS_AUDIENCE")? }))
    }

    fn symbols(&self) -> Result<Symbols, ConfigError> {
        let name = "TWINCLOUD_SYMBOLS";
        let text = self.text(name)?;
        let symbols = text.split(',').map(|symbol| Symbol::parse(symbol.trim()));
        let symbols: Result<Symbols, _> = symbols.collect();
        symbols.map_err(|error| ConfigError { name, why: format!("{text:?}: {error}") })
    }

    fn spool(&self, router: &Router) -> Result<SpoolConfig, ConfigError> {
        let name = "TWINCLOUD_SPOOL_SYNC";
        let sync = match self.text(name)?.as_str() {
            "always" => Sync::EveryRecord,
            "interval" => Sync::Interval(self.millis("TWINCLOUD_SPOOL_SYNC_INTERVAL_MS")?),
            "never" => Sync::Never,
            other => {
                let why = format!("{other:?} is none of always, interval, never");
                return Err(ConfigError { name, why });
            }
        };
        Ok(SpoolConfig {
            sync,
            max_bytes: self.number("TWINCLOUD_SPOOL_MAX_BYTES")?,
            segment_bytes: self.number("TWINCLOUD_SPOOL_SEGMENT_BYTES")?,
            window: self.seconds("TWINCLOUD_SPOOL_WINDOW_S")?,
            targets: router.targets.iter().map(|target| target.name.clone()).collect(),
        })
    }

    fn router(&self) -> Result<Router, ConfigError> {
        let costs: BTreeMap<String, u64> = self.pairs("TWINCLOUD_ROUTE_COSTS")?;
        let weights: BTreeMap<String, u32> = self.pairs("TWINCLOUD_ROUTE_WEIGHTS")?;
        let names = self.text("TWINCLOUD_ROUTE_TARGETS")?;
        let targets = names.split(',').map(str::trim).map(|name| {
            let (cloud, region) = name.split_once('-').unwrap_or((name, ""));
            if !matches!(cloud, "aws" | "gcp") {
                let why = format!("{name:?} is neither aws nor gcp nor a region of them");
                return Err(ConfigError { name: "TWINCLOUD_ROUTE_TARGETS", why });
            }
            Ok(Target {
                name: name.to_owned(),
                cloud: cloud.to_owned(),
                region: region.to_owned(),
                cost_micros: costs.get(name).copied().unwrap_or(0),
                weight: weights.get(name).copied().unwrap_or(1),
            })
        });
        Ok(Router {
            targets: targets.collect::<Result<_, _>>()?,
            policy: self.policy()?,
            services: vec!["queue".to_owned()],
            failback_ms: self.number::<u64>("TWINCLOUD_ROUTE_FAILBACK_S")?.saturating_mul(1_000),
        })
    }

    fn policy(&self) -> Result<Policy, ConfigError> {
        let name = "TWINCLOUD_ROUTE_POLICY";
        Ok(match self.text(name)?.as_str() {
            "mirror" => Policy::Mirror,
            "weighted" => Policy::Weighted,
            "primary-by-hand" => Policy::Primary(PrimarySelection::Hand),
            "primary-by-cost" => Policy::Primary(PrimarySelection::Cost),
            "primary-by-latency" => Policy::Primary(PrimarySelection::Latency {
                margin_percent: self.number("TWINCLOUD_ROUTE_LATENCY_MARGIN_PERCENT")?,
            }),
            other => {
                let why = format!(
                    "{other:?} is none of mirror, primary-by-hand, primary-by-cost, primary-by-latency, weighted"
                );
                return Err(ConfigError { name, why });
            }
        })
    }

    fn health(&self) -> Result<HealthConfig, ConfigError> {
        Ok(HealthConfig {
            refused_points: self.number("TWINCLOUD_HEALTH_REFUSED_POINTS")?,
            suspect_points: self.number("TWINCLOUD_HEALTH_SUSPECT_POINTS")?,
            down_points: self.number("TWINCLOUD_HEALTH_DOWN_POINTS")?,
            suspect_ms: self.number("TWINCLOUD_HEALTH_SUSPECT_MS")?,
            clear_successes: self.number("TWINCLOUD_HEALTH_CLEAR_SUCCESSES")?,
            down_ms: self.number("TWINCLOUD_HEALTH_DOWN_MS")?,
            recover_successes: self.number("TWINCLOUD_HEALTH_RECOVER_SUCCESSES")?,
            recovering_ms: self.number("TWINCLOUD_HEALTH_RECOVERING_MS")?,
        })
    }

    /// `aws=3,gcp=1`, or names in the place of numbers; may be empty.
    fn pairs<T: FromStr>(&self, name: &'static str) -> Result<BTreeMap<String, T>, ConfigError> {
        let text = (self.0)(name).unwrap_or_default();
        let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let read = pair
                .split_once('=')
                .and_then(|(key, value)| Some((key.trim().to_owned(), value.trim().parse().ok()?)));
            let why = || format!("{pair:?} is not a name, = and a value that fits");
            read.ok_or_else(|| ConfigError { name, why: why() })
        });
        pairs.collect()
    }
}
