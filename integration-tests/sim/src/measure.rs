//! What is measured in a history: faults and how long they lasted, how soon another cloud took over, how soon all was well
//! again. Pure functions, as the invariants are.

use std::collections::BTreeMap;

use candle::IdRanges;
use serde::Serialize;

use crate::fault::Fault;
use crate::history::{self, CloudId, Entry, Event};
use crate::invariants::Evidence;

/// The time after a fault of a cloud in which it still can't be asked to take over.
const AFTER_US: u64 = 3_000_000;
/// A cloud that hangs is not told from a slow one sooner: one that is back by then may be waited for.
const UNNOTICED_MS: u64 = 3_000;

/// A fault of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultSpan {
    /// Where.
    pub cloud: CloudId,
    /// The fault.
    pub fault: Fault,
    /// When it began, in milliseconds of the run.
    pub begun_ms: u64,
    /// When it was healed; `None`: never.
    pub healed_ms: Option<u64>,
    /// Number of times that it took effect.
    pub fired: usize,
}

/// All faults, by the time at which they began. One that fires without having been begun is over at once.
#[must_use]
pub fn faults(history: &[Entry]) -> Vec<FaultSpan> {
    let mut spans: Vec<FaultSpan> = Vec::new();
    let mut open: BTreeMap<(CloudId, Fault), usize> = BTreeMap::new();
    for entry in history {
        let at_ms = entry.at_us / 1000;
        let mut begin = |cloud, fault, healed_ms, fired| {
            spans.push(FaultSpan { cloud, fault, begun_ms: at_ms, healed_ms, fired });
            spans.len() - 1
        };
        match &entry.event {
            Event::FaultBegun { cloud, fault, .. } => {
                let span = begin(*cloud, *fault, None, 0);
                open.insert((*cloud, *fault), span);
            }
            Event::FaultFired { cloud, fault, .. } => match open.get(&(*cloud, *fault)) {
                Some(span) => spans[*span].fired += 1,
                None => drop(begin(*cloud, *fault, Some(at_ms), 1)),
            },
            Event::FaultHealed { cloud, fault } => {
                if let Some(span) = open.get(&(*cloud, *fault)) {
                    spans[*span].healed_ms = Some(at_ms);
                }
            }
            _ => {}
        }
    }
    spans
}

/// A cloud that was away while the other one was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takeover {
    /// Which was away.
    pub cloud: CloudId,
    /// From its loss to the first message that the other one accepted and none had accepted before; `None`: there was
    /// none while it was away.
    pub after_ms: Option<u64>,
}

/// Each time that a cloud was away as a whole, the other one was there, and trades were to be sent.
#[must_use]
pub fn takeovers(history: &[Entry]) -> Vec<Takeover> {
    let end_us = history.last().map_or(0, |entry| entry.at_us);
    let faults = faults(history);
    let away = faults.iter().filter(|span| span.fault.kind.takes_cloud_away());
    let away: Vec<&FaultSpan> = away.collect();
    let until = |span: &FaultSpan| span.healed_ms.map_or(end_us, |ms| ms * 1000 + 999);
    let firsts: Vec<_> = history::accepted(history).filter(|accepted| accepted.is_first).collect();
    let mut takeovers = Vec::new();
    for span in &away {
        let (from_us, until_us) = (span.begun_ms * 1000, until(span));
        let is_alone = away.iter().all(|other| {
            other.cloud == span.cloud || until(other) < from_us || other.begun_ms * 1000 > until_us
        });
        let is_hindered = faults.iter().any(|other| {
            other.cloud != span.cloud
                && other.fault.kind.hinders_takeover()
                && other.begun_ms * 1000 <= until_us
                && from_us <= until(other).saturating_add(AFTER_US)
        });
        let mut meanwhile =
            history.iter().filter(|entry| (from_us..=until_us).contains(&entry.at_us));
        let is_sending = meanwhile
            .any(|entry| matches!(entry.event, Event::Producer(producer::Event::Spooled { .. })));
        if !is_alone || is_hindered || !is_sending {
            continue;
        }
        let first = firsts
            .iter()
            .find(|first| first.cloud != span.cloud && (from_us..=until_us).contains(&first.at_us));
        let after_ms = first.map(|first| (first.at_us - from_us) / 1000);
        if after_ms.is_none() && until_us - from_us < UNNOTICED_MS * 1000 {
            continue;
        }
        takeovers.push(Takeover { cloud: span.cloud, after_ms });
    }
    takeovers
}

/// Recovery, as it is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Recovery time: from the loss of a cloud to the first trade that another one accepted and none had before; the
    /// longest of the run, and none if no cloud was away.
    pub rto_ms: Option<u64>,
    /// Recovery point: accepted trades that are missing in the candles of a cloud in the end.
    pub rpo_trades: u64,
    /// From the end of the last fault until both clouds had everything.
    pub convergence_ms: Option<u64>,
    /// Trades that one cloud copied from the other.
    pub replicated_trades: u64,
    /// Their lag; none if there are none.
    pub replication_lag: Option<Lag>,
}

