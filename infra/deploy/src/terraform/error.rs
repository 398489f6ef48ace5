//! Why a root isn't what it should be, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::run::Ended;
use super::ui::{self, Diagnostic};
use super::{Root, Terraform};

/// Why Terraform could not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error(
        "no {names} on PATH: get Terraform 1.10 or later from https://developer.hashicorp.com/terraform/install, \
         or OpenTofu from https://opentofu.org/docs/intro/install/, or name the program with --set terraform.program=PATH"
    )]
    NoProgram {
        /// What was looked for.
        names: String,
    },
    /// The program doesn't do what it should, whatever it is asked.
    #[error(
        "{} does not run: {problem}; install it anew, or name another with --set terraform.program=PATH",
        program.display()
    )]
    Broken {
        /// The program.
        program: PathBuf,
        /// What came of it.
        problem: String,
    },
    /// The program can't lock a state in S3.
    #[error(
        "{} is version {version}, and 1.10 is the first that locks its state in S3: install a newer one, \
         or name another with --set terraform.program=PATH",
        program.display()
    )]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: String,
    },
    /// The mirror of providers isn't there.
    #[error(
        "terraform.plugin_dir: there is no folder {}; name one that holds registry.terraform.io/..., \
         or take the setting away to ask the registry",
        folder.display()
    )]
    NoMirror {
        /// What was named.
        folder: PathBuf,
    },
    /// The file system said no.
    #[error("{action} {}: {source}; see to it that the folder can be written to", path.display())]
    Files {
        /// What was being done.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A provider can't be had.
    #[error(
        "{root}: a provider can't be had: {reason}; check the network, or name a mirror of providers \
         with TWINCLOUD_TERRAFORM__PLUGIN_DIR=DIR"
    )]
    NoProvider {
        /// The root.
        root: String,
        /// What was said.
        reason: String,
    },
    /// The settings don't say where the state is.
    #[error(
        "{root}: the settings don't say where its state is: {reason}; name the bucket with \
         --set {setting}=BUCKET, and create it first"
    )]
    NoBackend {
        /// The root.
        root: String,
        /// The setting that is missing.
        setting: &'static str,
        /// What was said.
        reason: String,
    },
    /// There is no such bucket.
    #[error(
        "{root}: the bucket of its state isn't there: {reason}; create it, or name another with --set {setting}=BUCKET"
    )]
    NoStateBucket {
        /// The root.
        root: String,
        /// The setting that names it.
        setting: &'static str,
        /// What was said.
        reason: String,
    },
    /// The state was elsewhere before.
    #[error(
        "{root}: the settings name another place for its state than before; to move the state there, \
         `{program} -chdir={} init -migrate-state` with the new -backend-config; to begin there with no state, delete {}",
        work.display(), work.join(".terraform").display()
    )]
    BackendChanged {
        /// The root.
        root: String,
        /// The program.
        program: String,
        /// Where the root is run.
        work: PathBuf,
    },
    /// Nobody is signed in, or nobody that is known.
    #[error(
        "{action} {root}: the cloud doesn't take the credentials: {reason}; sign in \
         (`aws sso login` or AWS_PROFILE; `gcloud auth application-default login`), then run the same command again"
    )]
    Credentials {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// What was said.
        reason: String,
    },
    /// No answer.
    #[error(
        "{action} {root}: the cloud can't be reached: {reason}; check the network and the endpoint, \
         then run the same command again"
    )]
    Unreachable {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// What was said.
        reason: String,
    },
    /// Somebody else works on the state.
    #[error(
        "{action} {root}: its state is locked by {} since {} ({}, lock {}), which {waited_s} s of waiting didn't change; \
         run the same command again when that is over; if it was killed, `{program} -chdir={} force-unlock {}`",
        lock.who, lock.created, lock.operation, lock.id, work.display(), lock.id
    )]
    Locked {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// The lock.
        lock: Box<Lock>,
        /// How long was waited, in seconds.
        waited_s: u64,
        /// The program.
        program: String,
        /// Where the root is run.
        work: PathBuf,
    },
    /// The state isn't that of the plan any more.
    #[error(
        "{root}: another deploy changed the state after this was planned; nothing was changed; \
         run the same command again to plan anew"
    )]
    Stale {
        /// The root.
        root: String,
    },
    /// Something of that name is there, and isn't in the state.
    #[error(
        "{root}: {address} can't be made, as it is there already: {reason}; if it is an interrupted deploy's or to be \
         taken over, `{program} -chdir={} import {address} ID`; else choose other names or delete it; then run the same \
         command again", work.display()
    )]
    Taken {
        /// The root.
        root: String,
        /// The resource.
        address: String,
        /// What was said.
        reason: String,
        /// The program.
        program: String,
        /// Where the root is run.
        work: PathBuf,
    },
    /// It failed.
    #[error(
        "{action} {root}: {place}{reason}{}; mend that, then run the same command again: what was done stays done",
        and_more(*others)
    )]
    Failed {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// The resource or the line that failed first, and a colon; or nothing.
        place: String,
        /// Why.
        reason: String,
        /// How many more errors there were.
        others: usize,
    },
    /// The state could not be written down, and lies in a file of the machine.
    #[error(
        "{action} {root}: the state can't be saved where it belongs: {reason}; it is in {}: once that is mended, \
         `{program} -chdir={} state push errored.tfstate`, then run the same command again",
        work.join("errored.tfstate").display(), work.display()
    )]
    Unsaved {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// What was said.
        reason: String,
        /// The program.
        program: String,
        /// Where the root is run.
        work: PathBuf,
    },
    /// Told to stop, it did.
    #[error(
        "{action} {root}: interrupted; the state is saved and the lock is gone; run the same command again to go on"
    )]
    Interrupted {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
    },
    /// Somebody killed the program itself.
    #[error(
        "{action} {root}: the program was killed (signal {signal}); run the same command again: it takes the lock off \
         and goes on"
    )]
    Killed {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// The signal.
        signal: i32,
    },
    /// It took longer than it may.
    #[error(
        "{action} {root}: not done after {seconds} s, so it was told to stop; run the same command again to go on"
    )]
    TimedOut {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// The program printed something else than it should.
    #[error("read the {what} that the program printed: {problem}; is its version too new?")]
    Unreadable {
        /// What was to be read.
        what: &'static str,
        /// What is wrong with it.
        problem: serde_json::Error,
    },
}

