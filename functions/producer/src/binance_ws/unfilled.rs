//! Gaps that could not be filled when they showed themselves, to be asked for again.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use candle::{IdRanges, Symbol};

/// What is still missing, by symbol, and where the last round of asking stopped.
#[derive(Debug)]
pub(super) struct Unfilled(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    missing: BTreeMap<Symbol, IdRanges>,
    /// The last gap that was asked for: by its symbol and its first id.
    asked: Option<(Symbol, u64)>,
}

impl Unfilled {
    pub(super) fn new(missing: BTreeMap<Symbol, IdRanges>) -> Self {
        Self(Mutex::new(State { missing, asked: None }))
    }

    pub(super) fn add(&self, symbol: &Symbol, ids: &IdRanges) {
        let mut state = self.state();
        let missing = state.missing.entry(symbol.clone()).or_default();
        *missing = missing.union(ids);
    }

    pub(super) fn remove(&self, symbol: &Symbol, ids: &IdRanges) {
        let mut state = self.state();
        if let Some(missing) = state.missing.get_mut(symbol) {
            *missing = missing.difference(ids);
        }
    }

    /// The next gaps to ask for, `most_gaps` of them at most and no further one once there are `most_trades`; of a gap
    /// above that, as much as that is. Each has its turn: it goes on behind what the last round had.
    pub(super) fn next(&self, most_gaps: usize, most_trades: u64) -> Vec<(Symbol, IdRanges)> {
        let mut state = self.state();
        let all: Vec<_> = state
            .missing
            .iter()
            .flat_map(|(symbol, ids)| ids.ranges().map(move |ids| (symbol.clone(), ids)))
            .collect();
        let start = state.asked.as_ref().map_or(0, |asked| {
            all.partition_point(|(symbol, ids)| (symbol, *ids.start()) <= (&asked.0, asked.1))
        });
        let mut left = most_trades;
        let mut next = Vec::new();
        for (symbol, ids) in all[start..].iter().chain(&all[..start]).take(most_gaps) {
            let Some(last) = left.checked_sub(1) else { break };
            let (first, last) = (*ids.start(), ids.start().saturating_add(last).min(*ids.end()));
            left = left.saturating_sub((last - first).saturating_add(1));
            state.asked = Some((symbol.clone(), first));
            next.push((symbol.clone(), [first..=last].into_iter().collect()));
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gap_has_its_turn_and_a_round_is_bounded() {
        let [btc, eth]: [Symbol; 2] = ["BTCUSDT", "ETHUSDT"].map(|name| name.parse().unwrap());
        let ids = |ranges: &[(u64, u64)]| -> IdRanges {
            ranges.iter().map(|&(first, last)| first..=last).collect()
        };
        let unfilled = Unfilled::new(BTreeMap::from([(btc.clone(), ids(&[(1, 3), (7, 7)]))]));
        unfilled.add(&eth, &ids(&[(2, 30)]));
        let next = |gaps, trades| -> Vec<(String, String)> {
            let next = unfilled.next(gaps, trades);
            next.iter().map(|(symbol, ids)| (symbol.to_string(), ids.to_string())).collect()
        };
        let pair = |symbol: &Symbol, ids: &str| (symbol.to_string(), ids.to_owned());
        assert_eq!(next(1, 100), [pair(&btc, "1-3")]);
        assert_eq!(next(2, 100), [pair(&btc, "7"), pair(&eth, "2-30")]);
        assert_eq!(next(9, 5), [pair(&btc, "1-3"), pair(&btc, "7"), pair(&eth, "2")]);
        unfilled.remove(&btc, &ids(&[(1, 3)]));
        unfilled.remove(&eth, &ids(&[(2, 29)]));
        assert_eq!(next(9, 100), [pair(&eth, "30"), pair(&btc, "7")]);
        assert_eq!(next(9, 0), []);
        unfilled.remove(&btc, &ids(&[(7, 7)]));
        unfilled.remove(&eth, &ids(&[(30, 30)]));
        assert_eq!(next(9, 100), []);
    }
}