/// Lag of trades from one cloud's queue into the other cloud by replication: from the acceptance by the one to the end
/// of the run of replicate that copied them into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Lag {
    /// Of half of the trades, at most.
    pub p50_ms: u64,
    /// Of 99 in 100 trades, at most.
    pub p99_ms: u64,
    /// Of all.
    pub max_ms: u64,
}

/// The lag of replication, both ways; `None`: nothing was copied that the other cloud's queue had taken.
#[must_use]
pub fn replication_lag(history: &[Entry]) -> Option<Lag> {
    let ranges = |pairs: &[(u64, u64)]| -> IdRanges {
        pairs.iter().map(|&(first, last)| first..=last).collect()
    };
    // Trades that one cloud has accepted and the other has not copied yet, with the time of the first acceptance.
    let mut waiting: BTreeMap<(CloudId, &str), Vec<(u64, IdRanges)>> = BTreeMap::new();
    let mut taken: BTreeMap<(CloudId, &str), IdRanges> = BTreeMap::new();
    // Number of trades by lag.
    let mut lags: BTreeMap<u64, u64> = BTreeMap::new();
    let mut accepted = history::accepted(history).peekable();
    for entry in history {
        // An acknowledgement at the same time comes first.
        while let Some(accepted) = accepted.next_if(|accepted| accepted.at_us <= entry.at_us) {
            let key = (accepted.cloud, accepted.symbol.as_str());
            let before = taken.entry(key).or_default();
            let new = ranges(accepted.ids).difference(before);
            *before = before.union(&new);
            waiting.entry(key).or_default().push((accepted.at_us, new));
        }
        let Event::Replicated { cloud, trade_ids, .. } = &entry.event else { continue };
        for (symbol, pairs) in trade_ids {
            let copied = ranges(pairs);
            let Some(waiting) = waiting.get_mut(&(cloud.other(), symbol.as_str())) else {
                continue;
            };
            waiting.retain_mut(|(at_us, ids)| {
                let left = ids.difference(&copied);
                let count = ids.count() - left.count();
                if count > 0 {
                    *lags.entry(entry.at_us.saturating_sub(*at_us)).or_default() += count;
                }
                *ids = left;
                !ids.is_empty()
            });
        }
    }
    let total: u64 = lags.values().sum();
    let within = |percent: u64| {
        let rank = (total * percent).div_ceil(100);
        let mut seen = 0;
        let found = lags.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        found.map_or(0, |(lag_us, _)| lag_us.div_ceil(1000))
    };
    (total > 0).then(|| Lag { p50_ms: within(50), p99_ms: within(99), max_ms: within(100) })
}

