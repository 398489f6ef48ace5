//! Problems of a single field, shared by all decoders.

use thiserror::Error;

use crate::{DecimalError, IntervalError, SymbolError, TradeError};

/// The problem with a field; the error around it names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Problem {
    /// The field is absent.
    #[error("missing")]
    Missing,
    /// The value is of another type, or not one of the allowed ones.
    #[error("not {expected}")]
    Not {
        /// The expected value, with its article.
        expected: &'static str,
    },
    /// The number is below zero.
    #[error("negative")]
    Negative,
    /// The number has a point or an exponent, or is beyond 64 bits.
    #[error("not a whole number of 64 bits")]
    NotWhole,
    /// The text is not a decimal of its type.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// The text is not a symbol.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// The text is not an interval.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// The value exceeds a limit of trades.
    #[error(transparent)]
    Limit(#[from] TradeError),
}
