//! The choice of a route: from the health of each target to the targets of the next messages.
//!
//! | policy | a message goes to |
//! |---|---|
//! | mirror | every target that takes traffic |
//! | primary | one; when it stops taking traffic, the next: another region of its cloud before another cloud |
//! | weighted | one of those that take traffic, in proportion to their weights |
//!
//! If no target takes traffic, those that are recovering get it; if there are none, only probes are sent and the spool
//! grows. A routing override replaces the policy's choice as long as the target that it names takes traffic.
//!
//! **Messages to publish** follow from one rule: a target gets every message in the spool that the route assigns to it
//! and that it has not acknowledged. So a new primary gets the whole spool, and messages that the old one accepted and
//! lost survive; failback works the same way. Duplicates change nothing.
//!
//! **Suspicion is enough to hedge.** While the targets of a message are suspect, the next target gets it too if *no*
//! target has acknowledged it yet. So trades are accepted elsewhere as soon as a cloud is suspect; the primary, with
//! the whole spool, moves only once the cloud is down.

pub mod overrides;

use crate::health::State;

/// A queue that can be published to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its name, such as `aws` or `aws-eu-west-1`.
    pub name: String,
    /// Its cloud.
    pub cloud: String,
    /// Its region.
    pub region: String,
    /// Cost of a million messages, in millionths of a currency that is the same for all targets.
    pub cost_micros: u64,
    /// Its share under the policy `weighted`; 0: none.
    pub weight: u32,
}

/// The policy by which targets are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// All targets.
    Mirror,
    /// One target.
    Primary(PrimarySelection),
    /// One target for each message.
    Weighted,
}

/// The criterion for the best primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrimarySelection {
    /// The order of the settings.
    Hand,
    /// The cheapest.
    Cost,
    /// The lowest latency; a change needs another target to be faster by the margin.
    Latency {
        /// In per cent of the current one's latency.
        margin_percent: u32,
    },
}

/// A service in a target's region, with its health state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceState {
    /// Its name, such as `queue` or `store`.
    pub service: String,
    /// Its health state.
    pub state: State,
}

/// The state of a target at the moment of choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSnapshot {
    /// Its services. Only those in [`Router::services`] affect the choice; the others appear in the notes.
    pub services: Vec<ServiceState>,
    /// Latency of a publish; `None`: not measured yet.
    pub latency_us: Option<u64>,
}

/// The settings of the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// All targets, in the order of preference of the settings.
    pub targets: Vec<Target>,
    /// The policy by which targets are chosen.
    pub policy: Policy,
    /// The services that count for the choice; a target is as healthy as the worst of them. `queue` is enough to lose
    /// nothing.
    pub services: Vec<String>,
    /// The time that a better primary must have been healthy before failback.
    pub failback_ms: u64,
}

/// State that is kept from one choice to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterState {
    /// The primary, as an index into the targets.
    primary: Option<usize>,
    /// A better primary, and since when it has been better.
    better: Option<(usize, u64)>,
    /// The target that a routing override names.
    ordered: Option<String>,
}

/// The targets of the next messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Targets that get messages, with their shares; under `mirror` and `primary` each gets all.
    pub publish: Vec<(String, u32)>,
    /// Targets that come next, in order.
    pub standby: Vec<String>,
    /// The target that also gets messages without any acknowledgement, because `publish` is suspect.
    pub hedge: Option<String>,
    /// True if a message goes to one of `publish` instead of all.
    is_shared: bool,
    /// The change of primary, if this choice makes one.
    pub change: Option<Change>,
    /// Services that are not healthy, such as `aws: store is down`.
    pub notes: Vec<String>,
}

/// A change of primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new primary.
    pub from: String,
    /// The one from now on.
    pub to: String,
    /// Its reason.
    pub why: Why,
}

/// The reason for a change of primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The former primary takes no traffic.
    Failover,
    /// A better target has been healthy for long enough.
    Failback,
    /// A routing override.
    Ordered,
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Failover => "failover",
            Self::Failback => "failback",
            Self::Ordered => "ordered",
        })
    }
}

