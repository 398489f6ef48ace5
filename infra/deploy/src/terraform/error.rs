//! Failures of a root, each with its remedy.

use std::io;
use std::path::PathBuf;

/// The reason why Terraform failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such program.
    #[error(
        "no {names} on PATH: get Terraform 1.10 or later from https://developer.hashicorp.com/terraform/install, \
         or OpenTofu from https://opentofu.org/docs/intro/install/, or name the program with --set terraform.program=PATH"
    )]
    NoProgram {
        /// The names that were looked for.
        names: String,
    },
    /// The program does not work at all.
    #[error(
        "{} does not run: {problem}; install it anew, or name another with --set terraform.program=PATH",
        program.display()
    )]
    Broken {
        /// The program.
        program: PathBuf,
        /// The problem.
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
    /// The mirror of providers is missing.
    #[error(
        "terraform.plugin_dir: there is no folder {}; name one that holds registry.terraform.io/..., \
         or take the setting away to ask the registry",
        folder.display()
    )]
    NoMirror {
        /// The configured folder.
        folder: PathBuf,
    },
    /// The file system said no.
    #[error("{action} {}: {cause}; see to it that the folder can be written to", path.display())]
    Files {
        /// The operation.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// A provider can't be fetched.
    #[error(
        "{root}: a provider can't be had: {reason}; check the network, or name a mirror of providers \
         with TWINCLOUD_TERRAFORM__PLUGIN_DIR=DIR"
    )]
    NoProvider {
        /// The root.
        root: String,
        /// The program's message.
        reason: String,
    },
    /// The settings don't name the place of the state.
    #[error(
        "{root}: the settings don't say where its state is: {reason}; name the bucket with \
         --set {setting}=BUCKET, and create it first"
    )]
    NoBackend {
        /// The root.
        root: String,
        /// The missing setting.
        setting: &'static str,
        /// The program's message.
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
        /// The program's message.
        reason: String,
    },
    /// The state was stored elsewhere before.
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
        /// The folder in which the root is run.
        work: PathBuf,
    },
    /// The credentials are missing or rejected.
    #[error(
        "{action} {root}: the cloud doesn't take the credentials: {reason}; sign in \
         (`aws sso login` or AWS_PROFILE; `gcloud auth application-default login`), then run the same command again"
    )]
    Credentials {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The program's message.
        reason: String,
    },
    /// The cloud can't be reached.
    #[error(
        "{action} {root}: the cloud can't be reached: {reason}; check the network and the endpoint, \
         then run the same command again"
    )]
    Unreachable {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The program's message.
        reason: String,
    },
    /// Another run holds the state's lock.
    #[error(
        "{action} {root}: its state is locked by {} since {} ({}, lock {}), which {waited_s} s of waiting didn't change; \
         run the same command again when that is over; if it was killed, `{program} -chdir={} force-unlock {}`",
        lock.who, lock.created, lock.operation, lock.id, work.display(), lock.id
    )]
    Locked {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The lock.
        lock: Box<Lock>,
        /// The waiting time, in seconds.
        waited_s: u64,
        /// The program.
        program: String,
        /// The folder in which the root is run.
        work: PathBuf,
    },
    /// The state has changed since the plan.
    #[error(
        "{root}: another deploy changed the state after this was planned; nothing was changed; \
         run the same command again to plan anew"
    )]
    Stale {
        /// The root.
        root: String,
    },
    /// A resource of that name exists, but isn't in the state.
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
        /// The program's message.
        reason: String,
        /// The program.
        program: String,
        /// The folder in which the root is run.
        work: PathBuf,
    },
    /// Any other failure.
    #[error(
        "{action} {root}: {place}{reason}{}; mend that, then run the same command again: what was done stays done",
        and_more(*others)
    )]
    Failed {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The resource or line that failed first, and a colon; or empty.
        place: String,
        /// The reason.
        reason: String,
        /// Number of further errors.
        others: usize,
    },
    /// The state could not be saved, and is in a local file.
    #[error(
        "{action} {root}: the state can't be saved where it belongs: {reason}; it is in {}: once that is mended, \
         `{program} -chdir={} state push errored.tfstate`, then run the same command again",
        work.join("errored.tfstate").display(), work.display()
    )]
    Unsaved {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The program's message.
        reason: String,
        /// The program.
        program: String,
        /// The folder in which the root is run.
        work: PathBuf,
    },
    /// A resource of that name was deleted, and the cloud blocks the name for a while.
    #[error(
        "{root}: {address} can't be made: {reason}; if one of that name was deleted, the cloud keeps the name for a while: {way_out}"
    )]
    Deleted {
        /// The root.
        root: String,
        /// The resource.
        address: String,
        /// The program's message.
        reason: String,
        /// The remedies.
        way_out: String,
    },
    /// The resource was created, but not found right after.
    #[error(
        "{root}: {address} was made, and could not be read right after, so it isn't in the state: {reason}; run the same command \
         again in a minute; if it then says that {address} is there already, `{import}` takes \
         it into the state"
    )]
    Inconsistent {
        /// The root.
        root: String,
        /// The resource.
        address: String,
        /// The message of the provider.
        reason: String,
        /// The command that imports it into the state.
        import: String,
    },
    /// The cloud doesn't know yet a resource created or enabled just before.
    #[error(
        "{action} {root}: {place}{reason}; that takes the cloud some minutes: run the same command again then; what was done stays \
         done"
    )]
    NotYet {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The root.
        root: String,
        /// The resource, and a colon; or nothing.
        place: String,
        /// The text that was said.
        reason: String,
        /// The type of the unknown resource, if the error is temporary only after its creation.
        after: Option<&'static str>,
    },
    /// The program did not release the state's lock.
    #[error("{action} {root}: {}the program did not let go of the state's lock{}; {next}", did(*interrupted), because(reason))]
    LockLeft {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The root.
        root: String,
        /// True if it was signalled to stop.
        interrupted: bool,
        /// The text that was said, or nothing.
        reason: String,
        /// The next step.
        next: String,
    },
    /// The program was signalled to stop, and did.
    #[error(
        "{action} {root}: interrupted; the state is saved{}; run the same command again to go on",
        if *lock_gone { " and the lock is gone" } else { "" }
    )]
    Interrupted {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// True if the state's lock is known to be released.
        lock_gone: bool,
    },
    /// Terraform was killed by a signal.
    #[error(
        "{action} {root}: the program was killed (signal {signal}); run the same command again: it takes the lock off \
         and goes on"
    )]
    Killed {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The signal.
        signal: i32,
    },
    /// The program exceeded its time limit.
    #[error(
        "{action} {root}: not done after {seconds} s, so it was told to stop; run the same command again to go on"
    )]
    TimedOut {
        /// The operation.
        action: &'static str,
        /// The root.
        root: String,
        /// The waiting time, in seconds.
        seconds: u64,
    },
    /// The program's output can't be parsed.
    #[error("read the {what} that the program printed: {problem}; is its version too new?")]
    Unreadable {
        /// The kind of output.
        what: &'static str,
        /// The parser's error.
        problem: serde_json::Error,
    },
}

impl Error {
    /// True if the machine lacks something that can be installed.
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

    /// True if another setting is needed.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::NoBackend { .. })
    }
}

/// A lock on a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The id that releases it by force.
    pub id: String,
    /// `USER@HOST`.
    pub who: String,
    /// The time since which it is held.
    pub created: String,
    /// The operation that holds it.
    pub operation: String,
}

pub(super) fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> Error {
    move |problem| Error::Unreadable { what, problem }
}

fn did(interrupted: bool) -> &'static str {
    if interrupted { "interrupted, and " } else { "" }
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn and_more(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (and one more error)".to_owned(),
        more => format!(" (and {more} more errors)"),
    }
}
