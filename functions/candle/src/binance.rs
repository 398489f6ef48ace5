//! Binance's data as sent and as recorded: frames of its streams, rows of its REST answers, and rows of the files of
//! data.binance.vision.
//!
//! ```json
//! {"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,
//!  "p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}
//! ```
//!
//! (A frame is one line.) A raw frame is the object under `data`. Unknown fields are skipped. Data of Binance that is no
//! trade for candles is not an error; its [`Kind`] says what it is. [`Lines`] reads a recording line by line. Times may
//! be in milliseconds or microseconds everywhere; a trade has milliseconds.

mod json;
mod judge;
mod kind;
mod line;
mod table;

use thiserror::Error;

pub use judge::RowSymbol;
pub use kind::{Kind, KindError, Outcome};
pub use line::{FileSymbol, Lines, json_part};

use crate::{Problem, Symbol, Trade};

/// The most bytes of a frame, of a REST answer and of a line.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The content of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// A trade took place.
    Trade {
        /// The symbol of the trade.
        symbol: Symbol,
        /// The trade.
        trade: Trade,
    },
    /// Something else.
    PassedOver {
        /// Its kind.
        kind: Kind,
        /// The id that the exchange used for it, if it is an entry of a trade stream: no trade has this id.
        trade: Option<(Symbol, u64)>,
    },
}

/// A row of a REST answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestRow {
    /// A valid trade.
    Trade(Trade),
    /// No trade for candles, such as one with a quantity of zero.
    PassedOver {
        /// Its kind.
        kind: Kind,
        /// Its id: no trade has it.
        id: Option<u64>,
    },
    /// Malformed.
    Refused {
        /// Its id, if that can be read.
        id: Option<u64>,
        /// The reason.
        why: FrameError,
    },
}

/// A line, or an item of a list on a line, by kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A trade.
    Trade {
        /// Its form.
        kind: Kind,
        /// The trade's symbol.
        symbol: Symbol,
        /// The trade.
        trade: Trade,
    },
    /// Other data of Binance.
    PassedOver {
        /// Its kind.
        kind: Kind,
        /// The id that the exchange used for it, if it is an entry of a trade stream.
        trade: Option<(Symbol, u64)>,
    },
    /// Malformed.
    Refused {
        /// Its kind.
        kind: Kind,
        /// The id of a bad trade, if that can be read.
        id: Option<u64>,
        /// The reason.
        why: FrameError,
    },
}

/// The reason why bytes are not a frame or a row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// More than [`MAX_BYTES`].
    #[error("a frame of {len} bytes, above {MAX_BYTES}")]
    TooLarge {
        /// Number of bytes.
        len: usize,
    },
    /// Not one JSON value in UTF-8, or nested too deep.
    #[error("not JSON, at byte {at}")]
    NotJson {
        /// The byte at which the JSON is invalid, counted from 0.
        at: usize,
        /// True if the text ends too early: it may be the beginning of valid JSON.
        is_cut: bool,
    },
    /// A field is wrong; `frame` stands for the whole.
    #[error("{field}: {problem}")]
    Field {
        /// Its name on the wire.
        field: &'static str,
        /// The problem with it.
        problem: Problem,
    },
    /// JSON that Binance is not known to send.
    #[error("JSON, but no frame, row or answer of Binance's")]
    Unknown,
    /// A row of a trade of an unknown symbol.
    #[error(
        "a row that does not say of which symbol: name the file as Binance does, such as BTCUSDT-trades-2024-08-08.csv, or give one --symbol"
    )]
    NoSymbol,
    /// Neither JSON nor a row of a table.
    #[error("neither JSON nor a row of a file of trades")]
    Garbage,
    /// A row of another width.
    #[error("a row of {columns} columns, where one of a trade has 6 or 7")]
    Columns {
        /// The number of its columns.
        columns: usize,
    },
}

/// Reads a frame of a stream.
pub fn decode(frame: &[u8]) -> Result<Frame, FrameError> {
    let mut only = None;
    let is_list = json::read(frame, &mut |fields| {
        only = fields.map(|fields| judge::judge(fields, RowSymbol::Unknown));
    })?;
    match only {
        _ if is_list => Ok(Frame::PassedOver { kind: Kind::OtherEvent, trade: None }),
        Some(Found::Trade { symbol, trade, .. }) => Ok(Frame::Trade { symbol, trade }),
        Some(Found::PassedOver { kind, trade }) => Ok(Frame::PassedOver { kind, trade }),
        Some(Found::Refused { why, .. }) => Err(why),
        None => Err(FrameError::Unknown),
    }
}

/// Parses the answer to a request for trades of one symbol, such as `historicalTrades`: each row by itself, so that a
/// bad row does not cost the others.
pub fn rest_rows(symbol: &Symbol, answer: &[u8]) -> Result<Vec<RestRow>, FrameError> {
    let mut rows = Vec::new();
    let is_list = json::read(answer, &mut |fields| {
        let found = fields.map(|fields| judge::judge(fields, RowSymbol::Known(symbol)));
        rows.push(match found {
            Some(Found::Trade { kind: Kind::RestRow, symbol: of, trade }) if of == *symbol => {
                RestRow::Trade(trade)
            }
            Some(Found::PassedOver {
                kind: kind @ (Kind::Zero | Kind::Placeholder),
                trade: Some((_, id)),
            }) => RestRow::PassedOver { kind, id: Some(id) },
            Some(Found::Refused { id, why, .. }) => RestRow::Refused { id, why },
            _ => RestRow::Refused { id: None, why: FrameError::Unknown },
        });
    })?;
    if is_list {
        return Ok(rows);
    }
    Err(field("answer", Problem::Not { expected: "a list of trades" }))
}

/// Encodes a combined frame, byte for byte as Binance does. `event_time_ms` is the time at which the exchange sent it.
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

const fn field(field: &'static str, problem: Problem) -> FrameError {
    FrameError::Field { field, problem }
}
