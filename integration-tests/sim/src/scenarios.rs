//! The scenarios: names, what happens in each, and the steps. Each is written once, and runs on every testbed that has the
//! capabilities which its steps need ([`crate::testbed`]).

mod steps;

use std::collections::BTreeSet;

use crate::history::CloudId;
pub use crate::route::Route;
use crate::schedule::Service;
use crate::testbed::{self, Capability, Step};

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Name, as `--scenario` takes it.
    pub name: &'static str,
    /// Description in one line.
    pub about: &'static str,
    /// The clouds that the producer sends to.
    pub route: Route,
    /// Messages that can't be decoded: each is a dead letter after as many deliveries as are shipped.
    pub poison: u32,
    /// The steps.
    pub steps: fn() -> Vec<Step>,
}

impl Scenario {
    const fn new(
        name: &'static str,
        about: &'static str,
        route: Route,
        steps: fn() -> Vec<Step>,
    ) -> Self {
        Self { name, about, route, poison: 0, steps }
    }

    const fn with_poison(self, poison: u32) -> Self {
        Self { poison, ..self }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|scenario| scenario.name == name)
    }

    /// The capabilities that it needs of a testbed.
    #[must_use]
    pub fn needs(&self) -> BTreeSet<Capability> {
        testbed::needs(&(self.steps)())
    }

    /// The capabilities that it needs and a testbed with these ones lacks.
    #[must_use]
    pub fn lacks(&self, capabilities: &[Capability]) -> Vec<Capability> {
        self.needs().into_iter().filter(|need| !capabilities.contains(need)).collect()
    }
}

const AWS: CloudId = CloudId::Aws;
const GCP: CloudId = CloudId::Gcp;
const ON_AWS: Route = Route::Primary(AWS);
const ON_GCP: Route = Route::Primary(GCP);

