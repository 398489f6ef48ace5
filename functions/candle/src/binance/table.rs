//! Rows of the files of data.binance.vision.
//!
//! Files of spot trades have no header and seven columns: id, price, quantity, quote quantity, time, `is_buyer_maker`,
//! `is_best_match`. Those of futures have a header and the first six.

use super::judge::{Names, RowSymbol, of_row};
use super::{Found, FrameError, Kind};
use crate::scalar::Scalar;

/// The most columns that are parsed; `klines` have twelve.
const MAX_COLUMNS: usize = 16;
/// The relevant columns of a trade.
const NAMES: Names = ["id", "time", "price", "qty", "is_buyer_maker"];
/// The least and the most columns of a trade.
const TRADE_COLUMNS: std::ops::RangeInclusive<usize> = 6..=7;

/// The columns of id, time, price, quantity and `is_buyer_maker`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns([usize; 5]);

impl Default for Columns {
    fn default() -> Self {
        Self([0, 4, 1, 2, 5])
    }
}

/// The columns that a header names.
pub(super) enum Header {
    /// The table has trades, in these columns.
    Trades(Columns),
    /// The table has other data.
    Other,
}

/// Parses a header; `None` if the line is none.
pub(super) fn header(line: &str) -> Option<Header> {
    let (columns, count) = split(line);
    let names = columns.get(..count)?;
    let is_name = |name: &&str| {
        name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_ ".contains(&byte))
    };
    if count < *TRADE_COLUMNS.start() || !names.iter().all(is_name) {
        return None;
    }
    let find = |wanted: &[&str]| {
        let plain = |name: &str| name.replace(['_', ' '], "").to_ascii_lowercase();
        names.iter().position(|name| wanted.contains(&plain(name).as_str()))
    };
    let found = [
        find(&["id", "tradeid"]),
        find(&["time", "timestamp"]),
        find(&["price"]),
        find(&["qty", "quantity"]),
        find(&["isbuyermaker"]),
    ];
    let [Some(id), Some(time), Some(price), Some(quantity), Some(maker)] = found else {
        return Some(Header::Other);
    };
    Some(Header::Trades(Columns([id, time, price, quantity, maker])))
}

/// Classifies a row that begins with a digit.
pub(super) fn row(line: &str, columns: Columns, of: RowSymbol<'_>) -> Found {
    let (values, count) = split(line);
    let values = &values[..count.min(MAX_COLUMNS)];
    let Columns(places) = columns;
    let at = |place: usize| values.get(place).copied().unwrap_or_default();
    let [id, time, price, quantity, maker] = places.map(at);
    if TRADE_COLUMNS.contains(&count) && flag(maker).is_some() {
        let flag = flag(maker).map_or(Scalar::Other, Scalar::Bool);
        let values = [whole(id), whole(time), Scalar::Text(price), Scalar::Text(quantity), flag];
        return of_row(Kind::CsvRow, values, &NAMES, of);
    }
    let is_other = count >= *TRADE_COLUMNS.start() && values.iter().all(|value| is_plain(value));
    if is_other {
        return Found::PassedOver { kind: Kind::OtherRow, trade: None };
    }
    let why = FrameError::Columns { columns: count };
    if TRADE_COLUMNS.contains(&count) {
        let problem = crate::Problem::Not { expected: "true or false" };
        let why = FrameError::Field { field: NAMES[4], problem };
        return Found::Refused { kind: Kind::BadTrade, id: None, why };
    }
    Found::Refused { kind: Kind::Garbage, id: None, why }
}

/// True if `line` may be the beginning of a row of a trade.
pub(super) fn is_cut(line: &str) -> bool {
    let (values, count) = split(line);
    let last = values.get(count.saturating_sub(1)).map(|last| last.to_ascii_lowercase());
    let last = last.unwrap_or_default();
    count < *TRADE_COLUMNS.start()
        || flag(&last).is_none() && ["true", "false"].iter().any(|flag| flag.starts_with(&last))
}

/// The first columns, without surrounding blanks and quotes, and the number of all columns.
fn split(line: &str) -> ([&str; MAX_COLUMNS], usize) {
    let mut columns = [""; MAX_COLUMNS];
    let mut count = 0;
    for column in line.split(',') {
        if let Some(place) = columns.get_mut(count) {
            *place = column.trim_matches([' ', '\t', '"']);
        }
        count += 1;
    }
    (columns, count)
}

fn whole(text: &str) -> Scalar<'_> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(value) if is_digits => Scalar::Whole(value),
        _ if text.is_empty() => Scalar::Missing,
        _ => Scalar::NotWhole,
    }
}

fn flag(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// A number, with or without a sign, a point and an exponent, or a flag.
fn is_plain(text: &str) -> bool {
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    is_number || flag(text).is_some()
}
