//! Proptest strategies for trades.

use std::collections::BTreeMap;

use candle::{Batch, Price, Quantity, Symbol, Symbols, Trade};
use proptest::collection::vec;
use proptest::prelude::*;

/// The symbol of all tests.
pub(crate) fn btcusdt() -> Symbol {
    Symbol::parse("BTCUSDT").unwrap()
}

/// The symbols of all tests.
pub(crate) fn symbols() -> Symbols {
    Symbols::new([btcusdt()])
}

/// Any trade within the limits.
pub(crate) fn any_trade() -> impl Strategy<Value = Trade> {
    let units = prop_oneof![1..=100_000_000_000_000_u64, Just(1), Just(Price::MAX.units())];
    (0..=Trade::MAX_ID, 0..=Trade::MAX_TIME_MS, units.clone(), units, any::<bool>())
        .prop_map(|(id, time_ms, price, quantity, buyer_is_maker)| {
            let price = Price::from_units(price).unwrap();
            let quantity = Quantity::from_units(quantity).unwrap();
            Trade { id, time_ms, price, quantity, buyer_is_maker }
        })
        .prop_filter("within the limits", |trade| trade.check().is_ok())
}

/// Trades around the turn of a day, each id once, with few prices and times, so that they often
/// tie.
pub(crate) fn near_trades() -> impl Strategy<Value = Vec<Trade>> {
    const MIDNIGHT_MS: u64 = 1_723_161_600_000;
    let trade = (1..60_u64, 0..200_u64, 1..6_u64, 1..1_000_000_000_u64, any::<bool>());
    vec(trade, 1..60).prop_map(|trades| {
        let by_id: BTreeMap<_, _> = trades
            .into_iter()
            .map(|(id, time, price, quantity, buyer_is_maker)| {
                let price = Price::from_units(price * 6_183_763_000_000).unwrap();
                let quantity = Quantity::from_units(quantity).unwrap();
                let time_ms = MIDNIGHT_MS - 3_000_000 + time * 30_000;
                (id, Trade { id, time_ms, price, quantity, buyer_is_maker })
            })
            .collect();
        by_id.into_values().collect()
    })
}

/// Any batch that a message may hold, without an id twice.
pub(crate) fn any_batch() -> impl Strategy<Value = Batch> {
    vec(any_trade(), 1..40).prop_map(|mut trades| {
        trades.sort_unstable();
        trades.dedup_by_key(|trade| trade.id);
        Batch { symbol: btcusdt(), trades }
    })
}
