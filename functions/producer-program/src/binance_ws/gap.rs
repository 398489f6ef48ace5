//! What is missing between two trades of a symbol.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use candle::Symbol;

/// The greatest id of each symbol so far.
#[derive(Debug, Default)]
pub(super) struct LastIds(BTreeMap<Symbol, u64>);

impl LastIds {
    /// Goes on behind these.
    pub(super) fn behind(last: BTreeMap<Symbol, u64>) -> Self {
        Self(last)
    }

    /// Takes in an id; gives those between the greatest one so far and this one.
    pub(super) fn take(&mut self, symbol: &Symbol, id: u64) -> Option<RangeInclusive<u64>> {
        let Some(last) = self.0.get_mut(symbol) else {
            self.0.insert(symbol.clone(), id);
            return None;
        };
        let gap = last.saturating_add(1)..=id.saturating_sub(1);
        *last = id.max(*last);
        (!gap.is_empty()).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_while_nobody_listened_is_a_gap() {
        let btc: Symbol = "BTCUSDT".parse().unwrap();
        let mut last = LastIds::behind(BTreeMap::from([(btc.clone(), 10)]));
        assert_eq!(last.take(&btc, 14), Some(11..=13));
    }

    #[test]
    fn a_gap_is_what_lies_between_and_each_symbol_is_by_itself() {
        let [btc, eth]: [Symbol; 2] = ["BTCUSDT", "ETHUSDT"].map(|name| name.parse().unwrap());
        let mut last = LastIds::default();
        assert_eq!(last.take(&btc, 10), None, "the first one tells nothing");
        assert_eq!(last.take(&btc, 11), None);
        assert_eq!(last.take(&eth, 500), None);
        assert_eq!(last.take(&btc, 15), Some(12..=14));
        assert_eq!(last.take(&btc, 13), None, "late, or twice");
        assert_eq!(last.take(&btc, 16), None);
        assert_eq!(last.take(&eth, 502), Some(501..=501));
        assert_eq!(last.take(&btc, u64::MAX), Some(17..=u64::MAX - 1));
        assert_eq!(last.take(&btc, u64::MAX), None);
    }
}
