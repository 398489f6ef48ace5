//! Generates trades from a seed, in Binance's wire format.

use candle::{Price, Quantity, Symbol, Trade, binance};
use rand::{RngExt as _, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::recording::SourceTrade;

/// 2024-01-01 23:57:30 UTC: shortly before the end of an hour and a day.
const START_MS: u64 = 1_704_153_450_000;
const FIRST_ID: u64 = 3_400_000_000;
const TICK_UNITS: u64 = 1_000_000;
const LOT_UNITS: u64 = 1_000;

/// The first generated trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// A lower bound of its time, in epoch milliseconds.
    pub time_ms: u64,
    /// Its id.
    pub id: u64,
}

/// A market of one symbol: contiguous ids, times that never run back, a price that walks by ticks of 0.01.
///
/// One seed gives one sequence, on every machine and in every release.
#[derive(Debug)]
pub struct Generator {
    symbol: Symbol,
    rng: ChaCha8Rng,
    left: u64,
    next_id: u64,
    time_ms: u64,
    price_units: u64,
}

impl Generator {
    /// An upper bound, exclusive, of the time between two successive trades, in milliseconds.
    pub const MOST_MS_APART: u64 = 140;

    /// `count` trades of `symbol`.
    #[must_use]
    pub fn new(symbol: Symbol, count: u64, seed: u64) -> Self {
        let rng = ChaCha8Rng::seed_from_u64(seed);
        let price_units = 6_000_000_000_000;
        Self { symbol, rng, left: count, next_id: FIRST_ID, time_ms: START_MS, price_units }
    }

    /// The same trades with other times and ids.
    #[must_use]
    pub fn starting(self, start: Start) -> Self {
        Self { time_ms: start.time_ms, next_id: start.id, ..self }
    }

    /// The frame that Binance would send for a trade.
    #[must_use]
    pub fn frame(made: &SourceTrade) -> String {
        binance::encode_combined(&made.symbol, &made.trade, made.trade.time_ms + 1)
    }

    /// The row of `historicalTrades` that Binance would answer for a trade.
    #[must_use]
    pub fn row(made: &SourceTrade) -> String {
        let Trade { id, time_ms, price, quantity, buyer_is_maker } = made.trade;
        format!(
            r#"{{"id":{id},"price":"{price}","qty":"{quantity}","quoteQty":"0","time":{time_ms},"isBuyerMaker":{buyer_is_maker},"isBestMatch":true}}"#
        )
    }

    fn next_trade(&mut self) -> Option<Trade> {
        // Real trades come in bursts: half of them in the millisecond of the one before.
        if self.rng.random_bool(0.5) {
            self.time_ms += self.rng.random_range(0..Self::MOST_MS_APART);
        }
        let step = self.rng.random_range(0..=200) * TICK_UNITS;
        self.price_units = if self.rng.random_bool(0.5) {
            self.price_units.saturating_add(step)
        } else {
            self.price_units.saturating_sub(step).max(1_000 * TICK_UNITS)
        };
        let magnitude = self.rng.random_range(1..=6);
        let lots = self.rng.random_range(1..=10_u64.pow(magnitude));
        let trade = Trade {
            id: self.next_id,
            time_ms: self.time_ms,
            price: Price::from_units(self.price_units).ok()?,
            quantity: Quantity::from_units(lots * LOT_UNITS).ok()?,
            buyer_is_maker: self.rng.random_bool(0.5),
        };
        self.next_id += 1;
        Some(trade)
    }
}

impl Iterator for Generator {
    type Item = SourceTrade;

    fn next(&mut self) -> Option<SourceTrade> {
        self.left = self.left.checked_sub(1)?;
        let trade = self.next_trade()?;
        Some(SourceTrade { symbol: self.symbol.clone(), trade })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trades(seed: u64) -> Vec<SourceTrade> {
        Generator::new("BTCUSDT".parse().unwrap(), 5_000, seed).collect()
    }

    #[test]
    fn a_seed_repeats_and_two_seeds_differ() {
        assert_eq!(trades(3), trades(3));
        assert_ne!(trades(3), trades(4));
    }

    #[test]
    fn the_market_is_one_that_binance_could_have() {
        let trades = trades(9);
        assert_eq!(trades.len(), 5_000);
        for pair in trades.windows(2) {
            assert_eq!(pair[1].trade.id, pair[0].trade.id + 1);
            assert!(pair[1].trade.time_ms >= pair[0].trade.time_ms);
        }
        for made in &trades {
            let frame = Generator::frame(made);
            let decoded = binance::decode(frame.as_bytes()).unwrap();
            let binance::Frame::Trade { symbol, trade } = decoded else { panic!("{frame}") };
            assert_eq!(SourceTrade { symbol, trade }, *made);
        }
        let days = trades.iter().map(|made| made.trade.time_ms / 86_400_000);
        assert!(days.clone().max() > days.min(), "the sequence crosses midnight");
    }
}
