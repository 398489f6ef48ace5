//! The lengths of candles.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::serde_as_text;

/// The length of a candle. Windows are aligned to the epoch, so each one lies within one window of
/// every longer interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interval {
    /// One minute, `1m`.
    M1,
    /// Five minutes, `5m`.
    M5,
    /// A quarter of an hour, `15m`.
    M15,
    /// One hour, `1h`.
    H1,
    /// One day (UTC), `1d`.
    D1,
}

impl Interval {
    /// Every interval, the shortest first.
    pub const ALL: [Self; 5] = [Self::M1, Self::M5, Self::M15, Self::H1, Self::D1];

    /// The name: `1m`, `5m`, `15m`, `1h` or `1d`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::M1 => "1m",
            Self::M5 => "5m",
            Self::M15 => "15m",
            Self::H1 => "1h",
            Self::D1 => "1d",
        }
    }

    /// The length of a window, in milliseconds.
    #[must_use]
    pub const fn duration_ms(self) -> u64 {
        const MINUTE_MS: u64 = 60_000;
        match self {
            Self::M1 => MINUTE_MS,
            Self::M5 => 5 * MINUTE_MS,
            Self::M15 => 15 * MINUTE_MS,
            Self::H1 => 60 * MINUTE_MS,
            Self::D1 => 24 * 60 * MINUTE_MS,
        }
    }

    /// The first millisecond of the window in which `time_ms` lies.
    #[must_use]
    pub const fn open_time_ms(self, time_ms: u64) -> u64 {
        time_ms - time_ms % self.duration_ms()
    }
}

/// A text is not the name of an [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an interval: 1m, 5m, 15m, 1h or 1d")]
pub struct IntervalError;

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or(IntervalError)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

serde_as_text!(Interval, "an interval: 1m, 5m, 15m, 1h or 1d");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for interval in Interval::ALL {
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        assert_eq!("2m".parse::<Interval>(), Err(IntervalError));
    }

    #[test]
    fn windows_are_aligned_and_nested() {
        let time_ms = 1_723_161_255_342;
        assert_eq!(Interval::M1.open_time_ms(time_ms), 1_723_161_240_000);
        assert_eq!(Interval::D1.open_time_ms(time_ms), 1_723_075_200_000);
        for pair in Interval::ALL.windows(2) {
            assert_eq!(pair[1].duration_ms() % pair[0].duration_ms(), 0);
        }
    }
}
