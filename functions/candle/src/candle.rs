//! A candle: a pure function of the set of its trades.

use std::fmt::Write as _;

use thiserror::Error;

use crate::{CandleKey, IdRanges, Price, QuoteVolume, Trade, Volume};

/// The number of ranges, or of trades out of order, from which the ids of a batch are added together: adding one in
/// the middle moves all later ranges.
const MANY_RANGES: usize = 4_096;

/// The summary of the trades of one symbol in one window. It carries the ids of the trades that it contains.
///
/// Open and close are the trades with the least and the greatest (time, id), whichever arrived first. Sums are exact
/// and cannot overflow, see [`Trade::MAX_NOTIONAL`]. There is always at least one trade.
///
/// An id must name one trade: of two different trades with one id, the first to arrive counts.
/// would count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candle {
    pub(crate) key: CandleKey,
    pub(crate) open: Edge,
    pub(crate) high: Price,
    pub(crate) low: Price,
    pub(crate) close: Edge,
    pub(crate) volume: Volume,
    pub(crate) quote_volume: QuoteVolume,
    pub(crate) taker_buy_volume: Volume,
    pub(crate) ids: IdRanges,
}

/// The first or last trade of a candle. Ordered by (time, id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) time_ms: u64,
    pub(crate) id: u64,
    pub(crate) price: Price,
}

/// A trade's time is not in the candle's window.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a trade at {time_ms} does not belong to candle {key}")]
pub struct OutsideWindow {
    /// The candle.
    pub key: CandleKey,
    /// The trade's time, in epoch milliseconds.
    pub time_ms: u64,
}

impl Candle {
    /// The candle of one trade.
    pub fn new(key: CandleKey, trade: &Trade) -> Result<Self, OutsideWindow> {
        check_window(&key, trade)?;
        Ok(Self::first(key, trade))
    }

    /// Adds a trade. `false` if the candle has it already; then nothing changes, nor does it on an error.
    pub fn apply(&mut self, trade: &Trade) -> Result<bool, OutsideWindow> {
        check_window(&self.key, trade)?;
        Ok(self.add(trade))
    }

    /// Adds trades and returns how many were new. On an error nothing changes.
    pub fn apply_all(&mut self, trades: &[Trade]) -> Result<usize, OutsideWindow> {
        trades.iter().try_for_each(|trade| check_window(&self.key, trade))?;
        Ok(self.add_all(trades))
    }

    /// The candle of one trade of its window.
    pub(crate) fn first(key: CandleKey, trade: &Trade) -> Self {
        let mut candle = Self {
            key,
            open: Edge::of(trade),
            high: trade.price,
            low: trade.price,
            close: Edge::of(trade),
            volume: Volume::default(),
            quote_volume: QuoteVolume::default(),
            taker_buy_volume: Volume::default(),
            ids: IdRanges::new(),
        };
        candle.add(trade);
        candle
    }

    /// Adds trades of the window and returns how many were new.
    pub(crate) fn add_all(&mut self, trades: &[Trade]) -> usize {
        let in_order = trades.len() < MANY_RANGES || trades.is_sorted_by_key(|trade| trade.id);
        if in_order && self.ids.ranges().len() < MANY_RANGES {
            return trades.iter().map(|trade| usize::from(self.add(trade))).sum();
        }
        let mut by_id: Vec<&Trade> = trades.iter().collect();
        // Stable: of two trades with one id, the first counts.
        by_id.sort_by_key(|trade| trade.id);
        let mut new_ids = IdRanges::new();
        for trade in by_id {
            if !self.ids.contains(trade.id) && new_ids.insert(trade.id) {
                self.sum_up(trade);
            }
        }
        self.ids.add_all(&new_ids);
        usize::try_from(new_ids.count()).unwrap_or(usize::MAX)
    }

    /// Adds a trade of the window, unless the candle has it.
    #[inline]
    fn add(&mut self, trade: &Trade) -> bool {
        let is_new = self.ids.insert(trade.id);
        if is_new {
            self.sum_up(trade);
        }
        is_new
    }

