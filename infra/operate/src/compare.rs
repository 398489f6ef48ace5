//! Compares two clouds: their archives by name, which contains the hash of the content, and their candles to the last
//! byte. Both are summed up in a digest, which can be computed again from a list.

use std::collections::BTreeMap;
use std::fmt;

use candle::{Candle, Hour, Interval, NamesHasher, ObjectName, Symbols, table};
use futures::future::try_join;
use pipeline::ports::{Archive, CandleStore, PortError};
use pipeline::replicate::{HourOfNames, Hours, Names};
use serde::Serialize;

use crate::Cloud;

/// The part of two clouds to compare.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The symbols.
    pub symbols: Symbols,
    /// The intervals of candles.
    pub intervals: Vec<Interval>,
    /// Only hours before this one, and candles that end before it begins; `None`: all.
    pub before: Option<Hour>,
}

/// Result of comparing two clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Their archives.
    pub archives: Archives,
    /// Their candles.
    pub candles: Candles,
}

/// Result of comparing two archives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Archives {
    /// This cloud's.
    pub here: Held,
    /// Its peer's.
    pub peer: Held,
    /// Objects that only the peer has.
    pub missing: Names,
    /// Objects that only this cloud has.
    pub extra: Names,
}

/// Result of comparing the candles of two clouds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candles {
    /// This cloud's.
    pub here: Held,
    /// Its peer's.
    pub peer: Held,
    /// Candles that differ or that one cloud lacks.
    pub differ: Names,
}

/// The content of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Number of objects or candles.
    pub count: usize,
    /// SHA-256 of their names, or of the candles in their canonical form, one a line and in order.
    pub digest: String,
}

/// A side can't be read.
#[derive(Debug, thiserror::Error)]
#[error("compare: read {what}: {cause}")]
pub struct CompareError {
    what: &'static str,
    cause: PortError,
}

fn of(what: &'static str) -> impl Fn(PortError) -> CompareError {
    move |cause| CompareError { what, cause }
}

impl Comparison {
    /// True if both clouds hold the same.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.archives.here == self.archives.peer && self.candles.here == self.candles.peer
    }
}

/// Compares archives and candles.
pub async fn compare<A, S, P, T>(
    here: &Cloud<A, S>,
    peer: &Cloud<P, T>,
    scope: &Scope,
) -> Result<Comparison, CompareError>
where
    A: Archive,
    S: CandleStore,
    P: Archive,
    T: CandleStore,
{
    let archives = archives(&here.archive, &peer.archive, scope);
    let candles = candles(&here.store, &peer.store, scope);
    let (archives, candles) = try_join(archives, candles).await?;
    Ok(Comparison { archives, candles })
}

/// Compares archives hour by hour: memory holds one hour of each, however old the archives.
pub async fn archives<A: Archive, P: Archive>(
    here: &A,
    peer: &P,
    scope: &Scope,
) -> Result<Archives, CompareError> {
    let (mut ours, mut theirs) = (Sum::default(), Sum::default());
    let (mut missing, mut extra) = (Names::default(), Names::default());
    for symbol in scope.symbols.iter() {
        let end = scope.before.map(|hour| ObjectName::hour_prefix(symbol, hour));
        let prefix = ObjectName::symbol_prefix(symbol);
        let mut here_hours = Walk { hours: Hours::new(prefix.clone(), None), end: end.clone() };
        let mut peer_hours = Walk { hours: Hours::new(prefix, None), end };
        let (mut here_hour, mut peer_hour) =
            try_join(here_hours.next(here, "this archive"), peer_hours.next(peer, PEER)).await?;
        loop {
            let (our_turn, their_turn) = match (&here_hour, &peer_hour) {
                (None, None) => break,
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some(h), Some(p)) => (h.folder <= p.folder, p.folder <= h.folder),
            };
            let h = if our_turn { here_hour.take() } else { None };
            let p = if their_turn { peer_hour.take() } else { None };
            if let Some(h) = &h {
                ours.add(h);
                h.missing_in(p.as_ref()).iter().for_each(|name| extra.add(name));
                here_hour = here_hours.next(here, "this archive").await?;
            }
            if let Some(p) = &p {
                theirs.add(p);
                p.missing_in(h.as_ref()).iter().for_each(|name| missing.add(name));
                peer_hour = peer_hours.next(peer, PEER).await?;
            }
        }
    }
    Ok(Archives { here: ours.held(), peer: theirs.held(), missing, extra })
}

