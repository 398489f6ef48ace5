use std::fmt::Debug;

use candle::{Candle, CandleKey, Interval, Price, Quantity, Symbol, Trade};
use futures::future::{join, join_all};
use pipeline::ports::{CandleStore, Stored};

const DAY_MS: u64 = 86_400_000;
/// 2024-08-08 UTC.
const OPEN_MS: u64 = 1_723_075_200_000;
const FIRST_ID: u64 = 3_735_683_259;

/// Checks a candle store against its contract with candles of so many holes that no single item or document holds
/// their ids. `symbol` must have no candles of a day yet.
///
/// # Panics
/// With the observed result, if the store breaks the contract.
pub async fn holes<S: CandleStore>(store: &S, symbol: &Symbol) {
    compares_before_it_sets(store, symbol).await;
    reads_what_one_writer_wrote(store, symbol).await;
    grows_into_pieces_and_back(store, symbol).await;
    says_what_is_too_large(store, symbol).await;
    scans_candles_alone(store, symbol).await;
}

/// Over 1 MB of ids: three bytes for each, and no two that are contiguous.
fn torn(symbol: &Symbol, day: u64) -> Candle {
    candle(symbol, day, (FIRST_ID..).step_by(1_000).take(350_000))
}

async fn compares_before_it_sets<S: CandleStore>(store: &S, symbol: &Symbol) {
    let candle = torn(symbol, 0);
    let bytes: usize = candle.to_record().pieces.iter().map(|piece| piece.bytes().len()).sum();
    assert!(bytes > 1_000_000, "{bytes}");
    let creations = join_all((0..2).map(|_| store.store(&candle, None))).await;
    assert_eq!(written(creations), 1, "of 2 concurrent creations exactly one succeeds");
    let (stored, first) = loaded(store, candle.key()).await;
    assert!(stored == candle, "what was written is read");
    assert_eq!(ok(store.store(&candle, None).await), Stored::Conflict, "it is there already");

    // Far from each other, so that each changes another piece.
    let candidates: Vec<Candle> =
        (0..4).map(|n| with(&candle, [FIRST_ID + n * 80_000_000 + 1])).collect();
    let updates = join_all(candidates.iter().map(|c| store.store(c, Some(&first)))).await;
    assert_eq!(written(updates), 1, "of 4 concurrent updates exactly one succeeds");
    let (winner, _) = loaded(store, candle.key()).await;
    assert!(candidates.contains(&winner), "what is stored is one of the candidates, whole");
    let late = with(&candle, [FIRST_ID + 2]);
    assert_eq!(ok(store.store(&late, Some(&first)).await), Stored::Conflict, "a stale version");
    assert!(loaded(store, candle.key()).await.0 == winner, "a lost compare-and-set writes nothing");
}

/// A piece of another write is never mistaken for one of this write.
async fn reads_what_one_writer_wrote<S: CandleStore>(store: &S, symbol: &Symbol) {
    const WRITES: u64 = 12;
    let candle = torn(symbol, 1);
    let before = candle.trades();
    assert_eq!(ok(store.store(&candle, None).await), Stored::Written);
    let writer = async {
        for n in 1..=WRITES {
            let (candle, version) = loaded(store, candle.key()).await;
            let more = with(&candle, [FIRST_ID + n, FIRST_ID + 300_000_000 + n]);
            assert_eq!(ok(store.store(&more, Some(&version)).await), Stored::Written);
        }
    };
    let reader = async {
        let mut trades = before;
        while trades < before + 2 * WRITES {
            let (candle, _) = loaded(store, candle.key()).await;
            let ids = candle.ids();
            let pairs = (1..=WRITES).filter(|n| ids.contains(FIRST_ID + n));
            assert_eq!(candle.trades(), before + 2 * pairs.count() as u64, "both or neither");
            assert!(candle.trades() >= trades, "a later read is of a later write");
            trades = candle.trades();
        }
    };
    join(writer, reader).await;
}

