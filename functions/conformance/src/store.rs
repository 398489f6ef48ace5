use std::fmt::Debug;

use candle::{Candle, CandleKey, Interval, Price, Quantity, Symbol, Trade};
use futures::future::join_all;
use pipeline::ports::{CandleStore, Stored};

const MINUTE_MS: u64 = 60_000;
/// 2024-08-08 23:54 UTC.
const OPEN_MS: u64 = 1_723_161_240_000;

/// Checks a candle store against its contract, with candles of `symbol` and of `symbol` followed by an `X`,
/// neither of which may have candles yet.
///
/// # Panics
/// With the observed result, if the store breaks the contract.
pub async fn store<S: CandleStore>(store: &S, symbol: &Symbol) {
    compares_before_it_sets(store, symbol).await;
    lets_one_of_many_write(store, symbol).await;
    keeps_every_field(store, symbol).await;
    scans_one_symbol_and_interval(store, symbol).await;
}

async fn compares_before_it_sets<S: CandleStore>(store: &S, symbol: &Symbol) {
    let key = key(symbol, Interval::M1, 0);
    assert!(ok(store.load(&key).await).is_none(), "a candle that was never written");
    let mut candle = ok(Candle::new(key.clone(), &trade(1, 0)));
    assert_eq!(ok(store.store(&candle, None).await), Stored::Written);
    assert_eq!(ok(store.store(&candle, None).await), Stored::Conflict, "it is there already");

    let (loaded, first_version) = loaded(store, &key).await;
    assert_eq!(loaded, candle, "what was written is read");
    assert!(ok(candle.apply(&trade(2, 0))));
    assert_eq!(ok(store.store(&candle, Some(&first_version)).await), Stored::Written);
    assert!(ok(candle.apply(&trade(3, 0))));
    let stale = ok(store.store(&candle, Some(&first_version)).await);
    assert_eq!(stale, Stored::Conflict, "the version is two writes old");
    let (unchanged, _) = self::loaded(store, &key).await;
    assert_eq!(unchanged.trades(), 2, "a lost compare-and-set writes nothing");
}

async fn lets_one_of_many_write<S: CandleStore>(store: &S, symbol: &Symbol) {
    let key = key(symbol, Interval::M1, 1);
    let candle = ok(Candle::new(key.clone(), &trade(10, 1)));
    let creations = join_all((0..8).map(|_| store.store(&candle, None))).await;
    assert_eq!(written(creations), 1, "of 8 concurrent creations exactly one succeeds");

    let (candle, version) = loaded(store, &key).await;
    let candidates: Vec<Candle> = (11..19)
        .map(|id| {
            let mut candidate = candle.clone();
            assert!(ok(candidate.apply(&trade(id, 1))));
            candidate
        })
        .collect();
    let updates = join_all(candidates.iter().map(|c| store.store(c, Some(&version)))).await;
    assert_eq!(written(updates), 1, "of 8 concurrent updates exactly one succeeds");
    let (winner, _) = loaded(store, &key).await;
    assert!(candidates.contains(&winner), "what is stored is one of the candidates, whole");
}

async fn keeps_every_field<S: CandleStore>(store: &S, symbol: &Symbol) {
    let key = key(symbol, Interval::D1, 0);
    let mut candle = ok(Candle::new(key.clone(), &trade(5, 0)));
    // Holes everywhere, and prices with all eight decimals.
    for id in (7..4_001).step_by(2) {
        assert!(ok(candle.apply(&trade(id, id % 5))));
    }
    assert_eq!(ok(store.store(&candle, None).await), Stored::Written);
    let (stored, _) = loaded(store, &key).await;
    assert_eq!(stored, candle);
    assert_eq!(stored.canonical(), candle.canonical(), "to the last byte");
}

async fn scans_one_symbol_and_interval<S: CandleStore>(store: &S, symbol: &Symbol) {
    let other: Symbol = ok(format!("{symbol}X").parse());
    for minute in [3, 1, 2, 11, 0] {
        let candle = ok(Candle::new(key(&other, Interval::M1, minute), &trade(minute + 1, minute)));
        assert_eq!(ok(store.store(&candle, None).await), Stored::Written);
    }
    let hour = ok(Candle::new(key(&other, Interval::H1, 0), &trade(1, 0)));
    assert_eq!(ok(store.store(&hour, None).await), Stored::Written);

    let scanned = ok(store.scan(&other, Interval::M1).await);
    let minutes: Vec<u64> =
        scanned.iter().map(|c| (c.key().open_time_ms - OPEN_MS) / MINUTE_MS).collect();
    assert_eq!(minutes, [0, 1, 2, 3, 11], "the symbol's candles of that interval, by open time");
    assert_eq!(ok(store.scan(&other, Interval::M15).await), [], "an interval without candles");
    assert_eq!(ok(store.scan(symbol, Interval::M1).await).len(), 2);
}

async fn loaded<S: CandleStore>(store: &S, key: &CandleKey) -> (Candle, S::Version) {
    ok(store.load(key).await).unwrap_or_else(|| panic!("{key} was written and is not there"))
}

#[track_caller]
fn written<E: Debug>(results: Vec<Result<Stored, E>>) -> usize {
    results.into_iter().map(ok).filter(|stored| *stored == Stored::Written).count()
}

fn key(symbol: &Symbol, interval: Interval, minute: u64) -> CandleKey {
    let open_time_ms = interval.open_time_ms(OPEN_MS + minute * MINUTE_MS);
    CandleKey { symbol: symbol.clone(), interval, open_time_ms }
}

/// A trade in the given minute after [`OPEN_MS`].
fn trade(id: u64, minute: u64) -> Trade {
    Trade {
        id,
        time_ms: OPEN_MS + minute * MINUTE_MS + id % MINUTE_MS,
        price: ok(Price::from_units(6_183_763_000_001 + id)),
        quantity: ok(Quantity::from_units(123 + id)),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

#[track_caller]
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the candle store failed: {error:?}"))
}
