//! One trade as a JSON row: `[id,time_ms,"price","quantity",0|1]`, the last being 1 if the buyer
//! was the maker.

use std::fmt::{self, Write};

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, SeqAccess, Visitor,
};
use serde::ser::{Serialize, Serializer};

use crate::scalar::Scalar;
use crate::{Problem, Trade, TradeError};

/// The most bytes of a row: 19 digits of id, 15 of time, 20 characters each of price and quantity,
/// a flag, punctuation.
pub(crate) const MAX_ROW_BYTES: usize = 19 + 15 + 2 * 20 + 1 + r#"[,,"","",]"#.len();

/// The names of a trade's fields, in the order of a row.
const NAMES: [&str; 5] = ["id", "time_ms", "price", "quantity", "buyer_is_maker"];

/// The wrong field, and its problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) field: &'static str,
    pub(crate) problem: Problem,
}

/// Appends the row of a trade.
pub(crate) fn push(out: &mut String, trade: &Trade) {
    let Trade { id, time_ms, price, quantity, buyer_is_maker } = trade;
    // Writing to a String cannot fail.
    let _ = write!(out, r#"[{id},{time_ms},"{price}","{quantity}",{}]"#, u8::from(*buyer_is_maker));
}

/// A trade made of five values; in an error they are called `names`.
pub(crate) fn trade<'a>(
    [id, time_ms, price, quantity, buyer_is_maker]: [Scalar<'a>; 5],
    names: &[&'static str; 5],
    flag: impl Fn(Scalar<'a>) -> Result<bool, Problem>,
) -> Result<Trade, Fault> {
    let at = |index: usize| move |problem| Fault { field: names[index], problem };
    let trade = Trade {
        id: id.whole().map_err(at(0))?,
        time_ms: time_ms.whole().map_err(at(1))?,
        price: price.decimal().map_err(at(2))?,
        quantity: quantity.decimal().map_err(at(3))?,
        buyer_is_maker: flag(buyer_is_maker).map_err(at(4))?,
    };
    trade.check().map_err(|error| {
        let index = match error {
            TradeError::Id => 0,
            TradeError::Time => 1,
            TradeError::Notional => 2,
        };
        at(index)(error.into())
    })
}

/// Parses a row. A fault of the row, unlike one of the JSON, is left in the slot.
pub(crate) struct Row<'s>(pub(crate) &'s mut Option<Fault>);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = Trade;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Trade, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = Trade;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of five values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Trade, A::Error> {
        let mut next = || row.next_element::<Scalar<'de>>().map(Option::unwrap_or_default);
        let values = [next()?, next()?, next()?, next()?, next()?];
        let fault = match trade(values, &NAMES, Scalar::flag) {
            Ok(trade) if row.next_element::<IgnoredAny>()?.is_none() => return Ok(trade),
            Ok(_) => Fault { field: "row", problem: Problem::Not { expected: "five values" } },
            Err(fault) => fault,
        };
        *self.0 = Some(fault);
        Err(A::Error::custom("a fault of a row"))
    }
}

/// Serialised as a row.
impl Serialize for Trade {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { id, time_ms, price, quantity, buyer_is_maker } = self;
        (id, time_ms, price, quantity, u8::from(*buyer_is_maker)).serialize(serializer)
    }
}

/// From a row.
impl<'de> Deserialize<'de> for Trade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fault = None;
        Row(&mut fault).deserialize(deserializer).map_err(|cause| match fault {
            Some(Fault { field, problem }) => D::Error::custom(format_args!("{field}: {problem}")),
            None => cause,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_row_is_within_its_bound() {
        // Price times quantity is 10^12, the maximum.
        let trade = Trade {
            id: Trade::MAX_ID,
            time_ms: Trade::MAX_TIME_MS,
            price: "100000000000".parse().unwrap(),
            quantity: "10".parse().unwrap(),
            buyer_is_maker: true,
        };
        assert_eq!(trade.check(), Ok(trade));
        let mut row = String::new();
        push(&mut row, &trade);
        assert!(row.len() <= MAX_ROW_BYTES, "{} bytes: {row}", row.len());
    }

    #[test]
    fn a_value_that_is_no_row_is_told_with_what_it_should_be() {
        let error = |text: &str| serde_json::from_str::<Trade>(text).unwrap_err().to_string();
        let expected = "invalid type: integer `7`, expected a list of five values";
        assert!(error("7").starts_with(expected), "{}", error("7"));
        assert!(error("[-1]").starts_with("id: negative"), "{}", error("[-1]"));
    }
}
