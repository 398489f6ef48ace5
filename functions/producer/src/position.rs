//! How far into its source a producer is, so that the next one goes on from there.

use std::collections::BTreeMap;

use candle::Symbol;
use serde::{Deserialize, Serialize};

/// A place in a source, kept beside the spool. Everything before it is spooled; some of what comes after it may be, and
/// is sent again then, which changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// What the source is, with its symbols: of another one this says nothing.
    pub source: String,
    /// Trades from the start of the source such that all of them are spooled.
    pub taken: u64,
    /// The greatest id that is spooled, by symbol.
    pub last_ids: BTreeMap<Symbol, u64>,
}

impl Position {
    /// The start of `source`.
    #[must_use]
    pub fn start(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Reads what [`Position::text`] wrote, if it is of the same source.
    #[must_use]
    pub fn parse(text: &str, source: &str) -> Option<Self> {
        let position: Self = serde_json::from_str(text).ok()?;
        (position.source == source).then_some(position)
    }

    /// As a line of JSON.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_one_source() {
        let last_ids = BTreeMap::from([("BTCUSDT".parse().unwrap(), 7)]);
        let position = Position { source: "a".to_owned(), taken: 3, last_ids };
        assert_eq!(Position::parse(&position.text(), "a"), Some(position.clone()));
        assert_eq!(Position::parse(&position.text(), "b"), None);
        assert_eq!(Position::parse("", "a"), None);
    }
}
