//! Each principal has the permissions for the Google Cloud calls of its code, and no grant beyond them.
//!
//! The calls are read from the code (`google_code.rs`), the grants from `terraform-gcp/` (`google_grants.rs`). Only the
//! permissions that a call needs are written here: a call that has no line in [`NEEDS`] fails the test.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::code::{Source, check_code, is_in, sources};
use super::files_of_root;
use super::google_code::{Call, Methods, calls_of};
use super::google_grants::{Grant, Grants};

/// Code that a principal runs, and the member that the grants are to.
struct Principal {
    name: &'static str,
    /// Files and functions, in the syntax of [`is_in`].
    code: &'static [&'static str],
    /// Texts that identify the principal in a grant's `member`, or in the list of members of its `for_each`.
    members: &'static [&'static str],
}

const PRINCIPALS: [Principal; 8] = [
    Principal {
        name: "the service ingest",
        code: &[
            "functions/gcp/src/archive.rs#put_if_absent",
            "functions/gcp/src/store.rs#look,pieces,commit,store",
        ],
        members: &["google_service_account.ingest.member"],
    },
    Principal {
        name: "the service replicate",
        code: &[
            "functions/gcp/src/archive.rs#put_if_absent,list_page",
            "functions/gcp/src/cursor.rs",
            "functions/gcp/src/store.rs#look,pieces,commit,store",
        ],
        members: &["google_service_account.replicate.member"],
    },
    Principal {
        name: "AWS's function replicate",
        code: &["functions/gcp/src/archive.rs#get,list_page"],
        members: &["/attribute.aws_role/${each.value}"],
    },
    Principal {
        name: "a producer",
        code: &[
            "functions/gcp/src/queue.rs#publish",
            "functions/gcp/src/override_store.rs#find,incarnation",
        ],
        members: &["var.publishers"],
    },
    Principal {
        name: "an operator",
        code: &[
            "functions/gcp/src/archive.rs",
            "functions/gcp/src/queue.rs",
            "functions/gcp/src/queue/pull.rs",
            "functions/gcp/src/override_store.rs",
            "functions/gcp/src/store.rs",
            "infra/operate/src/commands",
        ],
        members: &["var.operators"],
    },
    Principal {
        name: "an operator on a game day",
        code: &["infra/operate/src/game_day", "infra/operate/src/commands/schedule"],
        // A game-day operator has the operator's grants as well.
        members: &["var.operators", "var.game_day_operators"],
    },
    Principal {
        name: "the deploy account",
        code: &[
            "functions/gcp/src/queue.rs#publish",
            "functions/gcp/src/queue/pull.rs#pull,release",
            "functions/gcp/src/store.rs#look,pieces,scan",
            "infra/deploy/src/cloud_storage.rs#object",
            "infra/deploy/src/images",
        ],
        members: &[
            "google_service_account.github[\"deploy\"]",
            "google_service_account.github[each.",
        ],
    },
    Principal {
        name: "the plan account",
        code: &["infra/deploy/src/cloud_storage.rs#object"],
        members: &["google_service_account.github[\"plan\"]"],
    },
];

/// Code whose calls none of these principals makes, and why.
const UNASSIGNED: [(&[&str], &str); 4] = [
    (&["infra/deploy/src/rights.rs"], "AWS, whose calls `calls.rs` reads"),
    (&["infra/deploy/src/google"], "emulators, which ask for no right"),
    (&["functions/producer-program/src/binance_ws/rest.rs"], "Binance, which asks for no right"),
    (
        &[
            "infra/deploy/src/cloud_storage.rs#holds_anything",
            "infra/deploy/src/commands/components/google/rights.rs",
        ],
        "before a destroy, which an administrator of the project does",
    ),
];

