//! The key of a candle.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::serde_as_text;
use crate::{Interval, Symbol, Trade};

/// The key of one candle. Ordered by symbol, then interval, then time. In the form
/// `BTCUSDT/1m/1723161240000`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CandleKey {
    /// The symbol of its trades.
    pub symbol: Symbol,
    /// The candle's length.
    pub interval: Interval,
    /// The first millisecond of the window, since the epoch; a multiple of the interval.
    pub open_time_ms: u64,
}

impl CandleKey {
    /// The key of the candle that a trade at `time_ms` belongs to.
    #[must_use]
    pub fn at(symbol: &Symbol, interval: Interval, time_ms: u64) -> Self {
        Self { symbol: symbol.clone(), interval, open_time_ms: interval.open_time_ms(time_ms) }
    }

    /// True if a trade of this symbol at `time_ms` belongs to this candle.
    #[must_use]
    pub const fn contains(&self, time_ms: u64) -> bool {
        self.interval.open_time_ms(time_ms) == self.open_time_ms
    }

    /// True if the open time is the start of a window of this interval.
    pub(crate) const fn is_aligned(&self) -> bool {
        self.contains(self.open_time_ms) && self.open_time_ms <= Trade::MAX_TIME_MS
    }
}

impl fmt::Display for CandleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.symbol, self.interval, self.open_time_ms)
    }
}

/// A text is not a [`CandleKey`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a candle key is SYMBOL/INTERVAL/OPEN_TIME_MS, such as BTCUSDT/1m/1723161240000")]
pub struct KeyError;

/// Accepts exactly the output of `Display`: an unaligned time or a leading zero is an error.
impl FromStr for CandleKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(KeyError);
        let key = Self {
            symbol: part()?.parse().map_err(|_| KeyError)?,
            interval: part()?.parse().map_err(|_| KeyError)?,
            open_time_ms: part()?.parse().map_err(|_| KeyError)?,
        };
        if key.is_aligned() && key.to_string() == text { Ok(key) } else { Err(KeyError) }
    }
}

serde_as_text!(CandleKey, "a candle key such as BTCUSDT/1m/1723161240000");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_round_trips_as_text() {
        let symbol = Symbol::parse("BTCUSDT").unwrap();
        let key = CandleKey::at(&symbol, Interval::M1, 1_723_161_255_342);
        assert_eq!(key.to_string(), "BTCUSDT/1m/1723161240000");
        assert_eq!(key.to_string().parse(), Ok(key));
    }

    #[test]
    fn other_texts_are_no_keys() {
        for text in [
            "",
            "BTCUSDT",
            "BTCUSDT/1m",
            "BTCUSDT/1m/1",
            "BTCUSDT/1m/060000",
            "BTCUSDT/1m/60000/",
            "b/1m/0",
        ] {
            assert_eq!(text.parse::<CandleKey>(), Err(KeyError), "{text}");
        }
    }
}
