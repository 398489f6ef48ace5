//! The scenarios as they are acted on emulators, each a plain function over a [`TestCluster`] while trades flow. Their names and
//! what they are about are in [`sim::scenarios`].
//!
//! When it returns, what it has broken is healed, and the run waits for both clouds to have everything: only then is
//! compared. A scenario in which the other cloud must go on waits, while the fault is in force, for it to do so.

mod cloud;
mod functions;
mod network;
mod producer;
mod requests;

use futures::future::LocalBoxFuture;

use crate::fault::Service;
use crate::history::CloudId;
use crate::stage::TestCluster;

const AWS: CloudId = CloudId::Aws;
const GCP: CloudId = CloudId::Gcp;

/// The steps of a scenario.
pub type Act =
    for<'stage> fn(&'stage mut TestCluster) -> LocalBoxFuture<'stage, anyhow::Result<()>>;

/// The steps of the scenario of this name; `None`: no scenario has it.
#[must_use]
pub fn act(name: &str) -> Option<Act> {
    Some(match name {
        "kill-aws" => |stage| Box::pin(cloud::kill(stage, AWS)),
        "kill-gcp" => |stage| Box::pin(cloud::kill(stage, GCP)),
        "kill-aws-mirrored" => |stage| Box::pin(cloud::kill_mirrored(stage, AWS)),
        "kill-gcp-mirrored" => |stage| Box::pin(cloud::kill_mirrored(stage, GCP)),
        "kill-aws-for-good" => |stage| Box::pin(cloud::kill_for_good(stage, AWS)),
        "kill-gcp-for-good" => |stage| Box::pin(cloud::kill_for_good(stage, GCP)),
        "kill-during-failover" => |stage| Box::pin(cloud::kill_during_failover(stage)),
        "kill-during-restore" => |stage| Box::pin(cloud::kill_during_restore(stage)),
        "kill-during-deploy" => |stage| Box::pin(cloud::kill_during_deploy(stage)),
        "kill-unseen" => |stage| Box::pin(cloud::kill_unseen(stage)),
        "pause-aws" => |stage| Box::pin(cloud::pause(stage, AWS)),
        "pause-gcp" => |stage| Box::pin(cloud::pause(stage, GCP)),
        "flapping" => |stage| Box::pin(network::flapping(stage)),
        "both-down" => |stage| Box::pin(network::both_down(stage)),
        "partition" => |stage| Box::pin(network::partition(stage)),
        "asymmetric-partition" => |stage| Box::pin(network::asymmetric(stage)),
        "region-aws" => |stage| Box::pin(network::region(stage, AWS)),
        "region-gcp" => |stage| Box::pin(network::region(stage, GCP)),
        "store-gcp" => |stage| Box::pin(network::store_gcp(stage)),
        "archive-gcp" => |stage| Box::pin(network::archive_gcp(stage)),
        "functions-gcp" => |stage| Box::pin(network::functions_gcp(stage)),
        "slow-everything" => |stage| Box::pin(network::slow(stage)),
        "store-aws" => |stage| Box::pin(requests::service_aws(stage, Service::Store, "dynamodb")),
        "archive-aws" => |stage| Box::pin(requests::service_aws(stage, Service::Archive, "s3")),
        "outage-aws" => |stage| Box::pin(requests::outage_aws(stage)),
        "outage-gcp" => |stage| Box::pin(network::outage_gcp(stage)),
        "queue-aws" => |stage| Box::pin(requests::queue_aws(stage)),
        "queue-gcp" => |stage| Box::pin(requests::queue_gcp(stage)),
        "throttling-storm" => |stage| Box::pin(requests::throttling(stage)),
        "lost-responses" => |stage| Box::pin(requests::lost_responses(stage)),
        "duplicate-reorder" => |stage| Box::pin(requests::duplicate_and_reorder(stage)),
        "expired-credentials" => |stage| Box::pin(requests::expired_credentials(stage)),
        "function-crash" => |stage| Box::pin(functions::crash(stage)),
        "poison-flood" => |stage| Box::pin(functions::poison(stage)),
        "producer-crash" => |stage| Box::pin(producer::crash(stage)),
        "rolling-restart" => |stage| Box::pin(producer::rolling_restart(stage)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_is_acted() {
        for scenario in sim::scenarios::ALL {
            assert!(act(scenario.name).is_some(), "{}", scenario.name);
        }
        assert!(act("no-such").is_none());
    }
}
