//! Position of the deep pass: behind an hour of a symbol.

use std::str::FromStr;

use candle::{Hour, ObjectName, Symbol};

/// The last hour that was compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) symbol: Symbol,
    pub(super) hour: Hour,
}

impl Place {
    /// The common prefix of this hour's names; also the cursor's text for this position.
    pub(super) fn folder(&self) -> String {
        ObjectName::hour_prefix(&self.symbol, self.hour)
    }

    /// A text that sorts behind all names of this hour and before those of the next.
    pub(super) fn after(&self) -> String {
        Self::after_folder(&self.folder())
    }

    /// [`Self::after`] of an hour's folder.
    pub(super) fn after_folder(folder: &str) -> String {
        // `~` sorts behind every character of a name.
        format!("{folder}~")
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let path = text.strip_prefix(ObjectName::ROOT).and_then(|path| path.strip_suffix('/'));
        let (symbol, hour) = path.and_then(|path| path.split_once('/')).ok_or(())?;
        Ok(Self { symbol: symbol.parse().map_err(drop)?, hour: hour.parse().map_err(drop)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_behind_its_hour_and_before_the_next() {
        let place: Place = "trades/v1/BTCUSDT/2024-08-08T23/".parse().unwrap();
        assert_eq!(place.folder().parse(), Ok(place.clone()));
        let names = ["3-4-0123456789abcdef.jsonl.gz", "99-99-ffffffffffffffff.jsonl.gz"];
        for name in names {
            assert!(place.after() > format!("{}{name}", place.folder()));
        }
        assert!(place.after().as_str() < "trades/v1/BTCUSDT/2024-08-09T00/");
        for text in ["", "trades/v1/BTCUSDT/", "trades/v1/BTCUSDT/2024-08-08T24/", "nonsense"] {
            assert_eq!(text.parse::<Place>(), Err(()), "{text}");
        }
    }
}
