//! `cargo xtask failover`: a routing override for every producer, through the override store of
//! each cloud.

use std::env;
use std::fmt;
use std::time::Duration;

use anyhow::anyhow;
use cli::Failure;
use cloud_aws::{Clients, DynamoOverrideStore};
use cloud_gcp::FirestoreOverrideStore;
use deploy::commands::{DeployContext, now_ms, print};
use infra::Checkout;
use pipeline::ports::{Fault, PortError};
use pipeline::route::overrides::{Given, OverrideStore, RoutingOverride, give};
use producer_program::CloudOverrideStore;
use serde::Serialize;
use tokio::time::timeout;

/// The timeout of a cloud's answer: one that is down must not hold up the command.
const ANSWER: Duration = Duration::from_secs(5);
/// The target that means: each producer chooses by its policy.
const AUTO: &str = "auto";

/// A cloud's override store with a timeout.
pub(super) struct Bounded(CloudOverrideStore);

impl OverrideStore for Bounded {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        timeout(ANSWER, self.0.read()).await.unwrap_or_else(|_| Err(no_answer("read")))
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        let replaced = timeout(ANSWER, self.0.replace(expected, order)).await;
        replaced.unwrap_or_else(|_| Err(no_answer("replace")))
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        timeout(ANSWER, self.0.incarnation())
            .await
            .unwrap_or_else(|_| Err(no_answer("incarnation")))
    }
}

fn no_answer(operation: &'static str) -> PortError {
    let detail = format!("no answer within {} s", ANSWER.as_secs());
    PortError { service: "register", operation, fault: Fault::Unknown, detail }
}

/// The override stores of AWS and of Google Cloud. Both connect lazily.
pub(super) async fn registers(site: &DeployContext) -> [(String, Bounded); 2] {
    let (aws, gcp) = (&site.settings.aws, &site.settings.gcp);
    let aws = dynamodb(site, &aws.region, &aws.table).await;
    let endpoint = site.local.as_ref().map(|local| local.firestore_endpoint.as_str());
    let (database, collection) = (&gcp.firestore.database, &gcp.firestore.collection);
    let gcp = FirestoreOverrideStore::new(endpoint, &gcp.project, database, collection);
    [("aws".to_owned(), aws), ("gcp".to_owned(), Bounded(CloudOverrideStore::Gcp(gcp)))]
}

/// The override stores of AWS's other regions.
async fn elsewhere(site: &DeployContext) -> Vec<(String, Bounded)> {
    let mut registers = Vec::new();
    for region in &site.settings.regions {
        let register = dynamodb(site, &region.region, &region.table).await;
        registers.push((format!("aws-{}", region.region), register));
    }
    registers
}

async fn dynamodb(site: &DeployContext, region: &str, table: &str) -> Bounded {
    let clients = Clients::new(&site.aws_config_in(region).await);
    Bounded(CloudOverrideStore::Aws(DynamoOverrideStore::new(clients.dynamodb, table)))
}

/// A routing override, and the clouds that have it.
#[derive(Serialize)]
struct Done {
    epoch: u64,
    /// The target; `None`: by the policy.
    to: Option<String>,
    by: String,
    /// The clouds whose override store has it.
    written: Vec<String>,
    missed: Vec<Missed>,
}

#[derive(Serialize)]
struct Missed {
    cloud: String,
    why: String,
}

pub(super) async fn run(args: &args::Failover, checkout: &Checkout) -> Result<(), Failure> {
    let site = DeployContext::open(&args.place, checkout)?;
    site.at_home("the producer")?;
    let targets = &site.settings.route.targets;
    if args.to != AUTO && !targets.contains(&args.to) {
        return Err(Failure::usage(anyhow!(
            "{} is none of route.targets ({}), nor {AUTO}",
            args.to,
            targets.join(", ")
        )));
    }
    let to = (args.to != AUTO).then(|| args.to.clone());
    let by = env::var("USER").unwrap_or_else(|_| "cargo xtask failover".to_owned());
    let mut registers = Vec::from(registers(&site).await);
    registers.extend(elsewhere(&site).await);
    let Given { order, written, missed } = give(&registers, to, &by, now_ms()).await?;
    let missed = missed.into_iter().map(|(cloud, why)| Missed { cloud, why }).collect();
    let RoutingOverride { epoch, to, by, .. } = order;
    print(&Done { epoch, to, by, written, missed }, args.json)
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, to, written, missed, .. } = self;
        let to = to.as_deref().unwrap_or("the policy's choice");
        writeln!(f, "order {epoch}: to {to}; in the register of {}", written.join(" and "))?;
        missed.iter().try_for_each(|Missed { cloud, why }| {
            writeln!(
                f,
                "not in {cloud}'s: {why}; a producer that reaches only {cloud} does not know of it"
            )
        })
    }
}