    /// Adds a trade to the sums and edges, but not to the ids.
    #[inline]
    fn sum_up(&mut self, trade: &Trade) {
        let edge = Edge::of(trade);
        self.open = self.open.min(edge);
        self.close = self.close.max(edge);
        self.high = self.high.max(trade.price);
        self.low = self.low.min(trade.price);
        let quantity = u128::from(trade.quantity.units());
        self.volume = Volume::from_units(self.volume.units().saturating_add(quantity));
        self.quote_volume =
            QuoteVolume::from_units(self.quote_volume.units().saturating_add(trade.notional()));
        if !trade.buyer_is_maker {
            self.taker_buy_volume =
                Volume::from_units(self.taker_buy_volume.units().saturating_add(quantity));
        }
    }

    /// The candle's key.
    #[must_use]
    pub const fn key(&self) -> &CandleKey {
        &self.key
    }

    /// The price of the trade with the least (time, id).
    #[must_use]
    pub const fn open(&self) -> Price {
        self.open.price
    }

    /// The highest price.
    #[must_use]
    pub const fn high(&self) -> Price {
        self.high
    }

    /// The lowest price.
    #[must_use]
    pub const fn low(&self) -> Price {
        self.low
    }

    /// The price of the trade with the greatest (time, id).
    #[must_use]
    pub const fn close(&self) -> Price {
        self.close.price
    }

    /// The sum of the quantities.
    #[must_use]
    pub const fn volume(&self) -> Volume {
        self.volume
    }

    /// The sum of price times quantity.
    #[must_use]
    pub const fn quote_volume(&self) -> QuoteVolume {
        self.quote_volume
    }

    /// The sum of the quantities of the trades whose buyer was the taker.
    #[must_use]
    pub const fn taker_buy_volume(&self) -> Volume {
        self.taker_buy_volume
    }

    /// Number of trades; at least one.
    #[must_use]
    pub const fn trades(&self) -> u64 {
        self.ids.count()
    }

    /// The least trade id.
    #[must_use]
    pub fn first_trade_id(&self) -> u64 {
        self.ids.first().unwrap_or_default()
    }

    /// The greatest trade id.
    #[must_use]
    pub fn last_trade_id(&self) -> u64 {
        self.ids.last().unwrap_or_default()
    }

    /// The ids of the trades that the candle contains.
    #[must_use]
    pub const fn ids(&self) -> &IdRanges {
        &self.ids
    }

    /// The candle as one line of JSON, without the line's end: every field, the same bytes for the
    /// same set of trades.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut ids = String::new();
        for range in self.ids.ranges() {
            let comma = if ids.is_empty() { "" } else { "," };
            // Writing to a String cannot fail.
            let _ = write!(ids, "{comma}[{},{}]", range.start(), range.end());
        }
        format!(
            concat!(
                r#"{{"candle":"{}","open":"{}","open_at":[{},{}],"high":"{}","low":"{}","#,
                r#""close":"{}","close_at":[{},{}],"#,
                r#""volume":"{}","quote_volume":"{}","taker_buy_volume":"{}","trades":{},"ids":[{}]}}"#,
            ),
            self.key,
            self.open.price,
            self.open.time_ms,
            self.open.id,
            self.high,
            self.low,
            self.close.price,
            self.close.time_ms,
            self.close.id,
            self.volume,
            self.quote_volume,
            self.taker_buy_volume,
            self.trades(),
            ids,
        )
    }
}

impl Edge {
    const fn of(trade: &Trade) -> Self {
        Self { time_ms: trade.time_ms, id: trade.id, price: trade.price }
    }
}

fn check_window(key: &CandleKey, trade: &Trade) -> Result<(), OutsideWindow> {
    if key.contains(trade.time_ms) {
        Ok(())
    } else {
        Err(OutsideWindow { key: key.clone(), time_ms: trade.time_ms })
    }
}