impl RouterState {
    /// Sets the routing override: this target ranks first until the next one. `None`: choose by the policy.
    pub fn order(&mut self, target: Option<String>) {
        self.ordered = target;
        self.better = None;
    }
}

impl Route {
    /// True if `target` is the hedge: it gets messages without any acknowledgement.
    #[must_use]
    pub fn hedges(&self, target: &str) -> bool {
        self.hedge.as_deref() == Some(target)
    }

    /// True if message number `sequence` goes to `target`.
    #[must_use]
    pub fn assigns(&self, target: &str, sequence: u64) -> bool {
        if !self.is_shared {
            return self.publish.iter().any(|(name, _)| name == target);
        }
        let total: u64 = self.publish.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut place = sequence.checked_rem(total).unwrap_or(0);
        for (name, weight) in &self.publish {
            match place.checked_sub(u64::from(*weight)) {
                Some(rest) => place = rest,
                None => return name == target,
            }
        }
        false
    }
}

impl Router {
    /// Chooses the route. `views` are in the order of the targets; the same arguments give the same choice.
    #[must_use]
    pub fn decide(
        &self,
        mut memory: RouterState,
        views: &[TargetSnapshot],
        now_ms: u64,
    ) -> (RouterState, Route) {
        let states: Vec<State> = views.iter().map(|view| self.state(view)).collect();
        let usable = usable(&states);
        let name = |index: usize| self.targets[index].name.clone();
        let mut change = None;
        let ordered = usable.iter().copied().find(|index| self.is_ordered(&memory, *index));
        let publish: Vec<usize> = match self.policy {
            Policy::Mirror | Policy::Weighted if ordered.is_some() => ordered.into_iter().collect(),
            Policy::Mirror => usable,
            Policy::Weighted => {
                let heavy = |index: &usize| self.targets[*index].weight > 0;
                let shares: Vec<_> = usable.iter().copied().filter(heavy).collect();
                if shares.is_empty() { usable } else { shares }
            }
            Policy::Primary(by) => {
                let before = memory.primary;
                let why = self.choose(by, &mut memory, views, &states, now_ms);
                change = why.zip(before.zip(memory.primary)).map(|(why, (from, to))| Change {
                    from: name(from),
                    to: name(to),
                    why,
                });
                memory.primary.into_iter().collect()
            }
        };
        let mut standby = self.ranked(None, &memory, views);
        standby.retain(|index| !publish.contains(index));
        standby.sort_by_key(|index| states[*index]);
        let is_shared = self.policy == Policy::Weighted && ordered.is_none();
        let hedge = self.hedge(&publish, is_shared, &self.ranked(None, &memory, views), &states);
        let route = Route {
            publish: publish.iter().map(|i| (name(*i), self.targets[*i].weight.max(1))).collect(),
            standby: standby.into_iter().map(name).collect(),
            hedge: hedge.map(name),
            is_shared,
            change,
            notes: self.notes(views),
        };
        (memory, route)
    }

    /// The target to hedge with: if all targets of a message may be suspect, the best of the others, another region of
    /// the same cloud before another cloud.
    fn hedge(
        &self,
        publish: &[usize],
        is_shared: bool,
        ranked: &[usize],
        states: &[State],
    ) -> Option<usize> {
        let is_bad = |index: &&usize| states[**index] != State::Healthy;
        let bad: Vec<usize> = publish.iter().filter(is_bad).copied().collect();
        let first = *bad.first()?;
        if !is_shared && bad.len() < publish.len() {
            return None;
        }
        let others = ranked.iter().copied().filter(|index| !bad.contains(index));
        let takers = others.filter(|index| states[*index].takes_traffic());
        takers.min_by_key(|i| (states[*i], self.targets[*i].cloud != self.targets[first].cloud))
    }

    fn is_ordered(&self, memory: &RouterState, index: usize) -> bool {
        memory.ordered.as_ref() == Some(&self.targets[index].name)
    }