/// Permissions that a call needs: by the start of the file's name, and what the call is there.
///
/// As the reference of each API has it; of Firestore, <https://cloud.google.com/firestore/docs/security/iam>.
const NEEDS: &[(&str, &str, &[&str])] = &[
    ("functions/gcp/src/archive.rs", "GET {}/storage/v1/b {}/o", &["storage.objects.list"]),
    // Objects are created with the precondition that none exists; overwriting would also need `storage.objects.delete`.
    ("functions/gcp/src/archive.rs", "storage write_object", &["storage.objects.create"]),
    ("", "storage read_object", &["storage.objects.get"]),
    ("infra/deploy/src/cloud_storage.rs", "b/{}/o/{}", &["storage.objects.get"]),
    ("", "pubsub publish", &["pubsub.topics.publish"]),
    ("functions/gcp/src/queue/pull.rs", "pull", &["pubsub.subscriptions.consume"]),
    ("functions/gcp/src/queue/pull.rs", "acknowledge", &["pubsub.subscriptions.consume"]),
    ("functions/gcp/src/queue/pull.rs", "modifyAckDeadline", &["pubsub.subscriptions.consume"]),
    ("", "firestore select by_id_in", &["datastore.entities.get"]),
    ("", "firestore select from", &["datastore.entities.get", "datastore.entities.list"]),
    // Without a precondition, an update also creates a missing document.
    ("", "firestore update in_col", &["datastore.entities.create", "datastore.entities.update"]),
    ("", "firestore commit", &[]), // its writes are calls of their own:
    (
        "",
        "firestore Operation::Update",
        &["datastore.entities.create", "datastore.entities.update"],
    ),
    ("infra/operate/src/game_day/gcp.rs", "GET /v1/{subscription}", &["pubsub.subscriptions.get"]),
    // Restoring the push endpoint makes the subscription act as its service account.
    (
        "infra/operate/src/game_day/gcp.rs",
        "POST /v1/{subscription}:modifyPushConfig",
        &["iam.serviceAccounts.actAs", "pubsub.subscriptions.update"],
    ),
    // Of a topic: Cloud Run's policies are in records of earlier versions only.
    (
        "infra/operate/src/game_day/gcp.rs",
        "GET /{}/{resource}:getIamPolicy?options.requestedPolicyVersion=3",
        &["pubsub.topics.getIamPolicy"],
    ),
    (
        "infra/operate/src/game_day/gcp.rs",
        "POST /{}/{resource}:setIamPolicy",
        &["pubsub.topics.setIamPolicy"],
    ),
    // testIamPermissions needs no permission.
    ("infra/operate/src/game_day/gcp/rights.rs", "POST /{resource}:testIamPermissions", &[]),
    ("infra/operate/src/commands/schedule/scheduler.rs", "GET", &["cloudscheduler.jobs.get"]),
    (
        "infra/operate/src/commands/schedule/scheduler.rs",
        "POST :pause",
        &["cloudscheduler.jobs.pause"],
    ),
    (
        "infra/operate/src/commands/schedule/scheduler.rs",
        "POST :resume",
        &["cloudscheduler.jobs.enable"],
    ),
    ("", "registry auth", &[]),
    ("", "registry store_auth_if_needed", &[]),
    ("", "registry blob_exists", &["artifactregistry.repositories.downloadArtifacts"]),
    ("", "registry fetch_manifest_digest", &["artifactregistry.repositories.downloadArtifacts"]),
    ("", "registry pull_blob", &["artifactregistry.repositories.downloadArtifacts"]),
    ("", "registry pull_manifest_raw", &["artifactregistry.repositories.downloadArtifacts"]),
    ("", "registry push_blob", &["artifactregistry.repositories.uploadArtifacts"]),
    ("", "registry push_manifest_raw", &["artifactregistry.repositories.uploadArtifacts"]),
];

/// Permissions of custom roles that no call of ours needs, by role: one, or all with a `*`; and why they stay.
const BESIDES: [(&str, &str, &str); 5] = [
    ("configure", "*", "Terraform's calls"),
    ("configure_archive", "*", "Terraform's calls"),
    ("producer_host", "*", "Terraform's calls"),
    (
        "candles",
        "datastore.databases.get",
        "by Google's documents for transactions alone; no run on the cloud has shown that it is done without",
    ),
    ("orders", "datastore.databases.get", "as for candles"),
];