impl Error {
    /// Whether the machine lacks something that can be installed.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NoProgram { .. }
                | Self::Broken { .. }
                | Self::TooOld { .. }
                | Self::NoMirror { .. }
                | Self::Files { .. }
                | Self::NoProvider { .. }
        )
    }

    /// Whether another setting is needed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoBackend { .. })
    }
}

/// Who works on a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// What takes it off by force.
    pub id: String,
    /// `USER@HOST`.
    pub who: String,
    /// Since when.
    pub created: String,
    /// What for.
    pub operation: String,
}

impl Lock {
    /// Reads it out of what the program says about a state that is locked.
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

pub(super) fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> Error {
    move |problem| Error::Unreadable { what, problem }
}

/// Why a run failed. What went wrong first is what matters.
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
    if ended.interrupted {
        return Error::Interrupted { action, root: name };
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
        Kind::Other => Error::Failed {
            action,
            root: name,
            place: first.place().map_or_else(String::new, |place| format!("{place}: ")),
            reason,
            others: errors.len() - 1,
        },
    }
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
    Other,
}

impl Kind {
    /// By its words: the program has no codes.
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
        match &first.address {
            Some(address) if says(&["AlreadyExists", "already exists", "alreadyExists"]) => {
                Self::Taken(address.clone())
            }
            _ => Self::Other,
        }
    }
}

/// On one line.
fn in_words(error: &Diagnostic) -> String {
    let text = format!("{} {}", error.summary, error.detail);
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (and one more error)".to_owned(),
        more => format!(" (and {more} more errors)"),
    }
}

#[cfg(test)]
mod tests;
