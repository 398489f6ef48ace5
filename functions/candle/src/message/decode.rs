//! Decodes a message in one pass, without a copy of its text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::{Batch, MAX_BYTES, MAX_TRADES, MessageError, VERSION};
use crate::row::{Fault, Row};
use crate::scalar::{self, Scalar};
use crate::{Problem, Symbol, Symbols, Trade};

/// Decodes a message of one of the known symbols.
pub fn decode(bytes: &[u8], known: &Symbols) -> Result<Batch, MessageError> {
    if bytes.len() > MAX_BYTES {
        return Err(MessageError::TooLarge { len: bytes.len() });
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| MessageError::NotJson { at: error.valid_up_to() })?;
    let mut error = None;
    let mut json = serde_json::Deserializer::from_str(text);
    let batch = json
        .deserialize_any(Message { known, error: &mut error })
        .and_then(|batch| json.end().map(|()| batch))
        .map_err(|cause| match cause.classify() {
            Category::Data => error.unwrap_or(not("message", "an object")),
            _ => MessageError::NotJson { at: scalar::position(&cause, text) },
        })?;
    check_ids(&batch.trades)?;
    Ok(batch)
}

/// Checks that trades with one id are the same trade.
fn check_ids(trades: &[Trade]) -> Result<(), MessageError> {
    if trades.is_sorted_by(|a, b| a.id < b.id) {
        return Ok(());
    }
    let mut sorted = trades.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0].id == pair[1].id && pair[0] != pair[1]) {
        Some(pair) => Err(MessageError::Conflict { id: pair[0].id }),
        None => Ok(()),
    }
}

/// Parses the object. An error of the message, unlike one of the JSON, is left in `error`.
struct Message<'s> {
    known: &'s Symbols,
    error: &'s mut Option<MessageError>,
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = Batch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batch, A::Error> {
        let (mut version, mut symbol, mut trades) = (None, None, None);
        while let Some(key) = map.next_key::<Scalar<'de>>()? {
            match key.text().unwrap_or_default() {
                "v" if version.is_none() => {
                    version = Some(note(self.error, read_version(map.next_value()?))?);
                }
                "symbol" if symbol.is_none() => {
                    symbol = Some(note(self.error, read_symbol(map.next_value()?, self.known))?);
                }
                "trades" if trades.is_none() => {
                    // Remains if the value is not a list.
                    *self.error = Some(not("trades", "a list"));
                    trades = Some(map.next_value_seed(Trades(self.error))?);
                }
                _ => fail(self.error, not("message", "v, symbol and trades, each once"))?,
            }
        }
        let missing = |field| MessageError::Field { field, problem: Problem::Missing };
        note(self.error, version.ok_or(missing("v")))?;
        let symbol = note(self.error, symbol.ok_or(missing("symbol")))?;
        let trades = note(self.error, trades.ok_or(missing("trades")))?;
        Ok(Batch { symbol, trades })
    }
}

fn read_version(value: Scalar<'_>) -> Result<(), MessageError> {
    match value.whole() {
        Ok(VERSION) => Ok(()),
        Ok(found) => Err(MessageError::Version { found }),
        Err(problem) => Err(MessageError::Field { field: "v", problem }),
    }
}

fn read_symbol(value: Scalar<'_>, known: &Symbols) -> Result<Symbol, MessageError> {
    let symbol = value.text().and_then(|text| Ok(Symbol::parse(text)?));
    match symbol {
        Ok(symbol) if known.contains(&symbol) => Ok(symbol),
        Ok(symbol) => Err(MessageError::UnknownSymbol { symbol }),
        Err(problem) => Err(MessageError::Field { field: "symbol", problem }),
    }
}

/// Parses the list of trades.
struct Trades<'s>(&'s mut Option<MessageError>);

impl<'de> DeserializeSeed<'de> for Trades<'_> {
    type Value = Vec<Trade>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Trade>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Trades<'_> {
    type Value = Vec<Trade>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of trades")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Vec<Trade>, A::Error> {
        let mut trades = Vec::new();
        let mut fault = None;
        loop {
            match rows.next_element_seed(Row(&mut fault)) {
                Ok(Some(_)) if trades.len() == MAX_TRADES => {
                    return fail(self.0, MessageError::TooManyTrades);
                }
                Ok(Some(trade)) => trades.push(trade),
                Ok(None) if trades.is_empty() => return fail(self.0, MessageError::Empty),
                Ok(None) => return Ok(trades),
                Err(cause) => {
                    let Fault { field, problem } = fault.unwrap_or(NOT_A_ROW);
                    *self.0 = Some(MessageError::Trade { index: trades.len(), field, problem });
                    return Err(cause);
                }
            }
        }
    }
}

/// The fault of a row for which its own parser reports none.
const NOT_A_ROW: Fault = Fault { field: "row", problem: Problem::Not { expected: "a list" } };

/// Stores the error for [`decode`], and stops the parser.
fn fail<T, E: Error>(slot: &mut Option<MessageError>, error: MessageError) -> Result<T, E> {
    *slot = Some(error);
    Err(E::custom("an error of the message"))
}

/// The error of a field with an unexpected value.
const fn not(field: &'static str, expected: &'static str) -> MessageError {
    MessageError::Field { field, problem: Problem::Not { expected } }
}

/// [`fail`] if it is an error.
fn note<T, E: Error>(
    slot: &mut Option<MessageError>,
    result: Result<T, MessageError>,
) -> Result<T, E> {
    result.or_else(|error| fail(slot, error))
}