/// Grants of which no call of ours needs anything, and why they are there.
const NO_CALLS: [(&str, &str); 14] = [
    (
        "terraform-gcp/modules/deployer/main.tf google_project_iam_member.configure",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_project_iam_member.github_compute",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_project_iam_member.producer_host",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_service_account_iam_member.deploy_as",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_service_account_iam_member.deploy_as_producer",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_service_account_iam_member.github",
        "GitHub's sign-in",
    ),
    (
        "terraform-gcp/modules/deployer/main.tf google_storage_bucket_iam_member.configure_archive",
        "Terraform's calls",
    ),
    (
        "terraform-gcp/modules/pipeline/operator.tf google_project_iam_member.operator_quota",
        "the project that a person's credentials name as the one that pays",
    ),
    (
        "terraform-gcp/modules/producer/main.tf google_artifact_registry_repository_iam_member.producer",
        "Docker, on the producer's machine",
    ),
    (
        "terraform-gcp/modules/producer/main.tf google_project_iam_member.producer_logs",
        "Docker, on the producer's machine",
    ),
    (
        "terraform-gcp/modules/pipeline/pubsub.tf google_pubsub_subscription_iam_member.dead_letters",
        "Pub/Sub's own account",
    ),
    (
        "terraform-gcp/modules/pipeline/pubsub.tf google_pubsub_topic_iam_member.dead_letters",
        "Pub/Sub's own account",
    ),
    (
        "terraform-gcp/modules/pipeline/pubsub.tf google_service_account_iam_member.push_token",
        "Pub/Sub's own account",
    ),
    (
        "terraform-gcp/modules/pipeline/services.tf google_cloud_run_v2_service_iam_member.invoker",
        "push and schedule",
    ),
];

impl Principal {
    fn makes(&self, call: &Call) -> bool {
        is_in(self.code, &call.file, &call.function)
    }

    /// The permissions that its calls need.
    fn needs(&self, calls: &[Call]) -> BTreeSet<&'static str> {
        let own = calls.iter().filter(|call| self.makes(call));
        own.flat_map(|call| needs(call).expect("it is known")).copied().collect()
    }

    fn grants<'g>(&self, grants: &'g Grants) -> impl Iterator<Item = &'g Grant> {
        grants.all.iter().filter(|grant| grant.is_to(self.members))
    }

    /// The permissions that its calls need and no grant gives.
    fn missing(&self, calls: &[Call], grants: &Grants) -> Vec<&'static str> {
        let given: BTreeSet<String> =
            self.grants(grants).flat_map(|grant| grants.permissions(grant)).collect();
        self.needs(calls).into_iter().filter(|need| !given.contains(*need)).collect()
    }
}

/// The permissions that a call needs; none if it is not known.
fn needs(call: &Call) -> Option<&'static [&'static str]> {
    let line =
        NEEDS.iter().find(|(file, what, _)| call.file.starts_with(file) && call.what == *what);
    line.map(|(_, _, needs)| *needs)
}

/// Calls that no line of [`NEEDS`] is for.
fn unknown(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| needs(call).is_none()).collect()
}

fn of_nobody(call: &Call) -> bool {
    UNASSIGNED.iter().any(|(code, _)| is_in(code, &call.file, &call.function))
}

/// Every call of the code that is shipped.
static CALLS: LazyLock<Vec<Call>> = LazyLock::new(|| {
    let sources = sources(&["google-cloud-", "firestore", "cloud-gcp"]);
    let methods = Methods::read(&sources);
    sources.iter().flat_map(|source| calls_of(source, &methods)).collect()
});

/// Those that a principal makes.
fn made() -> Vec<Call> {
    let made = CALLS.iter().filter(|call| PRINCIPALS.iter().any(|one| one.makes(call)));
    made.cloned().collect()
}

fn makes(calls: &[Call]) -> impl Fn(&str, &str) -> bool {
    |file, function| calls.iter().any(|call| call.file == file && call.function == function)
}

