//! An hour of the calendar.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use time::{Date, OffsetDateTime};

use crate::text::serde_as_text;

/// One hour in UTC, counted from the epoch; in the years 1970 to 9999. Written `2024-08-08T23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(u32);

impl Hour {
    /// The length of an hour, in milliseconds.
    pub const DURATION_MS: u64 = 3_600_000;

    /// The last hour of the year 9999.
    const MAX: u32 = 70_389_527;

    /// The hour of `time_ms`; after the year 9999, the last one.
    #[must_use]
    pub fn at(time_ms: u64) -> Self {
        let hours = u32::try_from(time_ms / Self::DURATION_MS).unwrap_or(Self::MAX);
        Self(hours.min(Self::MAX))
    }

    /// The first millisecond, since the epoch.
    #[must_use]
    pub const fn start_ms(self) -> u64 {
        // Widens; `u64::from` is not const.
        self.0 as u64 * Self::DURATION_MS
    }

    /// The next hour, if it is in the year 9999 or before.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        (self.0 < Self::MAX).then(|| Self(self.0 + 1))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::from(self.0) * 3_600;
        let time =
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day, hour) =
            (time.year(), u8::from(time.month()), time.day(), time.hour());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}")
    }
}

/// A text is not an [`Hour`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an hour such as 2024-08-08T23")]
pub struct HourError;

/// Accepts exactly the output of `Display`.
impl FromStr for Hour {
    type Err = HourError;

    fn from_str(text: &str) -> Result<Self, HourError> {
        let parsed = parse(text).ok_or(HourError)?;
        if parsed.to_string() == text { Ok(parsed) } else { Err(HourError) }
    }
}

fn parse(text: &str) -> Option<Hour> {
    let (date, hour) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let month = month.parse::<u8>().ok()?.try_into().ok()?;
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let seconds = date.with_hms(hour.parse().ok()?, 0, 0).ok()?.assume_utc().unix_timestamp();
    Some(Hour(u32::try_from(seconds / 3_600).ok()?))
}

serde_as_text!(Hour, "an hour such as 2024-08-08T23");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Trade;

    #[test]
    fn hours_are_those_of_the_calendar() {
        for (time_ms, text) in [
            (0, "1970-01-01T00"),
            (951_825_599_999, "2000-02-29T11"),
            (1_723_161_255_342, "2024-08-08T23"),
            (4_107_542_400_000, "2100-03-01T00"),
            (Trade::MAX_TIME_MS, "9999-12-31T23"),
        ] {
            let hour = Hour::at(time_ms);
            assert_eq!(hour.to_string(), text);
            assert_eq!(text.parse(), Ok(hour));
            assert!((hour.start_ms()..hour.start_ms() + Hour::DURATION_MS).contains(&time_ms));
        }
        assert_eq!(Hour::at(u64::MAX), Hour::at(Trade::MAX_TIME_MS));
        assert_eq!(Hour::at(Trade::MAX_TIME_MS).next(), None);
        assert_eq!(Hour::at(0).next(), Some(Hour::at(Hour::DURATION_MS)));
        let last_but_one = Hour::at(Trade::MAX_TIME_MS - Hour::DURATION_MS);
        assert_eq!(last_but_one.next(), Some(Hour::at(Trade::MAX_TIME_MS)));
    }

    #[test]
    fn other_texts_are_no_hours() {
        let texts = [
            "",
            "2024-08-08",
            "2024-8-8T23",
            "2024-08-08T24",
            "2023-02-29T00",
            "1969-12-31T23",
            "2024-08-08T+1",
        ];
        for text in texts {
            assert_eq!(text.parse::<Hour>(), Err(HourError), "{text}");
        }
    }
}
