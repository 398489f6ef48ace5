//! A borrowed JSON value, not yet validated, so that the error of a wrong type can name its field.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{DecimalError, Problem};

/// A JSON value, in as much detail as any field needs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Scalar<'a> {
    /// No value.
    #[default]
    Missing,
    /// A string without escapes. Neither a symbol, a decimal nor any field's name needs one.
    Text(&'a str),
    /// A whole number of at most 64 bits.
    Whole(u64),
    /// A whole number below zero.
    Negative,
    /// Any other number.
    NotWhole,
    /// `true` or `false`.
    Bool(bool),
    /// A string with escapes; its content is ignored.
    Escaped,
    /// `null`.
    Null,
    /// A list or an object.
    Other,
}

impl<'a> Scalar<'a> {
    /// True if there is a value other than `null`.
    pub(crate) const fn is_some(self) -> bool {
        !matches!(self, Self::Missing | Self::Null)
    }

    /// The value as a whole number.
    pub(crate) fn whole(self) -> Result<u64, Problem> {
        match self {
            Self::Whole(value) => Ok(value),
            Self::Missing => Err(Problem::Missing),
            Self::Negative => Err(Problem::Negative),
            Self::NotWhole => Err(Problem::NotWhole),
            Self::Text(_) | Self::Bool(_) | Self::Escaped | Self::Null | Self::Other => {
                Err(Problem::Not { expected: "a whole number" })
            }
        }
    }

    /// The value as text.
    pub(crate) fn text(self) -> Result<&'a str, Problem> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Missing => Err(Problem::Missing),
            _ => Err(Problem::Not { expected: "a plain text" }),
        }
    }

    /// The value as a decimal number, which travels as text.
    pub(crate) fn decimal<T: FromStr<Err = DecimalError>>(self) -> Result<T, Problem> {
        Ok(self.text()?.parse()?)
    }

    /// The value as `true` or `false`.
    pub(crate) fn bool(self) -> Result<bool, Problem> {
        match self {
            Self::Bool(value) => Ok(value),
            Self::Missing => Err(Problem::Missing),
            _ => Err(Problem::Not { expected: "true or false" }),
        }
    }

    /// The value as a flag, 0 or 1.
    pub(crate) fn flag(self) -> Result<bool, Problem> {
        match self {
            Self::Whole(0) => Ok(false),
            Self::Whole(1) => Ok(true),
            Self::Missing => Err(Problem::Missing),
            _ => Err(Problem::Not { expected: "0 or 1" }),
        }
    }
}

/// The byte of the text at which the JSON parser stopped, counted from 0.
pub(crate) fn position(cause: &serde_json::Error, text: &str) -> usize {
    let line_start: usize =
        text.split_inclusive('\n').take(cause.line().saturating_sub(1)).map(str::len).sum();
    line_start + cause.column().saturating_sub(1)
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Escaped)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Whole(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar<'de>, E> {
        Ok(u64::try_from(value).map_or(Scalar::Negative, Scalar::Whole))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::NotWhole)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_seq(seq)?;
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar<'de>, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Scalar::Other)
    }
}
