//! Checks that some set of trades makes a candle.

use super::RecordError;
use crate::candle::Edge;
use crate::{Candle, Quantity, Trade};

/// Checks everything that holds of every candle. The last three arguments are stored, but follow
/// from the ids.
pub(super) fn check(
    candle: &Candle,
    trades: u64,
    first_id: u64,
    last_id: u64,
) -> Result<(), RecordError> {
    check_ids(candle, trades, first_id, last_id)?;
    check_window(candle)?;
    check_prices(candle)?;
    check_sums(candle)
}

fn check_ids(candle: &Candle, trades: u64, first_id: u64, last_id: u64) -> Result<(), RecordError> {
    let ids = &candle.ids;
    require(
        !ids.is_empty() && candle.last_trade_id() <= Trade::MAX_ID,
        "ids",
        "one id or more, none above the limit",
    )?;
    require(trades == ids.count(), "trades", "the number of ids")?;
    require(Some(first_id) == ids.first(), "first_trade_id", "the least of the ids")?;
    require(Some(last_id) == ids.last(), "last_trade_id", "the greatest of the ids")?;
    require(ids.contains(candle.open.id), "open_trade_id", "one of the ids")?;
    require(ids.contains(candle.close.id), "close_trade_id", "one of the ids")
}

fn check_window(candle: &Candle) -> Result<(), RecordError> {
    let Candle { key, open, close, .. } = candle;
    require(key.is_aligned(), "open_time_ms", "a multiple of the interval")?;
    require(key.contains(open.time_ms), "open_trade_time_ms", "within the window")?;
    require(key.contains(close.time_ms), "close_trade_time_ms", "within the window")?;
    let by_time = |edge: &Edge| (edge.time_ms, edge.id);
    let is_one = candle.trades() == 1;
    require(by_time(open) <= by_time(close), "close_trade_time_ms", "at or after the open")?;
    require(
        (by_time(open) == by_time(close)) == is_one,
        "close_trade_id",
        "apart from the open, unless there is one trade",
    )
}

fn check_prices(candle: &Candle) -> Result<(), RecordError> {
    let Candle { open, high, low, close, .. } = candle;
    let range = *low..=*high;
    require(low <= high, "low", "at or below the high")?;
    require(range.contains(&open.price), "open", "between low and high")?;
    require(range.contains(&close.price), "close", "between low and high")?;
    let is_edge = |price| price == open.price || price == close.price;
    let is_two = candle.trades() <= 2;
    require(!is_two || (is_edge(*high) && is_edge(*low)), "high", "that of one of the trades")?;
    require(
        candle.trades() > 1 || open.price == close.price,
        "close",
        "the open, though there is one trade",
    )
}

fn check_sums(candle: &Candle) -> Result<(), RecordError> {
    let trades = u128::from(candle.trades());
    let volume = candle.volume.units();
    let quote = candle.quote_volume.units();
    let most = trades.saturating_mul(u128::from(Quantity::MAX.units()));
    require((trades..=most).contains(&volume), "volume", "the sum of as many quantities")?;
    require(candle.taker_buy_volume.units() <= volume, "taker_buy_volume", "at most the volume")?;
    // Beyond 128 bits the product is above every quote volume.
    let times_volume = |price: u64| u128::from(price).saturating_mul(volume);
    let bounds = times_volume(candle.low.units())..=times_volume(candle.high.units());
    require(bounds.contains(&quote), "quote_volume", "volume times a price between low and high")?;
    require(
        quote <= trades.saturating_mul(Trade::MAX_NOTIONAL),
        "quote_volume",
        "within the limit of its trades",
    )
}

fn require(holds: bool, field: &'static str, expected: &'static str) -> Result<(), RecordError> {
    if holds { Ok(()) } else { Err(RecordError::Inconsistent { field, expected }) }
}
