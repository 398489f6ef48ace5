//! Google's side on emulators: topics, subscriptions, the bucket, services and their schedule, from the same settings
//! that Terraform gets. On Google Cloud itself `terraform-gcp/` owns all of this.
//!
//! [`Desired`] is the wanted state. [`plan`] compares it with the observed one, [`apply`] establishes it, [`drift`] is
//! the same comparison in the other direction, [`destroy`] deletes everything, and [`inventory`] lists what still
//! exists.

mod apply;
mod change;
mod desired;
mod endpoints;
mod error;
mod firestore;
mod http;
mod observed;
mod properties;
mod pubsub;
mod run;
mod schedule;
mod storage;
mod topology;

use infra::{Settings, names};

pub use apply::{OnStep, Outputs, Step, apply, destroy, outputs};
pub use change::{Plan, drift, plan};
pub use desired::{Desired, replicate_name};
pub use endpoints::{Endpoints, RUN_VARIABLE};
pub use error::Error;
pub use observed::{Item, inventory};
pub use run::Run;
pub use topology::{PushTarget, Topology};

use properties::differences;
use pubsub::Admin;
use storage::Storage;

/// Creates or updates the topics and subscriptions of the settings, for callers with services of their own. `endpoint`
/// is an emulator's URL.
pub async fn ensure_topology(
    endpoint: Option<&str>,
    settings: &Settings,
    push: PushTarget<'_>,
) -> Result<Topology, Error> {
    let topology = Topology::of(settings);
    let admin = Admin::new(endpoint).await?;
    for topic in topology::topics(settings, &topology) {
        // An existing topic with other labels is kept: recreating it would lose its messages.
        admin.create_topic(topic).await?;
    }
    for subscription in [
        topology::dead_letter_subscription(settings, &topology),
        topology::push_subscription(settings, &topology, push),
    ] {
        let Some(there) = admin.subscription(&subscription.name).await? else {
            admin.create_subscription(subscription).await?;
            continue;
        };
        let wanted = properties::of_subscription(&subscription);
        let changes = differences(&properties::of_subscription(&there), &wanted);
        if changes.is_empty() {
            continue;
        }
        if pubsub::in_place(&changes) {
            admin.update_subscription(subscription, &changes).await?;
        } else {
            admin.delete_subscription(&subscription.name).await?;
            admin.create_subscription(subscription).await?;
        }
    }
    Ok(topology)
}

/// Creates the raw archive's bucket on an emulator of Cloud Storage, and returns its name. An existing one is success.
pub async fn create_bucket(endpoint: &str, settings: &Settings) -> Result<String, Error> {
    Storage::new(endpoint)?.create(settings).await?;
    Ok(names::gcp_bucket(settings))
}
