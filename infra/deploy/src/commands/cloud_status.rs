//! The state of one cloud, as `status` shows it.

use std::fmt;

use anyhow::Context as _;
use candle::Symbol;
use cli::Failure;
use pipeline::ports::CandleStore;
use serde::Serialize;

use super::site::DeployContext;

/// The text for a function that has no peer.
pub(super) const NO_PEER: &str = "no peer";

/// One cloud. A value that can't be read is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CloudStatus {
    /// The stack's status, as the engine names it; `None`: not deployed.
    pub stack: Option<String>,
    /// The functions and their versions, `NAME VERSION`.
    pub functions: Vec<String>,
    /// The source of its replication, or that it has none; `None` if it doesn't replicate, or if that can't be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicate: Option<String>,
    /// Messages in the queue, including those being processed.
    pub queue_depth: Option<u64>,
    /// Messages that could not be processed.
    pub dead_letters: Option<u64>,
    /// The newest trade in a candle, for each symbol.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) last_candles: Vec<LastCandle>,
    /// Resources with drift.
    pub drift: Option<usize>,
    /// Errors of values that could not be read.
    pub problems: Vec<String>,
}

/// The newest candle of a symbol, of the longest interval.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LastCandle {
    pub(super) symbol: String,
    pub(super) interval: String,
    /// Its open time, in RFC 3339.
    pub(super) opened: String,
    /// The greatest id of a trade in it.
    pub(super) last_trade_id: u64,
    /// Trades in it.
    pub(super) trades: u64,
}

impl fmt::Display for LastCandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { symbol, interval, opened, last_trade_id, trades } = self;
        write!(f, "{symbol} {interval} {opened}, {trades} trades, the last is {last_trade_id}")
    }
}

impl CloudStatus {
    /// Returns a value that could be read, and records the error of one that could not.
    pub fn take<T>(&mut self, found: Result<T, Failure>) -> Option<T> {
        match found {
            Ok(value) => Some(value),
            Err(failure) => {
                self.problems.push(failure.to_string());
                None
            }
        }
    }
}

/// The newest candle of each symbol, of the longest interval, which has few candles to read.
pub(super) async fn last_candles<S: CandleStore>(
    site: &DeployContext,
    store: &S,
) -> Result<Vec<LastCandle>, Failure> {
    let Some(interval) = site.intervals()?.pop() else { return Ok(Vec::new()) };
    let mut last = Vec::new();
    for symbol in &site.settings.trading.symbols {
        let symbol = Symbol::parse(symbol).context("read trading.symbols")?;
        let candles = store.scan(&symbol, interval).await?;
        let Some(candle) = candles.last() else { continue };
        last.push(LastCandle {
            symbol: symbol.to_string(),
            interval: interval.to_string(),
            opened: time(candle.key().open_time_ms),
            last_trade_id: candle.last_trade_id(),
            trades: candle.ids().count(),
        });
    }
    Ok(last)
}

fn time(epoch_ms: u64) -> String {
    let ms = i64::try_from(epoch_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| epoch_ms.to_string(), |at| at.to_string())
}
