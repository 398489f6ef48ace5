//! Folds trades into candles.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::{Candle, CandleKey, Interval, Symbol, Trade};

/// The candles of these trades of one symbol, of every given interval.
///
/// The result depends only on the set of trades, not on their order or repetitions.
#[must_use]
pub fn fold(
    symbol: &Symbol,
    trades: &[Trade],
    intervals: &[Interval],
) -> BTreeMap<CandleKey, Candle> {
    let mut candles = BTreeMap::new();
    fold_into(&mut candles, symbol, trades, intervals);
    candles
}

/// Adds these trades of one symbol to the candles of every given interval, creating candles that
/// are missing.
pub fn fold_into(
    candles: &mut BTreeMap<CandleKey, Candle>,
    symbol: &Symbol,
    trades: &[Trade],
    intervals: &[Interval],
) {
    for (key, run) in runs(symbol, trades, intervals) {
        match candles.entry(key) {
            Entry::Occupied(candle) => {
                candle.into_mut().add_all(run);
            }
            Entry::Vacant(place) => {
                if let [first, rest @ ..] = run {
                    let candle = Candle::first(place.key().clone(), first);
                    place.insert(candle).add_all(rest);
                }
            }
        }
    }
}

/// Groups these trades of one symbol by candle, in the given order. A trade is in one group of each
/// interval.
#[must_use]
pub fn group(
    symbol: &Symbol,
    trades: &[Trade],
    intervals: &[Interval],
) -> BTreeMap<CandleKey, Vec<Trade>> {
    let mut groups = BTreeMap::<_, Vec<Trade>>::new();
    for (key, run) in runs(symbol, trades, intervals) {
        groups.entry(key).or_default().extend_from_slice(run);
    }
    groups
}

/// For each interval, the trades split wherever the window changes: trades mostly come in order, so
/// a candle is looked up once for a run of them instead of for each.
fn runs<'t>(
    symbol: &Symbol,
    trades: &'t [Trade],
    intervals: &[Interval],
) -> impl Iterator<Item = (CandleKey, &'t [Trade])> {
    intervals.iter().flat_map(move |&interval| {
        let window = move |trade: &Trade| interval.open_time_ms(trade.time_ms);
        trades.chunk_by(move |a, b| window(a) == window(b)).filter_map(move |run| {
            let first = run.first()?;
            Some((CandleKey::at(symbol, interval, first.time_ms), run))
        })
    })
}
