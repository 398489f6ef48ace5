//! Folds trades into candles.
//!
//! **A candle is a pure function of the set of its trades.** A trade has an id, unique for its
//! symbol; a candle carries the ids of the trades it contains ([`IdRanges`]), so folding a trade in
//! twice changes nothing, in whatever order, batch or cloud it arrives. Live ingestion, retry,
//! replay and replication are all "fold these trades".
//!
//! The crate is pure: no I/O, no clock, no randomness and no floats. Times are epoch milliseconds
//! (UTC), prices and quantities are whole numbers of 1e-8 units.
//!
//! | module | wire format |
//! |---|---|
//! | [`binance`] | frames of Binance's trade streams |
//! | [`message`] | the queue message: a batch of trades of one symbol |
//! | [`archive`] | the immutable archive object: a batch of one symbol and hour |
//! | [`record`] | a candle as the fields of a stored document |
//! | [`csv`] | candles as a table for people and for comparison |

pub mod archive;
pub mod binance;
pub mod csv;
pub mod message;
pub mod record;
pub mod table;

mod candle;
mod decimal;
mod fold;
mod id_ranges;
mod interval;
mod key;
mod problem;
mod row;
mod scalar;
mod symbol;
mod text;
mod trade;
mod varint;

pub use archive::{ArchiveError, ArchiveObject, Hour, NamesDigest, NamesHasher, ObjectName};
pub use candle::{Candle, OutsideWindow};
pub use decimal::{DecimalError, Price, Quantity, QuoteVolume, Volume};
pub use fold::{fold, fold_into, group};
pub use id_ranges::{IdRanges, IdRangesError, PIECE_MAX_BYTES, Piece, PieceError, PieceList};
pub use interval::{Interval, IntervalError};
pub use key::{CandleKey, KeyError};
pub use message::{Batch, MessageError};
pub use problem::Problem;
pub use record::{Field, Record, RecordError};
pub use symbol::{Symbol, SymbolError, Symbols};
pub use trade::{Trade, TradeError};
