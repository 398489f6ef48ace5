//! A candle as the fields of a stored document: the one mapping that every database adapter uses.
//!
//! Decimals are text, times, ids and counts are integers, the set of ids is bytes
//! ([`IdRanges::to_bytes`]), and `v` is the version of the mapping. Some names (`open`, `close`,
//! `interval`) are reserved words of some query languages.
//!
//! A candle with so many holes that its ids would outgrow a document has them beside it, in pieces
//! ([`IdRanges::to_pieces`]), and `v` is [`VERSION_IN_PIECES`]. Record and pieces are written in one step, on the condition
//! that the stored record is still the one that was read: no piece changes without its record.

mod consistency;
mod layout;

use std::str::FromStr;

use thiserror::Error;

pub use layout::{
    CHANGED_MAX_BYTES, CHANGED_MAX_PIECES, Record, Root, Stored, VERSION_IN_PIECES, WHOLE_MAX_BYTES,
};

use crate::candle::Edge;
use crate::{Candle, CandleKey, IdRanges, IdRangesError, PieceError, PieceList, Problem};

/// The version of a record that holds the whole candle.
pub const VERSION: i64 = 1;

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A string.
    Text(String),
    /// A signed 64-bit integer.
    Integer(i64),
    /// A blob.
    Bytes(Vec<u8>),
}

/// The reason why fields are not a candle.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// A version other than [`VERSION`] and [`VERSION_IN_PIECES`].
    #[error("version {found}, where only {VERSION} and {VERSION_IN_PIECES} are known")]
    Version {
        /// The version.
        found: i64,
    },
    /// A field is wrong.
    #[error("{field}: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// The problem with it.
        problem: Problem,
    },
    /// The set of ids is malformed.
    #[error("ids: {0}")]
    Ids(IdRangesError),
    /// The pieces of the ids do not form one set.
    #[error("ids: {0}")]
    Pieces(PieceError),
    /// The ids lie in pieces beside the record.
    #[error("ids: in pieces beside the record")]
    InPieces,
    /// Each field is valid, but no trades make this candle.
    #[error("{field}: not {expected}")]
    Inconsistent {
        /// The field's name.
        field: &'static str,
        /// The expected value.
        expected: &'static str,
    },
}

impl From<PieceError> for RecordError {
    fn from(error: PieceError) -> Self {
        Self::Pieces(error)
    }
}

impl From<IdRangesError> for RecordError {
    fn from(error: IdRangesError) -> Self {
        Self::Ids(error)
    }
}

impl Candle {
    /// The whole candle as fields with their names, always in the same order; [`Self::to_record`] is the form that fits
    /// into a store.
    #[must_use]
    pub fn to_fields(&self) -> Vec<(&'static str, Field)> {
        self.fields(VERSION, self.ids.to_bytes())
    }

    fn fields(&self, version: i64, ids: Vec<u8>) -> Vec<(&'static str, Field)> {
        let text = |value: &dyn ToString| Field::Text(value.to_string());
        vec![
            ("v", Field::Integer(version)),
            ("symbol", text(&self.key.symbol)),
            ("interval", text(&self.key.interval)),
            ("open_time_ms", integer(self.key.open_time_ms)),
            ("open", text(&self.open.price)),
            ("open_trade_time_ms", integer(self.open.time_ms)),
            ("open_trade_id", integer(self.open.id)),
            ("high", text(&self.high)),
            ("low", text(&self.low)),
            ("close", text(&self.close.price)),
            ("close_trade_time_ms", integer(self.close.time_ms)),
            ("close_trade_id", integer(self.close.id)),
            ("volume", text(&self.volume)),
            ("quote_volume", text(&self.quote_volume)),
            ("taker_buy_volume", text(&self.taker_buy_volume)),
            ("trades", integer(self.trades())),
            ("first_trade_id", integer(self.first_trade_id())),
            ("last_trade_id", integer(self.last_trade_id())),
            ("ids", Field::Bytes(ids)),
        ]
    }

    /// Decodes the fields of [`Self::to_fields`]. Other fields are ignored. A record that no trades could have made is an
    /// error.
    pub fn from_fields(get: impl FnMut(&str) -> Option<Field>) -> Result<Self, RecordError> {
        match read(get)? {
            Stored::Whole(candle) => Ok(candle),
            Stored::InPieces(_) => Err(RecordError::InPieces),
        }
    }
}

