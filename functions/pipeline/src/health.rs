//! Health of a target: a state machine with hysteresis, fed by the results of publishing and of probes.
//!
//! | state | traffic | leaves for | when |
//! |---|---|---|---|
//! | healthy | yes | suspect | bad outcome: `suspect_points` without a success in between |
//! | suspect | yes; messages without any acknowledgement are hedged | down | `down_points` since it was healthy, and `suspect_ms` have passed in this state |
//! | | | healthy | `clear_successes` in a row |
//! | down | no | recovering | a success, once `down_ms` have passed in this state |
//! | recovering | probe | healthy | `recover_successes` in a row, and `recovering_ms` have passed in this state |
//! | | | down | any bad outcome |
//!
//! | outcome | points |
//! |---|---|
//! | success | none; resets the points while healthy |
//! | unknown: a timeout, a broken connection, a 5xx. The request may have worked, and the fault may be on this side | 1 |
//! | refused: the service rejected the request, or the connection was refused | `refused_points` |
//!
//! Hysteresis: from losing traffic to getting it back takes at least `down_ms + recovering_ms`, whatever the outcomes. The caller
//! gives the time, in milliseconds from any start; a clock that runs back counts as standing still.

use serde::{Deserialize, Serialize};

/// Health state of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Takes traffic and answers.
    Healthy,
    /// Has failed recently; still takes traffic.
    Suspect,
    /// Answers again, but not yet for long enough.
    Recovering,
    /// Does not answer.
    Down,
}

impl State {
    /// True if the target gets traffic; in any other state it gets only probes.
    #[must_use]
    pub fn takes_traffic(self) -> bool {
        matches!(self, Self::Healthy | Self::Suspect)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Healthy => "healthy",
            Self::Suspect => "suspect",
            Self::Recovering => "recovering",
            Self::Down => "down",
        })
    }
}

/// Result of one request, as evidence of a target's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The target did what was asked.
    Success,
    /// The target may or may not have done it.
    Unknown,
    /// The target did not do it.
    Refused,
}

/// Thresholds of the health state machine: the table `[health]` of the settings, and a part of the producer's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(default))]
pub struct HealthConfig {
    /// Points of a refusal; a timeout has 1.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub refused_points: u32,
    /// Points at which a healthy cloud is suspect.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub suspect_points: u32,
    /// Points at which a suspect cloud is down.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 10_000)))]
    pub down_points: u32,
    /// Least time between suspect and down, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 600_000)))]
    pub suspect_ms: u64,
    /// Successes in a row that clear a suspect cloud.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub clear_successes: u32,
    /// Least time that a cloud stays down, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3_600_000)))]
    pub down_ms: u64,
    /// Successes in a row that a recovering cloud needs.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000)))]
    pub recover_successes: u32,
    /// Least time that a cloud is recovering, in milliseconds.
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3_600_000)))]
    pub recovering_ms: u64,
}

impl Default for HealthConfig {
    /// Down within a second at ten failing requests a second; healthy again after four seconds of successes.
    fn default() -> Self {
        Self {
            refused_points: 2,
            suspect_points: 2,
            down_points: 6,
            suspect_ms: 300,
            clear_successes: 3,
            down_ms: 1_000,
            recover_successes: 3,
            recovering_ms: 3_000,
        }
    }
}

/// The health state of a target, with the counts that decide the next transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    state: State,
    since_ms: u64,
    /// Points of bad outcomes since the target was last healthy, or since it entered its state.
    points: u32,
    /// Successes since the last bad outcome or change of state.
    successes: u32,
}

