//! Candles recomputed from the published frames, by separate and simple code.
//!
//! Shares nothing with the crate `candle`: its own parsing, decimal arithmetic from a library, one map. Slow and
//! obvious on purpose.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bigdecimal::BigDecimal;
use serde_json::Value;

/// The header of the rows.
pub const HEADER: &str = "symbol,open_time_ms,open,high,low,close,volume,quote_volume,trades,taker_buy_volume,first_trade_id,last_trade_id";

/// One trade as published.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedTrade {
    /// `s`
    pub symbol: String,
    /// `t`
    pub id: u64,
    /// `T`
    pub time_ms: u64,
    /// `p`
    pub price: BigDecimal,
    /// `q`
    pub quantity: BigDecimal,
    /// `m`
    pub buyer_is_maker: bool,
}

/// Distinct trades by symbol and id.
pub type PublishedTrades = BTreeMap<(String, u64), PublishedTrade>;

/// Reads frames, one a line; a trade that was published several times counts once.
pub fn parse(frames: &str) -> anyhow::Result<PublishedTrades> {
    let mut trades = BTreeMap::new();
    for line in frames.lines() {
        let trade = parse_frame(line).with_context(|| format!("frame {line}"))?;
        trades.insert((trade.symbol.clone(), trade.id), trade);
    }
    Ok(trades)
}

fn parse_frame(line: &str) -> anyhow::Result<PublishedTrade> {
    let frame: Value = serde_json::from_str(line)?;
    // A combined stream wraps the frame of a raw one.
    let value = |key: &str| frame["data"].get(key).unwrap_or(&frame[key]);
    let text = |key: &str| value(key).as_str().with_context(|| format!("no text {key}"));
    let number = |key: &str| value(key).as_u64().with_context(|| format!("no number {key}"));
    let time = number("T")?;
    Ok(PublishedTrade {
        symbol: text("s")?.to_owned(),
        id: number("t")?,
        // 16 digits are microseconds, as a stream has them that was asked for them.
        time_ms: if time < 1_000_000_000_000_000 { time } else { time / 1_000 },
        price: text("p")?.parse()?,
        quantity: text("q")?.parse()?,
        buyer_is_maker: value("m").as_bool().context("no boolean m")?,
    })
}

/// The candles of `trades` in windows of `window_ms`, as CSV with a header and the line ends of RFC 4180.
#[must_use]
pub fn candles_csv(trades: &PublishedTrades, window_ms: u64) -> String {
    let mut windows: BTreeMap<(&str, u64), Vec<&PublishedTrade>> = BTreeMap::new();
    for trade in trades.values() {
        let open_time_ms = trade.time_ms / window_ms * window_ms;
        windows.entry((&trade.symbol, open_time_ms)).or_default().push(trade);
    }
    let mut csv = format!("{HEADER}\r\n");
    for ((symbol, open_time_ms), trades) in windows {
        csv.push_str(&row(symbol, open_time_ms, trades));
    }
    csv
}

fn row(symbol: &str, open_time_ms: u64, mut trades: Vec<&PublishedTrade>) -> String {
    trades.sort_by_key(|trade| (trade.time_ms, trade.id));
    let prices = || trades.iter().map(|trade| &trade.price);
    let volume: BigDecimal = trades.iter().map(|trade| &trade.quantity).sum();
    let quote_volume: BigDecimal = trades.iter().map(|t| &t.price * &t.quantity).sum();
    let taker_buy_volume: BigDecimal =
        trades.iter().filter(|trade| !trade.buyer_is_maker).map(|trade| &trade.quantity).sum();
    let columns = [
        symbol.to_owned(),
        open_time_ms.to_string(),
        decimal(trades.first().map(|trade| &trade.price), 8),
        decimal(prices().max(), 8),
        decimal(prices().min(), 8),
        decimal(trades.last().map(|trade| &trade.price), 8),
        decimal(Some(&volume), 8),
        decimal(Some(&quote_volume), 16),
        trades.len().to_string(),
        decimal(Some(&taker_buy_volume), 8),
        trades.iter().map(|trade| trade.id).min().unwrap_or_default().to_string(),
        trades.iter().map(|trade| trade.id).max().unwrap_or_default().to_string(),
    ];
    columns.join(",") + "\r\n"
}

fn decimal(value: Option<&BigDecimal>, places: i64) -> String {
    value.map(|value| value.with_scale(places).to_plain_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: u64, time_ms: u64, price: &str, quantity: &str, maker: bool) -> String {
        format!(
            r#"{{"data":{{"e":"trade","s":"BTCUSDT","t":{id},"T":{time_ms},"p":"{price}","q":"{quantity}","m":{maker}}}}}"#
        )
    }

    #[test]
    fn a_candle_worked_out_by_hand() {
        // Arrival is not the order of time; trade 3 comes twice; trade 4 opens the next minute.
        let frames = [
            frame(3, 59_999, "10.5", "2", true),
            frame(1, 1_000, "10", "0.1", false),
            frame(2, 1_000, "9.25", "1", true),
            frame(3, 59_999, "10.5", "2", true),
            // As a raw stream sends it.
            r#"{"e":"trade","s":"BTCUSDT","t":4,"T":60000,"p":"11","q":"3","m":false}"#.to_owned(),
        ];
        let trades = parse(&frames.join("\n")).unwrap();
        let expected = format!(
            "{HEADER}\r\n\
             BTCUSDT,0,10.00000000,10.50000000,9.25000000,10.50000000,3.10000000,31.2500000000000000,3,0.10000000,1,3\r\n\
             BTCUSDT,60000,11.00000000,11.00000000,11.00000000,11.00000000,3.00000000,33.0000000000000000,1,3.00000000,4,4\r\n"
        );
        assert_eq!(candles_csv(&trades, 60_000), expected);
    }
}
