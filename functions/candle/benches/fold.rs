//! Throughput of decoding and folding on one core, and the memory of a candle.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up should stop")]

use std::collections::BTreeMap;
use std::hint::black_box;

use candle::binance::{self, Frame};
use candle::{
    ArchiveObject, Batch, Candle, CandleKey, IdRanges, Interval, Price, Quantity, Symbol, Symbols,
    Trade, fold_into, group, message,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The trades of every benchmark: about half an hour of BTCUSDT.
const TRADES: usize = 50_000;
/// The trades of a message.
const BATCH: usize = 1_000;

criterion_group!(benches, of_messages, of_frames, of_archives, of_folding, of_memory);
criterion_main!(benches);

/// Decodes messages and folds them into candles.
fn of_messages(criterion: &mut Criterion) {
    let symbol = symbol();
    let known = Symbols::new([symbol.clone()]);
    let messages: Vec<String> = batches().iter().map(message::encode).collect();
    let decode = |message: &String| message::decode(message.as_bytes(), &known).unwrap();
    let mut bench = criterion.benchmark_group("message");
    bench.throughput(Throughput::Elements(TRADES as u64));
    bench.bench_function("encode", |bencher| {
        let batches = batches();
        bencher.iter(|| batches.iter().map(|batch| message::encode(batch).len()).sum::<usize>());
    });
    bench.bench_function("decode", |bencher| {
        bencher.iter(|| messages.iter().map(|message| decode(message).trades.len()).sum::<usize>());
    });
    for (name, intervals) in [("1m", [Interval::M1].as_slice()), ("all", &Interval::ALL)] {
        bench.bench_function(BenchmarkId::new("decode+fold", name), |bencher| {
            bencher.iter(|| {
                let mut candles = BTreeMap::new();
                for message in &messages {
                    fold_into(&mut candles, &symbol, &decode(message).trades, intervals);
                }
                candles
            });
        });
    }
}

/// Decodes Binance's frames and folds them into candles.
fn of_frames(criterion: &mut Criterion) {
    let symbol = symbol();
    let frames: Vec<String> = trades()
        .iter()
        .map(|trade| binance::encode_combined(&symbol, trade, trade.time_ms + 1))
        .collect();
    let decode = |frame: &String| match binance::decode(frame.as_bytes()) {
        Ok(Frame::Trade { trade, .. }) => trade,
        other => panic!("{other:?}"),
    };
    let mut bench = criterion.benchmark_group("binance");
    bench.throughput(Throughput::Elements(TRADES as u64));
    bench.bench_function("decode", |bencher| {
        bencher.iter(|| frames.iter().fold(0, |last, frame| decode(frame).id.max(last)));
    });
    for (name, intervals) in [("1m", [Interval::M1].as_slice()), ("all", &Interval::ALL)] {
        bench.bench_function(BenchmarkId::new("decode+fold", name), |bencher| {
            bencher.iter(|| {
                let mut candles = BTreeMap::new();
                let mut trades = Vec::with_capacity(BATCH);
                for frames in frames.chunks(BATCH) {
                    trades.clear();
                    trades.extend(frames.iter().map(decode));
                    fold_into(&mut candles, &symbol, &trades, intervals);
                }
                candles
            });
        });
    }
}

/// Archive objects, both ways.
fn of_archives(criterion: &mut Criterion) {
    let batches = batches();
    let objects: Vec<(String, Vec<u8>)> = batches
        .iter()
        .flat_map(ArchiveObject::split)
        .map(|object| (object.name().to_string(), object.encode()))
        .collect();
    let mut bench = criterion.benchmark_group("archive");
    bench.throughput(Throughput::Elements(TRADES as u64));
    bench.bench_function("split+encode", |bencher| {
        bencher.iter(|| {
            let objects = batches.iter().flat_map(ArchiveObject::split);
            objects.map(|object| object.encode().len()).sum::<usize>()
        });
    });
    bench.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let decoded =
                objects.iter().map(|(name, bytes)| ArchiveObject::decode(name, bytes).unwrap());
            decoded.map(|object| object.trades().len()).sum::<usize>()
        });
    });
}

/// The fold alone: of new trades, of trades that are all folded already, and as an ingester does
/// it.
fn of_folding(criterion: &mut Criterion) {
    let symbol = symbol();
    let batches = batches();
    let fold = |candles: &mut BTreeMap<CandleKey, Candle>| {
        for batch in &batches {
            fold_into(candles, &symbol, &batch.trades, &Interval::ALL);
        }
    };
    let mut bench = criterion.benchmark_group("fold");
    bench.throughput(Throughput::Elements(TRADES as u64));
    bench.bench_function("new", |bencher| {
        bencher.iter(|| {
            let mut candles = BTreeMap::new();
            fold(&mut candles);
            candles
        });
    });
    let mut candles = BTreeMap::new();
    fold(&mut candles);
    bench.bench_function("again", |bencher| bencher.iter(|| fold(black_box(&mut candles))));
    bench.bench_function("group", |bencher| {
        bencher.iter(|| {
            batches
                .iter()
                .map(|batch| group(&symbol, &batch.trades, &Interval::ALL).len())
                .sum::<usize>()
        });
    });
}

/// The memory of one candle: its inline size, the heap of its ids, and their stored size.
fn of_memory(_: &mut Criterion) {
    let ids = [
        ("contiguous, 1,000,000 trades", (0..1_000_000).collect::<IdRanges>()),
        (
            "every tenth missing, 1,000,000 trades",
            (0..1_111_111).filter(|id| id % 10 != 9).collect(),
        ),
        ("every other missing, 100,000 trades", (0..100_000).map(|id| id * 2).collect()),
    ];
    for (name, ids) in ids {
        let ids: IdRanges =
            ids.ranges().map(|range| range.start() + FIRST_ID..=range.end() + FIRST_ID).collect();
        let (heap, stored) = (ids.heap_bytes(), ids.to_bytes().len());
        println!("memory/{name}: {} B + {heap} B of ids ({stored} B stored)", size_of::<Candle>());
    }
}

/// The first trade's id.
const FIRST_ID: u64 = 3_735_683_259;

fn symbol() -> Symbol {
    Symbol::parse("BTCUSDT").unwrap()
}

/// Seeded trades: contiguous ids, prices that wander by a cent, 35 ms apart.
fn trades() -> Vec<Trade> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut price = 6_183_763_000_000;
    (0..TRADES as u64)
        .map(|index| {
            let bits = random.next_u64();
            price = price + bits % 3 * 1_000_000 - 1_000_000;
            Trade {
                id: FIRST_ID + index,
                time_ms: 1_723_161_255_342 + index * 35,
                price: Price::from_units(price).unwrap(),
                quantity: Quantity::from_units((bits >> 8) % 10_000_000 * 1_000 + 1_000).unwrap(),
                buyer_is_maker: bits >> 63 == 1,
            }
        })
        .collect()
}

fn batches() -> Vec<Batch> {
    trades()
        .chunks(BATCH)
        .map(|trades| Batch { symbol: symbol(), trades: trades.to_vec() })
        .collect()
}