impl Health {
    /// A new target counts as healthy until its first requests show otherwise.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self { state: State::Healthy, since_ms: now_ms, points: 0, successes: 0 }
    }

    /// The current state.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The time at which the current state began.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// The state after one more outcome.
    #[must_use]
    pub fn after(self, config: &HealthConfig, outcome: Outcome, now_ms: u64) -> Self {
        let mut next = self;
        match outcome {
            Outcome::Success => {
                next.successes = self.successes.saturating_add(1);
                if self.state == State::Healthy {
                    next.points = 0;
                }
            }
            Outcome::Unknown | Outcome::Refused => {
                let weight =
                    if outcome == Outcome::Refused { config.refused_points.max(1) } else { 1 };
                next.successes = 0;
                next.points = self.points.saturating_add(weight);
            }
        }
        match next.judge(config, outcome, now_ms) {
            Some(state) => next.enter(state, now_ms),
            None => next,
        }
    }

    /// The state to change to, if any.
    fn judge(&self, config: &HealthConfig, outcome: Outcome, now_ms: u64) -> Option<State> {
        let passed_ms = now_ms.saturating_sub(self.since_ms);
        let good = outcome == Outcome::Success;
        match self.state {
            State::Healthy if self.points >= config.suspect_points.max(1) => Some(State::Suspect),
            State::Suspect if good && self.successes >= config.clear_successes => {
                Some(State::Healthy)
            }
            State::Suspect
                if !good && self.points >= config.down_points && passed_ms >= config.suspect_ms =>
            {
                Some(State::Down)
            }
            State::Down if good && passed_ms >= config.down_ms => Some(State::Recovering),
            State::Recovering if !good => Some(State::Down),
            State::Recovering
                if self.successes >= config.recover_successes
                    && passed_ms >= config.recovering_ms =>
            {
                Some(State::Healthy)
            }
            _ => None,
        }
    }

    fn enter(self, state: State, now_ms: u64) -> Self {
        // Points that led to suspect count towards down.
        let points = if state == State::Suspect { self.points } else { 0 };
        Self { state, since_ms: now_ms.max(self.since_ms), points, successes: 0 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::State::{Down, Healthy, Recovering, Suspect};
    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![Just(Outcome::Success), Just(Outcome::Unknown), Just(Outcome::Refused)]
    }

    fn configs() -> impl Strategy<Value = HealthConfig> {
        let numbers = (1_u32..4, 1_u32..5, 1_u32..12, 0_u64..500);
        (numbers, 1_u32..5, 0_u64..3_000, 1_u32..5, 0_u64..5_000).prop_map(
            |((refused, suspect, down, suspect_ms), clear, down_ms, recover, recovering_ms)| {
                HealthConfig {
                    refused_points: refused,
                    suspect_points: suspect,
                    down_points: down,
                    suspect_ms,
                    clear_successes: clear,
                    down_ms,
                    recover_successes: recover,
                    recovering_ms,
                }
            },
        )
    }

    fn steps() -> impl Strategy<Value = Vec<(u64, Outcome)>> {
        prop::collection::vec((0_u64..800, outcome()), 0..200)
    }

    /// Every health on the way, with its time; the first is the start.
    fn run(config: &HealthConfig, steps: &[(u64, Outcome)]) -> Vec<(u64, Health)> {
        let mut now_ms = 0;
        let mut health = Health::new(0);
        let mut seen = vec![(0, health)];
        for (pause_ms, outcome) in steps {
            now_ms += pause_ms;
            health = health.after(config, *outcome, now_ms);
            seen.push((now_ms, health));
        }
        seen
    }

    fn requests_until_down(outcome: Outcome) -> usize {
        let steps = [(100, outcome); 50];
        let seen = run(&HealthConfig::default(), &steps);
        seen.iter().position(|(_, health)| health.state() == State::Down).unwrap()
    }

    #[test]
    fn refusals_convince_sooner_than_timeouts() {
        assert_eq!(requests_until_down(Outcome::Refused), 4);
        assert_eq!(requests_until_down(Outcome::Unknown), 6);
    }

    #[test]
    fn the_whole_way_down_and_back() {
        let config = HealthConfig::default();
        let bad = [(100, Outcome::Refused); 10];
        let good = [(500, Outcome::Success); 10];
        let seen = run(&config, &[&bad[..], &good[..]].concat());
        let mut states: Vec<_> = seen.iter().map(|(_, health)| health.state()).collect();
        states.dedup();
        assert_eq!(states, [Healthy, Suspect, Down, Recovering, Healthy]);
    }

    #[test]
    fn one_timeout_among_successes_is_nothing() {
        let step = [(10, Outcome::Unknown), (10, Outcome::Success)];
        let seen = run(&HealthConfig::default(), &step.repeat(500));
        assert!(seen.iter().all(|(_, health)| health.state() == State::Healthy));
    }

    /// Asserts each transition with the default settings: a pause, an outcome, and the state that follows.
    fn follow(steps: &[(u64, Outcome, State)]) {
        let config = HealthConfig::default();
        let (mut now_ms, mut since_ms) = (0, 0);
        let mut health = Health::new(0);
        for (step, (pause_ms, outcome, state)) in steps.iter().enumerate() {
            now_ms += pause_ms;
            if health.state() != *state {
                since_ms = now_ms;
            }
            health = health.after(&config, *outcome, now_ms);
            assert_eq!((health.state(), health.since_ms()), (*state, since_ms), "step {step}");
        }
    }

    #[test]
    fn three_successes_in_a_row_clear_a_suspicion() {
        follow(&[
            (100, Outcome::Unknown, Healthy),
            (100, Outcome::Success, Healthy),
            (100, Outcome::Unknown, Healthy),
            (100, Outcome::Unknown, Suspect),
            (100, Outcome::Success, Suspect),
            (100, Outcome::Success, Suspect),
            (100, Outcome::Unknown, Suspect),
            (100, Outcome::Success, Suspect),
            (100, Outcome::Success, Suspect),
            (100, Outcome::Success, Healthy),
            (100, Outcome::Refused, Suspect),
        ]);
    }

    #[test]
    fn a_suspect_place_is_down_by_bad_evidence_that_lasts() {
        // Enough points, but too early; a success does not reset them.
        follow(&[
            (0, Outcome::Refused, Suspect),
            (100, Outcome::Refused, Suspect),
            (199, Outcome::Refused, Suspect),
            (1, Outcome::Success, Suspect),
            (0, Outcome::Unknown, Down),
        ]);
        // After `suspect_ms`, the points that led to suspect count towards down.
        follow(&[
            (0, Outcome::Refused, Suspect),
            (300, Outcome::Refused, Suspect),
            (0, Outcome::Unknown, Suspect),
            (0, Outcome::Unknown, Down),
        ]);
    }

    #[test]
    fn a_place_comes_back_after_the_time_and_the_successes() {
        let down = [(0, Outcome::Refused, Suspect), (300, Outcome::Refused, Suspect)];
        let recovering = [
            (0, Outcome::Refused, Down),
            (999, Outcome::Success, Down),
            (1, Outcome::Unknown, Down),
            (0, Outcome::Success, Recovering),
        ];
        let lost_again = [(2_999, Outcome::Unknown, Down), (1_000, Outcome::Success, Recovering)];
        let too_early = [
            (2_997, Outcome::Success, Recovering),
            (1, Outcome::Success, Recovering),
            (1, Outcome::Success, Recovering),
            (1, Outcome::Success, Healthy),
        ];
        let too_few = [
            (3_000, Outcome::Success, Recovering),
            (0, Outcome::Success, Recovering),
            (0, Outcome::Success, Healthy),
        ];
        for back in [&too_early[..], &too_few] {
            follow(&[&down[..], &recovering, &lost_again, back].concat());
        }
    }

    proptest! {
        #[test]
        fn traffic_flaps_no_faster_than_the_hysteresis(config in configs(), steps in steps()) {
            let seen = run(&config, &steps);
            let mut lost_at: Option<u64> = None;
            for pair in seen.windows(2) {
                let (before, (now_ms, after)) = (pair[0].1, pair[1]);
                if before.state().takes_traffic() && !after.state().takes_traffic() {
                    lost_at = Some(now_ms);
                }
                if !before.state().takes_traffic() && after.state().takes_traffic() {
                    let away_ms = now_ms - lost_at.unwrap();
                    prop_assert!(away_ms >= config.down_ms + config.recovering_ms, "{away_ms} ms");
                }
            }
        }

        #[test]
        fn only_the_changes_of_the_table_happen(config in configs(), steps in steps()) {
            for pair in run(&config, &steps).windows(2) {
                let change = (pair[0].1.state(), pair[1].1.state());
                let is_known = matches!(
                    change,
                    (Healthy, Suspect) | (Suspect | Recovering, Healthy | Down) | (Down, Recovering)
                );
                prop_assert!(change.0 == change.1 || is_known, "{change:?}");
            }
        }

        /// From any state, a worse outcome never leads to a better state than a better outcome does.
        #[test]
        fn worse_evidence_is_never_better(
            config in configs(), steps in steps(), a in outcome(), b in outcome(), pause in 0_u64..9_000,
        ) {
            let (now_ms, health) = *run(&config, &steps).last().unwrap();
            let (better, worse) = (a.min(b), a.max(b));
            let better = health.after(&config, better, now_ms + pause);
            let worse = health.after(&config, worse, now_ms + pause);
            prop_assert!(better.state() <= worse.state(), "{better:?} {worse:?}");
        }

        #[test]
        fn bad_evidence_alone_never_improves_and_ends_down(config in configs(), steps in steps()) {
            let bad: Vec<_> = steps
                .into_iter()
                .map(|(pause, outcome)| (pause, outcome.max(Outcome::Unknown)))
                .chain(std::iter::repeat_n((1_000, Outcome::Unknown), 30))
                .collect();
            let seen = run(&config, &bad);
            prop_assert!(seen.windows(2).all(|pair| pair[0].1.state() <= pair[1].1.state()));
            prop_assert_eq!(seen.last().unwrap().1.state(), State::Down);
        }

        /// From any state, successes make the target healthy within the configured times.
        #[test]
        fn successes_heal(config in configs(), steps in steps()) {
            let healing = std::iter::repeat_n((500, Outcome::Success), 24);
            let steps: Vec<_> = steps.into_iter().chain(healing).collect();
            prop_assert_eq!(run(&config, &steps).last().unwrap().1.state(), State::Healthy);
        }
    }
}
