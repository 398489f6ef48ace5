//! A producer's position in its source, from which the next producer continues.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle::message::Batch;
use candle::{IdRanges, Symbol};
use serde::{Deserialize, Serialize};

/// Ranges of missing trades to keep for each symbol: the position is written ten times a second.
const MISSING_MAX: usize = 1_000;

/// A position in a source, stored beside the spool. All trades before it are spooled; some after it may be, and are sent
/// again then, which changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The identity of the source, with its symbols; the position is valid for no other.
    pub source: String,
    /// Number of trades from the start of the source that are all spooled.
    pub taken: u64,
    /// The greatest spooled id by symbol.
    pub last_ids: BTreeMap<Symbol, u64>,
    /// Skipped trades that have not come since, by symbol; the latest ranges, if there are very many. Recorded only for
    /// sources that can be asked again, see [`Position::take_in`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<Symbol, IdRanges>,
}

impl Position {
    /// The start of `source`.
    #[must_use]
    pub fn start(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Parses the text of [`Position::text`]; `None` if it is of another source.
    #[must_use]
    pub fn parse(text: &str, source: &str) -> Option<Self> {
        let position: Self = serde_json::from_str(text).ok()?;
        (position.source == source).then_some(position)
    }

    /// Records the trades of a message. With `notes_gaps` also the ids that it skips, and the earlier gaps that it fills.
    pub fn take_in(&mut self, batch: &Batch, notes_gaps: bool) {
        let here: IdRanges = batch.trades.iter().map(|trade| trade.id).collect();
        let Some((first, last)) = here.first().zip(here.last()) else { return };
        let known = self.last_ids.get(&batch.symbol).copied();
        if notes_gaps {
            let from = known.map_or(first, |known| known.saturating_add(1));
            self.note_gaps(&batch.symbol, from..=last, &here);
        }
        self.last_ids.insert(batch.symbol.clone(), last.max(known.unwrap_or_default()));
    }

    /// Records a gap: of the ids `passed`, only those in `here` have come.
    fn note_gaps(&mut self, symbol: &Symbol, passed: RangeInclusive<u64>, here: &IdRanges) {
        let missing = self.missing.entry(symbol.clone()).or_default();
        if !passed.is_empty() {
            missing.insert_range(passed);
        }
        *missing = missing.difference(here);
        let surplus = missing.ranges().len().saturating_sub(MISSING_MAX);
        if surplus > 0 {
            *missing = missing.ranges().skip(surplus).collect();
        }
        if missing.is_empty() {
            self.missing.remove(symbol);
        }
    }

    /// Removes ids from the gaps that the source has declared to be without a trade. Ids ahead of the position stay in
    /// `settled`.
    pub fn settle(&mut self, settled: &Settled) {
        for (symbol, ids) in settled.lock().iter_mut() {
            let Some(last) = self.last_ids.get(symbol) else { continue };
            if let Some(missing) = self.missing.get_mut(symbol) {
                *missing = missing.difference(ids);
                if missing.is_empty() {
                    self.missing.remove(symbol);
                }
            }
            *ids = ids.difference(&[0..=*last].into_iter().collect());
        }
    }

    /// The position as a line of JSON.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Ids that the source has declared to be without a trade; they are not requested again. Shared by the source, which adds
/// them, and the relay, which keeps the position.
#[derive(Debug, Default)]
pub struct Settled(Mutex<BTreeMap<Symbol, IdRanges>>);

impl Settled {
    /// Ranges to keep for each symbol: ids far ahead may be invalid, and would stay forever.
    const RANGES_MAX: usize = 1_000;

    /// Adds ids; the lowest ranges are kept if there are very many.
    pub fn add(&self, symbol: &Symbol, ids: &IdRanges) {
        let mut settled = self.lock();
        let of_symbol = settled.entry(symbol.clone()).or_default();
        *of_symbol = of_symbol.union(ids);
        if of_symbol.ranges().len() > Self::RANGES_MAX {
            *of_symbol = of_symbol.ranges().take(Self::RANGES_MAX).collect();
        }
    }

    /// The ids of a symbol that no position has taken in yet.
    #[must_use]
    pub fn of(&self, symbol: &Symbol) -> IdRanges {
        self.lock().get(symbol).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Symbol, IdRanges>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_of_one_source() {
        let last_ids = BTreeMap::from([("BTCUSDT".parse().unwrap(), 7)]);
        let missing = BTreeMap::from([("BTCUSDT".parse().unwrap(), [2..=4].into_iter().collect())]);
        let position = Position { source: "a".to_owned(), taken: 3, last_ids, missing };
        assert_eq!(Position::parse(&position.text(), "a"), Some(position.clone()));
        assert_eq!(Position::parse(&position.text(), "b"), None);
        assert_eq!(Position::parse("", "a"), None);
        let old = r#"{"source":"a","taken":3,"last_ids":{"BTCUSDT":7}}"#;
        let missing = BTreeMap::new();
        assert_eq!(Position::parse(old, "a"), Some(Position { missing, ..position }));
    }

    #[test]
    fn what_is_passed_over_is_missing_until_it_comes() {
        let mut position = Position::start("a");
        let mut missing_after = |symbol: &str, ids: &[u64]| {
            let trade = |id: &u64| candle::Trade {
                id: *id,
                time_ms: 1,
                price: "1".parse().unwrap(),
                quantity: "1".parse().unwrap(),
                buyer_is_maker: false,
            };
            let symbol: Symbol = symbol.parse().unwrap();
            let batch = Batch { symbol: symbol.clone(), trades: ids.iter().map(trade).collect() };
            position.take_in(&batch, true);
            position.missing.get(&symbol).map(IdRanges::pairs).unwrap_or_default()
        };
        assert_eq!(
            missing_after("BTCUSDT", &[10, 11]),
            [],
            "before the first one nothing is missing"
        );
        assert_eq!(missing_after("BTCUSDT", &[12, 15, 14]), [(13, 13)]);
        assert_eq!(missing_after("ETHUSDT", &[500]), [], "each symbol is by itself");
        assert_eq!(missing_after("BTCUSDT", &[20]), [(13, 13), (16, 19)]);
        assert_eq!(missing_after("BTCUSDT", &[17, 13, 9]), [(16, 16), (18, 19)], "late, and older");
        assert_eq!(missing_after("BTCUSDT", &[21, 16, 18, 19]), []);
        assert_eq!(missing_after("BTCUSDT", &[]), []);
        let every_other: Vec<u64> = (0..3_000).map(|n| 100 + 2 * n).collect();
        let missing = missing_after("BTCUSDT", &every_other);
        assert_eq!((missing.len(), missing.last()), (1_000, Some(&(6_097, 6_097))), "the latest");
    }

    #[test]
    fn what_never_comes_is_not_missing_and_what_lies_ahead_stays_settled() {
        let symbol: Symbol = "BTCUSDT".parse().unwrap();
        let ids = |ranges: &[(u64, u64)]| -> IdRanges {
            ranges.iter().map(|&(first, last)| first..=last).collect()
        };
        let settled = Settled::default();
        settled.add(&symbol, &ids(&[(12, 13), (21, 21)]));
        let mut position = Position::start("a");
        position.settle(&settled);
        assert_eq!(settled.of(&symbol), ids(&[(12, 13), (21, 21)]), "nothing has come yet");
        position.last_ids.insert(symbol.clone(), 15);
        position.missing.insert(symbol.clone(), ids(&[(11, 13)]));
        position.settle(&settled);
        assert_eq!(position.missing[&symbol], ids(&[(11, 11)]));
        assert_eq!(settled.of(&symbol), ids(&[(21, 21)]));
        settled.add(&symbol, &ids(&[(11, 11)]));
        position.settle(&settled);
        assert!(position.missing.is_empty(), "{position:?}");
    }
}
