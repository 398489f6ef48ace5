//! The names of archive objects.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::Hour;
use crate::text::serde_as_text;
use crate::{Symbol, Trade};

/// The name of an archive object. Ordered by symbol, then hour, then ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The symbol of its trades.
    pub symbol: Symbol,
    /// The hour of all its trades.
    pub hour: Hour,
    /// The least id.
    pub first_id: u64,
    /// The greatest id.
    pub last_id: u64,
    /// The first 64 bits of the SHA-256 of the content.
    pub hash: u64,
}

impl ObjectName {
    /// The common prefix of all names.
    pub const ROOT: &str = "trades/v1/";

    /// The common prefix of a symbol's names: `trades/v1/BTCUSDT/`.
    #[must_use]
    pub fn symbol_prefix(symbol: &Symbol) -> String {
        format!("{}{symbol}/", Self::ROOT)
    }

    /// The common prefix of a symbol's names in one hour: `trades/v1/BTCUSDT/2024-08-08T23/`.
    #[must_use]
    pub fn hour_prefix(symbol: &Symbol, hour: Hour) -> String {
        format!("{}{symbol}/{hour}/", Self::ROOT)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symbol, hour, first_id, last_id, hash } = self;
        write!(f, "{}{symbol}/{hour}/{first_id}-{last_id}-{hash:016x}.jsonl.gz", Self::ROOT)
    }
}

/// The wrong part of a text that is not an [`ObjectName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not the name of an archive object: its {part} is wrong")]
pub struct NameError {
    /// The part, such as `hour`.
    pub part: &'static str,
}

/// Accepts exactly the output of `Display`.
impl FromStr for ObjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = |part| NameError { part };
        let path = text.strip_prefix(Self::ROOT).ok_or(wrong("beginning"))?;
        let path = path.strip_suffix(".jsonl.gz").ok_or(wrong("ending"))?;
        let (symbol, path) = path.split_once('/').ok_or(wrong("symbol"))?;
        let (hour, path) = path.split_once('/').ok_or(wrong("hour"))?;
        let (first_id, path) = path.split_once('-').ok_or(wrong("first id"))?;
        let (last_id, hash) = path.split_once('-').ok_or(wrong("last id"))?;
        let name = Self {
            symbol: symbol.parse().map_err(|_| wrong("symbol"))?,
            hour: hour.parse().map_err(|_| wrong("hour"))?,
            first_id: first_id.parse().map_err(|_| wrong("first id"))?,
            last_id: last_id.parse().map_err(|_| wrong("last id"))?,
            hash: u64::from_str_radix(hash, 16).map_err(|_| wrong("hash"))?,
        };
        if name.first_id > name.last_id || name.last_id > Trade::MAX_ID {
            return Err(wrong("last id"));
        }
        if name.to_string() == text { Ok(name) } else { Err(wrong("spelling")) }
    }
}

serde_as_text!(ObjectName, "the name of an archive object");

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str =
        "trades/v1/BTCUSDT/2024-08-08T23/3735683259-3735692996-0123456789abcdef.jsonl.gz";

    #[test]
    fn a_name_round_trips() {
        let name: ObjectName = NAME.parse().unwrap();
        assert_eq!(name.to_string(), NAME);
        assert_eq!(
            (name.first_id, name.last_id, name.hash),
            (3_735_683_259, 3_735_692_996, 0x0123_4567_89ab_cdef)
        );
        let hour_prefix = ObjectName::hour_prefix(&name.symbol, name.hour);
        assert_eq!(hour_prefix, "trades/v1/BTCUSDT/2024-08-08T23/");
        assert_eq!(ObjectName::symbol_prefix(&name.symbol), "trades/v1/BTCUSDT/");
    }

    #[test]
    fn another_text_names_the_wrong_part() {
        for (from, to, part) in [
            ("trades/v1", "trades/v2", "beginning"),
            (".gz", "", "ending"),
            ("BTCUSDT", "btcusdt", "symbol"),
            ("T23", "T24", "hour"),
            ("3735683259", "-1", "first id"),
            ("3735692996", "1", "last id"),
            ("3735692996", "9223372036854775808", "last id"),
            ("0123456789abcdef", "xyz", "hash"),
            ("0123456789abcdef", "0123456789ABCDEF", "spelling"),
            ("3735683259", "03735683259", "spelling"),
            ("0123456789abcdef", "+123456789abcdef", "spelling"),
        ] {
            let text = NAME.replace(from, to);
            assert_eq!(text.parse::<ObjectName>(), Err(NameError { part }), "{text}");
        }
    }
}
