//! Encoding and decoding round-trips, in every format.

use candle::binance::{self, Frame};
use candle::{ArchiveObject, Batch, Candle, Interval, Trade, fold, message};
use proptest::prelude::*;

use crate::strategies::{any_batch, any_trade, btcusdt, near_trades, symbols};

/// The part of a combined frame around the raw one.
const AROUND: (&str, &str) = (r#"{"stream":"btcusdt@trade","data":"#, "}");

/// Encodes a candle's fields and decodes them again.
fn stored(candle: &Candle) -> Result<Candle, candle::RecordError> {
    let fields = candle.to_fields();
    Candle::from_fields(|name| {
        fields.iter().find(|field| field.0 == name).map(|field| field.1.clone())
    })
}

proptest! {
    #[test]
    fn a_frame_round_trips(trade in any_trade(), event_time_ms in any::<u64>()) {
        let combined = binance::encode_combined(&btcusdt(), &trade, event_time_ms);
        let expected = Ok(Frame::Trade { symbol: btcusdt(), trade });
        prop_assert_eq!(&binance::decode(combined.as_bytes()), &expected);
        let raw = combined.strip_prefix(AROUND.0).unwrap().strip_suffix(AROUND.1).unwrap();
        prop_assert_eq!(&binance::decode(raw.as_bytes()), &expected);
    }

    #[test]
    fn a_message_round_trips(batch in any_batch()) {
        let text = message::encode(&batch);
        prop_assert_eq!(message::decode(text.as_bytes(), &symbols()), Ok(batch));
    }

    #[test]
    fn a_trade_round_trips(trade in any_trade()) {
        let text = serde_json::to_string(&trade).unwrap();
        prop_assert_eq!(serde_json::from_str::<Trade>(&text).unwrap(), trade);
        let batch = Batch { symbol: btcusdt(), trades: vec![trade] };
        prop_assert!(message::encode(&batch).contains(&text));
    }

    #[test]
    fn an_archive_object_round_trips(trades in near_trades(), whole in any_batch()) {
        for batch in [Batch { symbol: btcusdt(), trades }, whole] {
            let mut kept = Vec::new();
            for object in ArchiveObject::split(&batch) {
                let name = object.name().to_string();
                let decoded = ArchiveObject::decode(&name, &object.encode()).unwrap();
                prop_assert_eq!(&decoded, &object);
                prop_assert_eq!(decoded.encode(), object.encode());
                prop_assert_eq!(ArchiveObject::split(&object.clone().into_batch()), vec![object]);
                kept.extend(decoded.into_batch().trades);
            }
            kept.sort_unstable();
            prop_assert_eq!(kept, batch.trades);
        }
    }

    #[test]
    fn the_archive_does_not_depend_on_order(trades in near_trades().prop_flat_map(|trades| {
        let twice = [trades.clone(), trades.clone()].concat();
        (Just(trades), Just(twice).prop_shuffle())
    })) {
        let split = |trades| ArchiveObject::split(&Batch { symbol: btcusdt(), trades });
        prop_assert_eq!(split(trades.0), split(trades.1));
    }

    #[test]
    fn a_record_round_trips(near in near_trades(), any in any_batch()) {
        for trades in [near, any.trades] {
            for candle in fold(&btcusdt(), &trades, &Interval::ALL).values() {
                prop_assert_eq!(&stored(candle).unwrap(), candle);
            }
        }
    }
}

#[test]
fn the_greatest_batch_is_a_message_and_an_archive_object() {
    let trade = Trade {
        id: Trade::MAX_ID,
        time_ms: Trade::MAX_TIME_MS,
        price: "10000000000".parse().unwrap(),
        quantity: "100".parse().unwrap(),
        buyer_is_maker: true,
    };
    let of = |count: usize| {
        let trades =
            (0..count as u64).map(|index| Trade { id: trade.id - index, ..trade }).collect();
        Batch { symbol: btcusdt(), trades }
    };
    let batch = of(message::MAX_TRADES);
    assert_eq!(message::decode(message::encode(&batch).as_bytes(), &symbols()), Ok(batch));

    let objects = ArchiveObject::split(&of(candle::archive::MAX_TRADES + 1));
    assert_eq!(objects.iter().map(|object| object.trades().len()).collect::<Vec<_>>(), [10_000, 1]);
    for object in objects {
        assert_eq!(ArchiveObject::decode(&object.name().to_string(), &object.encode()), Ok(object));
    }
}

#[test]
fn an_empty_batch_has_no_archive_objects() {
    assert_eq!(ArchiveObject::split(&Batch { symbol: btcusdt(), trades: Vec::new() }), []);
}
