//! Any message is refused, or is written again as one that says the same; its trades fold and fit
//! the archive.

#![no_main]

use candle::{ArchiveObject, Candle, Interval, Symbol, Symbols, fold, message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let known = Symbols::new(Symbol::parse("BTCUSDT"));
    let Ok(batch) = message::decode(bytes, &known) else { return };
    let again = message::encode(&batch);
    assert_eq!(message::decode(again.as_bytes(), &known).as_ref(), Ok(&batch));

    for candle in fold(&batch.symbol, &batch.trades, &Interval::ALL).into_values() {
        let fields = candle.to_fields();
        let get = |name: &str| Some(fields.iter().find(|field| field.0 == name)?.1.clone());
        assert_eq!(Candle::from_fields(get), Ok(candle));
    }
    for object in ArchiveObject::split(&batch) {
        assert_eq!(ArchiveObject::decode(&object.name().to_string(), &object.encode()), Ok(object));
    }
});