/// All of them, in the order in which `--all` runs them.
pub const ALL: &[Scenario] = &[
    Scenario::new(
        "kill-aws",
        "AWS, the primary, dies and comes back, empty where it is the run's own; it is failed back to",
        ON_AWS,
        || steps::kill(AWS),
    ),
    Scenario::new(
        "kill-gcp",
        "Google Cloud, the primary, dies and comes back, empty where it is the run's own; it is failed back to",
        ON_GCP,
        || steps::kill(GCP),
    ),
    Scenario::new(
        "kill-aws-mirrored",
        "AWS dies while both get everything; replication alone fills it again",
        Route::Mirror,
        || steps::kill_mirrored(AWS),
    ),
    Scenario::new(
        "kill-gcp-mirrored",
        "Google Cloud dies while both get everything; replication alone fills it again",
        Route::Mirror,
        || steps::kill_mirrored(GCP),
    ),
    Scenario::new(
        "kill-aws-for-good",
        "AWS stays away until all trades are published: Google Cloud must do alone",
        ON_AWS,
        || steps::kill_for_good(AWS),
    ),
    Scenario::new(
        "kill-gcp-for-good",
        "Google Cloud stays away until all trades are published: AWS must do alone",
        ON_GCP,
        || steps::kill_for_good(GCP),
    ),
    Scenario::new(
        "kill-during-failover",
        "AWS dies, and while messages move to Google Cloud the producer dies too",
        ON_AWS,
        steps::kill_during_failover,
    ),
    Scenario::new(
        "kill-during-restore",
        "AWS dies, comes back, and dies again while it is being filled",
        ON_AWS,
        steps::kill_during_restore,
    ),
    Scenario::new(
        "kill-during-deploy",
        "AWS dies, comes back, and dies again while it is being deployed to",
        ON_AWS,
        steps::kill_during_deploy,
    ),
    Scenario::new(
        "kill-unseen",
        "AWS, the primary, dies and is back, empty, while no producer runs that could see it",
        ON_AWS,
        steps::kill_unseen,
    ),
    Scenario::new(
        "pause-aws",
        "AWS, the primary, is frozen: connections stay, nothing answers",
        ON_AWS,
        || steps::pause(AWS),
    ),
    Scenario::new(
        "pause-gcp",
        "Google Cloud, the primary, is frozen: connections stay, nothing answers",
        ON_GCP,
        || steps::pause(GCP),
    ),
    Scenario::new(
        "flapping",
        "AWS, the primary, can't be reached and can be again, five times",
        ON_AWS,
        steps::flapping,
    ),
    Scenario::new(
        "both-down",
        "neither cloud can be reached: the spool keeps everything",
        Route::Mirror,
        steps::both_down,
    ),
    Scenario::new(
        "partition",
        "the clouds can't reach each other, and the producer can reach both",
        ON_AWS,
        steps::partition,
    ),
    Scenario::new(
        "asymmetric-partition",
        "what the producer sends reaches AWS, and no answer comes back",
        ON_AWS,
        steps::asymmetric_partition,
    ),
    Scenario::new(
        "region-aws",
        "AWS's region can't be reached, by its own functions neither",
        ON_AWS,
        || steps::region(AWS),
    ),
    Scenario::new(
        "region-gcp",
        "Google Cloud's region can't be reached, by its own functions neither",
        ON_GCP,
        || steps::region(GCP),
    ),
    Scenario::new(
        "store-gcp",
        "Firestore does not answer, and Pub/Sub does: trades wait in the queue",
        ON_GCP,
        || steps::hanging_service(GCP, Service::Store),
    ),
    Scenario::new(
        "archive-gcp",
        "Cloud Storage can't be reached, and Pub/Sub can: trades wait in the queue",
        ON_GCP,
        || steps::service(GCP, Service::Archive),
    ),
    Scenario::new(
        "functions-gcp",
        "Google Cloud, the primary, runs no functions: trades wait in Pub/Sub",
        ON_GCP,
        || steps::functions(GCP),
    ),
    Scenario::new(
        "functions-aws",
        "AWS, the primary, runs no functions: trades wait in SQS",
        ON_AWS,
        || steps::functions(AWS),
    ),
    Scenario::new(
        "slow-everything",
        "every answer of every service comes late, and not always equally late",
        Route::Mirror,
        steps::slow_everything,
    ),
    Scenario::new(
        "store-aws",
        "DynamoDB answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
        || steps::service(AWS, Service::Store),
    ),
    Scenario::new(
        "archive-aws",
        "S3 answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
        || steps::service(AWS, Service::Archive),
    ),
    Scenario::new(
        "outage-aws",
        "DynamoDB answers 503 for twelve minutes, divided as all times are: no message is a dead letter",
        ON_AWS,
        || steps::outage(AWS),
    ),
    Scenario::new(
        "outage-gcp",
        "Firestore is away for twelve minutes, divided as all times are: no message is a dead letter",
        ON_GCP,
        || steps::outage(GCP),
    ),
    Scenario::new(
        "queue-aws",
        "SQS answers 503 to the producer: messages go to Google Cloud",
        ON_AWS,
        || steps::queue(AWS),
    ),
    Scenario::new(
        "queue-gcp",
        "Pub/Sub answers UNAVAILABLE to the producer: messages go to AWS",
        ON_GCP,
        || steps::queue(GCP),
    ),
    Scenario::new(
        "throttling-storm",
        "every third call is throttled, with each service's own error",
        Route::Mirror,
        steps::throttling_storm,
    ),
    Scenario::new(
        "lost-responses",
        "calls succeed and their answers are lost",
        Route::Mirror,
        steps::lost_responses,
    ),
    Scenario::new(
        "duplicate-reorder",
        "messages arrive twice and in another order",
        Route::Mirror,
        steps::duplicate_reorder,
    ),
    Scenario::new(
        "expired-credentials",
        "AWS refuses the producer's credentials for a while",
        ON_AWS,
        steps::expired_credentials,
    ),
    Scenario::new(
        "function-crash",
        "both functions are killed again and again while they work",
        Route::Mirror,
        steps::function_crash,
    ),
    Scenario::new(
        "poison-flood",
        "messages that can't be decoded, between those of trades",
        Route::Mirror,
        steps::poison_flood,
    )
    .with_poison(30),
    Scenario::new(
        "producer-crash",
        "the producer is killed again and again",
        Route::Mirror,
        steps::producer_crash,
    ),
    Scenario::new(
        "rolling-restart",
        "producer and functions are killed one after the other, under load",
        Route::Mirror,
        steps::rolling_restart,
    ),
    Scenario::new(
        "clock-skew",
        "AWS's functions are ten minutes behind and Google Cloud's three hours ahead, and AWS dies meanwhile",
        ON_AWS,
        steps::clock_skew,
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_one_scenario() {
        let names: BTreeSet<_> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.iter().all(|scenario| Scenario::named(scenario.name).is_some()));
        assert!(Scenario::named("no-such").is_none());
    }

    /// A fault that is ended was begun before, and one that is begun is ended, so that a run leaves nothing broken.
    #[test]
    fn every_fault_that_is_begun_is_ended() {
        for scenario in ALL {
            let mut in_force = Vec::new();
            for step in (scenario.steps)() {
                match step {
                    Step::Begin(injection) => in_force.push(injection),
                    Step::End(injection) | Step::InterruptDeploy(injection, _) => {
                        let at = in_force.iter().position(|begun| *begun == injection);
                        let at = at.unwrap_or_else(|| panic!("{}: {injection}", scenario.name));
                        if matches!(step, Step::End(_)) {
                            in_force.remove(at);
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(in_force, [], "{}", scenario.name);
            assert!(testbed::faults(&(scenario.steps)()) > 0, "{} breaks something", scenario.name);
        }
    }
}