/// A set only grows, and can become shorter in its encoding.
async fn grows_into_pieces_and_back<S: CandleStore>(store: &S, symbol: &Symbol) {
    let ids = |step, count| (FIRST_ID..).step_by(step).take(count);
    let small = candle(symbol, 2, ids(2, 90_000));
    let in_pieces = with(&small, ids(2, 200_000).skip(90_000));
    let filled = with(&in_pieces, ids(1, 400_000).filter(|id| id % 2 != FIRST_ID % 2));
    let torn_again = with(&filled, ids(2, 400_000).skip(200_000));
    let sizes = [&small, &in_pieces, &filled, &torn_again].map(|c| c.to_record().pieces.len());
    assert_eq!(sizes.map(|pieces| pieces > 0), [false, true, false, true], "{sizes:?}");
    assert_eq!(ok(store.store(&small, None).await), Stored::Written);
    for next in [&in_pieces, &filled, &torn_again] {
        let (_, version) = loaded(store, next.key()).await;
        assert_eq!(ok(store.store(next, Some(&version)).await), Stored::Written);
        assert!(loaded(store, next.key()).await.0 == *next, "what was written is read");
        let stale = with(next, [FIRST_ID + 3_000_001]);
        assert_eq!(ok(store.store(&stale, Some(&version)).await), Stored::Conflict);
    }
}

async fn says_what_is_too_large<S: CandleStore>(store: &S, symbol: &Symbol) {
    // Six bytes for each id.
    let ids = |count| (FIRST_ID..).step_by(1 << 30).take(count);
    let all = candle(symbol, 3, ids(620_000));
    assert_eq!(ok(store.store(&all, None).await), Stored::TooLarge);
    assert!(ok(store.load(all.key()).await).is_none(), "nothing of it is written");
    let half = candle(symbol, 3, ids(310_000));
    assert_eq!(ok(store.store(&half, None).await), Stored::Written);
    let (_, version) = loaded(store, half.key()).await;
    assert_eq!(ok(store.store(&all, Some(&version)).await), Stored::Written, "the other half");
    assert!(loaded(store, all.key()).await.0 == all, "what was written is read");
}

async fn scans_candles_alone<S: CandleStore>(store: &S, symbol: &Symbol) {
    let one = candle(symbol, 4, [FIRST_ID].into_iter());
    assert_eq!(ok(store.store(&one, None).await), Stored::Written);
    let scanned = ok(store.scan(symbol, Interval::D1).await);
    let days: Vec<u64> =
        scanned.iter().map(|c| (c.key().open_time_ms - OPEN_MS) / DAY_MS).collect();
    assert_eq!(days, [0, 1, 2, 3, 4], "no piece is listed as a candle");
    for candle in &scanned {
        assert!(loaded(store, candle.key()).await.0 == *candle, "as it is read alone");
    }
}

async fn loaded<S: CandleStore>(store: &S, key: &CandleKey) -> (Candle, S::Version) {
    ok(store.load(key).await).unwrap_or_else(|| panic!("{key} was written and is not there"))
}

#[track_caller]
fn written<E: Debug>(results: Vec<Result<Stored, E>>) -> usize {
    results.into_iter().map(ok).filter(|stored| *stored == Stored::Written).count()
}

fn candle(symbol: &Symbol, day: u64, mut ids: impl Iterator<Item = u64>) -> Candle {
    let open_time_ms = OPEN_MS + day * DAY_MS;
    let key = CandleKey { symbol: symbol.clone(), interval: Interval::D1, open_time_ms };
    let first = ids.next().unwrap_or(FIRST_ID);
    with(&ok(Candle::new(key.clone(), &trade(&key, first))), ids)
}

/// The candle with further trades.
fn with(candle: &Candle, ids: impl IntoIterator<Item = u64>) -> Candle {
    let trades: Vec<Trade> = ids.into_iter().map(|id| trade(candle.key(), id)).collect();
    let mut more = candle.clone();
    assert_eq!(ok(more.apply_all(&trades)), trades.len(), "all of them are new");
    more
}

fn trade(key: &CandleKey, id: u64) -> Trade {
    Trade {
        id,
        time_ms: key.open_time_ms + id % DAY_MS,
        price: ok(Price::from_units(6_183_763_000_001 + id % 101)),
        quantity: ok(Quantity::from_units(123 + id % 103)),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

#[track_caller]
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the candle store failed: {error:?}"))
}
