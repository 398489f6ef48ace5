//! Candles as a table: one line a candle, commas, no quotes, and after each line `\r\n` (RFC 4180).
//!
//! ```csv
//! BTCUSDT,1723161240000,61837.63000000,61855.37000000,61824.00000000,61828.00000000,12.43238000,…
//! ```
//!
//! The interval is not in the table; a table is of one interval.

use std::fmt::Write;

use crate::Candle;

/// The first line, without its end.
pub const HEADER: &str = concat!(
    "symbol,open_time_ms,open,high,low,close,volume,quote_volume,trades,taker_buy_volume,",
    "first_trade_id,last_trade_id"
);

/// The line end, after the last line too.
pub const LINE_END: &str = "\r\n";

/// A candle's line, without its end.
#[must_use]
pub fn row(candle: &Candle) -> String {
    let key = candle.key();
    format!(
        "{},{},{},{},{},{},{},{},{},{},{},{}",
        key.symbol,
        key.open_time_ms,
        candle.open(),
        candle.high(),
        candle.low(),
        candle.close(),
        candle.volume(),
        candle.quote_volume(),
        candle.trades(),
        candle.taker_buy_volume(),
        candle.first_trade_id(),
        candle.last_trade_id(),
    )
}

/// The whole table, header included, in the order of the candles.
#[must_use]
pub fn table<'c>(candles: impl IntoIterator<Item = &'c Candle>) -> String {
    let mut table = format!("{HEADER}{LINE_END}");
    for candle in candles {
        // Writing to a String cannot fail.
        let _ = write!(table, "{}{LINE_END}", row(candle));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interval, Trade, fold};

    #[test]
    fn a_table_is_a_header_and_a_line_a_candle() {
        let trade = |id, time_ms, price: &str, buyer_is_maker| Trade {
            id,
            time_ms,
            price: price.parse().unwrap(),
            quantity: "0.5".parse().unwrap(),
            buyer_is_maker,
        };
        let trades = [
            trade(7, 60_000, "4", true),
            trade(8, 60_001, "6", false),
            trade(9, 60_002, "3", true),
            trade(10, 60_003, "5", true),
            trade(11, 120_000, "5", true),
        ];
        let candles = fold(&"BTCUSDT".parse().unwrap(), &trades, &[Interval::M1]);
        let expected = "symbol,open_time_ms,open,high,low,close,volume,quote_volume,trades,\
            taker_buy_volume,first_trade_id,last_trade_id\r\n\
            BTCUSDT,60000,4.00000000,6.00000000,3.00000000,5.00000000,2.00000000,\
            9.0000000000000000,4,0.50000000,7,10\r\n\
            BTCUSDT,120000,5.00000000,5.00000000,5.00000000,5.00000000,0.50000000,\
            2.5000000000000000,1,0.00000000,11,11\r\n";
        assert_eq!(table(candles.values()), expected);
    }
}