/// Permissions of custom roles that no member with the role needs: role and permission.
fn beside(grants: &Grants, calls: &[Call]) -> Vec<(String, String)> {
    let mut beside = Vec::new();
    for (role, permissions) in &grants.custom {
        let holders =
            PRINCIPALS.iter().filter(|one| one.grants(grants).any(|grant| grant.has_role(role)));
        let needed: BTreeSet<&str> = holders.flat_map(|one| one.needs(calls)).collect();
        let rest = permissions.iter().filter(|one| !needed.contains(one.as_str()));
        beside.extend(rest.map(|permission| (role.clone(), permission.clone())));
    }
    beside
}

/// Grants without a call that needs them: place, and name of the principal, if any.
fn idle(grants: &Grants, calls: &[Call]) -> Vec<(String, &'static str)> {
    let mut idle = Vec::new();
    for grant in &grants.all {
        let holders: Vec<_> = PRINCIPALS.iter().filter(|one| grant.is_to(one.members)).collect();
        if holders.is_empty() {
            idle.push((grant.place.clone(), "none of the principals"));
            continue;
        }
        let given = grants.permissions(grant);
        let uses = |one: &Principal| one.needs(calls).iter().any(|need| given.contains(*need));
        for one in &holders {
            // A principal that includes another one has that one's grants.
            let is_too = |other: &&&Principal| {
                other.members.iter().all(|member| one.members.contains(member))
            };
            if !holders.iter().filter(is_too).any(|other| uses(other)) {
                idle.push((grant.place.clone(), one.name));
            }
        }
    }
    idle
}

#[test]
fn each_call_has_its_permission_by_a_grant_to_who_makes_it() {
    let (made, grants) = (made(), Grants::read());
    let orphans: Vec<_> =
        CALLS.iter().filter(|call| !of_nobody(call) && !made.contains(call)).collect();
    assert!(orphans.is_empty(), "name the principal that makes these calls: {orphans:#?}");
    let unknown = unknown(&made);
    assert!(unknown.is_empty(), "add to NEEDS which permissions these calls need: {unknown:#?}");
    for principal in &PRINCIPALS {
        check_code(principal.name, principal.code, makes(&made));
        let missing = principal.missing(&made, &grants);
        assert!(
            missing.is_empty(),
            "{} lacks {missing:?}: grant it in terraform-gcp/",
            principal.name
        );
    }
    for (code, why) in UNASSIGNED {
        check_code(why, code, makes(&CALLS));
    }
    let is_used = |(file, what, _): &&(&str, &str, &[&str])| {
        made.iter().any(|call| call.file.starts_with(file) && call.what == *what)
    };
    let stale: Vec<_> = NEEDS.iter().filter(|line| !is_used(line)).collect();
    assert!(stale.is_empty(), "no call is of these any more: {stale:?}");
}

#[test]
fn what_a_custom_role_permits_is_needed() {
    let beside = beside(&Grants::read(), &made());
    let is_of = |(role, permission): &(String, String), of: &(&str, &str, &str)| {
        role == of.0 && (of.1 == "*" || permission == of.1)
    };
    let wide: Vec<_> =
        beside.iter().filter(|one| !BESIDES.iter().any(|of| is_of(one, of))).collect();
    assert!(wide.is_empty(), "no call of those that have the role needs: {wide:#?}");
    let stale: Vec<_> =
        BESIDES.iter().filter(|of| !beside.iter().any(|one| is_of(one, of))).collect();
    assert!(stale.is_empty(), "needed by a call, or gone: {stale:#?}");
}

#[test]
fn each_grant_is_needed_by_a_call() {
    let idle = idle(&Grants::read(), &made());
    let unreasoned: Vec<_> =
        idle.iter().filter(|(place, _)| !NO_CALLS.iter().any(|(of, _)| of == place)).collect();
    assert!(unreasoned.is_empty(), "granted, and no call needs it: {unreasoned:#?}");
    let stale: Vec<_> =
        NO_CALLS.iter().filter(|(of, _)| !idle.iter().any(|(place, _)| place == of)).collect();
    assert!(stale.is_empty(), "needed by a call, or gone: {stale:#?}");
}

