//! The content of an archive object.

use std::fmt::Write;

use serde::de::DeserializeSeed;
use sha2::{Digest, Sha256};

use super::{ArchiveError, Hour, MAX_TRADES, ObjectName};
use crate::row::{self, Fault, MAX_ROW_BYTES, Row};
use crate::{Symbol, Trade};

/// The first 64 bits of the content's SHA-256.
pub(super) fn hash(content: &str) -> u64 {
    let digest = Sha256::digest(content.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// The content for trades that are of this hour and by ascending id.
pub(super) fn write(symbol: &Symbol, hour: Hour, trades: &[Trade]) -> String {
    let mut content = String::with_capacity(128 + trades.len() * (MAX_ROW_BYTES + 1));
    push_header(&mut content, symbol, hour, trades.len());
    for trade in trades {
        row::push(&mut content, trade);
        content.push('\n');
    }
    content
}

/// Parses content; accepts only the exact bytes that [`write`] gives for the trades, the symbol and
/// the hour.
pub(super) fn read(content: &str, name: &ObjectName) -> Result<Vec<Trade>, ArchiveError> {
    let (header, rows) = content.split_once('\n').ok_or(ArchiveError::Header)?;
    let mut trades = Vec::<Trade>::new();
    let mut rewritten = String::with_capacity(MAX_ROW_BYTES + 1);
    for (index, text) in rows.split_inclusive('\n').enumerate() {
        let line = index + 2;
        if trades.len() == MAX_TRADES {
            return Err(ArchiveError::TooManyTrades);
        }
        let trade = read_row(text, line)?;
        rewritten.clear();
        row::push(&mut rewritten, &trade);
        rewritten.push('\n');
        if rewritten != text {
            return Err(ArchiveError::NotRow { line });
        }
        if Hour::at(trade.time_ms) != name.hour {
            return Err(ArchiveError::Hour { line });
        }
        if trades.last().is_some_and(|last| last.id >= trade.id) {
            return Err(ArchiveError::Order { line });
        }
        trades.push(trade);
    }
    let ids = trades.first().zip(trades.last()).map(|(first, last)| (first.id, last.id));
    if ids != Some((name.first_id, name.last_id)) {
        return Err(ArchiveError::Ids);
    }
    let mut expected = String::new();
    push_header(&mut expected, &name.symbol, name.hour, trades.len());
    if expected.strip_suffix('\n') != Some(header) {
        return Err(ArchiveError::Header);
    }
    Ok(trades)
}

fn push_header(content: &mut String, symbol: &Symbol, hour: Hour, count: usize) {
    // Writing to a String cannot fail.
    let _ = writeln!(content, r#"{{"v":1,"symbol":"{symbol}","hour":"{hour}","count":{count}}}"#);
}

fn read_row(text: &str, line: usize) -> Result<Trade, ArchiveError> {
    let mut fault = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let trade = Row(&mut fault).deserialize(&mut json);
    trade.and_then(|trade| json.end().map(|()| trade)).map_err(|_| match fault {
        Some(Fault { field, problem }) => ArchiveError::Trade { line, field, problem },
        None => ArchiveError::NotRow { line },
    })
}
