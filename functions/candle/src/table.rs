//! Many candles as one text and as one digest, to compare two stores.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::Candle;

/// The candles in their canonical form, one a line, ordered by key whatever the order of the argument.
#[must_use]
pub fn canonical<'c>(candles: impl IntoIterator<Item = &'c Candle>) -> String {
    let mut candles: Vec<_> = candles.into_iter().collect();
    candles.sort_by(|a, b| a.key().cmp(b.key()));
    candles.into_iter().fold(String::new(), |mut text, candle| {
        let _ = writeln!(text, "{}", candle.canonical());
        text
    })
}

/// SHA-256 of [`canonical`] in lowercase hex, as `sha256sum` prints it for a file with that text.
#[must_use]
pub fn digest<'c>(candles: impl IntoIterator<Item = &'c Candle>) -> String {
    let hash = Sha256::digest(canonical(candles).as_bytes());
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Interval, Price, Quantity, Trade, fold};

    fn candles(ids: &[u64]) -> Vec<Candle> {
        let trade = |&id| Trade {
            id,
            time_ms: id * 60_000,
            price: Price::ONE,
            quantity: Quantity::ONE,
            buyer_is_maker: false,
        };
        let trades: Vec<_> = ids.iter().map(trade).collect();
        fold(&"BTCUSDT".parse().unwrap(), &trades, &Interval::ALL).into_values().collect()
    }

    #[test]
    fn a_digest_is_that_of_the_text_and_order_does_not_matter() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest(&[]), empty);
        let ascending = candles(&[1, 2, 3]);
        let text = canonical(&ascending);
        assert_eq!(text.lines().count(), ascending.len());
        assert_eq!(digest(&ascending), digest(ascending.iter().rev()));
        assert_ne!(digest(&ascending), digest(&candles(&[1, 2, 4])));
    }
}
