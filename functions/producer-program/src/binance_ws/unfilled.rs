//! Gaps that could not be filled when they showed themselves, to be asked for again.
//!
//! Each is asked for ever more seldom, and not for ever: where the endpoint has later trades and leaves these out again and
//! again, Binance itself does not have them, and an endpoint that has nothing to say for a day or so will not have them
//! either. A failure of the endpoint says nothing about a gap, so it only lengthens the pause.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use candle::{IdRanges, Symbol};
use tokio::time::Instant;

/// A gap is given up once the endpoint left it out so many times while it had later trades.
pub(super) const LEFT_OUT_MOST: u32 = 5;
/// A gap is given up once so many answers had nothing of it: more than a day, with pauses of up to an hour.
pub(super) const IN_VAIN_MOST: u32 = 48;
/// Gaps of a symbol that are kept, the latest ones; a position keeps as many.
const GAPS_MAX: usize = 1_000;

/// Everything that is still missing.
#[derive(Debug)]
pub(super) struct Unfilled(Mutex<Vec<Gap>>);

/// Trades of a symbol that are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) symbol: Symbol,
    pub(super) first: u64,
    pub(super) last: u64,
    /// The number of requests for it so far.
    asked: u32,
    /// Of these, how often an answer had nothing of it, and how often one had later trades but not these.
    in_vain: u32,
    left_out: u32,
    due: Instant,
}

impl Gap {
    pub(super) fn ids(&self) -> IdRanges {
        [self.first..=self.last].into_iter().collect()
    }
}

/// The result of asking for a gap.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Ids that are settled: fetched, or known to be no trades.
    pub(super) settled: IdRanges,
    /// Ids that the endpoint left out although it had later ones.
    pub(super) left_out: IdRanges,
    /// True if the endpoint answered; else it says nothing about the gap.
    pub(super) is_answer: bool,
}

impl Unfilled {
    /// The gaps that an earlier producer left: due at once.
    pub(super) fn new(missing: &BTreeMap<Symbol, IdRanges>) -> Self {
        let due = Instant::now();
        let gaps = missing.iter().flat_map(|(symbol, ids)| {
            ids.ranges().map(move |ids| Gap::new(symbol.clone(), ids, due))
        });
        Self(Mutex::new(gaps.collect()))
    }

    /// Adds what has just been asked for once. Gives what is no longer kept.
    pub(super) fn add(&self, symbol: &Symbol, ids: &IdRanges, due: Instant) -> IdRanges {
        let mut gaps = self.gaps();
        let added = ids.ranges().map(|ids| Gap::new(symbol.clone(), ids, due));
        gaps.extend(added);
        let of_symbol = gaps.iter().filter(|gap| gap.symbol == *symbol);
        let mut firsts: Vec<u64> = of_symbol.map(|gap| gap.first).collect();
        let Some(surplus) = firsts.len().checked_sub(GAPS_MAX).filter(|surplus| *surplus > 0)
        else {
            return IdRanges::new();
        };
        firsts.sort_unstable();
        let keep_from = firsts[surplus];
        let is_dropped = |gap: &Gap| gap.symbol == *symbol && gap.first < keep_from;
        let dropped = gaps.iter().filter(|gap| is_dropped(gap)).map(|gap| gap.first..=gap.last);
        let dropped = dropped.collect();
        gaps.retain(|gap| !is_dropped(gap));
        dropped
    }

    /// Takes away what has come by itself.
    pub(super) fn remove(&self, symbol: &Symbol, ids: &IdRanges) {
        let mut gaps = self.gaps();
        let is_hit = |gap: &Gap| {
            gap.symbol == *symbol && ids.first() <= Some(gap.last) && Some(gap.first) <= ids.last()
        };
        let hit: Vec<Gap> = gaps.extract_if(.., |gap| is_hit(gap)).collect();
        for gap in hit {
            let rest = gap.ids().difference(ids);
            gaps.extend(rest.ranges().map(|ids| gap.piece(ids)));
        }
    }