/// Decodes the fields of [`Candle::to_record`]. Other fields are ignored. A record that no trades could have made is an
/// error.
pub fn read(get: impl FnMut(&str) -> Option<Field>) -> Result<Stored, RecordError> {
    let mut record = Reader(get);
    let version = record.integer("v")?;
    if version != VERSION && version != VERSION_IN_PIECES {
        return Err(RecordError::Version { found: version });
    }
    let mut candle = Candle {
        key: CandleKey {
            symbol: record.parsed("symbol")?,
            interval: record.parsed("interval")?,
            open_time_ms: record.whole("open_time_ms")?,
        },
        open: record.edge(["open", "open_trade_time_ms", "open_trade_id"])?,
        high: record.parsed("high")?,
        low: record.parsed("low")?,
        close: record.edge(["close", "close_trade_time_ms", "close_trade_id"])?,
        volume: record.parsed("volume")?,
        quote_volume: record.parsed("quote_volume")?,
        taker_buy_volume: record.parsed("taker_buy_volume")?,
        ids: IdRanges::new(),
    };
    let ids = record.bytes("ids")?;
    if version == VERSION {
        candle.ids = IdRanges::from_bytes(&ids)?;
    }
    let summary = Summary {
        trades: record.whole("trades")?,
        first_id: record.whole("first_trade_id")?,
        last_id: record.whole("last_trade_id")?,
        candle,
    };
    if version == VERSION {
        return summary.checked().map(Stored::Whole);
    }
    Ok(Stored::InPieces(Root { summary, list: PieceList::from_bytes(&ids)? }))
}

/// A candle, perhaps still without its ids, and the stored values that follow from them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Summary {
    candle: Candle,
    trades: u64,
    first_id: u64,
    last_id: u64,
}

impl Summary {
    fn with(mut self, ids: IdRanges) -> Result<Candle, RecordError> {
        self.candle.ids = ids;
        self.checked()
    }

    fn checked(self) -> Result<Candle, RecordError> {
        let Self { candle, trades, first_id, last_id } = self;
        consistency::check(&candle, trades, first_id, last_id)?;
        Ok(candle)
    }
}

/// Within the limits of trades no value exceeds `i64`; one that does reads back as inconsistent.
fn integer(value: u64) -> Field {
    Field::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Reads fields by name.
struct Reader<G>(G);

impl<G: FnMut(&str) -> Option<Field>> Reader<G> {
    fn integer(&mut self, field: &'static str) -> Result<i64, RecordError> {
        match (self.0)(field) {
            Some(Field::Integer(value)) => Ok(value),
            other => Err(wrong(field, other.as_ref(), "an integer")),
        }
    }

    fn bytes(&mut self, field: &'static str) -> Result<Vec<u8>, RecordError> {
        match (self.0)(field) {
            Some(Field::Bytes(value)) => Ok(value),
            other => Err(wrong(field, other.as_ref(), "bytes")),
        }
    }

    fn whole(&mut self, field: &'static str) -> Result<u64, RecordError> {
        let value = self.integer(field)?;
        u64::try_from(value).map_err(|_| RecordError::Field { field, problem: Problem::Negative })
    }

    fn parsed<T: FromStr<Err: Into<Problem>>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, RecordError> {
        match (self.0)(field) {
            Some(Field::Text(text)) => text
                .parse::<T>()
                .map_err(|error| RecordError::Field { field, problem: error.into() }),
            other => Err(wrong(field, other.as_ref(), "a text")),
        }
    }

    fn edge(&mut self, [price, time_ms, id]: [&'static str; 3]) -> Result<Edge, RecordError> {
        Ok(Edge { price: self.parsed(price)?, time_ms: self.whole(time_ms)?, id: self.whole(id)? })
    }
}

/// The error of a field that is absent or of another type.
const fn wrong(field: &'static str, found: Option<&Field>, expected: &'static str) -> RecordError {
    let problem = match found {
        None => Problem::Missing,
        Some(_) => Problem::Not { expected },
    };
    RecordError::Field { field, problem }
}
