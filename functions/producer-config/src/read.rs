//! Reading the configuration, and errors that name its keys.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ProducerConfig;

/// The variable that holds the configuration, as JSON.
pub const VARIABLE: &str = "TWINCLOUD_CONFIG";

/// Variables of versions before there was one configuration. One of them that is still set would have no effect.
const EARLIER: [&str; 9] = [
    "TWINCLOUD_BATCH_",
    "TWINCLOUD_BINANCE_",
    "TWINCLOUD_CHECKPOINT_MS",
    "TWINCLOUD_HEALTH_",
    "TWINCLOUD_PROBE_MS",
    "TWINCLOUD_PUBLISH_",
    "TWINCLOUD_REGION_",
    "TWINCLOUD_ROUTE_",
    "TWINCLOUD_SPOOL_",
];

const RENDER: &str = "`cargo xtask render` writes the variable to producer.env and the file to producer.json (docs/producer.md)";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Neither the variable nor a file.
    #[error("no configuration: set {VARIABLE}, or name a file with --config; {RENDER}")]
    None,
    /// Both the variable and a file.
    #[error(
        "two configurations: {VARIABLE} is set, and --config names {}; leave one of them out",
        _0.display()
    )]
    Two(PathBuf),
    /// Variables of an earlier version are set.
    #[error(
        "{} of an earlier version, without effect in this one: unset {}, and set {VARIABLE}, or name a file with --config, with \
         all settings of the producer; {RENDER}",
        listed(_0),
        if _0.len() == 1 { "it" } else { "them" }
    )]
    Earlier(BTreeSet<String>),
    /// The file can't be read.
    #[error("read the configuration {}: {cause}; name another file with --config; {RENDER}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The text is not JSON.
    #[error("{origin} is not JSON: {cause}; {RENDER}")]
    Syntax {
        /// The variable or the file.
        origin: String,
        /// The parser's error.
        cause: serde_json::Error,
    },
    /// A key is missing.
    #[error(
        "{origin}: {key}: the key is missing, as in the configuration of an older version; render it with the version of this \
         program; {RENDER}"
    )]
    Missing {
        /// The variable or the file.
        origin: String,
        /// The dotted key.
        key: String,
    },
    /// The value of a key is wrong.
    #[error("{origin}: {key}: {problem}; correct it, or render it again; {RENDER}")]
    Key {
        /// The variable or the file.
        origin: String,
        /// The dotted key.
        key: String,
        /// The mistake.
        problem: String,
    },
}

/// `TWINCLOUD_PROBE_MS is a variable`, or the first one and the number of the others.
fn listed(names: &BTreeSet<String>) -> String {
    let first = names.first().map(String::as_str).unwrap_or_default();
    match names.len() {
        0 | 1 => format!("{first} is a variable"),
        2 => format!("{first} and one more are variables"),
        all => format!("{first} and {} more are variables", all - 1),
    }
}

impl ProducerConfig {
    /// Reads the configuration from the file, if one is named, else from [`VARIABLE`]. `vars` are the variables of the
    /// environment.
    pub fn load(
        file: Option<&Path>,
        vars: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let (mut given, mut earlier) = (None, BTreeSet::new());
        for (name, value) in vars {
            if name == VARIABLE {
                given = Some(value).filter(|text| !text.is_empty());
            } else if is_earlier(&name) {
                earlier.insert(name);
            }
        }
        if !earlier.is_empty() {
            return Err(ConfigError::Earlier(earlier));
        }
        match (file, given) {
            (None, None) => Err(ConfigError::None),
            (Some(path), Some(_)) => Err(ConfigError::Two(path.to_owned())),
            (None, Some(text)) => Self::parse(VARIABLE, &text),
            (Some(path), None) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|cause| ConfigError::Read { path: path.to_owned(), cause })?;
                Self::parse(&path.display().to_string(), &text)
            }
        }
    }

    /// Reads the configuration from its JSON; `origin` is the place of the JSON, for errors.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ConfigError> {
        // A value first: its errors have keys and no columns of the one line.
        let value: Value = serde_json::from_str(text)
            .map_err(|cause| ConfigError::Syntax { origin: origin.to_owned(), cause })?;
        let origin = || origin.to_owned();
        let config: Self = serde_path_to_error::deserialize(value).map_err(|error| {
            let (key, problem) = (error.path().to_string(), error.into_inner().to_string());
            match missing(&problem) {
                Some(name) if key == "." => {
                    ConfigError::Missing { origin: origin(), key: name.to_owned() }
                }
                Some(name) => {
                    ConfigError::Missing { origin: origin(), key: format!("{key}.{name}") }
                }
                None => ConfigError::Key { origin: origin(), key, problem },
            }
        })?;
        match config.fault() {
            Some((key, problem)) => {
                Err(ConfigError::Key { origin: origin(), key: key.to_owned(), problem })
            }
            None => Ok(config),
        }
    }

    /// A key whose value has the right type and can't be used.
    fn fault(&self) -> Option<(&'static str, String)> {
        if self.trading.symbols.is_empty() {
            return Some(("trading.symbols", "no symbol, so there is nothing to send".to_owned()));
        }
        if self.route.targets.is_empty() {
            return Some((
                "route.targets",
                "no target, so there is no place to send to".to_owned(),
            ));
        }
        self.route.router().err().map(|error| ("route.targets", error.to_string()))
    }

    /// The configuration as JSON on one line.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "it has nothing that JSON has not")]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers, and maps of them by text")
    }
}

/// True for a variable that an earlier version read. Two underscores are a dot of a setting's name.
fn is_earlier(name: &str) -> bool {
    !name.contains("__") && EARLIER.iter().any(|start| name.starts_with(start))
}

/// The name of the missing key, in serde's words.
fn missing(problem: &str) -> Option<&str> {
    problem.strip_prefix("missing field `")?.strip_suffix('`')
}
