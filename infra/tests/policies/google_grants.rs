//! The grants of `terraform-gcp/`, and the permissions of the granted roles.

use std::collections::{BTreeMap, BTreeSet};

use hcl::expr::Expression;

use super::{files_of_root, hcl_list, hcl_text};

/// Permissions of predefined roles, as of 2026-11-30, from Google's documentation of each service:
///
/// - <https://cloud.google.com/iam/docs/roles-permissions/artifactregistry>
/// - <https://cloud.google.com/iam/docs/roles-permissions/cloudscheduler>
/// - <https://cloud.google.com/iam/docs/roles-permissions/firestore>
/// - <https://cloud.google.com/iam/docs/roles-permissions/iam>
/// - <https://cloud.google.com/iam/docs/roles-permissions/pubsub>
/// - <https://cloud.google.com/iam/docs/roles-permissions/storage>
///
/// Those of Cloud Storage and of Cloud Scheduler were compared with copies of such pages; the others are from memory, as no
/// page could be fetched on that day.
///
/// Of each role, the permissions of the kinds that calls of ours need (objects, messages, documents, jobs, service
/// accounts, images); what else a role has is left out. An empty list is a role that Terraform alone needs.
const PREDEFINED: &[(&str, &[&str])] = &[
    ("roles/artifactregistry.reader", &["artifactregistry.repositories.downloadArtifacts"]),
    (
        "roles/artifactregistry.writer",
        &[
            "artifactregistry.repositories.downloadArtifacts",
            "artifactregistry.repositories.uploadArtifacts",
        ],
    ),
    (
        "roles/cloudscheduler.admin",
        &["cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause"],
    ),
    ("roles/cloudscheduler.viewer", &["cloudscheduler.jobs.get"]),
    ("roles/datastore.indexAdmin", &[]),
    ("roles/datastore.viewer", &["datastore.entities.get", "datastore.entities.list"]),
    ("roles/iam.roleViewer", &[]),
    ("roles/iam.securityReviewer", &["pubsub.topics.getIamPolicy"]),
    ("roles/iam.serviceAccountUser", &["iam.serviceAccounts.actAs"]),
    ("roles/iam.serviceAccountViewer", &[]),
    ("roles/iam.workloadIdentityPoolViewer", &[]),
    ("roles/logging.logWriter", &[]),
    ("roles/logging.viewer", &[]),
    ("roles/monitoring.editor", &[]),
    ("roles/monitoring.viewer", &[]),
    (
        "roles/pubsub.editor",
        &[
            "pubsub.subscriptions.consume",
            "pubsub.subscriptions.get",
            "pubsub.subscriptions.update",
            "pubsub.topics.publish",
        ],
    ),
    ("roles/pubsub.publisher", &["pubsub.topics.publish"]),
    ("roles/pubsub.subscriber", &["pubsub.subscriptions.consume"]),
    ("roles/pubsub.viewer", &["pubsub.subscriptions.get"]),
    ("roles/run.developer", &[]),
    ("roles/run.viewer", &[]),
    ("roles/compute.viewer", &[]),
    ("roles/serviceusage.serviceUsageConsumer", &[]),
    ("roles/storage.bucketViewer", &[]),
    ("roles/storage.objectCreator", &["storage.objects.create"]),
    (
        "roles/storage.objectUser",
        &[
            "storage.objects.create",
            "storage.objects.delete",
            "storage.objects.get",
            "storage.objects.list",
        ],
    ),
    ("roles/storage.objectViewer", &["storage.objects.get", "storage.objects.list"]),
];

/// The kinds of resources that a grant can be of, and how the permissions begin that it can give there. On a project, all.
const KINDS: [(&str, &str); 7] = [
    ("artifact_registry_repository", "artifactregistry."),
    ("cloud_run_v2_service", "run."),
    ("project", ""),
    ("pubsub_subscription", "pubsub.subscriptions."),
    ("pubsub_topic", "pubsub.topics."),
    ("service_account", "iam.serviceAccounts."),
    ("storage_bucket", "storage."),
];

/// A role that members have on a resource.
pub(super) struct Grant {
    /// As in `infra/policies.txt`: the file and the resource.
    pub(super) place: String,
    /// Prefix of the permissions that it can give.
    kind: &'static str,
    /// The text of the member's expression, with the locals that it refers to.
    members: String,
    /// Predefined ones by their names, others by their resource's.
    roles: BTreeSet<String>,
}

/// All grants, and the permissions of the custom roles by the names of their resources.
pub(super) struct Grants {
    pub(super) all: Vec<Grant>,
    pub(super) custom: BTreeMap<String, BTreeSet<String>>,
}

impl Grants {
    /// Those of `terraform-gcp/`.
    pub(super) fn read() -> Self {
        Self::of(&files_of_root("terraform-gcp"))
    }

