//! Exact decimal numbers: whole numbers of small units, never floats.
//!
//! The grammar of all of them is `digits [ "." digits ]`: no sign, no exponent, no blanks, at least
//! one digit on each side of a point. Decimals beyond those that the type holds are allowed only if
//! they are zeros.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::serde_as_text;

/// The price of one unit of the base asset in the quote asset: 1e-8 units, at least one, at most
/// 10^11 whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(u64);

/// The traded amount of the base asset: 1e-8 units, at least one, at most 10^11 whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(u64);

/// A sum of quantities: 1e-8 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Volume(u128);

/// A sum of price times quantity: 1e-16 units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QuoteVolume(u128);

/// The reason why a text is not a decimal of the requested type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecimalError {
    /// Not `digits [ "." digits ]`.
    #[error("not a plain decimal such as 61837.63")]
    Syntax,
    /// A decimal beyond those that the type holds is not zero.
    #[error("more than {decimals} decimals")]
    TooPrecise {
        /// The number of decimals that the type holds.
        decimals: usize,
    },
    /// Above the greatest value.
    #[error("too large")]
    TooLarge,
    /// Zero, which no price or quantity may be.
    #[error("zero")]
    Zero,
}

/// The decimals of a price, a quantity and a volume.
const DECIMALS: usize = 8;
/// The decimals of a product of two of them.
const QUOTE_DECIMALS: usize = 2 * DECIMALS;

macro_rules! positive {
    ($type:ident) => {
        impl $type {
            /// The greatest value: 10^11 whole units.
            pub const MAX: Self = Self(10_000_000_000_000_000_000);
            /// One whole unit.
            pub const ONE: Self = Self(100_000_000);

            /// From a number of 1e-8 units; zero and values above [`Self::MAX`] are errors.
            pub const fn from_units(units: u64) -> Result<Self, DecimalError> {
                match units {
                    0 => Err(DecimalError::Zero),
                    units if units > Self::MAX.0 => Err(DecimalError::TooLarge),
                    units => Ok(Self(units)),
                }
            }

            /// The number of 1e-8 units.
            #[must_use]
            pub const fn units(self) -> u64 {
                self.0
            }
        }

        impl FromStr for $type {
            type Err = DecimalError;

            fn from_str(text: &str) -> Result<Self, DecimalError> {
                let units = parse(text.as_bytes(), DECIMALS)?;
                Self::from_units(u64::try_from(units).map_err(|_| DecimalError::TooLarge)?)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const WHOLE: u64 = 100_000_000;
                write!(f, "{}.{:08}", self.0 / WHOLE, self.0 % WHOLE)
            }
        }

        serde_as_text!($type, "a positive decimal with up to 8 decimals, as text");
    };
}

macro_rules! sum {
    ($type:ident, $decimals:ident, $whole:literal, $expecting:literal) => {
        impl $type {
            /// From a number of units.
            #[must_use]
            pub const fn from_units(units: u128) -> Self {
                Self(units)
            }

            /// The number of units.
            #[must_use]
            pub const fn units(self) -> u128 {
                self.0
            }
        }

        impl FromStr for $type {
            type Err = DecimalError;

            fn from_str(text: &str) -> Result<Self, DecimalError> {
                parse(text.as_bytes(), $decimals).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                const WHOLE: u128 = $whole;
                write!(f, "{}.{:0width$}", self.0 / WHOLE, self.0 % WHOLE, width = $decimals)
            }
        }

        serde_as_text!($type, $expecting);
    };
}

positive!(Price);
positive!(Quantity);
sum!(Volume, DECIMALS, 100_000_000, "a decimal with up to 8 decimals, as text");
sum!(
    QuoteVolume,
    QUOTE_DECIMALS,
    10_000_000_000_000_000,
    "a decimal with up to 16 decimals, as text"
);

