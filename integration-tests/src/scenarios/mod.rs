//! What can happen to two clouds, each as a plain function that acts on a [`Stage`] while trades flow.
//!
//! When it returns, what it has broken is healed, and the run waits for both clouds to have everything: only then is
//! compared. A scenario in which the other cloud must go on waits, while the fault is in force, for it to do so.

mod cloud;
mod functions;
mod network;
mod producer;
mod requests;

use std::fmt;

use futures::future::LocalBoxFuture;

use crate::history::CloudName;
use crate::stage::Stage;

/// A scenario.
#[derive(Clone, Copy)]
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
    act: Act,
}

type Act = for<'stage> fn(&'stage mut Stage) -> LocalBoxFuture<'stage, anyhow::Result<()>>;

/// Where the producer is to send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To both clouds.
    Mirror,
    /// To this one as long as it works.
    Primary(CloudName),
}

impl Scenario {
    const fn new(name: &'static str, about: &'static str, route: Route, act: Act) -> Self {
        Self { name, about, route, poison: 0, kills_functions: false, act }
    }

    const fn with_poison(self, poison: u32) -> Self {
        Self { poison, ..self }
    }

    const fn with_killed_functions(self) -> Self {
        Self { kills_functions: true, ..self }
    }

    /// Lets it happen.
    pub async fn act(&self, stage: &mut Stage) -> anyhow::Result<()> {
        (self.act)(stage).await
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        ALL.iter().copied().find(|scenario| scenario.name == name)
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scenario").field(&self.name).finish()
    }
}

const AWS: CloudName = CloudName::Aws;
const GCP: CloudName = CloudName::Gcp;
const ON_AWS: Route = Route::Primary(AWS);
const ON_GCP: Route = Route::Primary(GCP);