/// Measures recovery from `evidence`.
#[must_use]
pub fn recovery(evidence: &Evidence) -> Recovery {
    let history = &evidence.history;
    let accepted = evidence.accepted();
    let missing = evidence.snapshots.values().map(|snapshot| {
        let interval = evidence.intervals.first().copied().unwrap_or(candle::Interval::M1);
        let held = snapshot.held(interval);
        let lost = accepted.iter().map(|(symbol, ids)| {
            held.get(*symbol).map_or(ids.count(), |held| ids.difference(held).count())
        });
        lost.sum::<u64>()
    });
    let last_heal = faults(history).into_iter().filter_map(|span| span.healed_ms).max();
    let converged = |wanted: CloudId| {
        history.iter().find_map(|entry| match &entry.event {
            Event::Converged { cloud } if *cloud == wanted => Some(entry.at_us / 1000),
            _ => None,
        })
    };
    let all = converged(CloudId::Aws).zip(converged(CloudId::Gcp)).map(|(a, b)| a.max(b));
    let copied = history.iter().map(|entry| match &entry.event {
        Event::Replicated { trades, .. } => *trades,
        _ => 0,
    });
    Recovery {
        rto_ms: takeovers(history).iter().filter_map(|takeover| takeover.after_ms).max(),
        rpo_trades: missing.max().unwrap_or(0),
        convergence_ms: last_heal.zip(all).map(|(heal, all)| all.saturating_sub(heal)),
        replicated_trades: copied.sum(),
        replication_lag: replication_lag(history),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::FaultKind;

    fn entry(at_ms: u64, event: Event) -> Entry {
        Entry { at_us: at_ms * 1000, event }
    }

    const KILL: Fault = Fault { number: 1, kind: FaultKind::KillCloud };

    fn begun(cloud: CloudId) -> Event {
        Event::FaultBegun { cloud, fault: KILL, detail: String::new() }
    }

    fn healed(cloud: CloudId) -> Event {
        Event::FaultHealed { cloud, fault: KILL }
    }

    fn accepted(cloud: CloudId, is_first: bool) -> Event {
        let (target, sequence) = (cloud.to_string(), 1);
        Event::Producer(producer::Event::Accepted { target, sequence, is_first })
    }

    fn spooled() -> Event {
        message(1, &[(1, 1)])
    }

    fn message(sequence: u64, ids: &[(u64, u64)]) -> Event {
        let (symbol, ids) = ("BTCUSDT".parse().unwrap(), ids.to_vec());
        Event::Producer(producer::Event::Spooled { sequence, symbol, ids, recovered: false })
    }

    use CloudId::{Aws, Gcp};

    #[test]
    fn a_takeover_is_the_first_message_that_nobody_had() {
        let history = [
            entry(100, begun(Aws)),
            entry(110, accepted(Gcp, false)),
            entry(120, spooled()),
            entry(350, accepted(Gcp, true)),
            entry(900, healed(Aws)),
        ];
        assert_eq!(takeovers(&history), [Takeover { cloud: Aws, after_ms: Some(250) }]);
    }

    #[test]
    fn none_while_it_was_away_is_none_at_all() {
        let history = [
            entry(100, begun(Aws)),
            entry(120, spooled()),
            entry(9_000, healed(Aws)),
            entry(9_500, accepted(Gcp, true)),
        ];
        assert_eq!(takeovers(&history), [Takeover { cloud: Aws, after_ms: None }]);
    }

    #[test]
    fn nobody_can_take_over_when_both_are_away() {
        let history = [
            entry(100, begun(Aws)),
            entry(110, begun(Gcp)),
            entry(120, spooled()),
            entry(9_000, healed(Aws)),
            entry(9_500, healed(Gcp)),
        ];
        assert_eq!(takeovers(&history), []);
    }

    #[test]
    fn nobody_is_asked_to_take_over_what_is_back_soon_or_cannot_be_taken() {
        let away = |kind, until_ms| {
            let (fault, detail) = (Fault { number: 2, kind }, String::new());
            let history = [
                entry(90, Event::FaultBegun { cloud: Gcp, fault, detail }),
                entry(100, begun(Aws)),
                entry(120, spooled()),
                entry(until_ms, healed(Aws)),
            ];
            takeovers(&history)
        };
        let missed = [Takeover { cloud: Aws, after_ms: None }];
        assert_eq!(
            away(FaultKind::CutPeer, 9_000),
            missed,
            "what else is broken there is no excuse"
        );
        assert_eq!(away(FaultKind::CutPeer, 2_900), [], "it may be waited for");
        assert_eq!(
            away(FaultKind::CutProducer, 9_000),
            [],
            "the producer can't reach the other one"
        );
    }

    #[test]
    fn a_fault_has_a_beginning_an_end_and_a_count() {
        let fired = Event::FaultFired { cloud: Aws, fault: KILL, detail: String::new() };
        let history =
            [entry(1, begun(Aws)), entry(2, fired.clone()), entry(3, fired), entry(4, healed(Aws))];
        let span = FaultSpan { cloud: Aws, fault: KILL, begun_ms: 1, healed_ms: Some(4), fired: 2 };
        assert_eq!(faults(&history), [span]);
    }

    #[test]
    fn lag_is_counted_from_the_first_acceptance_trade_by_trade() {
        let accepted = |cloud: CloudId, sequence| {
            let (target, is_first) = (cloud.to_string(), true);
            Event::Producer(producer::Event::Accepted { target, sequence, is_first })
        };
        let copied = |cloud, trade_ids: &[(u64, u64)]| {
            let trade_ids = BTreeMap::from([("BTCUSDT".to_owned(), trade_ids.to_vec())]);
            Event::Replicated { cloud, objects: 1, trades: 1, trade_ids, took_ms: 1 }
        };
        let (aws, gcp) = (CloudId::Aws, CloudId::Gcp);
        let mut history = vec![
            entry(1, message(1, &[(1, 98)])),
            entry(10, accepted(aws, 1)),
            entry(12, message(2, &[(50, 100)])),
            entry(20, accepted(aws, 2)),
            // Into the cloud that has taken them, this says nothing.
            entry(25, copied(aws, &[(1, 100)])),
        ];
        assert_eq!(replication_lag(&history), None);
        history.push(entry(40, copied(gcp, &[(1, 60)])));
        history.push(entry(110, copied(gcp, &[(40, 99)])));
        history.push(entry(520, copied(gcp, &[(100, 100)])));
        let lag = Lag { p50_ms: 30, p99_ms: 100, max_ms: 500 };
        assert_eq!(replication_lag(&history), Some(lag));
    }
}
