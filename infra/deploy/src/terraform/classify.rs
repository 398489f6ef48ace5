//! Classifies Terraform's output as an [`Error`].

use std::path::Path;

use super::error::{Error, Lock};
use super::run::{Ended, LockAfter};
use super::ui::{self, Diagnostic};
use super::{Root, Terraform};

/// The error of a failed run; the first of several decides.
pub(super) fn of_run(
    terraform: &Terraform,
    root: &Root,
    action: &'static str,
    ended: &Ended,
) -> Error {
    let mut errors = ui::errors(&ended.stdout);
    if errors.is_empty() {
        errors.push(Diagnostic::from_text(&ended.stderr));
    }
    let name = root.name.clone();
    let program = terraform.program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let work = root.work.clone();
    let unsaved = ["Failed to save state", "Failed to persist state"];
    if let Some(error) = errors.iter().find(|error| unsaved.contains(&&*error.summary)) {
        return Error::Unsaved { action, root: name, reason: in_words(error), program, work };
    }
    let releasing = errors.iter().position(|error| error.summary == RELEASING);
    let releasing = releasing.map(|at| errors.remove(at));
    let interrupted = ended.interrupted;
    if let Some(next) = lock_left(&ended.lock, releasing.is_some(), &program, &work) {
        let reason = releasing.as_ref().map(in_words).unwrap_or_default();
        return Error::LockLeft { action, root: name, interrupted, reason, next };
    }
    if interrupted {
        let lock_gone = ended.lock == LockAfter::Gone;
        return Error::Interrupted { action, root: name, lock_gone };
    }
    if errors.is_empty() {
        let reason = releasing.as_ref().map(in_words).unwrap_or_default();
        let next = "it was taken off since: run the same command again".to_owned();
        return Error::LockLeft { action, root: name, interrupted, reason, next };
    }
    if let Some((after, last)) = not_yet(&errors) {
        let place = last.place().map_or_else(String::new, |place| format!("{place}: "));
        return Error::NotYet { action, root: name, place, reason: in_words(last), after };
    }
    let first = &errors[0];
    let reason = in_words(first);
    let setting =
        if root.name == "terraform-gcp" { "gcp.state.bucket" } else { "aws.state.bucket" };
    match Kind::of(&errors) {
        Kind::Locked(lock) => {
            let waited_s = terraform.limits.lock.as_secs();
            Error::Locked { action, root: name, lock: Box::new(lock), waited_s, program, work }
        }
        Kind::Stale => Error::Stale { root: name },
        Kind::NoProvider => Error::NoProvider { root: name, reason },
        Kind::NoBackend => Error::NoBackend { root: name, setting, reason },
        Kind::NoStateBucket => Error::NoStateBucket { root: name, setting, reason },
        Kind::BackendChanged => Error::BackendChanged { root: name, program, work },
        Kind::Credentials => Error::Credentials { action, root: name, reason },
        Kind::Unreachable => Error::Unreachable { action, root: name, reason },
        Kind::Taken(address) => Error::Taken { root: name, address, reason, program, work },
        Kind::DeletedPool(address) => {
            let way_out = undelete_pool(root, &address, &program);
            Error::Deleted { root: name, address, reason, way_out }
        }
        Kind::DeletedRole(address) => {
            let way_out = "a role's for up to 44 days; choose other names for the roles with --set gcp.role_suffix=SUFFIX, then \
                           run the same command again"
                .to_owned();
            Error::Deleted { root: name, address, reason, way_out }
        }
        Kind::Inconsistent(address) => {
            let id = id_of(root, &address);
            let import = format!("{program} -chdir={} import {address} {id}", work.display());
            Error::Inconsistent { root: name, address, reason, import }
        }
        Kind::Other => Error::Failed {
            action,
            root: name,
            place: first.place().map_or_else(String::new, |place| format!("{place}: ")),
            reason,
            others: errors.len() - 1,
        },
    }
}

/// The words of Terraform's error when a lock can't be released.
const RELEASING: &str = "Error releasing the state lock";