const PEER: &str = "the peer's archive";

/// Walks through the hours of an archive, up to an end.
struct Walk {
    hours: Hours,
    end: Option<String>,
}

impl Walk {
    async fn next<A: Archive>(
        &mut self,
        archive: &A,
        what: &'static str,
    ) -> Result<Option<HourOfNames>, CompareError> {
        let hour = self.hours.next(archive).await.map_err(of(what))?;
        Ok(hour.filter(|hour| self.end.as_ref().is_none_or(|end| hour.folder < *end)))
    }
}

#[derive(Default)]
struct Sum {
    count: usize,
    hasher: NamesHasher,
}

impl Sum {
    fn add(&mut self, hour: &HourOfNames) {
        self.count += hour.names.len();
        hour.names.iter().for_each(|name| self.hasher.add(name));
    }

    fn held(self) -> Held {
        Held { count: self.count, digest: self.hasher.finish().to_string() }
    }
}

/// Compares candles.
async fn candles<S: CandleStore, T: CandleStore>(
    here: &S,
    peer: &T,
    scope: &Scope,
) -> Result<Candles, CompareError> {
    let (ours, theirs) =
        try_join(read(here, scope, "these candles"), read(peer, scope, "the peer's candles"))
            .await?;
    let held = |candles: &[Candle]| Held { count: candles.len(), digest: table::digest(candles) };
    let (here, peer) = (held(&ours), held(&theirs));
    let mut differ = Names::default();
    if here != peer {
        let by_key = |candles: Vec<Candle>| -> BTreeMap<_, _> {
            candles.into_iter().map(|candle| (candle.key().clone(), candle)).collect()
        };
        let (ours, mut theirs) = (by_key(ours), by_key(theirs));
        for (key, candle) in ours {
            if theirs.remove(&key).as_ref() != Some(&candle) {
                differ.add(&key.to_string());
            }
        }
        for key in theirs.keys() {
            differ.add(&key.to_string());
        }
    }
    Ok(Candles { here, peer, differ })
}

async fn read<S: CandleStore>(
    store: &S,
    scope: &Scope,
    what: &'static str,
) -> Result<Vec<Candle>, CompareError> {
    let mut all = Vec::new();
    for symbol in scope.symbols.iter() {
        for &interval in &scope.intervals {
            let candles = store.scan(symbol, interval).await.map_err(of(what))?;
            let is_over = |candle: &Candle| {
                let end_ms = candle.key().open_time_ms.saturating_add(interval.duration_ms());
                scope.before.is_none_or(|hour| end_ms <= hour.start_ms())
            };
            all.extend(candles.into_iter().filter(is_over));
        }
    }
    Ok(all)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { archives, candles } = self;
        for (what, here, peer) in
            [("objects", &archives.here, &archives.peer), ("candles", &candles.here, &candles.peer)]
        {
            writeln!(f, "{what:<8} here    {:>9}  {}", here.count, here.digest)?;
            writeln!(f, "{:<8} peer    {:>9}  {}", "", peer.count, peer.digest)?;
        }
        for (what, names) in [
            ("only the peer has", &archives.missing),
            ("only this cloud has", &archives.extra),
            ("candles that are not alike", &candles.differ),
        ] {
            if names.count > 0 {
                writeln!(f, "{what}: {names}")?;
            }
        }
        Ok(())
    }
}