    /// Takes out the gaps to ask for now, `most_gaps` of them at most and no further one once there are `most_trades`; of
    /// a gap above that, as much as that is. The longest due comes first. What is not filled is to be given back, by
    /// [`Unfilled::asked`].
    pub(super) fn take_due(&self, most_gaps: usize, most_trades: u64) -> Vec<Gap> {
        let now = Instant::now();
        let mut gaps = self.gaps();
        gaps.sort_by(|a, b| (a.due, &a.symbol, a.first).cmp(&(b.due, &b.symbol, b.first)));
        let mut left = most_trades;
        let mut taken = Vec::new();
        let mut rest = Vec::new();
        for gap in gaps.drain(..) {
            match left.checked_sub(1) {
                Some(more) if gap.due <= now && taken.len() < most_gaps => {
                    let last = gap.first.saturating_add(more).min(gap.last);
                    left = left.saturating_sub((last - gap.first).saturating_add(1));
                    if let Some(next) = last.checked_add(1).filter(|next| *next <= gap.last) {
                        rest.push(gap.piece(next..=gap.last));
                    }
                    taken.push(gap.piece(gap.first..=last));
                }
                _ => rest.push(gap),
            }
        }
        *gaps = rest;
        taken
    }

    /// Gives back what was asked for; `pause` tells how long to wait after so many times. What comes back is given up.
    pub(super) fn asked(
        &self,
        gap: &Gap,
        outcome: &Outcome,
        pause: impl Fn(u32) -> Duration,
    ) -> IdRanges {
        let rest = gap.ids().difference(&outcome.settled);
        let elsewhere = rest.difference(&outcome.left_out);
        let left_out = rest.difference(&elsewhere);
        let due = Instant::now() + pause(gap.asked.saturating_add(1));
        let mut given_up = IdRanges::new();
        let mut gaps = self.gaps();
        for (ids, is_left_out) in [(&left_out, true), (&elsewhere, false)] {
            let is_in_vain = outcome.is_answer && !is_left_out;
            for ids in ids.ranges() {
                let again = Gap {
                    asked: gap.asked.saturating_add(1),
                    in_vain: gap.in_vain + u32::from(is_in_vain),
                    left_out: gap.left_out + u32::from(is_left_out),
                    due,
                    ..gap.piece(ids.clone())
                };
                if again.left_out >= LEFT_OUT_MOST || again.in_vain >= IN_VAIN_MOST {
                    given_up.insert_range(ids);
                } else {
                    gaps.push(again);
                }
            }
        }
        given_up
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.gaps().iter().map(|gap| gap.due).min()
    }

    fn gaps(&self) -> MutexGuard<'_, Vec<Gap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gap {
    fn new(symbol: Symbol, ids: RangeInclusive<u64>, due: Instant) -> Self {
        let (first, last) = ids.into_inner();
        Self { symbol, first, last, asked: 0, in_vain: 0, left_out: 0, due }
    }

