//! The queue message: a batch of trades of one symbol, as compact JSON text.
//!
//! ```json
//! {"v":1,"symbol":"BTCUSDT","trades":[[3735683259,1723161255342,"61837.63000000","0.02000000",1]]}
//! ```
//!
//! Each trade is a row of id, time (epoch ms), price, quantity, and 1 if the buyer was the maker.
//! Nothing else is accepted: no other version, no unknown field. Whatever the bytes, decoding takes
//! time and memory in proportion to their number.

mod decode;

use thiserror::Error;

pub use decode::decode;

use crate::row::{self, MAX_ROW_BYTES};
use crate::{Problem, Symbol, Trade};

/// The version that is written, and the only one that is accepted.
pub const VERSION: u64 = 1;

/// The most bytes of a message; every queue in use carries this.
pub const MAX_BYTES: usize = 256 * 1024;

/// The most trades of a message; this number always fits in [`MAX_BYTES`].
pub const MAX_TRADES: usize = 2_500;

const _: () = assert!(MAX_TRADES * (MAX_ROW_BYTES + ",".len()) + 100 <= MAX_BYTES);

/// Trades of one symbol, in any order. A trade may occur twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The symbol of the trades.
    pub symbol: Symbol,
    /// The trades; in a message 1 to [`MAX_TRADES`].
    pub trades: Vec<Trade>,
}

/// Encodes a message. The caller ensures that it is neither empty nor above [`MAX_TRADES`]: such a
/// message can't be decoded.
#[must_use]
pub fn encode(batch: &Batch) -> String {
    let mut text = String::with_capacity(64 + batch.trades.len() * (MAX_ROW_BYTES + 1));
    text.push_str(r#"{"v":1,"symbol":""#);
    text.push_str(batch.symbol.as_str());
    text.push_str(r#"","trades":["#);
    for (index, trade) in batch.trades.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        row::push(&mut text, trade);
    }
    text.push_str("]}");
    text
}

/// The reason why bytes are not a message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// More than [`MAX_BYTES`].
    #[error("a message of {len} bytes, above {MAX_BYTES}")]
    TooLarge {
        /// Number of bytes.
        len: usize,
    },
    /// Not one JSON value in UTF-8, or nested too deep.
    #[error("not JSON, at byte {at}")]
    NotJson {
        /// The byte at which the JSON is invalid, counted from 0.
        at: usize,
    },
    /// A version other than [`VERSION`].
    #[error("version {found}, where only {VERSION} is known")]
    Version {
        /// The version.
        found: u64,
    },
    /// A field of the message is wrong.
    #[error("{field}: {problem}")]
    Field {
        /// Its name.
        field: &'static str,
        /// The problem with it.
        problem: Problem,
    },
    /// A field of a trade is wrong.
    #[error("trades[{index}].{field}: {problem}")]
    Trade {
        /// The trade, counted from 0.
        index: usize,
        /// The field's name.
        field: &'static str,
        /// The problem with it.
        problem: Problem,
    },
    /// A symbol that the deployment does not trade.
    #[error("unknown symbol {symbol}")]
    UnknownSymbol {
        /// The symbol.
        symbol: Symbol,
    },
    /// There are no trades.
    #[error("no trades")]
    Empty,
    /// More than [`MAX_TRADES`].
    #[error("more than {MAX_TRADES} trades")]
    TooManyTrades,
    /// Two different trades have the same id.
    #[error("two different trades with id {id}")]
    Conflict {
        /// The id.
        id: u64,
    },
}
