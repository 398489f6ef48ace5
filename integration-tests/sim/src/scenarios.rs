//! The scenarios of all runs on clouds of their own: names, what happens in each, and what it needs. The harness acts them on
//! emulators; [`crate::schedule::named`] has those that can be said as faults by the clock, for the simulated clouds.

use crate::history::CloudId;

/// A scenario.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// What `--scenario` takes.
    pub name: &'static str,
    /// What happens, in a line.
    pub about: &'static str,
    /// Where the producer is to send to.
    pub route: Route,
    /// Messages that can't be decoded: each is a dead letter after as many deliveries as are shipped.
    pub poison: u32,
    /// Whether it kills functions by themselves, which not every emulator of AWS has as processes.
    pub kills_functions: bool,
}

/// Where the producer is to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To both clouds.
    Mirror,
    /// To this one as long as it works.
    Primary(CloudId),
}

impl Scenario {
    const fn new(name: &'static str, about: &'static str, route: Route) -> Self {
        Self { name, about, route, poison: 0, kills_functions: false }
    }

    const fn with_poison(self, poison: u32) -> Self {
        Self { poison, ..self }
    }

    const fn with_killed_functions(self) -> Self {
        Self { kills_functions: true, ..self }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|scenario| scenario.name == name)
    }
}

const ON_AWS: Route = Route::Primary(CloudId::Aws);
const ON_GCP: Route = Route::Primary(CloudId::Gcp);

/// All of them, in the order in which `--all` runs them.
pub const ALL: &[Scenario] = &[
    Scenario::new(
        "kill-aws",
        "AWS, the primary, dies with all that it holds; it comes back empty and is failed back to",
        ON_AWS,
    ),
    Scenario::new(
        "kill-gcp",
        "Google Cloud, the primary, dies with all that it holds; it comes back empty and is failed back to",
        ON_GCP,
    ),
    Scenario::new(
        "kill-aws-mirrored",
        "AWS dies while both get everything; replication alone fills it again",
        Route::Mirror,
    ),
    Scenario::new(
        "kill-gcp-mirrored",
        "Google Cloud dies while both get everything; replication alone fills it again",
        Route::Mirror,
    ),
    Scenario::new(
        "kill-aws-for-good",
        "AWS stays away until all trades are published: Google Cloud must do alone",
        ON_AWS,
    ),
    Scenario::new(
        "kill-gcp-for-good",
        "Google Cloud stays away until all trades are published: AWS must do alone",
        ON_GCP,
    ),
    Scenario::new(
        "kill-during-failover",
        "AWS dies, and while messages move to Google Cloud the producer dies too",
        ON_AWS,
    ),
    Scenario::new(
        "kill-during-restore",
        "AWS dies, comes back, and dies again while it is being filled",
        ON_AWS,
    ),
    Scenario::new(
        "kill-during-deploy",
        "AWS dies, comes back, and dies again while it is being deployed to",
        ON_AWS,
    ),
    Scenario::new(
        "kill-unseen",
        "AWS, the primary, dies and is there again, empty, while no producer runs that could see it",
        ON_AWS,
    ),
    Scenario::new(
        "pause-aws",
        "AWS, the primary, stops in its tracks: connections stay, nothing answers",
        ON_AWS,
    ),
    Scenario::new(
        "pause-gcp",
        "Google Cloud, the primary, stops in its tracks: connections stay, nothing answers",
        ON_GCP,
    ),
    Scenario::new(
        "flapping",
        "AWS, the primary, can't be reached and can be again, five times",
        ON_AWS,
    ),
    Scenario::new(
        "both-down",
        "neither cloud can be reached: the spool keeps everything",
        Route::Mirror,
    ),
    Scenario::new(
        "partition",
        "the clouds lose sight of each other, and not the producer of them",
        ON_AWS,
    ),
    Scenario::new(
        "asymmetric-partition",
        "what the producer sends reaches AWS, and no answer comes back",
        ON_AWS,
    ),
    Scenario::new("region-aws", "nobody can reach AWS's region, its own functions neither", ON_AWS),
    Scenario::new(
        "region-gcp",
        "nobody can reach Google Cloud's region, its own functions neither",
        ON_GCP,
    ),
    Scenario::new(
        "store-gcp",
        "Firestore can't be reached, and Pub/Sub can: trades wait in the queue",
        ON_GCP,
    ),
    Scenario::new(
        "archive-gcp",
        "Cloud Storage can't be reached, and Pub/Sub can: trades wait in the queue",
        ON_GCP,
    ),
    Scenario::new(
        "functions-gcp",
        "Pub/Sub can't reach the Cloud Run service: trades wait in the queue",
        ON_GCP,
    ),
    Scenario::new(
        "slow-everything",
        "every answer of every service comes late, and not always equally late",
        Route::Mirror,
    ),
    Scenario::new(
        "store-aws",
        "DynamoDB answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
    ),
    Scenario::new(
        "archive-aws",
        "S3 answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
    ),
    Scenario::new(
        "outage-aws",
        "DynamoDB answers 503 for twelve minutes, divided as all times are: no message is a dead letter",
        ON_AWS,
    ),
    Scenario::new(
        "outage-gcp",
        "Firestore is away for twelve minutes, divided as all times are: no message is a dead letter",
        ON_GCP,
    ),
    Scenario::new(
        "queue-aws",
        "SQS answers 503 to the producer: messages go to Google Cloud",
        ON_AWS,
    ),
    Scenario::new(
        "queue-gcp",
        "Pub/Sub answers UNAVAILABLE to the producer: messages go to AWS",
        ON_GCP,
    ),
    Scenario::new(
        "throttling-storm",
        "every third call of everybody is throttled, each service in its own words",
        Route::Mirror,
    ),
    Scenario::new("lost-responses", "calls succeed and their answers are lost", Route::Mirror),
    Scenario::new("duplicate-reorder", "messages arrive twice and in another order", Route::Mirror),
    Scenario::new(
        "expired-credentials",
        "AWS refuses the producer's credentials for a while",
        ON_AWS,
    ),
    Scenario::new(
        "function-crash",
        "both functions are killed again and again while they work",
        Route::Mirror,
    )
    .with_killed_functions(),
    Scenario::new(
        "poison-flood",
        "messages that nobody can decode, between those of trades",
        Route::Mirror,
    )
    .with_poison(30),
    Scenario::new("producer-crash", "the producer is killed again and again", Route::Mirror),
    Scenario::new(
        "rolling-restart",
        "producer and functions are killed one after the other, under load",
        Route::Mirror,
    )
    .with_killed_functions(),
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
}
