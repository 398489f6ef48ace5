//! The recording that lies beside the project, compared with candles computed by other software.

use std::io::Read;
use std::path::{Path, PathBuf};

use candle::binance::{self, Frame};
use candle::{Interval, Trade, csv, fold};
use flate2::read::GzDecoder;

use crate::strategies::btcusdt;

#[test]
fn the_candles_of_the_recording_are_those_computed_elsewhere() {
    let Some((recording, expected)) = read() else { return };
    let trades: Vec<Trade> = recording
        .lines()
        .map(|line| match binance::decode(line.as_bytes()) {
            Ok(Frame::Trade { symbol, trade }) if symbol == btcusdt() => trade,
            other => panic!("{line}: {other:?}"),
        })
        .collect();
    assert_eq!(trades.len(), 9_757);
    let candles = fold(&btcusdt(), &trades, &[Interval::M1]);
    assert_eq!(csv::table(candles.values()), expected);
    assert!(candles.values().all(|candle| candle.ids().ranges().len() == 1));
}

#[test]
fn a_frame_is_written_as_it_was_recorded() {
    let Some((recording, _)) = read() else { return };
    for line in recording.lines() {
        let Ok(Frame::Trade { symbol, trade }) = binance::decode(line.as_bytes()) else {
            panic!("{line}")
        };
        let event_time_ms =
            line.split(r#""E":"#).nth(1).and_then(|rest| rest.split(',').next()).unwrap();
        assert_eq!(binance::encode_combined(&symbol, &trade, event_time_ms.parse().unwrap()), line);
    }
}

/// The recording and its candles; `None`, with a message, if they are missing.
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the recording is a file beside the project"
)]
fn read() -> Option<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = |name: &str| folder.join(format!("binance-spot-btcusdt-2024-08-08.{name}"));
    if !Path::new(&path("jsonl.gz")).exists() {
        println!("skipped: there is no recording in {}", folder.display());
        return None;
    }
    let mut recording = String::new();
    let file = std::fs::File::open(path("jsonl.gz")).unwrap();
    GzDecoder::new(file).read_to_string(&mut recording).unwrap();
    Some((recording, std::fs::read_to_string(path("candles-1m.csv")).unwrap()))
}
