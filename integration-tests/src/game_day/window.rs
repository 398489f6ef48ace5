//! The days of a game day: whole ones, far in the future, of which neither cloud has a candle yet. No real trades get among
//! them, and since copying always compares the latest hours, they are copied as today's are.

use std::fmt;
use std::ops::Range;

use anyhow::{Context as _, bail};
use candle::{Hour, Interval, Symbol};
use pipeline::ports::CandleStore;
use producer::{Generator, Start};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const DAY_MS: u64 = 86_400_000;
/// Days since 1970: from 2100 to about 7500.
const DAYS: Range<u64> = 47_482..2_000_000;
/// Places to look at. That the first one is taken is not to be expected.
const TRIES: u32 = 100;

/// Whole days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    first_day: u64,
    days: u64,
}

impl Window {
    /// One for so many trades, of which neither of both stores has a candle of `longest`. A seed leads to the same one as
    /// long as it is free.
    pub(super) async fn find<A: CandleStore, G: CandleStore>(
        (aws, gcp): (&A, &G),
        symbol: &Symbol,
        longest: Interval,
        trades: u64,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let read = "read the candles of smoke tests and game days";
        let (aws, gcp) = tokio::join!(aws.scan(symbol, longest), gcp.scan(symbol, longest));
        let candles = aws.context(read)?.into_iter().chain(gcp.context(read)?);
        let taken: Vec<u64> = candles.map(|candle| candle.key().open_time_ms).collect();
        Self::free(&taken, trades, seed)
    }

    fn free(taken_ms: &[u64], trades: u64, seed: u64) -> anyhow::Result<Self> {
        let days = (trades * Generator::MOST_MS_APART).div_ceil(DAY_MS).max(1);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for _ in 0..TRIES {
            let window = Self { first_day: rng.random_range(DAYS), days };
            if !taken_ms.iter().any(|ms| window.range().contains(ms)) {
                return Ok(window);
            }
        }
        bail!("found no {days} days without candles in {TRIES} tries; give another --seed")
    }

    /// In epoch milliseconds.
    pub(super) fn range(&self) -> Range<u64> {
        self.first_day * DAY_MS..(self.first_day + self.days) * DAY_MS
    }

    /// The first trade. Ids are as far apart as times are, so two windows have none in common.
    pub(super) fn start(&self) -> Start {
        let time_ms = self.range().start;
        Start { time_ms, id: time_ms }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.range();
        write!(f, "{} to {}", Hour::at(start), Hour::at(end - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_free_whole_and_large_enough() {
        let window = Window::free(&[], 1_000_000, 7).unwrap();
        assert_eq!(window, Window::free(&[], 1_000_000, 7).unwrap(), "a seed repeats");
        assert_eq!(window.days, 2);
        assert_eq!(window.range().start % DAY_MS, 0);
        let second_day = window.range().start + DAY_MS;
        let other = Window::free(&[second_day], 1_000_000, 7).unwrap();
        assert_ne!(window, other);
        let day = window.range().end;
        assert_eq!(
            Window::free(&[day], 1_000_000, 7).unwrap(),
            window,
            "the day after is not in it"
        );
    }

    #[test]
    fn all_trades_are_in_the_window() {
        let symbol: Symbol = "TWINCLOUDSMOKE".parse().unwrap();
        let window = Window::free(&[], 700_000, 3).unwrap();
        let made = Generator::new(symbol, 700_000, 3).starting(window.start());
        let last = made.last().unwrap().trade;
        assert!(window.range().contains(&last.time_ms));
        assert!(last.id < window.range().end);
    }
}
