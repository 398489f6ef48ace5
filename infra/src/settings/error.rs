//! Errors of the settings, each saying where the value stands and what would be right.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file isn't there or can't be read.
    #[error("read the settings file {}: {cause}; run from the root of the workspace, or name the file", path.display())]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file isn't TOML.
    #[error("{origin}: not valid TOML: {problem}")]
    Syntax {
        /// Where parsing stopped.
        origin: Origin,
        /// What the parser said.
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
        /// Where the value comes from.
        origin: Origin,
        /// The dotted key, in backquotes.
        key: String,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

/// Where a value comes from. Prints as `twincloud.toml:12`, `--set a.b=1` or the name of the variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A line of the settings file.
    File {
        /// The file as the caller named it.
        path: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// A `--set` argument.
    Set(Arc<str>),
    /// An environment variable.
    Variable(Arc<str>),
}

/// Characters of a `--set` argument that an error shows.
const SET_CHARS_MAX: usize = 100;

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Set(text) => match text.char_indices().nth(SET_CHARS_MAX) {
                // A long list would bury the message that follows.
                Some((end, _)) => write!(f, "--set {}…", &text[..end]),
                None => write!(f, "--set {text}"),
            },
            Self::Variable(name) => f.write_str(name),
        }
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
        let shown = Origin::Set(long.as_str().into()).to_string();
        assert!(shown.ends_with('…') && shown.chars().count() == 6 + 100 + 1, "{shown}");
        assert_eq!(Origin::Set("a.b=1".into()).to_string(), "--set a.b=1");
    }
}