/// True if a run that has ended may still hold the state's lock.
pub(super) fn may_hold_lock(ended: &Ended) -> bool {
    let said = || ended.stdout.contains(RELEASING) || ended.stderr.contains(RELEASING);
    !ended.success && (ended.interrupted || said())
}

/// The next step if a lock was left, or may have been.
fn lock_left(lock: &LockAfter, said: bool, program: &str, work: &Path) -> Option<String> {
    match lock {
        LockAfter::Held(id) => Some(format!(
            "run the same command again, which takes it off; if that doesn't, `{program} -chdir={} force-unlock {id}`",
            work.display()
        )),
        LockAfter::Unknown if said => Some(
            "run the same command again: it takes off a lock that is still held, or says how that is done".to_owned(),
        ),
        LockAfter::Gone | LockAfter::Unknown => None,
    }
}

/// Errors of the clouds about resources created or enabled just before, as reported by users; all of the words must occur. If
/// such a text can also mean a permanent error, it counts only if a resource of that type was created just before.
const NOT_YET: [(&[&str], Option<&str>); 7] = [
    // hashicorp/terraform-provider-google #11102.
    (&["Cannot find metric", "If a metric was created recently"], None),
    // A service's own account, which Google creates with a delay: terraform-google-modules/terraform-google-pubsub #34.
    (&["Service account service-", "@gcp-sa-", "does not exist"], None),
    // hashicorp/terraform-provider-google #22533: the name of a database that was deleted minutes ago.
    (&["Database ID", "is not available in project", "Please retry in"], None),
    (
        &["has not been used in project", "If you enabled this API recently"],
        Some("google_project_service"),
    ),
    (
        &["Service account ", ".iam.gserviceaccount.com does not exist"],
        Some("google_service_account"),
    ),
    (&["iam.serviceAccounts.actAs", "(or it may not exist)"], Some("google_service_account")),
    (
        &["Role (projects/", "does not exist in the resource's hierarchy"],
        Some("google_project_iam_custom_role"),
    ),
];

/// If all errors are temporary: the type of resource after which they are, and the error to report.
fn not_yet(errors: &[Diagnostic]) -> Option<(Option<&'static str>, &Diagnostic)> {
    let one = |error: &Diagnostic| {
        let text = in_words(error).to_lowercase();
        let says = |words: &[&str]| words.iter().all(|words| text.contains(&words.to_lowercase()));
        NOT_YET.iter().find(|(words, _)| says(words)).map(|(_, after)| *after)
    };
    let found: Vec<Option<&'static str>> = errors.iter().map(one).collect::<Option<_>>()?;
    // An error with a condition decides.
    let at = found.iter().position(Option::is_some).unwrap_or_default();
    Some((*found.get(at)?, errors.get(at)?))
}

/// The value of a root's variable, for the text of a next step.
fn value(root: &Root, name: &str) -> Option<String> {
    let text = std::fs::read(root.var_file.as_ref()?).ok()?;
    let values: serde_json::Value = serde_json::from_slice(&text).ok()?;
    values.get(name)?.as_str().map(str::to_owned)
}

/// The command that restores a deleted identity pool.
fn undelete_pool(root: &Root, address: &str, program: &str) -> String {
    let project = value(root, "project").unwrap_or_else(|| "PROJECT".to_owned());
    let pool = value(root, "workload_identity_pool")
        .or_else(|| Some(format!("{}-{}", value(root, "prefix")?, value(root, "environment")?)));
    let pool = pool.unwrap_or_else(|| "POOL".to_owned());
    format!(
        "a pool's for 30 days; either `gcloud iam workload-identity-pools undelete {pool} --location=global --project={project}`, then \
         `{program} -chdir={} import {address} projects/{project}/locations/global/workloadIdentityPools/{pool}`; or another name with \
         --set gcp.workload_identity_pool=POOL; then run the same command again",
        root.work.display()
    )
}

/// An address without the modules that it is in.
fn in_module(mut address: &str) -> &str {
    while let Some((_, rest)) =
        address.strip_prefix("module.").and_then(|rest| rest.split_once('.'))
    {
        address = rest;
    }
    address
}

