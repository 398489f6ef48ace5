//! A candle depends only on the set of its trades.

use std::collections::{BTreeMap, BTreeSet};

use candle::{Candle, CandleKey, Interval, Trade, fold, fold_into, group};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::strategies::{btcusdt, near_trades};

/// Trades, and the same trades shuffled, some of them repeated, cut into batches.
fn resent() -> impl Strategy<Value = (Vec<Trade>, Vec<Vec<Trade>>)> {
    (near_trades(), vec(any::<Index>(), 0..40), vec(any::<Index>(), 0..6))
        .prop_flat_map(|(trades, again, cuts)| {
            let mut sent = trades.clone();
            sent.extend(again.iter().map(|index| *index.get(&trades)));
            (Just(trades), Just(sent).prop_shuffle(), Just(cuts))
        })
        .prop_map(|(trades, sent, cuts)| {
            let mut cuts: BTreeSet<usize> = cuts.iter().map(|cut| cut.index(sent.len())).collect();
            cuts.extend([0, sent.len()]);
            let cuts: Vec<usize> = cuts.into_iter().collect();
            let batches = cuts.windows(2).map(|cut| sent[cut[0]..cut[1]].to_vec()).collect();
            (trades, batches)
        })
}

fn canonical(candles: &BTreeMap<CandleKey, Candle>) -> Vec<String> {
    candles.values().map(Candle::canonical).collect()
}

/// A candle's canonical line, computed without the crate's arithmetic.
fn model(key: &CandleKey, trades: &[&Trade]) -> String {
    let by_time = |trade: &&&Trade| (trade.time_ms, trade.id);
    let open = trades.iter().min_by_key(by_time).unwrap();
    let close = trades.iter().max_by_key(by_time).unwrap();
    let sum = |trades: &[&Trade]| -> u128 {
        trades.iter().map(|trade| u128::from(trade.quantity.units())).sum()
    };
    let point = |units: u128, decimals: usize| {
        let digits = format!("{units:0>width$}", width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        format!("{whole}.{fraction}")
    };
    let quote: u128 = trades
        .iter()
        .map(|trade| u128::from(trade.price.units()) * u128::from(trade.quantity.units()))
        .sum();
    let bought: Vec<&Trade> =
        trades.iter().copied().filter(|trade| !trade.buyer_is_maker).collect();
    let ids: BTreeSet<u64> = trades.iter().map(|trade| trade.id).collect();
    let mut ranges: Vec<[u64; 2]> = Vec::new();
    for id in &ids {
        match ranges.last_mut() {
            Some([_, last]) if *last + 1 == *id => *last = *id,
            _ => ranges.push([*id, *id]),
        }
    }
    format!(
        concat!(
            r#"{{"candle":"{}","open":"{}","open_at":[{},{}],"high":"{}","low":"{}","close":"{}","#,
            r#""close_at":[{},{}],"volume":"{}","quote_volume":"{}","taker_buy_volume":"{}","trades":{},"ids":{}}}"#,
        ),
        key,
        open.price,
        open.time_ms,
        open.id,
        trades.iter().map(|trade| trade.price).max().unwrap(),
        trades.iter().map(|trade| trade.price).min().unwrap(),
        close.price,
        close.time_ms,
        close.id,
        point(sum(trades), 8),
        point(quote, 16),
        point(sum(&bought), 8),
        ids.len(),
        serde_json::to_string(&ranges).unwrap(),
    )
}

proptest! {
    #[test]
    fn order_repetition_and_batches_do_not_matter((trades, batches) in resent()) {
        let symbol = btcusdt();
        let expected = canonical(&fold(&symbol, &trades, &Interval::ALL));
        let mut candles = BTreeMap::new();
        for batch in &batches {
            fold_into(&mut candles, &symbol, batch, &Interval::ALL);
        }
        prop_assert_eq!(canonical(&candles), expected);
    }

    #[test]
    fn grouping_and_applying_is_folding((trades, batches) in resent()) {
        let symbol = btcusdt();
        let mut candles = BTreeMap::<CandleKey, Candle>::new();
        for batch in &batches {
            for (key, group) in group(&symbol, batch, &Interval::ALL) {
                let stored = candles.remove(&key);
                let made = Candle::new(key.clone(), &group[0]).unwrap();
                let mut candle = stored.unwrap_or(made);
                candle.apply_all(&group).unwrap();
                prop_assert_eq!(candle.apply_all(&group), Ok(0));
                candles.insert(key, candle);
            }
        }
        prop_assert_eq!(candles, fold(&symbol, &trades, &Interval::ALL));
    }

    #[test]
    fn a_candle_is_what_the_model_says(trades in near_trades()) {
        let symbol = btcusdt();
        let mut windows = BTreeMap::<CandleKey, Vec<&Trade>>::new();
        for trade in &trades {
            for interval in Interval::ALL {
                let key = CandleKey::at(&symbol, interval, trade.time_ms);
                windows.entry(key).or_default().push(trade);
            }
        }
        let expected: Vec<_> = windows.iter().map(|(key, trades)| model(key, trades)).collect();
        prop_assert_eq!(canonical(&fold(&symbol, &trades, &Interval::ALL)), expected);
    }

    #[test]
    fn a_trade_of_another_window_changes_nothing(trades in near_trades()) {
        let key = CandleKey::at(&btcusdt(), Interval::M1, trades[0].time_ms);
        let mut candle = Candle::new(key.clone(), &trades[0]).unwrap();
        let before = candle.clone();
        let outside = Trade { time_ms: key.open_time_ms + Interval::M1.duration_ms(), ..trades[0] };
        prop_assert!(candle.apply(&outside).is_err());
        prop_assert!(candle.apply_all(&[trades[0], outside]).is_err());
        prop_assert!(Candle::new(key, &outside).is_err());
        prop_assert_eq!(candle, before);
    }
}