/// Methods of client libraries only.
static METHODS: LazyLock<Methods> = LazyLock::new(|| Methods::read(&[]));

/// The calls of a function that a producer runs.
fn added(body: &str) -> Vec<Call> {
    let named = "use google_cloud_pubsub::client::TopicAdmin; use firestore::FirestoreDb;";
    let text = format!("{named} impl Added {{ async fn publish(&self) {{ {body} }} }}");
    let source = Source { file: "functions/gcp/src/queue.rs".to_owned(), text };
    calls_of(&source, &METHODS)
}

#[test]
fn a_call_without_its_permission_is_found() {
    let producer = PRINCIPALS.iter().find(|one| one.name == "a producer").expect("a producer");
    for (body, what) in [
        ("self.topics.delete_topic().set_topic(name).send().await;", "pubsub delete_topic"),
        ("select!(_ = self.topics.delete_topic().send() => {});", "pubsub delete_topic"),
        ("let delete = self.db.fluent().delete().from(NAME);", "firestore delete from"),
        ("let all = self.db.fluent(); all.select().from(NAME);", "firestore "),
        ("let write = Operation::Delete(name);", "firestore Operation::Delete"),
        (
            "let url = format!(\"{}:seek\", self.url); self.http.post(url).send().await;",
            "POST {}:seek",
        ),
        ("self.db().await?.client().get().rollback(request).await;", "firestore rollback"),
    ] {
        let calls = added(body);
        let unknown: Vec<&str> = unknown(&calls).iter().map(|call| call.what.as_str()).collect();
        assert_eq!(unknown, [what], "{body}");
        assert!(calls.iter().all(|call| producer.makes(call)));
    }
    let calls = added("self.db.fluent().update().in_col(NAME).document(document).execute().await;");
    let missing = producer.missing(&calls, &Grants::read());
    assert_eq!(missing, ["datastore.entities.create", "datastore.entities.update"]);
}

#[test]
fn a_grant_that_is_taken_away_or_is_too_much_is_found() {
    let changed = |from: &str, to: &str| {
        let mut files = files_of_root("terraform-gcp");
        let changed: Vec<_> = files.iter_mut().filter(|(_, text)| text.contains(from)).collect();
        assert!(!changed.is_empty(), "{from}");
        for (_, text) in changed {
            *text = text.replace(from, to);
        }
        Grants::of(&files)
    };
    let made = made();
    let missing = |grants: &Grants| -> Vec<(&str, Vec<&str>)> {
        let each = PRINCIPALS.iter().map(|one| (one.name, one.missing(&made, grants)));
        each.filter(|(_, missing)| !missing.is_empty()).collect()
    };
    let less = changed("    \"cloudscheduler.jobs.pause\",\n", "");
    let pause = vec!["cloudscheduler.jobs.pause"];
    assert_eq!(
        missing(&less),
        [("an operator", pause.clone()), ("an operator on a game day", pause)]
    );
    // A permission granted on a resource of another type has no effect.
    let elsewhere = changed(
        "\"google_pubsub_topic_iam_member\" \"publishers\"",
        "\"google_pubsub_subscription_iam_member\" \"publishers\"",
    );
    assert_eq!(missing(&elsewhere), [("a producer", vec!["pubsub.topics.publish"])]);

    let more = changed(
        "\"cloudscheduler.jobs.pause\",",
        "\"cloudscheduler.jobs.pause\", \"cloudscheduler.jobs.run\",",
    );
    let run = ("schedule".to_owned(), "cloudscheduler.jobs.run".to_owned());
    assert!(beside(&more, &made).contains(&run));
    let view = "terraform-gcp/modules/pipeline/accounts.tf google_storage_bucket_iam_member.view";
    let more = changed("{ replicate = google_service_account.replicate.member }", "local.writers");
    assert!(idle(&more, &made).contains(&(view.to_owned(), "the service ingest")));
}