/// All of them, in the order in which `--all` runs them.
pub const ALL: &[Scenario] = &[
    Scenario::new(
        "kill-aws",
        "AWS, the primary, dies with all that it holds; it comes back empty and is failed back to",
        ON_AWS,
        |stage| Box::pin(cloud::kill(stage, AWS)),
    ),
    Scenario::new(
        "kill-gcp",
        "Google Cloud, the primary, dies with all that it holds; it comes back empty and is failed back to",
        ON_GCP,
        |stage| Box::pin(cloud::kill(stage, GCP)),
    ),
    Scenario::new(
        "kill-aws-mirrored",
        "AWS dies while both get everything; replication alone fills it again",
        Route::Mirror,
        |stage| Box::pin(cloud::kill_mirrored(stage, AWS)),
    ),
    Scenario::new(
        "kill-gcp-mirrored",
        "Google Cloud dies while both get everything; replication alone fills it again",
        Route::Mirror,
        |stage| Box::pin(cloud::kill_mirrored(stage, GCP)),
    ),
    Scenario::new(
        "kill-aws-for-good",
        "AWS stays away until all trades are published: Google Cloud must do alone",
        ON_AWS,
        |stage| Box::pin(cloud::kill_for_good(stage, AWS)),
    ),
    Scenario::new(
        "kill-gcp-for-good",
        "Google Cloud stays away until all trades are published: AWS must do alone",
        ON_GCP,
        |stage| Box::pin(cloud::kill_for_good(stage, GCP)),
    ),
    Scenario::new(
        "kill-during-failover",
        "AWS dies, and while messages move to Google Cloud the producer dies too",
        ON_AWS,
        |stage| Box::pin(cloud::kill_during_failover(stage)),
    ),
    Scenario::new(
        "kill-during-restore",
        "AWS dies, comes back, and dies again while it is being filled",
        ON_AWS,
        |stage| Box::pin(cloud::kill_during_restore(stage)),
    ),
    Scenario::new(
        "kill-during-deploy",
        "AWS dies, comes back, and dies again while it is being deployed to",
        ON_AWS,
        |stage| Box::pin(cloud::kill_during_deploy(stage)),
    ),
    Scenario::new(
        "kill-unseen",
        "AWS, the primary, dies and is there again, empty, while no producer runs that could see it",
        ON_AWS,
        |stage| Box::pin(cloud::kill_unseen(stage)),
    ),
    Scenario::new(
        "pause-aws",
        "AWS, the primary, stops in its tracks: connections stay, nothing answers",
        ON_AWS,
        |stage| Box::pin(cloud::pause(stage, AWS)),
    ),
    Scenario::new(
        "pause-gcp",
        "Google Cloud, the primary, stops in its tracks: connections stay, nothing answers",
        ON_GCP,
        |stage| Box::pin(cloud::pause(stage, GCP)),
    ),
    Scenario::new(
        "flapping",
        "AWS, the primary, can't be reached and can be again, five times",
        ON_AWS,
        |stage| Box::pin(network::flapping(stage)),
    ),
    Scenario::new(
        "both-down",
        "neither cloud can be reached: the spool keeps everything",
        Route::Mirror,
        |stage| Box::pin(network::both_down(stage)),
    ),
    Scenario::new(
        "partition",
        "the clouds lose sight of each other, and not the producer of them",
        ON_AWS,
        |stage| Box::pin(network::partition(stage)),
    ),
    Scenario::new(
        "asymmetric-partition",
        "what the producer sends reaches AWS, and no answer comes back",
        ON_AWS,
        |stage| Box::pin(network::asymmetric(stage)),
    ),
    Scenario::new(
        "region-aws",
        "nobody can reach AWS's region, its own functions neither",
        ON_AWS,
        |stage| Box::pin(network::region(stage, AWS)),
    ),
    Scenario::new(
        "region-gcp",
        "nobody can reach Google Cloud's region, its own functions neither",
        ON_GCP,
        |stage| Box::pin(network::region(stage, GCP)),
    ),
    Scenario::new(
        "store-gcp",
        "Firestore can't be reached, and Pub/Sub can: trades wait in the queue",
        ON_GCP,
        |stage| Box::pin(network::store_gcp(stage)),
    ),
    Scenario::new(
        "archive-gcp",
        "Cloud Storage can't be reached, and Pub/Sub can: trades wait in the queue",
        ON_GCP,
        |stage| Box::pin(network::archive_gcp(stage)),
    ),
    Scenario::new(
        "functions-gcp",
        "Pub/Sub can't reach the Cloud Run service: trades wait in the queue",
        ON_GCP,
        |stage| Box::pin(network::functions_gcp(stage)),
    ),
    Scenario::new(
        "slow-everything",
        "every answer of every service comes late, and not always equally late",
        Route::Mirror,
        |stage| Box::pin(network::slow(stage)),
    ),
    Scenario::new(
        "store-aws",
        "DynamoDB answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
        |stage| Box::pin(requests::service_aws(stage, "dynamodb")),
    ),
    Scenario::new(
        "archive-aws",
        "S3 answers 503, and SQS takes messages: trades wait in the queue",
        ON_AWS,
        |stage| Box::pin(requests::service_aws(stage, "s3")),
    ),
    Scenario::new(
        "outage-aws",
        "DynamoDB answers 503 for twelve minutes, divided as all times are: no message is a dead letter",
        ON_AWS,
        |stage| Box::pin(requests::outage_aws(stage)),
    ),
    Scenario::new(
        "outage-gcp",
        "Firestore is away for twelve minutes, divided as all times are: no message is a dead letter",
        ON_GCP,
        |stage| Box::pin(network::outage_gcp(stage)),
    ),
    Scenario::new(
        "queue-aws",
        "SQS answers 503 to the producer: messages go to Google Cloud",
        ON_AWS,
        |stage| Box::pin(requests::queue_aws(stage)),
    ),
    Scenario::new(
        "queue-gcp",
        "Pub/Sub answers UNAVAILABLE to the producer: messages go to AWS",
        ON_GCP,
        |stage| Box::pin(requests::queue_gcp(stage)),
    ),
    Scenario::new(
        "throttling-storm",
        "every third call of everybody is throttled, each service in its own words",
        Route::Mirror,
        |stage| Box::pin(requests::throttling(stage)),
    ),
    Scenario::new(
        "lost-responses",
        "calls succeed and their answers are lost",
        Route::Mirror,
        |stage| Box::pin(requests::lost_responses(stage)),
    ),
    Scenario::new(
        "duplicate-reorder",
        "messages arrive twice and in another order",
        Route::Mirror,
        |stage| Box::pin(requests::duplicate_and_reorder(stage)),
    ),
    Scenario::new(
        "expired-credentials",
        "AWS refuses the producer's credentials for a while",
        ON_AWS,
        |stage| Box::pin(requests::expired_credentials(stage)),
    ),
    Scenario::new(
        "function-crash",
        "both functions are killed again and again while they work",
        Route::Mirror,
        |stage| Box::pin(functions::crash(stage)),
    )
    .with_killed_functions(),
    Scenario::new(
        "poison-flood",
        "messages that nobody can decode, between those of trades",
        Route::Mirror,
        |stage| Box::pin(functions::poison(stage)),
    )
    .with_poison(30),
    Scenario::new(
        "producer-crash",
        "the producer is killed again and again",
        Route::Mirror,
        |stage| Box::pin(producer::crash(stage)),
    ),
    Scenario::new(
        "rolling-restart",
        "producer and functions are killed one after the other, under load",
        Route::Mirror,
        |stage| Box::pin(producer::rolling_restart(stage)),
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
