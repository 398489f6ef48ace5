//! Parses Binance's JSON: the relevant fields of objects, and of lists of objects.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{FrameError, MAX_BYTES, field};
use crate::Problem;
use crate::scalar::{Scalar, position};

/// The relevant fields, of both levels of a frame and of a row.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) stream: Scalar<'a>,
    pub(super) event: Scalar<'a>,
    pub(super) symbol: Scalar<'a>,
    /// Id, time, price, quantity, and whether the buyer is the maker, as a stream names them.
    pub(super) trade: [Scalar<'a>; 5],
    /// The kind of execution of a futures trade.
    pub(super) execution: Scalar<'a>,
    /// The same five as a REST answer names them, and the symbol, which a recorder may add.
    pub(super) row: [Scalar<'a>; 5],
    pub(super) row_symbol: Scalar<'a>,
    /// Values of the keys that identify answers and requests.
    pub(super) result: Scalar<'a>,
    pub(super) error: Scalar<'a>,
    pub(super) code: Scalar<'a>,
    pub(super) message: Scalar<'a>,
    pub(super) method: Scalar<'a>,
    /// Values of keys that identify events without a type: `u`, `b`, `a`, `f`, `l`, and that of a depth snapshot.
    pub(super) untyped: [Scalar<'a>; 5],
    pub(super) depth: Scalar<'a>,
}

impl<'a> Fields<'a> {
    /// The field for the value of a key.
    fn place(&mut self, key: &str) -> Option<&mut Scalar<'a>> {
        let [id, time, price, quantity, buyer_is_maker] = &mut self.trade;
        let [row_id, row_time, row_price, row_quantity, row_maker] = &mut self.row;
        let [update, bid, ask, first, last] = &mut self.untyped;
        Some(match key {
            "e" => &mut self.event,
            "s" => &mut self.symbol,
            "t" => id,
            "T" => time,
            "p" => price,
            "q" => quantity,
            "m" => buyer_is_maker,
            "X" => &mut self.execution,
            "id" => row_id,
            "time" => row_time,
            "price" => row_price,
            "qty" => row_quantity,
            "isBuyerMaker" => row_maker,
            "symbol" => &mut self.row_symbol,
            "result" => &mut self.result,
            "error" => &mut self.error,
            "code" => &mut self.code,
            "msg" => &mut self.message,
            "method" => &mut self.method,
            "u" => update,
            "b" => bid,
            "a" => ask,
            "f" => first,
            "l" => last,
            "lastUpdateId" => &mut self.depth,
            _ => return None,
        })
    }
}

/// Parses JSON, and calls `show` for each object: the only one, or those of a list one by one; `None` stands for an item
/// that is no object. Returns true for a list. A single object is shown only if nothing follows it; items of a list are
/// shown as they are parsed, so some may have been shown before an error.
pub(super) fn read<'a>(
    json: &'a [u8],
    show: &mut dyn FnMut(Option<&Fields<'a>>),
) -> Result<bool, FrameError> {
    if json.len() > MAX_BYTES {
        return Err(FrameError::TooLarge { len: json.len() });
    }
    let text = std::str::from_utf8(json).map_err(|error| FrameError::NotJson {
        at: error.valid_up_to(),
        is_cut: error.error_len().is_none(),
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let only = Top { show }
        .deserialize(&mut deserializer)
        .and_then(|only| deserializer.end().map(|()| only))
        .map_err(|cause| match cause.classify() {
            Category::Data => field("frame", Problem::Not { expected: "an object" }),
            category => FrameError::NotJson {
                at: position(&cause, text),
                is_cut: category == Category::Eof,
            },
        })?;
    if let Some(fields) = &only {
        show(Some(fields));
    }
    Ok(only.is_none())
}

/// Parses an object, which it returns, or a list, whose items it shows.
struct Top<'s, 'a> {
    show: &'s mut dyn FnMut(Option<&Fields<'a>>),
}

impl<'de> DeserializeSeed<'de> for Top<'_, 'de> {
    type Value = Option<Fields<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Top<'_, 'de> {
    type Value = Option<Fields<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        Object { fields: &mut fields, is_outer: true }.visit_map(map)?;
        Ok(Some(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while let Some(item) = seq.next_element_seed(Item)? {
            (self.show)(item.as_ref());
        }
        Ok(None)
    }
}

/// An item of a list: an object, or anything else.
struct Item;

impl<'de> DeserializeSeed<'de> for Item {
    type Value = Option<Fields<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Item {
    type Value = Option<Fields<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Fields::default();
        Object { fields: &mut fields, is_outer: true }.visit_map(map)?;
        Ok(Some(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// Fills the fields from an object, and from the one under `data` if this is the outer one.
struct Object<'s, 'a> {
    fields: &'s mut Fields<'a>,
    is_outer: bool,
}

impl<'de> DeserializeSeed<'de> for Object<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Scalar<'de>>()? {
            let fields = &mut *self.fields;
            let key = key.text().unwrap_or_default();
            let place = match key {
                "stream" if self.is_outer => &mut fields.stream,
                "data" if self.is_outer => {
                    map.next_value_seed(Object { fields, is_outer: false })?;
                    continue;
                }
                key => {
                    let Some(place) = fields.place(key) else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    place
                }
            };
            *place = map.next_value()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| ())
    }
}
