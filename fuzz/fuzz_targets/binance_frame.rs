//! Any frame is refused, or is written again as one that says the same.

#![no_main]

use candle::binance::{self, Frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    if let Ok(Frame::Trade { symbol, trade }) = binance::decode(frame) {
        assert_eq!(trade.check(), Ok(trade));
        let again = binance::encode_combined(&symbol, &trade, trade.time_ms);
        assert_eq!(binance::decode(again.as_bytes()), Ok(Frame::Trade { symbol, trade }));
    }
});
