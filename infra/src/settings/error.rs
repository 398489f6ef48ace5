//! Errors of the settings, each saying where the value stands and what would be right.

use std::path::PathBuf;

use figment::Profile;
use figment::error::{Actual, Kind};

/// Keys of earlier files that are settings no longer.
const REMOVED: [&str; 3] = ["candles_collection", "ttl_attribute", "ttl_field"];

/// Characters of a `--set` argument that an error shows.
const SET_CHARS_MAX: usize = 100;

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file isn't there or can't be read.
    #[error("read the settings file {}: {cause}; run from the root of the workspace, or name the file", path.display())]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// The file isn't TOML.
    #[error("{origin}: not valid TOML: {problem}")]
    Syntax {
        /// The file and the line at which parsing stopped.
        origin: String,
        /// The parser's message.
        problem: String,
    },
    /// `--env` names an overlay that the file doesn't have.
    #[error("no environment `{name}` in {}{hint}", path.display())]
    UnknownEnvironment {
        /// The name that was asked for.
        name: String,
        /// The settings file.
        path: PathBuf,
        /// The nearest name, and all of them.
        hint: String,
    },
    /// A `--set` without `=`.
    #[error("--set {text}: expected KEY=VALUE, such as --set aws.queue.max_receive_count=5")]
    Override {
        /// The argument as it was given.
        text: String,
    },
    /// A key that doesn't exist, is missing, or has a value of the wrong kind or out of range.
    #[error("{origin}: {key}: {problem}")]
    Key {
        /// Origin of the value: `twincloud.toml:12`, `--set a.b=1` or the name of the variable.
        origin: String,
        /// The dotted key, in backquotes.
        key: String,
        /// The problem, and a correct value.
        problem: String,
    },
}

impl Error {
    /// An error of figment's. `table` finds the place of a table, of which a key is missing.
    pub(super) fn of(error: &figment::Error, table: impl FnOnce(&str) -> String) -> Self {
        let mut keys: Vec<&str> = error.path.iter().map(String::as_str).collect();
        // An item of a list is named by its list.
        keys.retain(|key| key.parse::<usize>().is_err());
        let layer = error.metadata.as_ref();
        let origin = match &error.kind {
            Kind::MissingField(_) => table(&keys.join(".")),
            _ => layer
                .map(|layer| layer.interpolate(&Profile::Default, &error.path))
                .unwrap_or_default(),
        };
        let problem = match &error.kind {
            Kind::UnknownField(field, _) if REMOVED.contains(&field.as_str()) => {
                "this key is gone, as it had no effect that was meant: delete the line".to_owned()
            }
            Kind::UnknownField(field, known) => {
                format!("unknown key{}", nearest(field, known.iter().copied()))
            }
            Kind::UnknownVariant(value, known) => {
                format!("unknown value `{value}`{}", nearest(value, known.iter().copied()))
            }
            Kind::MissingField(field) => {
                keys.push(field);
                "this key is missing".to_owned()
            }
            Kind::InvalidType(found, expected) | Kind::InvalidValue(found, expected) => {
                format!("expected {}, found {}", spoken(expected), described(found))
            }
            other => other.to_string(),
        };
        Self::Key { origin, key: format!("`{}`", keys.join(".")), problem }
    }
}

/// The name of a kind, from serde's.
fn spoken(expected: &str) -> String {
    match expected {
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number from 0".to_owned(),
        "a sequence" => "a list".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other => other.to_owned(),
    }
}

fn described(found: &Actual) -> String {
    match found {
        Actual::Signed(number) => format!("`{number}`"),
        Actual::Unsigned(number) => format!("`{number}`"),
        Actual::Float(number) => format!("`{number}`"),
        Actual::Bool(value) => format!("`{value}`"),
        Actual::Str(text) => format!("the text `{text}`"),
        Actual::Seq => "a list".to_owned(),
        Actual::Map => "a table".to_owned(),
        other => other.to_string(),
    }
}

/// The start of a `--set` argument: a long list would bury the message that follows.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SET_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `; did you mean ...?`, or, where nothing is near, all that there is.
pub(super) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let best = known.iter().map(|&name| (strsim::damerau_levenshtein(wrong, name), name)).min();
    let starts = known.iter().find(|name| wrong.len() >= 3 && name.starts_with(wrong));
    match (starts, best) {
        (Some(name), _) => format!("; did you mean `{name}`?"),
        (None, Some((distance, name))) if distance <= wrong.len().max(3) / 3 => {
            format!("; did you mean `{name}`?")
        }
        _ => format!("; there is: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_argument_is_cut_at_a_whole_character() {
        let long = format!("trading.symbols=[{}]", "\"币USDT\",".repeat(400));
        let shown = shortened(&long);
        assert!(shown.ends_with('…') && shown.chars().count() == 100 + 1, "{shown}");
        assert_eq!(shortened("a.b=1"), "a.b=1");
    }
}
