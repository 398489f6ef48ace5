//! Wrong messages, objects and candles, as mutants make them.

use std::collections::BTreeMap;

use bytes::Bytes;
use candle::message::{self, Batch};
use candle::record::Field;
use candle::{ArchiveObject, Candle, Symbols, Trade};

use super::Mutant;

/// A message from which `mutant` has taken trades, or to which it has added some; `None`: it leaves the message as it is.
pub(super) fn body(mutant: Mutant, body: &Bytes, symbols: &Symbols) -> Option<Bytes> {
    let mut batch = message::decode(body, symbols).ok()?;
    let is_one_of = |trade: &Trade, many: u64| trade.id % many == 7;
    match mutant {
        Mutant::DropTrade => batch.trades.retain(|trade| !is_one_of(trade, 1_000)),
        Mutant::NewId => {
            let picked = batch.trades.iter().filter(|trade| is_one_of(trade, 100));
            let more: Vec<_> =
                picked.map(|trade| Trade { id: trade.id + 1_000_000_000, ..*trade }).collect();
            batch.trades.extend(more);
        }
        _ => return None,
    }
    if batch.trades.is_empty() { None } else { Some(message::encode(&batch).into()) }
}

/// True for a message that can't be decoded.
pub(super) fn is_poison(body: &Bytes, symbols: &Symbols) -> bool {
    message::decode(body, symbols).is_err()
}

/// True for the few messages that a bug picks.
pub(super) fn is_dropped(body: &(impl AsRef<[u8]> + ?Sized)) -> bool {
    let sum = body.as_ref().iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
    sum % 20 == 0
}

/// Another content than the object's own.
pub(super) fn other_content(bytes: &Bytes) -> Bytes {
    let mut other = bytes.to_vec();
    if let Some(byte) = other.last_mut() {
        *byte ^= 1;
    }
    other.into()
}

/// The trades of an object as a message.
pub(super) fn message_of(name: &str, bytes: &[u8]) -> Option<String> {
    let object = ArchiveObject::decode(name, bytes).ok()?;
    let symbol = object.name().symbol.clone();
    Some(message::encode(&Batch { symbol, trades: object.trades().to_vec() }))
}

/// True for objects of the first hour of a day.
pub(super) fn is_of_a_skipped_hour(name: &str) -> bool {
    name.contains("T00/")
}

/// A candle whose quote volume went through a float.
pub(super) fn float_sums(candle: &Candle) -> Candle {
    changed(candle, &["quote_volume"], |text| {
        let float: f32 = text.parse().ok()?;
        Some(format!("{float:.8}"))
    })
}

/// A candle whose volumes are added to themselves.
pub(super) fn added_volumes(candle: &Candle) -> Candle {
    changed(candle, &["volume", "quote_volume", "taker_buy_volume"], |text| {
        let (whole, fraction) = text.split_once('.')?;
        let units: u128 = format!("{whole}{fraction}").parse().ok()?;
        let digits = format!("{:0>1$}", 2 * units, fraction.len() + 1);
        let (whole, fraction) = digits.split_at(digits.len() - fraction.len());
        Some(format!("{whole}.{fraction}"))
    })
}

/// A candle that opens as it did before.
pub(super) fn opened_before(candle: &Candle, before: &Candle) -> Candle {
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    let open = ["open", "open_trade_time_ms", "open_trade_id"];
    let before = before.to_fields().into_iter().filter(|(name, _)| open.contains(name));
    fields.extend(before);
    Candle::from_fields(|field| fields.get(field).cloned()).unwrap_or_else(|_| candle.clone())
}

/// A candle's trades in the candle after it.
pub(super) fn next_candle(candle: &Candle) -> Option<Candle> {
    let after_ms = i64::try_from(candle.key().interval.duration_ms()).ok()?;
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    for name in ["open_time_ms", "open_trade_time_ms", "close_trade_time_ms"] {
        if let Some(Field::Integer(time_ms)) = fields.get_mut(name) {
            *time_ms += after_ms;
        }
    }
    Candle::from_fields(|field| fields.get(field).cloned()).ok()
}

fn changed(candle: &Candle, names: &[&str], change: impl Fn(&str) -> Option<String>) -> Candle {
    let mut fields: BTreeMap<&str, Field> = candle.to_fields().into_iter().collect();
    for name in names {
        if let Some(Field::Text(text)) = fields.get_mut(name)
            && let Some(other) = change(text)
        {
            *text = other;
        }
    }
    // One that no trades could make is not stored, and the bug does not show: its test fails then.
    Candle::from_fields(|field| fields.get(field).cloned()).unwrap_or_else(|_| candle.clone())
}