/// The id for importing a resource into the state.
fn id_of(root: &Root, address: &str) -> String {
    let database = || {
        let database = value(root, "database")?;
        Some(format!("\"projects/{}/databases/{database}\"", value(root, "project")?))
    };
    let known =
        in_module(address).starts_with("google_firestore_database.").then(database).flatten();
    known.unwrap_or_else(|| "ID".to_owned())
}

enum Kind {
    Locked(Lock),
    Stale,
    NoProvider,
    NoBackend,
    NoStateBucket,
    BackendChanged,
    Credentials,
    Unreachable,
    Taken(String),
    DeletedPool(String),
    DeletedRole(String),
    Inconsistent(String),
    Other,
}

impl Kind {
    /// Classified by its words: the program has no codes.
    fn of(errors: &[Diagnostic]) -> Self {
        let first = &errors[0];
        let text = format!("{}\n{}", first.summary, first.detail);
        let says = |words: &[&str]| words.iter().any(|words| text.contains(words));
        if let Some(lock) = Lock::read(&text) {
            return Self::Locked(lock);
        }
        if says(&["Saved plan is stale"]) {
            return Self::Stale;
        }
        if says(&[
            "Failed to query available provider packages",
            "Failed to install provider",
            "Required plugins are not installed",
            "Inconsistent dependency lock file",
        ]) {
            return Self::NoProvider;
        }
        if says(&["is required by the backend"]) {
            return Self::NoBackend;
        }
        if says(&["Backend configuration changed", "Backend initialization required"]) {
            return Self::BackendChanged;
        }
        if text.contains("NoSuchBucket")
            || text.contains("S3 bucket") && text.contains("does not exist")
            || text.contains("storage: bucket doesn't exist")
        {
            return Self::NoStateBucket;
        }
        if says(&[
            "No valid credential sources found",
            "InvalidClientTokenId",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "UnrecognizedClientException",
            "failed to refresh cached credentials",
            "could not find default credentials",
            "invalid_grant",
            "Request had invalid authentication credentials",
        ]) {
            return Self::Credentials;
        }
        if says(&["connection refused", "no such host", "i/o timeout", "network is unreachable"]) {
            return Self::Unreachable;
        }
        let is = |resource_type: &str| {
            first
                .address
                .as_ref()
                .filter(|address| in_module(address).starts_with(resource_type))
                .cloned()
        };
        if says(&["marked for deletion", "in a deleted state"])
            && let Some(address) = is("google_project_iam_custom_role.")
        {
            return Self::DeletedRole(address);
        }
        if says(&["already exists"])
            && let Some(address) = is("google_iam_workload_identity_pool.")
        {
            return Self::DeletedPool(address);
        }
        if says(&["Provider produced inconsistent result after apply"])
            && let Some(address) = first.address.clone().or_else(|| address_in(&text))
        {
            return Self::Inconsistent(address);
        }
        match &first.address {
            Some(address) if says(&["AlreadyExists", "already exists", "alreadyExists"]) => {
                Self::Taken(address.clone())
            }
            _ => Self::Other,
        }
    }
}

/// `When applying changes to ADDRESS, provider …`
fn address_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("When applying changes to ")?;
    rest.split_once(", provider").map(|(address, _)| address.to_owned())
}

/// The error on one line.
fn in_words(error: &Diagnostic) -> String {
    let text = format!("{} {}", error.summary, error.detail);
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

impl Lock {
    /// Parses the lock in the program's message about a locked state.
    fn read(text: &str) -> Option<Self> {
        let (_, info) = text.split_once("Lock Info:")?;
        let value = |key| {
            let mut lines = info.lines().map(str::trim);
            lines.find_map(|line| line.strip_prefix(key)).unwrap_or("unknown").trim().to_owned()
        };
        let since = value("Created:");
        Some(Self {
            id: value("ID:"),
            who: value("Who:"),
            created: since.trim_end_matches(" UTC").to_owned(),
            operation: value("Operation:").trim_start_matches("OperationType").to_lowercase(),
        })
    }
}

#[cfg(test)]
mod tests;