    /// Sets the primary; returns the reason if it changed.
    fn choose(
        &self,
        by: PrimarySelection,
        memory: &mut RouterState,
        views: &[TargetSnapshot],
        states: &[State],
        now_ms: u64,
    ) -> Option<Why> {
        let ranked = self.ranked(Some(by), memory, views);
        let usable = usable(states);
        let Some(current) = memory.primary else {
            let best = ranked.iter().find(|index| usable.contains(index));
            memory.primary = best.or(ranked.first()).copied();
            return None;
        };
        if !usable.contains(&current) {
            let cloud = &self.targets[current].cloud;
            let next = ranked.iter().copied().filter(|index| usable.contains(index));
            let next = next.min_by_key(|i| (states[*i], self.targets[*i].cloud != *cloud));
            memory.better = None;
            // If no target is usable, a change would not help.
            memory.primary = next.or(Some(current));
            return next.map(|_| Why::Failover);
        }
        let is_ordered = |index: usize| self.is_ordered(memory, index);
        let best = ranked.iter().copied().find(|index| states[*index] == State::Healthy);
        let best = best.filter(|best| {
            *best != current
                && ranked.iter().position(|i| i == best) < ranked.iter().position(|i| *i == current)
                && (is_ordered(*best) || is_worth_it(by, &views[*best], &views[current]))
        });
        let Some(best) = best else {
            memory.better = None;
            return None;
        };
        let since_ms = match memory.better {
            Some((better, since_ms)) if better == best => since_ms,
            _ => now_ms,
        };
        let ordered = is_ordered(best);
        if ordered || now_ms.saturating_sub(since_ms) >= self.failback_ms {
            (memory.primary, memory.better) = (Some(best), None);
            return Some(if ordered { Why::Ordered } else { Why::Failback });
        }
        memory.better = Some((best, since_ms));
        None
    }

    /// All targets, the best one first, whatever their state.
    fn ranked(
        &self,
        by: Option<PrimarySelection>,
        memory: &RouterState,
        views: &[TargetSnapshot],
    ) -> Vec<usize> {
        let mut ranked: Vec<usize> = (0..self.targets.len()).collect();
        ranked.sort_by_key(|index| {
            let target = &self.targets[*index];
            let rank = match by {
                Some(PrimarySelection::Cost) => target.cost_micros,
                Some(PrimarySelection::Latency { .. }) => {
                    views[*index].latency_us.unwrap_or(u64::MAX)
                }
                Some(PrimarySelection::Hand) | None => 0,
            };
            (memory.ordered.as_ref() != Some(&target.name), rank)
        });
        ranked
    }

    /// The worst state of the services that count for the choice.
    fn state(&self, view: &TargetSnapshot) -> State {
        let mine = view.services.iter().filter(|service| self.services.contains(&service.service));
        mine.map(|service| service.state).max().unwrap_or(State::Healthy)
    }

    fn notes(&self, views: &[TargetSnapshot]) -> Vec<String> {
        let targets = self.targets.iter().zip(views);
        let all = targets.flat_map(|(target, view)| view.services.iter().map(move |s| (target, s)));
        let bad = all.filter(|(_, service)| service.state != State::Healthy);
        bad.map(|(target, service)| {
            format!("{}: {} is {}", target.name, service.service, service.state)
        })
        .collect()
    }
}

/// Targets that take traffic; if there are none, those that are recovering.
fn usable(states: &[State]) -> Vec<usize> {
    let those = |wanted: fn(&State) -> bool| -> Vec<usize> {
        states.iter().enumerate().filter(|(_, state)| wanted(state)).map(|(i, _)| i).collect()
    };
    let takers = those(|state| state.takes_traffic());
    if takers.is_empty() { those(|state| *state == State::Recovering) } else { takers }
}

fn is_worth_it(by: PrimarySelection, better: &TargetSnapshot, current: &TargetSnapshot) -> bool {
    let PrimarySelection::Latency { margin_percent } = by else { return true };
    let Some((better, current)) = better.latency_us.zip(current.latency_us) else { return false };
    let (better, current) = (u128::from(better), u128::from(current));
    better * (100 + u128::from(margin_percent)) <= current * 100
}

#[cfg(test)]
mod tests;
