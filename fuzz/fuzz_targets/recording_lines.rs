//! Lines of any recording are told apart, and each trade on them is one that a frame can say again.

#![no_main]

use candle::binance::{self, FileSymbol, Found, Frame, Lines, Outcome};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|recording: &[u8]| {
    let Ok(symbol) = "BTCUSDT".parse() else { return };
    let mut lines = Lines::new(FileSymbol::Known(symbol));
    let mut rest = recording;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n');
        let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.get(1..).unwrap_or_default();
        let mut shown = 0;
        lines.read(line, end.is_some(), &mut |found| {
            shown += 1;
            let (kind, outcome) = match found {
                Found::Trade { kind, symbol, trade } => {
                    assert_eq!(trade.check(), Ok(trade));
                    let again = binance::encode_combined(&symbol, &trade, trade.time_ms);
                    assert_eq!(
                        binance::decode(again.as_bytes()),
                        Ok(Frame::Trade { symbol, trade })
                    );
                    (kind, Outcome::Taken)
                }
                Found::PassedOver { kind, .. } => (kind, Outcome::PassedOver),
                Found::Refused { kind, .. } => (kind, Outcome::Refused),
            };
            assert_eq!(kind.outcome(), outcome);
        });
        assert!(shown > 0, "a line that is nothing");
    }
    if let Ok(rows) = "BTCUSDT".parse().map(|symbol| binance::rest_rows(&symbol, recording)) {
        for row in rows.into_iter().flatten() {
            if let binance::RestRow::Trade(trade) = row {
                assert_eq!(trade.check(), Ok(trade));
            }
        }
    }
});
