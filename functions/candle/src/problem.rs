//! Problems of a single field, shared by all decoders.

use thiserror::Error;

use crate::{DecimalError, IntervalError, SymbolError, TradeError};

/// The problem with a field; the error around it names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Problem {
    /// The field is absent.
    #[error("missing")]
    Missing,
    /// It is of another type, or not one of the values it may have.
    #[error("not {expected}")]
    Not {
        /// The expected value, with its article.
        expected: &'static str,
    },
    /// It is below zero.
    #[error("negative")]
    Negative,
    /// It is a number with a point or an exponent, or beyond 64 bits.
    #[error("not a whole number of 64 bits")]
    NotWhole,
    /// It is not a decimal of its type.
    #[error(transparent)]
    Decimal(#[from] DecimalError),
    /// It is not a symbol.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// It is not an interval.
    #[error(transparent)]
    Interval(#[from] IntervalError),
    /// It exceeds a limit of trades.
    #[error(transparent)]
    Limit(#[from] TradeError),
}
