//! Why a root isn't what it should be, and what to do about it.

use std::io;
use std::path::PathBuf;

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
    #[error("{action} {}: {cause}; see to it that the folder can be written to", path.display())]
    Files {
        /// What was being done.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
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
    /// Something of that name was deleted, and the cloud keeps the name for a while.
    #[error(
        "{root}: {address} can't be made: {reason}; if one of that name was deleted, the cloud keeps the name for a while: {way_out}"
    )]
    Deleted {
        /// The root.
        root: String,
        /// The resource.
        address: String,
        /// The text that was said.
        reason: String,
        /// The ways out.
        way_out: String,
    },
    /// It was made, and wasn't found right after.
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
        /// The command that takes it into the state.
        import: String,
    },
    /// The cloud doesn't know yet what was made or turned on just before.
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
        /// The type of what it isn't known of, where only one that was made just before makes it pass by itself.
        after: Option<&'static str>,
    },
    /// It did not let go of the state's lock.
    #[error("{action} {root}: {}the program did not let go of the state's lock{}; {next}", did(*interrupted), because(reason))]
    LockLeft {
        /// The action that failed, as a verb.
        action: &'static str,
        /// The root.
        root: String,
        /// It had been told to stop.
        interrupted: bool,
        /// The text that was said, or nothing.
        reason: String,
        /// The next step.
        next: String,
    },
    /// Told to stop, it did.
    #[error(
        "{action} {root}: interrupted; the state is saved{}; run the same command again to go on",
        if *lock_gone { " and the lock is gone" } else { "" }
    )]
    Interrupted {
        /// What was being done.
        action: &'static str,
        /// The root.
        root: String,
        /// True if the state's lock is known to be gone.
        lock_gone: bool,
    },
    /// Terraform was killed by a signal.
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