    /// Those of files, each with its name and its text.
    pub(super) fn of(files: &[(String, String)]) -> Self {
        let parse = |(file, text): &(String, String)| -> hcl::Body {
            hcl::parse(text).unwrap_or_else(|error| panic!("{file}: {error}"))
        };
        let bodies: Vec<hcl::Body> = files.iter().map(parse).collect();
        // A module's own, by its folder.
        let mut locals: BTreeMap<&str, BTreeMap<String, String>> = BTreeMap::new();
        for ((file, _), body) in files.iter().zip(&bodies) {
            let blocks = body.blocks().filter(|block| block.identifier() == "locals");
            let attributes = blocks.flat_map(|block| block.body().attributes());
            let of_module = locals.entry(folder_of(file)).or_default();
            of_module
                .extend(attributes.map(|local| (local.key().to_owned(), hcl_text(local.expr()))));
        }
        let mut grants = Self { all: Vec::new(), custom: BTreeMap::new() };
        for ((file, _), body) in files.iter().zip(&bodies) {
            for block in body.blocks().filter(|block| block.identifier() == "resource") {
                let labels: Vec<&str> =
                    block.labels().iter().map(hcl::BlockLabel::as_str).collect();
                let [resource_type, name] = labels[..] else { panic!("{file}: {labels:?}") };
                let value = |key: &str| {
                    block.body().attributes().find(|one| one.key() == key).map(hcl::Attribute::expr)
                };
                if resource_type == "google_project_iam_custom_role" {
                    let permissions = value("permissions").map(hcl_list).unwrap_or_default();
                    grants.custom.insert(name.to_owned(), permissions.into_iter().collect());
                }
                let place = format!("{file} {resource_type}.{name}");
                grants.all.extend(Grant::of(place, resource_type, value, &locals[folder_of(file)]));
            }
        }
        assert!(!grants.all.is_empty());
        grants
    }

    /// The permissions that a grant gives.
    pub(super) fn permissions(&self, grant: &Grant) -> BTreeSet<String> {
        let of_role = |role: &String| -> Vec<String> {
            if let Some(permissions) = self.custom.get(role) {
                return permissions.iter().cloned().collect();
            }
            let predefined = PREDEFINED.iter().find(|(name, _)| name == role);
            let predefined = predefined.unwrap_or_else(|| {
                panic!(
                    "{}: {role} is not in PREDEFINED: add it as Google's documents have it",
                    grant.place
                )
            });
            predefined.1.iter().map(ToString::to_string).collect()
        };
        let all = grant.roles.iter().flat_map(of_role);
        all.filter(|permission| permission.starts_with(grant.kind)).collect()
    }
}

impl Grant {
    fn of<'e>(
        place: String,
        resource_type: &str,
        value: impl Fn(&str) -> Option<&'e Expression>,
        locals: &BTreeMap<String, String>,
    ) -> Option<Self> {
        let of = resource_type.strip_prefix("google_")?.split_once("_iam_")?;
        let (of, "member" | "binding" | "policy") = of else { return None };
        let (role, member) = (value("role"), value("member"));
        let (Some(role), Some(member)) = (role.map(hcl_text), member.map(hcl_text)) else {
            panic!("{place}: a role for one member each is all that this test reads");
        };
        let kind = KINDS.iter().find(|(kind, _)| *kind == of);
        let kind = kind.unwrap_or_else(|| panic!("{place}: add {of} to KINDS")).1;
        let each = value("for_each").map(hcl_text).unwrap_or_default();
        let each = with_locals(&each, locals);
        let members = if member.contains("each.") { format!("{member} {each}") } else { member };
        let roles = if role.contains("each.") { each } else { role };
        Some(Self { members: with_locals(&members, locals), roles: roles_in(&roles), place, kind })
    }

    /// True if one of these is in what it says of its members.
    pub(super) fn is_to(&self, members: &[&str]) -> bool {
        members.iter().any(|member| self.members.contains(member))
    }

    pub(super) fn has_role(&self, role: &str) -> bool {
        self.roles.contains(role)
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// An expression's text, and behind it those of the locals that it refers to.
fn with_locals(text: &str, locals: &BTreeMap<String, String>) -> String {
    let mut seen = BTreeSet::new();
    let mut all = text.to_owned();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        for part in text.split("local.").skip(1) {
            let name: String =
                part.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if let Some(value) = locals.get(&name).filter(|_| seen.insert(name.clone())) {
                all.push(' ');
                all.push_str(value);
                open.push(value.clone());
            }
        }
    }
    all
}

/// The roles that a text names.
fn roles_in(text: &str) -> BTreeSet<String> {
    let name = |part: &str, dot: bool| -> String {
        let is_in = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || (dot && *c == '.');
        part.chars().take_while(is_in).collect()
    };
    let predefined = text.split("roles/").skip(1).map(|part| format!("roles/{}", name(part, true)));
    let custom = text.split("google_project_iam_custom_role.").skip(1);
    predefined.chain(custom.map(|part| name(part, false))).collect()
}
