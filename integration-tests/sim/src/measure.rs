//! What is measured in a history: faults and how long they lasted, how soon another cloud took over, how soon all was well
//! again. Pure functions, as the invariants are.

use std::collections::BTreeMap;

use candle::IdRanges;
use serde::Serialize;

use crate::history::{CloudId, Entry, Event};
use crate::invariants::Evidence;

/// The kinds of faults that take a whole cloud away.
const AWAY: [&str; 3] = ["kill_cloud", "pause_cloud", "cut_cloud"];
/// The kinds of faults of the other cloud that keep it from taking over, while they last and a little after.
const HINDERS: [&str; 5] = ["cut_producer", "fail_queue", "fail_all", "lose_", "slow"];
const AFTER_US: u64 = 3_000_000;
/// A cloud that hangs is not told from a slow one sooner: one that is back by then may be waited for.
const UNNOTICED_MS: u64 = 3_000;

/// A fault of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FaultSpan {
    /// Where.
    pub cloud: CloudId,
    /// Which.
    pub fault: String,
    /// When it began, in milliseconds of the run.
    pub begun_ms: u64,
    /// When it was healed; `None`: never.
    pub healed_ms: Option<u64>,
    /// How often it took effect.
    pub fired: usize,
}

/// All faults, by the time at which they began. One that fires without having been begun is over at once.
#[must_use]
pub fn faults(history: &[Entry]) -> Vec<FaultSpan> {
    let mut spans: Vec<FaultSpan> = Vec::new();
    let mut open: BTreeMap<(CloudId, &str), usize> = BTreeMap::new();
    for entry in history {
        let at_ms = entry.at_us / 1000;
        let mut begin = |cloud: CloudId, fault: &str, healed_ms, fired| {
            let fault = fault.to_owned();
            spans.push(FaultSpan { cloud, fault, begun_ms: at_ms, healed_ms, fired });
            spans.len() - 1
        };
        match &entry.event {
            Event::FaultBegun { cloud, fault, .. } => {
                let span = begin(*cloud, fault, None, 0);
                open.insert((*cloud, fault), span);
            }
            Event::FaultFired { cloud, fault, .. } => match open.get(&(*cloud, fault.as_str())) {
                Some(span) => spans[*span].fired += 1,
                None => drop(begin(*cloud, fault, Some(at_ms), 1)),
            },
            Event::FaultHealed { cloud, fault } => {
                if let Some(span) = open.get(&(*cloud, fault.as_str())) {
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
    /// From its going to the first message that the other one took and nobody had taken before; `None`: there was
    /// none while it was away.
    pub after_ms: Option<u64>,
}

/// Each time that a cloud was away as a whole, the other one was there, and trades were to be sent.
#[must_use]
pub fn takeovers(history: &[Entry]) -> Vec<Takeover> {
    let end_us = history.last().map_or(0, |entry| entry.at_us);
    let faults = faults(history);
    let away = faults.iter().filter(|span| AWAY.iter().any(|kind| span.fault.starts_with(kind)));
    let away: Vec<&FaultSpan> = away.collect();
    let until = |span: &FaultSpan| span.healed_ms.map_or(end_us, |ms| ms * 1000 + 999);
    let mut takeovers = Vec::new();
    for span in &away {
        let (from_us, until_us) = (span.begun_ms * 1000, until(span));
        let is_alone = away.iter().all(|other| {
            other.cloud == span.cloud || until(other) < from_us || other.begun_ms * 1000 > until_us
        });
        let is_hindered = faults.iter().any(|other| {
            other.cloud != span.cloud
                && HINDERS.iter().any(|kind| other.fault.starts_with(kind))
                && other.begun_ms * 1000 <= until_us
                && from_us <= until(other).saturating_add(AFTER_US)
        });
        let meanwhile =
            || history.iter().filter(|entry| (from_us..=until_us).contains(&entry.at_us));
        let is_sending = meanwhile().any(|entry| matches!(entry.event, Event::Spooled { .. }));
        if !is_alone || is_hindered || !is_sending {
            continue;
        }
        let first = meanwhile().find(|entry| {
            matches!(&entry.event,
                Event::Accepted { cloud, is_first: true, .. } if *cloud != span.cloud)
        });
        let after_ms = first.map(|entry| (entry.at_us - from_us) / 1000);
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
    /// Recovery time: from the loss of a cloud to the first trade that another one took and nobody had taken before; the
    /// longest of the run, and none if no cloud was away.
    pub rto_ms: Option<u64>,
    /// Recovery point: accepted trades that are missing in the candles of a cloud in the end.
    pub rpo_trades: u64,
    /// From the end of the last fault until both clouds had everything.
    pub convergence_ms: Option<u64>,
    /// Trades that one cloud copied from the other.
    pub replicated_trades: u64,
    /// How long these took; none if there are none.
    pub replication_lag: Option<Lag>,
}

/// How long trades took from one cloud's queue into the other cloud by replication: from the acceptance by the one to the end
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
    // What a cloud has taken and the other one has not copied yet, with the time of the first acceptance.
    let mut waiting: BTreeMap<(CloudId, &str), Vec<(u64, IdRanges)>> = BTreeMap::new();
    let mut taken: BTreeMap<(CloudId, &str), IdRanges> = BTreeMap::new();
    // How many trades had which lag.
    let mut lags: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in history {
        match &entry.event {
            Event::Accepted { cloud, symbol, trade_ids, .. } => {
                let before = taken.entry((*cloud, symbol)).or_default();
                let new = ranges(trade_ids).difference(before);
                *before = before.union(&new);
                waiting.entry((*cloud, symbol)).or_default().push((entry.at_us, new));
            }
            Event::Replicated { cloud, trade_ids, .. } => {
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
            _ => {}
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

/// What `evidence` says of recovery.
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

    fn entry(at_ms: u64, event: Event) -> Entry {
        Entry { at_us: at_ms * 1000, event }
    }

    fn begun(cloud: CloudId) -> Event {
        Event::FaultBegun { cloud, fault: "kill_cloud 1".to_owned(), detail: String::new() }
    }

    fn healed(cloud: CloudId) -> Event {
        Event::FaultHealed { cloud, fault: "kill_cloud 1".to_owned() }
    }

    fn accepted(cloud: CloudId, is_first: bool) -> Event {
        let (symbol, trade_ids) = ("BTCUSDT".to_owned(), vec![(1, 1)]);
        Event::Accepted { cloud, message: 1, symbol, trade_ids, is_first }
    }

    fn spooled() -> Event {
        Event::Spooled { message: 1, symbol: "BTCUSDT".to_owned(), trade_ids: vec![(1, 1)] }
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
        let away = |fault: &str, until_ms| {
            let begun = |cloud, fault: &str| {
                let (fault, detail) = (fault.to_owned(), String::new());
                Event::FaultBegun { cloud, fault, detail }
            };
            let history = [
                entry(90, begun(Gcp, fault)),
                entry(100, begun(Aws, "kill_cloud 1")),
                entry(120, spooled()),
                entry(until_ms, healed(Aws)),
            ];
            takeovers(&history)
        };
        let missed = [Takeover { cloud: Aws, after_ms: None }];
        assert_eq!(away("cut_peer 2", 9_000), missed, "what else is broken there is no excuse");
        assert_eq!(away("cut_peer 2", 2_900), [], "it may be waited for");
        assert_eq!(away("cut_producer 2", 9_000), [], "the producer can't reach the other one");
    }

    #[test]
    fn a_fault_has_a_beginning_an_end_and_a_count() {
        let fired = Event::FaultFired {
            cloud: Aws,
            fault: "kill_cloud 1".to_owned(),
            detail: String::new(),
        };
        let history =
            [entry(1, begun(Aws)), entry(2, fired.clone()), entry(3, fired), entry(4, healed(Aws))];
        let span = FaultSpan {
            cloud: Aws,
            fault: "kill_cloud 1".to_owned(),
            begun_ms: 1,
            healed_ms: Some(4),
            fired: 2,
        };
        assert_eq!(faults(&history), [span]);
    }

    #[test]
    fn lag_is_counted_from_the_first_acceptance_trade_by_trade() {
        let accepted = |cloud, trade_ids: &[(u64, u64)]| {
            let (symbol, trade_ids) = ("BTCUSDT".to_owned(), trade_ids.to_vec());
            Event::Accepted { cloud, message: 1, symbol, trade_ids, is_first: true }
        };
        let copied = |cloud, trade_ids: &[(u64, u64)]| {
            let trade_ids = BTreeMap::from([("BTCUSDT".to_owned(), trade_ids.to_vec())]);
            Event::Replicated { cloud, objects: 1, trades: 1, trade_ids, took_ms: 1 }
        };
        let (aws, gcp) = (CloudId::Aws, CloudId::Gcp);
        let mut history = vec![
            entry(10, accepted(aws, &[(1, 98)])),
            entry(20, accepted(aws, &[(50, 100)])),
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
