//! Settings that a function reads from its environment, the same in both clouds.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `TWINCLOUD_SYMBOLS` | symbols traded here, comma-separated; messages of others are poison | required |
//! | `TWINCLOUD_INTERVALS` | candle intervals, comma-separated | required |
//! | `TWINCLOUD_CAS_ATTEMPTS` | tries at a contended candle | 10 |
//! | `TWINCLOUD_CAS_BASE_MS` | ceiling of the first wait between them | 10 |
//! | `TWINCLOUD_CAS_CAP_MS` | ceiling of every wait | 1000 |
//! | `TWINCLOUD_REPLICATE_WINDOW_S` | the latest time that every run of replicate compares | 7200 |
//! | `TWINCLOUD_REPLICATE_DEEP_NAMES` | names of older times that a run compares at most | 20000 |

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use candle::{Interval, Symbols};

use crate::Backoff;
use crate::replicate::Limits;

/// The settings of an ingest function.
#[derive(Clone, Debug)]
pub struct IngestConfig {
    /// Symbols traded here.
    pub symbols: Symbols,
    /// Intervals of the candles that each trade is folded into.
    pub intervals: Vec<Interval>,
    attempts: u32,
    base: Duration,
    cap: Duration,
}

impl IngestConfig {
    /// Reads the settings through `get`, which looks a variable up.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = &get;
        let intervals = required(get, "TWINCLOUD_INTERVALS")?;
        let intervals: Result<Vec<Interval>, _> =
            intervals.split(',').map(|text| parse("TWINCLOUD_INTERVALS", text.trim())).collect();
        Ok(Self {
            symbols: parse("TWINCLOUD_SYMBOLS", &required(get, "TWINCLOUD_SYMBOLS")?)?,
            intervals: intervals?,
            attempts: optional(get, "TWINCLOUD_CAS_ATTEMPTS", 10)?,
            base: Duration::from_millis(optional(get, "TWINCLOUD_CAS_BASE_MS", 10)?),
            cap: Duration::from_millis(optional(get, "TWINCLOUD_CAS_CAP_MS", 1000)?),
        })
    }

    /// The backoff of a function; `seed` should differ between instances.
    #[must_use]
    pub fn backoff(&self, seed: u64) -> Backoff {
        Backoff::new(self.attempts, self.base, self.cap, seed)
    }
}

/// The settings of a replicate function.
#[derive(Clone, Debug)]
pub struct ReplicateConfig {
    /// The settings shared with ingest: symbols, intervals and retries.
    pub ingest: IngestConfig,
    /// Bounds of one run.
    pub limits: Limits,
}

impl ReplicateConfig {
    /// Reads the settings through `get`, which looks a variable up.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let defaults = Limits::default();
        let window_s = optional(&get, "TWINCLOUD_REPLICATE_WINDOW_S", defaults.window.as_secs())?;
        let deep_names = optional(&get, "TWINCLOUD_REPLICATE_DEEP_NAMES", defaults.deep_names_max)?;
        let limits = Limits {
            window: Duration::from_secs(window_s),
            deep_names_max: deep_names,
            ..defaults
        };
        Ok(Self { ingest: IngestConfig::from_vars(&get)?, limits })
    }
}

/// The value of a variable that must be set.
pub fn required(
    get: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<String, ConfigError> {
    match get(name) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(ConfigError { name, why: "it is not set; the deployment sets it".to_owned() }),
    }
}

/// The parsed value of a variable that must be set.
pub fn required_as<T: FromStr<Err: Display>>(
    get: impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<T, ConfigError> {
    parse(name, &required(get, name)?)
}

/// The parsed value of a variable, or `default` if it is not set.
pub fn optional<T: FromStr<Err: Display>>(
    get: impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: T,
) -> Result<T, ConfigError> {
    get(name).map_or(Ok(default), |text| parse(name, &text))
}

fn parse<T: FromStr<Err: Display>>(name: &'static str, text: &str) -> Result<T, ConfigError> {
    text.parse().map_err(|error| ConfigError { name, why: format!("{text:?}: {error}") })
}

/// A variable that is missing or can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {name}: {why}")]
pub struct ConfigError {
    /// Its name.
    pub name: &'static str,
    /// The reason: not set, or a value that does not parse.
    pub why: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<IngestConfig, ConfigError> {
        IngestConfig::from_vars(|name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn reads_symbols_and_intervals() {
        let config =
            config(&[("TWINCLOUD_SYMBOLS", "BTCUSDT,ETHUSDT"), ("TWINCLOUD_INTERVALS", "1m, 1h")])
                .unwrap();
        assert_eq!(config.symbols.iter().count(), 2);
        assert_eq!(config.intervals, [Interval::M1, Interval::H1]);
        assert_eq!(config.backoff(0).attempts(), 10);
    }

    #[test]
    fn each_setting_comes_from_its_variable_or_has_its_default() {
        let read = |more: &[(&'static str, &str)]| {
            let all =
                [&[("TWINCLOUD_SYMBOLS", "BTCUSDT"), ("TWINCLOUD_INTERVALS", "1m")], more].concat();
            ReplicateConfig::from_vars(|name| {
                all.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let numbers = |config: &ReplicateConfig| {
            let IngestConfig { attempts, base, cap, .. } = &config.ingest;
            let Limits { window, deep_names_max, .. } = &config.limits;
            (*attempts, base.as_millis(), cap.as_millis(), window.as_secs(), *deep_names_max)
        };
        assert_eq!(numbers(&read(&[]).unwrap()), (10, 10, 1_000, 7_200, 20_000));
        let all = [
            ("TWINCLOUD_CAS_ATTEMPTS", "3"),
            ("TWINCLOUD_CAS_BASE_MS", "4"),
            ("TWINCLOUD_CAS_CAP_MS", "5"),
            ("TWINCLOUD_REPLICATE_WINDOW_S", "6"),
            ("TWINCLOUD_REPLICATE_DEEP_NAMES", "7"),
        ];
        assert_eq!(numbers(&read(&all).unwrap()), (3, 4, 5, 6, 7));
        for (name, _) in all {
            assert_eq!(read(&[(name, "many")]).unwrap_err().name, name);
        }
    }

    #[test]
    fn an_empty_variable_is_none() {
        let error = config(&[("TWINCLOUD_SYMBOLS", "BTCUSDT"), ("TWINCLOUD_INTERVALS", "")]);
        let error = error.unwrap_err();
        assert_eq!(error.name, "TWINCLOUD_INTERVALS");
        assert_eq!(error.why, "it is not set; the deployment sets it");
    }

    #[test]
    fn an_error_names_the_variable_and_the_value() {
        let error = config(&[("TWINCLOUD_INTERVALS", "1m")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable TWINCLOUD_SYMBOLS: it is not set; the deployment sets it"
        );
        let error = config(&[("TWINCLOUD_SYMBOLS", "BTCUSDT"), ("TWINCLOUD_INTERVALS", "1m,7m")])
            .unwrap_err();
        assert!(error.to_string().contains("TWINCLOUD_INTERVALS: \"7m\""), "{error}");
    }
}