    fn piece(&self, ids: RangeInclusive<u64>) -> Self {
        let (first, last) = ids.into_inner();
        Self { first, last, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn ids(ranges: &[(u64, u64)]) -> IdRanges {
        ranges.iter().map(|&(first, last)| first..=last).collect()
    }

    fn symbol(name: &str) -> Symbol {
        name.parse().unwrap()
    }

    fn names(gaps: &[Gap]) -> Vec<String> {
        gaps.iter().map(|gap| format!("{} {}", gap.symbol, gap.ids())).collect()
    }

    /// Asks for all that is due; nothing comes of it.
    fn fail(unfilled: &Unfilled, gaps: usize, trades: u64) -> Vec<String> {
        let taken = unfilled.take_due(gaps, trades);
        for gap in &taken {
            assert!(unfilled.asked(gap, &Outcome::default(), |_| MINUTE).is_empty());
        }
        names(&taken)
    }

    #[tokio::test(start_paused = true)]
    async fn every_gap_has_its_turn_and_a_round_is_bounded() {
        let [btc, eth] = ["BTCUSDT", "ETHUSDT"].map(symbol);
        let unfilled = Unfilled::new(&BTreeMap::from([(btc.clone(), ids(&[(1, 3), (7, 7)]))]));
        unfilled.add(&eth, &ids(&[(2, 30)]), Instant::now());
        assert_eq!(fail(&unfilled, 1, 100), ["BTCUSDT 1-3"]);
        assert_eq!(fail(&unfilled, 2, 100), ["BTCUSDT 7", "ETHUSDT 2-30"]);
        assert_eq!(fail(&unfilled, 9, 100), [""; 0], "nothing is due");
        tokio::time::advance(MINUTE).await;
        assert_eq!(fail(&unfilled, 9, 5), ["BTCUSDT 1-3", "BTCUSDT 7", "ETHUSDT 2"]);
        assert_eq!(fail(&unfilled, 9, 5), ["ETHUSDT 3-7"], "a large one comes in pieces");
        assert_eq!(fail(&unfilled, 9, 0), [""; 0]);
        unfilled.remove(&btc, &ids(&[(1, 3), (7, 7)]));
        unfilled.remove(&eth, &ids(&[(0, 8), (10, 29), (31, 40)]));
        tokio::time::advance(MINUTE).await;
        assert_eq!(fail(&unfilled, 9, 100), ["ETHUSDT 9", "ETHUSDT 30"]);
        tokio::time::advance(MINUTE).await;
        for gap in unfilled.take_due(9, 100) {
            let settled = gap.ids();
            unfilled.asked(&gap, &Outcome { settled, ..Outcome::default() }, |_| MINUTE);
        }
        assert_eq!(unfilled.next_due(), None);
    }

    /// Asks until a gap is given up, with pauses as a producer has them; gives how often, and after how long.
    async fn until_given_up(outcome: Outcome) -> (u32, Duration) {
        let btc = symbol("BTCUSDT");
        let start = Instant::now();
        let unfilled = Unfilled::new(&BTreeMap::from([(btc, ids(&[(2, 3)]))]));
        let pause = |asked| MINUTE.saturating_mul(2_u32.saturating_pow(asked)).min(60 * MINUTE);
        for times in 1..=1_000 {
            tokio::time::sleep_until(unfilled.next_due().unwrap()).await;
            let gap = unfilled.take_due(1, 100).pop().unwrap();
            let given_up = unfilled.asked(&gap, &outcome, pause);
            if !given_up.is_empty() {
                assert_eq!((given_up, unfilled.next_due()), (ids(&[(2, 3)]), None));
                return (times, start.elapsed());
            }
        }
        (u32::MAX, start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_gap_is_asked_for_ever_more_seldom_and_given_up_only_for_what_answers_say() {
        let left_out = Outcome { left_out: ids(&[(1, 9)]), is_answer: true, ..Outcome::default() };
        let (times, took) = until_given_up(left_out).await;
        assert_eq!((times, took.as_secs() / 60), (5, 2 + 4 + 8 + 16));
        let empty = Outcome { is_answer: true, ..Outcome::default() };
        let (times, took) = until_given_up(empty).await;
        assert_eq!((times, took.as_secs() / 3_600), (48, 43));
        let (times, _) = until_given_up(Outcome::default()).await;
        assert_eq!(times, u32::MAX, "a failing endpoint says nothing of a gap");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_out_and_what_is_only_late_part_ways() {
        let btc = symbol("BTCUSDT");
        let unfilled = Unfilled::new(&BTreeMap::from([(btc, ids(&[(1, 9)]))]));
        let outcome =
            Outcome { settled: ids(&[(1, 2), (4, 5)]), left_out: ids(&[(3, 3)]), is_answer: true };
        let mut given_up = IdRanges::new();
        for _ in 0..LEFT_OUT_MOST {
            for gap in unfilled.take_due(9, 100) {
                given_up = given_up.union(&unfilled.asked(&gap, &outcome, |_| MINUTE));
            }
            tokio::time::advance(MINUTE).await;
        }
        assert_eq!(given_up, ids(&[(3, 3)]));
        assert_eq!(names(&unfilled.take_due(9, 100)), ["BTCUSDT 6-9"]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_latest_gaps_are_kept() {
        let btc = symbol("BTCUSDT");
        let unfilled = Unfilled::new(&BTreeMap::new());
        let every_other = |count: u64| (0..count).map(|n| 100 + 2 * n).collect::<IdRanges>();
        assert!(unfilled.add(&btc, &every_other(1_000), Instant::now()).is_empty());
        let dropped = unfilled.add(&btc, &ids(&[(5_000, 5_001), (6_000, 6_000)]), Instant::now());
        assert_eq!(dropped, ids(&[(100, 100), (102, 102)]));
        assert_eq!(unfilled.take_due(9_999, 9_999).len(), 1_000);
    }
}
