//! Packs trades into queue messages of bounded size.

use std::collections::BTreeMap;

use candle::message::Batch;
use candle::{Symbol, Trade};

/// Bounds of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most trades of a message.
    pub max_trades: usize,
    /// The most bytes of an encoded message.
    pub max_bytes: usize,
}

/// An upper bound of one encoded trade: two ids of 20 digits, two decimals of 20, punctuation.
const TRADE_BYTES_MAX: usize = 96;
/// An upper bound of the bytes around the trades.
const ENVELOPE_BYTES_MAX: usize = 64;

/// Collects trades by symbol, and returns a batch when the next trade might not fit.
#[derive(Debug)]
pub struct Batcher {
    capacity: usize,
    open: BTreeMap<Symbol, Vec<Trade>>,
}

impl Batcher {
    /// An empty batcher; a batch can hold at least one trade.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        let by_bytes = limits.max_bytes.saturating_sub(ENVELOPE_BYTES_MAX) / TRADE_BYTES_MAX;
        Self { capacity: limits.max_trades.min(by_bytes).max(1), open: BTreeMap::new() }
    }

    /// Adds a trade; returns its symbol's batch if that is full.
    ///
    /// The same trade may come again, in this batch or another: folding ignores it. A different trade with an id of this
    /// batch starts a new batch: a message with both would be refused as a whole.
    pub fn push(&mut self, symbol: &Symbol, trade: Trade) -> Option<Batch> {
        let trades = self.open.entry(symbol.clone()).or_default();
        let contradicts = |held: &Trade| held.id == trade.id && *held != trade;
        // Ids ascend, except for repeated trades.
        let is_new = trades.last().is_none_or(|last| last.id < trade.id);
        if !is_new && trades.iter().any(contradicts) {
            let trades = std::mem::replace(trades, vec![trade]);
            return Some(Batch { symbol: symbol.clone(), trades });
        }
        trades.push(trade);
        if trades.len() < self.capacity {
            return None;
        }
        Some(Batch { symbol: symbol.clone(), trades: std::mem::take(trades) })
    }

    /// Removes all collected trades, as a batch for each symbol.
    pub fn flush(&mut self) -> impl Iterator<Item = Batch> + use<> {
        let open = std::mem::take(&mut self.open).into_iter();
        let open = open.filter(|(_, trades)| !trades.is_empty());
        open.map(|(symbol, trades)| Batch { symbol, trades })
    }

    /// True if no trade is collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.values().all(Vec::is_empty)
    }

    /// The remaining trades, as a batch for each symbol.
    pub fn finish(mut self) -> impl Iterator<Item = Batch> {
        self.flush()
    }
}

#[cfg(test)]
mod tests {
    use candle::message;

    use super::*;
    use crate::Generator;

    fn batches(count: u64, limits: BatchLimits) -> Vec<Batch> {
        let symbol: Symbol = "BTCUSDT".parse().unwrap();
        let mut batcher = Batcher::new(limits);
        let trades = Generator::new(symbol.clone(), count, 1);
        let mut made: Vec<_> =
            trades.filter_map(|next| batcher.push(&symbol, next.trade)).collect();
        made.extend(batcher.finish());
        made
    }

    #[test]
    fn batches_keep_every_trade_and_both_limits() {
        for limits in [
            BatchLimits { max_trades: 7, max_bytes: 1 << 20 },
            BatchLimits { max_trades: 1000, max_bytes: 2_000 },
            BatchLimits { max_trades: 1, max_bytes: 1 },
        ] {
            let batches = batches(100, limits);
            assert_eq!(batches.iter().map(|batch| batch.trades.len()).sum::<usize>(), 100);
            for batch in batches {
                assert!(batch.trades.len() <= limits.max_trades);
                let bytes = message::encode(&batch).len();
                assert!(bytes <= limits.max_bytes || batch.trades.len() == 1, "{bytes} bytes");
            }
        }
    }

    #[test]
    fn two_trades_with_one_id_are_in_no_message_together() {
        let trades: Vec<_> = Generator::new("BTCUSDT".parse().unwrap(), 5, 1).collect();
        let (symbol, second) = (trades[1].symbol.clone(), trades[1].trade);
        let other = Trade { buyer_is_maker: !second.buyer_is_maker, ..second };
        let mut batcher = Batcher::new(BatchLimits { max_trades: 100, max_bytes: 100_000 });
        let all = trades.iter().map(|made| made.trade).chain([second, other, other]);
        let mut batches: Vec<_> = all.filter_map(|trade| batcher.push(&symbol, trade)).collect();
        batches.extend(batcher.finish());
        let sizes: Vec<_> = batches.iter().map(|batch| batch.trades.len()).collect();
        assert_eq!(sizes, [6, 2], "the same one may come again");
        for batch in batches {
            let read = message::decode(
                message::encode(&batch).as_bytes(),
                &[symbol.clone()].into_iter().collect(),
            );
            assert_eq!(read, Ok(batch));
        }
    }
}
