//! The rights that a destroy needs, checked before it begins, without changing anything.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;

use crate::cloud_storage::Token;
use crate::terraform::Plan;

/// The URL for permissions on projects.
pub(super) const ENDPOINT: &str = "https://cloudresourcemanager.googleapis.com";
const ANSWER: Duration = Duration::from_secs(15);

/// The permission to delete a resource of a type. Resources of other types are deleted with these.
const NEEDED: [(&str, &str); 14] = [
    ("google_artifact_registry_repository", "artifactregistry.repositories.delete"),
    ("google_cloud_run_v2_service", "run.services.delete"),
    ("google_compute_disk", "compute.disks.delete"),
    ("google_compute_instance", "compute.instances.delete"),
    ("google_compute_network", "compute.networks.delete"),
    ("google_compute_subnetwork", "compute.subnetworks.delete"),
    ("google_firestore_database", "datastore.databases.delete"),
    ("google_iam_workload_identity_pool", "iam.workloadIdentityPools.delete"),
    ("google_project_iam_custom_role", "iam.roles.delete"),
    ("google_project_iam_member", "resourcemanager.projects.setIamPolicy"),
    ("google_pubsub_subscription", "pubsub.subscriptions.delete"),
    ("google_pubsub_topic", "pubsub.topics.delete"),
    ("google_service_account", "iam.serviceAccounts.delete"),
    ("google_storage_bucket", "storage.buckets.delete"),
];

/// Rights that a plan to destroy needs and these credentials don't have on the project.
pub(super) async fn missing(
    endpoint: &str,
    token: &Token,
    project: &str,
    plan: &Plan,
) -> anyhow::Result<Vec<&'static str>> {
    #[derive(Deserialize)]
    struct Granted {
        #[serde(default)]
        permissions: Vec<String>,
    }
    let types: BTreeSet<&str> =
        plan.removed.iter().map(|removed| removed.resource_type.as_str()).collect();
    let needed = NEEDED.iter().filter(|(kind, _)| types.contains(kind));
    let needed: Vec<&'static str> = needed.map(|(_, right)| *right).collect();
    if needed.is_empty() {
        return Ok(needed);
    }
    let what = || format!("ask which rights there are in the project {project}");
    let answer = outbound::client(endpoint, ANSWER)?
        .post(format!("{endpoint}/v1/projects/{project}:testIamPermissions"))
        .bearer_auth(token.text().await?)
        .json(&json!({ "permissions": needed }))
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .with_context(what)?;
    let granted: Granted = answer.json().await.with_context(what)?;
    Ok(needed.into_iter().filter(|right| !granted.permissions.iter().any(|g| g == right)).collect())
}
