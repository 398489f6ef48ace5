//! Replication lag of a cloud behind its peer.

use std::ops::RangeInclusive;

use candle::{ArchiveObject, Hour, ObjectName, Symbol, Symbols};
use pipeline::ports::{Archive, Fault, PortError};
use pipeline::replicate::Hours;
use serde::Serialize;

/// Objects of its peer's latest hours that a cloud lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Number of missing objects.
    pub objects: usize,
    /// Age of the oldest trade in them, in milliseconds; 0 if it lacks nothing.
    pub lag_ms: u64,
}

/// Compares the hours from `since` on. Reads one object of the peer: the first that is missing, of each symbol.
pub async fn lag<A: Archive, P: Archive>(
    here: &A,
    peer: &P,
    symbols: &Symbols,
    since: Hour,
    now_ms: u64,
) -> Result<Lag, PortError> {
    let mut lag = Lag::default();
    for symbol in symbols.iter() {
        let prefix = ObjectName::symbol_prefix(symbol);
        let after = Some(ObjectName::hour_prefix(symbol, since));
        let mut theirs = Hours::new(prefix.clone(), after.clone());
        let mut ours = Hours::new(prefix, after);
        let mut first: Option<ObjectName> = None;
        while let Some(hour) = theirs.next(peer).await? {
            let missing = hour.missing_in(ours.seek(here, &hour.folder).await?.as_ref());
            lag.objects += missing.len();
            if first.is_none() {
                let names = missing.iter().filter_map(|name| name.parse::<ObjectName>().ok());
                first = names.min_by_key(|name| name.first_id);
            }
        }
        if let Some(first) = first {
            let oldest_ms = oldest_ms(peer, &first).await?;
            lag.lag_ms = lag.lag_ms.max(now_ms.saturating_sub(oldest_ms));
        }
    }
    Ok(lag)
}

/// The latest of these hours with an object. One request an hour, from the last one back.
pub async fn latest_hour<A: Archive>(
    archive: &A,
    symbol: &Symbol,
    hours: RangeInclusive<Hour>,
) -> Result<Option<Hour>, PortError> {
    let mut hour = *hours.end();
    while hours.contains(&hour) {
        let prefix = ObjectName::hour_prefix(symbol, hour);
        if !archive.list(&prefix, None, 1).await?.is_empty() {
            return Ok(Some(hour));
        }
        let Some(before_ms) = hour.start_ms().checked_sub(1) else { break };
        hour = Hour::at(before_ms);
    }
    Ok(None)
}

/// The time of the first trade of an object; if it can't be read, the start of its hour.
async fn oldest_ms<A: Archive>(archive: &A, name: &ObjectName) -> Result<u64, PortError> {
    let text = name.to_string();
    let bytes = match archive.get(&text).await {
        Err(error) if error.fault == Fault::Corrupt => None,
        read => read?,
    };
    let object = bytes.and_then(|bytes| ArchiveObject::decode(&text, &bytes).ok());
    let oldest = object.and_then(|object| object.trades().iter().map(|t| t.time_ms).min());
    Ok(oldest.unwrap_or(name.hour.start_ms()))
}
