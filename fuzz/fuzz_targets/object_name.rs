//! Any text is refused, or is written again just so.

#![no_main]

use candle::{CandleKey, Hour, ObjectName};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<ObjectName>() {
        assert_eq!(name.to_string(), text);
    }
    if let Ok(hour) = text.parse::<Hour>() {
        assert_eq!(hour.to_string(), text);
        assert_eq!(Hour::at(hour.start_ms()), hour);
    }
    if let Ok(key) = text.parse::<CandleKey>() {
        assert_eq!(key.to_string(), text);
    }
});
