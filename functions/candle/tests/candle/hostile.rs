//! No bytes make a decoder panic, and what it accepts it also accepts after encoding it again.

use candle::binance::{self, Frame};
use candle::{ArchiveObject, Candle, Field, IdRanges, Interval, PieceList, fold, message};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::strategies::{any_batch, any_trade, btcusdt, near_trades, symbols};

/// Reads a candle from its fields.
fn read(fields: &[(&str, Field)]) -> Option<Candle> {
    Candle::from_fields(|name| Some(fields.iter().find(|field| field.0 == name)?.1.clone())).ok()
}

fn edited_text(text: &str, edits: &[Edit]) -> String {
    String::from_utf8_lossy(&edited(text.as_bytes().to_vec(), edits)).into_owned()
}

/// One change to bytes: overwrite, insert, remove or cut.
#[derive(Debug, Clone)]
struct Edit(u8, Index, u8);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:.-+eE019 \ntn"#.to_vec())];
    vec((0..4_u8, any::<Index>(), byte).prop_map(|(kind, at, byte)| Edit(kind, at, byte)), 1..4)
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for Edit(kind, at, byte) in edits {
        let at = at.index(bytes.len() + 1);
        match kind {
            0 => bytes.insert(at, *byte),
            1 => bytes.truncate(at),
            _ if at == bytes.len() => bytes.push(*byte),
            2 => bytes[at] = *byte,
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

fn try_all(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(Frame::Trade { symbol, trade }) = binance::decode(bytes) {
        let text = binance::encode_combined(&symbol, &trade, 0);
        prop_assert_eq!(binance::decode(text.as_bytes()), Ok(Frame::Trade { symbol, trade }));
    }
    if let Ok(batch) = message::decode(bytes, &symbols()) {
        prop_assert_eq!(message::decode(message::encode(&batch).as_bytes(), &symbols()), Ok(batch));
    }
    if let Ok(ids) = IdRanges::from_bytes(bytes) {
        prop_assert_eq!(ids.to_bytes(), bytes);
    }
    if let Ok(list) = PieceList::from_bytes(bytes) {
        prop_assert_eq!(list.to_bytes(), bytes);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        try_all(&bytes)?;
        let name = "trades/v1/BTCUSDT/2024-08-08T23/1-2-0123456789abcdef.jsonl.gz";
        prop_assert!(ArchiveObject::decode(name, &bytes).is_err());
    }

    #[test]
    fn edited_frames_and_messages(trade in any_trade(), batch in any_batch(), edits in edits()) {
        try_all(&edited(binance::encode_combined(&btcusdt(), &trade, 1).into_bytes(), &edits))?;
        try_all(&edited(message::encode(&batch).into_bytes(), &edits))?;
    }

    #[test]
    fn an_edited_archive_object_is_the_same_or_an_error(batch in any_batch(), edits in edits()) {
        for object in ArchiveObject::split(&batch) {
            let name = object.name().to_string();
            if let Ok(read) = ArchiveObject::decode(&name, &edited(object.encode(), &edits)) {
                prop_assert_eq!(&read, &object);
            }
            if let Ok(read) = ArchiveObject::decode(&edited_text(&name, &edits), &object.encode()) {
                prop_assert_eq!(read.name().to_string(), name);
            }
        }
    }

    #[test]
    fn an_edited_record_is_consistent_or_an_error(
        trades in near_trades(),
        at in any::<Index>(),
        edits in edits(),
        step in -2..=2_i64,
    ) {
        for candle in fold(&btcusdt(), &trades, &[Interval::M15]).into_values() {
            let mut fields = candle.to_fields();
            let at = at.index(fields.len());
            match &mut fields[at].1 {
                Field::Text(text) => *text = edited_text(text, &edits),
                Field::Integer(integer) => *integer = integer.wrapping_add(step),
                Field::Bytes(bytes) => *bytes = edited(bytes.clone(), &edits),
            }
            if let Some(candle) = read(&fields) {
                prop_assert_eq!(read(&candle.to_fields()), Some(candle));
            }
        }
    }
}

#[test]
fn a_megabyte_of_nonsense_is_refused() {
    for part in ["[", "{\"v\":", "[0,", "\"", "0", "{\"trades\":[[", "9", " ", "\u{fffd}", "[[[]],"]
    {
        for len in [candle::message::MAX_BYTES, 1024 * 1024] {
            let text = part.repeat(len / part.len());
            assert!(message::decode(text.as_bytes(), &symbols()).is_err());
            assert!(binance::decode(text.as_bytes()).is_err());
            let nested = format!(r#"{{"v":1,"symbol":"BTCUSDT","trades":{text}"#);
            assert!(message::decode(nested.as_bytes(), &symbols()).is_err());
        }
    }
}
