//! Decimals against a calculation on text.

use candle::{DecimalError, Price, Quantity, QuoteVolume, Volume};
use proptest::prelude::*;

/// The number of units of a decimal: its digits, with the fraction filled up with zeros.
fn units(whole: &str, fraction: &str, decimals: usize) -> u128 {
    format!("{whole}{fraction:0<decimals$}").parse().unwrap()
}

proptest! {
    #[test]
    fn prices_and_quantities_are_read_exactly(
        whole in "0{0,3}[0-9]{1,10}",
        fraction in "[0-9]{1,8}",
        zeros in "0{0,30}",
    ) {
        let text = format!("{whole}.{fraction}{zeros}");
        match units(&whole, &fraction, 8) {
            0 => prop_assert_eq!(text.parse::<Price>(), Err(DecimalError::Zero)),
            units => {
                prop_assert_eq!(u128::from(text.parse::<Price>().unwrap().units()), units);
                prop_assert_eq!(u128::from(text.parse::<Quantity>().unwrap().units()), units);
            }
        }
    }

    #[test]
    fn sums_are_read_exactly(whole in "[0-9]{1,22}", fraction in "[0-9]{1,16}") {
        let text = format!("{whole}.{fraction}");
        prop_assert_eq!(text.parse::<QuoteVolume>().unwrap().units(), units(&whole, &fraction, 16));
        let short = &fraction[..fraction.len().min(8)];
        let text = format!("{whole}.{short}");
        prop_assert_eq!(text.parse::<Volume>().unwrap().units(), units(&whole, short, 8));
    }

    #[test]
    fn what_is_written_is_read(price in 1..=Price::MAX.units(), sum in any::<u128>()) {
        let price = Price::from_units(price).unwrap();
        prop_assert_eq!(price.to_string().parse(), Ok(price));
        let (volume, quote) = (Volume::from_units(sum), QuoteVolume::from_units(sum));
        prop_assert_eq!(volume.to_string().parse(), Ok(volume));
        prop_assert_eq!(quote.to_string().parse(), Ok(quote));
        let json = serde_json::to_string(&price).unwrap();
        prop_assert_eq!(serde_json::from_str::<Price>(&json).unwrap(), price);
    }

    #[test]
    fn what_is_not_zero_beyond_the_decimals_is_refused(
        fraction in "[0-9]{8}0{0,40}[1-9][0-9]{0,20}",
    ) {
        let text = format!("1.{fraction}");
        prop_assert_eq!(text.parse::<Price>(), Err(DecimalError::TooPrecise { decimals: 8 }));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+.0-9eE]{0,30}|\\PC{0,20}") {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if let Ok(volume) = text.parse::<Volume>() {
            prop_assert!(is_plain);
            prop_assert_eq!(volume.to_string().parse(), Ok(volume));
        }
    }
}