/// Parses a decimal as a number of units of 10^-`decimals`.
fn parse(text: &[u8], decimals: usize) -> Result<u128, DecimalError> {
    let (whole, fraction) = match text.iter().position(|byte| *byte == b'.') {
        Some(point) => (&text[..point], &text[point + 1..]),
        None => (text, b"0".as_slice()),
    };
    if whole.is_empty() || fraction.is_empty() {
        return Err(DecimalError::Syntax);
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(decimals));
    let whole = digits(whole)?;
    let kept_units =
        digits(kept)?.and_then(|units| units.checked_mul(power_of_ten(decimals - kept.len())));
    if digits(beyond)? != Some(0) {
        return Err(DecimalError::TooPrecise { decimals });
    }
    whole
        .and_then(|whole| whole.checked_mul(power_of_ten(decimals)))
        .zip(kept_units)
        .and_then(|(whole, fraction)| whole.checked_add(fraction))
        .ok_or(DecimalError::TooLarge)
}

/// The value of a row of digits; `None` if it is beyond 128 bits.
fn digits(text: &[u8]) -> Result<Option<u128>, DecimalError> {
    /// The number of digits that fit in 64 bits, where arithmetic is fast.
    const CHUNK: usize = 18;
    let mut value = Some(0_u128);
    for chunk in text.chunks(CHUNK) {
        let mut part = 0_u64;
        for byte in chunk {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return Err(DecimalError::Syntax);
            }
            part = part * 10 + u64::from(digit);
        }
        value = value
            .and_then(|value| value.checked_mul(power_of_ten(chunk.len())))
            .and_then(|value| value.checked_add(u128::from(part)));
    }
    Ok(value)
}

/// 10^`exponent`, for an exponent of at most 18.
fn power_of_ten(exponent: usize) -> u128 {
    const POWERS: [u64; 19] = {
        let mut powers = [1; 19];
        let mut exponent = 1;
        while exponent < powers.len() {
            powers[exponent] = powers[exponent - 1] * 10;
            exponent += 1;
        }
        powers
    };
    u128::from(POWERS[exponent])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(text: &str) -> Result<String, DecimalError> {
        text.parse::<Price>().map(|price| price.to_string())
    }

    #[test]
    fn plain_decimals_are_exact() {
        for (text, shown) in [
            ("61837.63000000", "61837.63000000"),
            ("61837.63", "61837.63000000"),
            ("7", "7.00000000"),
            ("0.00000001", "0.00000001"),
            ("0.000000010000", "0.00000001"),
            ("100000000000", "100000000000.00000000"),
            ("00000000000000000000000000000000000000000000000001.5", "1.50000000"),
        ] {
            assert_eq!(price(text).as_deref(), Ok(shown), "{text}");
        }
    }

    #[test]
    fn anything_else_names_its_fault() {
        use DecimalError::{Syntax, TooLarge, TooPrecise, Zero};
        for text in [
            "", ".", "1.", ".5", "+1", "-1", "1e3", "1_000", "1,5", " 1", "1 ", "NaN", "inf",
            "0x1", "1.2.3", "١",
        ] {
            assert_eq!(price(text), Err(Syntax), "{text}");
        }
        for text in ["0", "0.0", "0.000000000"] {
            assert_eq!(price(text), Err(Zero), "{text}");
        }
        assert_eq!(price("1.000000001"), Err(TooPrecise { decimals: 8 }));
        for text in [
            "100000000000.00000001",
            "18446744073709551616",
            "9999999999999999999999999999999999999999",
        ] {
            assert_eq!(price(text), Err(TooLarge), "{text}");
        }
    }

    #[test]
    fn sums_have_their_own_scale() {
        assert_eq!("1.5".parse::<Volume>().unwrap().to_string(), "1.50000000");
        assert_eq!("0".parse::<QuoteVolume>().unwrap().to_string(), "0.0000000000000000");
        let most = QuoteVolume::from_units(u128::MAX);
        assert_eq!(most.to_string(), "34028236692093846346337.4607431768211455");
        assert_eq!(most.to_string().parse(), Ok(most));
        assert_eq!(
            "34028236692093846346337.4607431768211456".parse::<QuoteVolume>(),
            Err(DecimalError::TooLarge)
        );
    }
}
