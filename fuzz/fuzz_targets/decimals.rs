//! Any text is refused by every kind of decimal, or is read as the same value by all that can hold
//! it.

#![no_main]

use candle::{Price, Quantity, QuoteVolume, Volume};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let quote = text.parse::<QuoteVolume>();
    let volume = text.parse::<Volume>();
    let price = text.parse::<Price>();
    assert_eq!(text.parse::<Quantity>().map(Quantity::units), price.map(Price::units));
    if let Ok(quote) = quote {
        assert_eq!(quote.to_string().parse(), Ok(quote));
    }
    if let Ok(volume) = volume {
        assert_eq!(volume.to_string().parse(), Ok(volume));
        let in_quote_units = volume.units().checked_mul(100_000_000);
        assert_eq!(quote.ok().map(QuoteVolume::units), in_quote_units);
    }
    if let Ok(price) = price {
        assert_eq!(price.to_string().parse(), Ok(price));
        assert_eq!(volume.map(Volume::units), Ok(u128::from(price.units())));
    }
});
