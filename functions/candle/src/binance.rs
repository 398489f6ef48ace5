//! Frames of Binance's spot streams, raw and combined.
//!
//! ```json
//! {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
//!  "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}
//! ```
//!
//! (A frame is one line.) A raw frame is what is under `data`. Unknown fields are skipped. A frame
//! about anything other than a trade is not an error, so a recording of mixed streams can be read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use thiserror::Error;

use crate::row::{self, Fault};
use crate::scalar::Scalar;
use crate::{Problem, Symbol, Trade};

/// The most bytes of a frame.
pub const MAX_BYTES: usize = 1024 * 1024;

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A trade took place.
    Trade {
        /// What was traded.
        symbol: Symbol,
        /// The trade.
        trade: Trade,
    },
    /// Something else.
    Other {
        /// The event's type, or where there is none what the stream's name says after its last `@`;
        /// cut to 64 characters.
        event: String,
    },
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// More than [`MAX_BYTES`].
    #[error("a frame of {len} bytes, above {MAX_BYTES}")]
    TooLarge {
        /// How many bytes there are.
        len: usize,
    },
    /// Not one JSON value in UTF-8, or nested too deep.
    #[error("not JSON, at byte {at}")]
    NotJson {
        /// Where it stops being JSON, counted from 0.
        at: usize,
    },
    /// A field is wrong; `frame` stands for the whole.
    #[error("{field}: {problem}")]
    Field {
        /// Its name on the wire.
        field: &'static str,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// Reads a frame.
pub fn decode(frame: &[u8]) -> Result<Frame, FrameError> {
    if frame.len() > MAX_BYTES {
        return Err(FrameError::TooLarge { len: frame.len() });
    }
    let text = std::str::from_utf8(frame)
        .map_err(|error| FrameError::NotJson { at: error.valid_up_to() })?;
    let mut fields = Fields::default();
    let mut json = serde_json::Deserializer::from_str(text);
    Object { fields: &mut fields, is_outer: true }
        .deserialize(&mut json)
        .and_then(|()| json.end())
        .map_err(|cause| match cause.classify() {
            Category::Data => field("frame", Problem::Not { expected: "an object" }),
            _ => FrameError::NotJson { at: crate::scalar::position(&cause, text) },
        })?;
    fields.judge()
}

/// Writes a combined frame, byte for byte as Binance does. `event_time_ms` is when the exchange
/// sent it.
#[must_use]
pub fn encode_combined(symbol: &Symbol, trade: &Trade, event_time_ms: u64) -> String {
    let Trade { id, time_ms, price, quantity, buyer_is_maker } = trade;
    let stream = symbol.as_str().to_ascii_lowercase();
    format!(
        concat!(
            r#"{{"stream":"{}@trade","data":{{"e":"trade","E":{},"s":"{}","#,
            r#""t":{},"p":"{}","q":"{}","T":{},"m":{},"M":true}}}}"#
        ),
        stream, event_time_ms, symbol, id, price, quantity, time_ms, buyer_is_maker,
    )
}

/// The fields that matter, of both levels of a frame.
#[derive(Default)]
struct Fields<'a> {
    stream: Scalar<'a>,
    event: Scalar<'a>,
    symbol: Scalar<'a>,
    /// Id, time, price, quantity, and whether the buyer is the maker.
    trade: [Scalar<'a>; 5],
}

impl Fields<'_> {
    /// Makes a frame of the fields.
    fn judge(&self) -> Result<Frame, FrameError> {
        let stream = self.stream.text().ok().and_then(|stream| stream.rsplit('@').next());
        let event = match (self.event, stream) {
            (Scalar::Missing, Some(stream)) if stream != "trade" => stream,
            (event, _) => event.text().map_err(|problem| field("e", problem))?,
        };
        if event != "trade" {
            return Ok(Frame::Other { event: event.chars().take(64).collect() });
        }
        let symbol = self.symbol.text().and_then(|text| Ok(Symbol::parse(text)?));
        let symbol = symbol.map_err(|problem| field("s", problem))?;
        let trade = row::trade(self.trade, &["t", "T", "p", "q", "m"], Scalar::bool);
        let trade = trade.map_err(|Fault { field: name, problem }| field(name, problem))?;
        Ok(Frame::Trade { symbol, trade })
    }
}

const fn field(field: &'static str, problem: Problem) -> FrameError {
    FrameError::Field { field, problem }
}

/// Fills in the fields from an object, and from the one under `data` if this is the outer one.
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
            let [id, time, price, quantity, buyer_is_maker] = &mut fields.trade;
            let place = match key.text().unwrap_or_default() {
                "e" => &mut fields.event,
                "s" => &mut fields.symbol,
                "t" => id,
                "T" => time,
                "p" => price,
                "q" => quantity,
                "m" => buyer_is_maker,
                "stream" if self.is_outer => &mut fields.stream,
                "data" if self.is_outer => {
                    map.next_value_seed(Object { fields, is_outer: false })?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *place = map.next_value()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        if self.is_outer {
            return Err(A::Error::custom("a list"));
        }
        IgnoredAny.visit_seq(seq).map(|_| ())
    }
}
