//! Symbols, the names of trading pairs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::serde_as_text;

/// The name of a trading pair, such as `BTCUSDT`: 1 to 20 characters of `A-Z` and `0-9`.
///
/// Held inline, so a clone is a copy of 20 bytes. Ordered as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol([u8; Symbol::MAX_LEN]);

impl Symbol {
    /// The most characters a symbol may have.
    pub const MAX_LEN: usize = 20;

    /// Parses a symbol.
    pub fn parse(text: &str) -> Result<Self, SymbolError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(SymbolError::Empty);
        }
        if let Some(index) =
            bytes.iter().position(|byte| !matches!(byte, b'A'..=b'Z' | b'0'..=b'9'))
        {
            return Err(SymbolError::Character { index });
        }
        let mut padded = [0; Self::MAX_LEN];
        let Some(head) = padded.get_mut(..bytes.len()) else {
            return Err(SymbolError::TooLong { len: bytes.len() });
        };
        head.copy_from_slice(bytes);
        Ok(Self(padded))
    }

    /// The symbol as text, in upper case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(Self::MAX_LEN);
        std::str::from_utf8(&self.0[..len]).unwrap_or_default()
    }
}

/// The reason why a text is not a [`Symbol`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SymbolError {
    /// The text is empty.
    #[error("an empty symbol")]
    Empty,
    /// More than [`Symbol::MAX_LEN`] characters.
    #[error("a symbol of more than {} characters: {len}", Symbol::MAX_LEN)]
    TooLong {
        /// Number of bytes.
        len: usize,
    },
    /// A character other than `A-Z` and `0-9`.
    #[error("a symbol with something other than A-Z and 0-9 at {index}")]
    Character {
        /// The position of the first such byte.
        index: usize,
    },
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        Self::parse(text)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Symbol({self})")
    }
}

serde_as_text!(Symbol, "a symbol of A-Z and 0-9");

/// The symbols that a deployment trades. Written `BTCUSDT,ETHUSDT`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Symbols(BTreeSet<Symbol>);

impl Symbols {
    /// The set of these symbols.
    pub fn new(symbols: impl IntoIterator<Item = Symbol>) -> Self {
        Self(symbols.into_iter().collect())
    }

    /// True if the deployment trades this symbol.
    #[must_use]
    pub fn contains(&self, symbol: &Symbol) -> bool {
        self.0.contains(symbol)
    }

    /// The symbols, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Symbol> {
        self.0.iter()
    }

    /// Number of symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there are no symbols.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Symbol> for Symbols {
    fn from_iter<I: IntoIterator<Item = Symbol>>(symbols: I) -> Self {
        Self::new(symbols)
    }
}

/// Symbols separated by commas, at least one; blanks around a symbol are allowed.
impl FromStr for Symbols {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        text.split(',').map(|symbol| Symbol::parse(symbol.trim())).collect()
    }
}

impl fmt::Display for Symbols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, symbol) in self.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{symbol}")?;
        }
        Ok(())
    }
}

serde_as_text!(Symbols, "symbols parted by commas");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symbol_is_checked() {
        assert_eq!(Symbol::parse("BTCUSDT").unwrap().as_str(), "BTCUSDT");
        assert_eq!(Symbol::parse("1000SATSUSDT").unwrap().to_string(), "1000SATSUSDT");
        assert_eq!(Symbol::parse("ABCDEFGHIJKLMNOPQRST").unwrap().as_str().len(), 20);
        assert_eq!(Symbol::parse(""), Err(SymbolError::Empty));
        assert_eq!(Symbol::parse("BTC/USDT"), Err(SymbolError::Character { index: 3 }));
        assert_eq!(Symbol::parse("btcusdt"), Err(SymbolError::Character { index: 0 }));
        assert_eq!(Symbol::parse("BTC\0"), Err(SymbolError::Character { index: 3 }));
        assert_eq!(Symbol::parse("ABCDEFGHIJKLMNOPQRSTU"), Err(SymbolError::TooLong { len: 21 }));
    }

    #[test]
    fn symbols_are_ordered_as_text() {
        let mut symbols =
            ["BTCUSDT", "BTC", "1INCHUSDT", "ETHBTC"].map(|text| Symbol::parse(text).unwrap());
        symbols.sort();
        assert_eq!(
            symbols.map(|symbol| symbol.to_string()),
            ["1INCHUSDT", "BTC", "BTCUSDT", "ETHBTC"]
        );
    }

    #[test]
    fn a_set_of_symbols_is_parsed() {
        let symbols: Symbols = "ETHUSDT, BTCUSDT,ETHUSDT".parse().unwrap();
        assert_eq!(symbols.to_string(), "BTCUSDT,ETHUSDT");
        assert!(symbols.contains(&Symbol::parse("ETHUSDT").unwrap()));
        assert!(!symbols.contains(&Symbol::parse("BNBUSDT").unwrap()));
        assert_eq!((symbols.len(), symbols.is_empty()), (2, false));
        assert_eq!((Symbols::default().len(), Symbols::default().is_empty()), (0, true));
        assert_eq!("".parse::<Symbols>(), Err(SymbolError::Empty));
        assert_eq!("BTCUSDT,".parse::<Symbols>(), Err(SymbolError::Empty));
    }
}
