//! Terraform, or `OpenTofu`, as an engine: what a root would change is a plan in a file; it is shown, and then exactly
//! that file is applied.
//!
//! The program runs in a copy of the root (see [`Root`]) and in a process group of its own. Ctrl-C and SIGTERM are taken
//! here while it runs: it is told once, saves its state, lets go of its lock, and is waited for. What was ended by
//! `kill -9` is taken up by the next plan: its lock is taken off and what it had made is taken into the state.
//!
//! tokio keeps a signal that was asked for once: after the first call here, Ctrl-C outside of these calls is the
//! caller's to take.

mod classify;
mod error;
#[cfg(test)]
pub(crate) mod fake;
mod lock;
mod pinned;
mod plan;
mod program;
mod root;
mod run;
mod run_folder;
mod stale_run;
mod ui;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

pub use error::{Error, Lock};
pub use plan::{Plan, Removed};
pub use program::Terraform;
pub use root::Root;
pub use ui::{Event, Phase};

use crate::plan::Change;
use plan::PlanFile;
use run::{Ended, LockAfter, Run};
use run_folder::{LOG, Moment};
use stale_run::{Remains, held_lock};

/// Bounds of all waiting.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until providers are there and the state is reachable.
    pub init: Duration,
    /// Until a plan is made, its wait for the lock not counted.
    pub plan: Duration,
    /// Until a plan is applied, its wait for the lock not counted.
    pub apply: Duration,
    /// Until a question about the state is answered.
    pub query: Duration,
    /// How long to wait for somebody else to let go of the state.
    pub lock: Duration,
    /// How long one that was told to stop may take for that.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            init: Duration::from_mins(10),
            plan: Duration::from_mins(15),
            apply: Duration::from_hours(1),
            query: Duration::from_mins(2),
            lock: Duration::from_mins(1),
            stop: Duration::from_mins(5),
        }
    }
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Making the root what its files say.
    Deploy,
    /// Removing all that it made.
    Destroy,
}

/// What is going on, as it happens.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// Somebody else works on the state, and is waited for.
    WaitingForLock,
    /// A run that was killed here had left this lock; it is taken off.
    Unlocked {
        /// The lock's id.
        id: &'a str,
    },
    /// A run that was killed here had made this and not yet written it down; it is taken into the state.
    Adopted {
        /// The resource's address.
        address: &'a str,
    },
    /// A run that was killed here was making this; nobody knows whether it is there.
    Uncertain {
        /// The resource's address.
        address: &'a str,
    },
    /// A run that was killed here had made this and not yet written it down. A plan for looking at leaves it so.
    Left {
        /// The resource's address.
        address: &'a str,
    },
    /// Something happened to a resource.
    Event(&'a Event),
    /// It was told to stop, and ends what it is at.
    Stopping,
}

type OnProgress<'p> = &'p mut (dyn FnMut(Progress<'_>) + Send);

impl Terraform {
    /// Gets a root ready: copies it, fetches its providers, and connects it with its state. Comes before all else, and can
    /// be repeated.
    pub async fn init(&self, root: &Root) -> Result<(), Error> {
        let pinned = pinned::holds(&root.source, &self.program);
        root.stage(pinned)?;
        let mut args = words(["init", "-json", "-input=false"]);
        if pinned {
            args.push("-lockfile=readonly".into());
        }
        if let Some(folder) = &self.plugin_dir {
            args.push(flag("-plugin-dir", folder));
        }
        if let Some(file) = &root.backend_file {
            args.push(flag("-backend-config", file));
        }
        for (key, value) in &root.backend {
            args.push(format!("-backend-config={key}={value}").into());
        }
        let ended = self.run(root, "get ready", args, self.limits.init, &mut |_| ()).await?;
        self.checked(root, "get ready", &ended).map(drop)
    }

    /// Finds out what would change, for an apply. Takes up what a run that was killed here left (see [`Progress`]), and holds
    /// the state's lock meanwhile.
    pub async fn plan(
        &self,
        root: &Root,
        purpose: Purpose,
        progress: OnProgress<'_>,
    ) -> Result<Plan, Error> {
        self.take_up(root, progress).await?;
        self.planned(root, purpose, self.lock_timeout(), progress).await
    }

    /// Finds out what would change, for looking at: not even the lock is taken, and what a run that was killed here left is
    /// only told of.
    pub async fn look(
        &self,
        root: &Root,
        purpose: Purpose,
        progress: OnProgress<'_>,
    ) -> Result<Plan, Error> {
        let remains = Remains::find(&root.runs());
        if !remains.made.is_empty() {
            let known = self.resources(root).await?;
            for address in remains.made.keys().filter(|address| !known.contains(*address)) {
                progress(Progress::Left { address });
            }
        }
        self.planned(root, purpose, "-lock=false".into(), progress).await
    }

    async fn planned(
        &self,
        root: &Root,
        purpose: Purpose,
        lock: OsString,
        progress: OnProgress<'_>,
    ) -> Result<Plan, Error> {
        let file = PlanFile::new(root)?;
        let mut args = words(["plan", "-json", "-input=false"]);
        args.extend([lock, flag("-out", file.path())]);
        args.extend(root.var_file.iter().map(|file| flag("-var-file", file)));
        if purpose == Purpose::Destroy {
            args.push("-destroy".into());
        }
        let limit = self.limits.plan + self.limits.lock;
        let ended = self.run(root, "plan", args, limit, progress).await?;
        self.checked(root, "plan", &ended)?;
        let args = [OsString::from("show"), "-json".into(), "-no-color".into(), file.path().into()];
        let shown = self.query(root, "show the plan", args).await?;
        plan::read(root, purpose, file, &shown)
    }

    /// Applies a plan: what it says, or nothing if the state has changed since it was made.
    pub async fn apply(
        &self,
        root: &Root,
        plan: &Plan,
        progress: OnProgress<'_>,
    ) -> Result<(), Error> {
        let Some(file) = &plan.file else {
            return Ok(());
        };
        let mut args = words(["apply", "-json", "-input=false"]);
        args.extend([self.lock_timeout(), file.path().into()]);
        let limit = self.limits.apply + self.limits.lock;
        let ended = self.run(root, "apply", args, limit, progress).await?;
        self.checked(root, "apply", &ended).map(drop)
    }

    /// Removes all that the root made, and gives the plan by which it did. Nothing there is success.
    pub async fn destroy(&self, root: &Root, progress: OnProgress<'_>) -> Result<Plan, Error> {
        let plan = self.plan(root, Purpose::Destroy, progress).await?;
        self.apply(root, &plan, progress).await?;
        Ok(plan)
    }

    /// What others changed since the last apply and the next one would put back.
    pub async fn drift(&self, root: &Root, progress: OnProgress<'_>) -> Result<Vec<Change>, Error> {
        Ok(self.look(root, Purpose::Deploy, progress).await?.drift)
    }

    /// The root's outputs; none before its first apply.
    pub async fn outputs(&self, root: &Root) -> Result<BTreeMap<String, Value>, Error> {
        #[derive(Deserialize)]
        struct Output {
            value: Value,
        }
        let text = self.query(root, "read the outputs", ["output", "-json", "-no-color"]).await?;
        let outputs: BTreeMap<String, Output> =
            serde_json::from_str(&text).map_err(error::unreadable("outputs"))?;
        Ok(outputs.into_iter().map(|(name, output)| (name, output.value)).collect())
    }

    /// Addresses of all that the state knows.
    pub async fn resources(&self, root: &Root) -> Result<Vec<String>, Error> {
        let args = ["state", "list"];
        let ended = self.run(root, "list", words(args), self.limits.query, &mut |_| ()).await?;
        if !ended.success && ended.stderr.contains("No state file was found") {
            return Ok(Vec::new());
        }
        let listed = self.checked(root, "list the resources of", &ended)?;
        Ok(listed.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    }

    /// Takes up what runs that were killed here left: their locks, and what they made and didn't write down.
    async fn take_up(&self, root: &Root, progress: OnProgress<'_>) -> Result<(), Error> {
        let remains = Remains::find(&root.runs());
        let mut locks = remains.locks.clone();
        let mut unread = false;
        if locks.is_empty() && !remains.moments.is_empty() {
            match lock::held(root).await {
                Ok(held) => locks.extend(
                    held.filter(|held| held.is_of(lock::host().as_deref(), &remains.moments))
                        .map(|held| held.id),
                ),
                // The plan will tell if there is one; the next call looks again.
                Err(_) => unread = true,
            }
        }
        for id in &locks {
            // It may be gone, or be another's by now; the plan will tell.
            if self.unlock(root, id).await? {
                progress(Progress::Unlocked { id });
            }
        }
        if !remains.made.is_empty() {
            let known = self.resources(root).await?;
            let lacking = remains.made.iter().filter(|(address, _)| !known.contains(*address));
            for (address, id) in lacking {
                let mut args = words(["import", "-input=false", "-no-color"]);
                args.push(self.lock_timeout());
                args.extend(root.var_file.iter().map(|file| flag("-var-file", file)));
                args.extend(words([address.as_str(), id.as_str()]));
                let limit = self.limits.query + self.limits.lock;
                let ended = self.run(root, "import", args, limit, &mut |_| ()).await?;
                // Some kinds can't be taken in, or it was removed since: the apply will tell.
                progress(if ended.success {
                    Progress::Adopted { address }
                } else {
                    Progress::Uncertain { address }
                });
            }
        }
        for address in &remains.uncertain {
            progress(Progress::Uncertain { address });
        }
        if !unread {
            remains.forget();
        }
        Ok(())
    }

    /// Takes off the lock with that very id, and no other. Whether that was done.
    async fn unlock(&self, root: &Root, id: &str) -> Result<bool, Error> {
        let args = words(["force-unlock", "-force", id]);
        let limit = self.limits.query;
        let run = Run { terraform: self, root, action: "unlock", args, limit };
        let ended = run.follow(&mut |_| ()).await?;
        ended.forget();
        Ok(ended.success)
    }

    /// The lock of a run that has ended: taken off, if the run should have let go of it and did not.
    async fn let_go(&self, root: &Root, ended: &Ended) -> LockAfter {
        let log = std::fs::read_to_string(ended.folder.join(LOG)).unwrap_or_default();
        let told = held_lock(&log);
        let moments: Vec<_> = Moment::of(&ended.folder, &ended.stdout).into_iter().collect();
        let held = match lock::held(root).await {
            Ok(held) => held.filter(|held| {
                told.as_ref() == Some(&held.id) || held.is_of(lock::host().as_deref(), &moments)
            }),
            Err(_) => match told {
                Some(id) => return LockAfter::Held(id),
                None if log.contains(": Unlocked remote state") => return LockAfter::Gone,
                None => return LockAfter::Unknown,
            },
        };
        let Some(held) = held else { return LockAfter::Gone };
        match self.unlock(root, &held.id).await {
            Ok(true) => LockAfter::Gone,
            _ => LockAfter::Held(held.id),
        }
    }

    /// Runs a question and gives what was printed.
    async fn query<I: Into<OsString>>(
        &self,
        root: &Root,
        action: &'static str,
        args: impl IntoIterator<Item = I>,
    ) -> Result<String, Error> {
        let args = args.into_iter().map(Into::into).collect();
        let ended = self.run(root, action, args, self.limits.query, &mut |_| ()).await?;
        self.checked(root, action, &ended)
    }

    async fn run(
        &self,
        root: &Root,
        action: &'static str,
        args: Vec<OsString>,
        limit: Duration,
        progress: OnProgress<'_>,
    ) -> Result<Ended, Error> {
        let run = Run { terraform: self, root, action, args, limit };
        let mut ended = run.follow(progress).await?;
        if classify::may_hold_lock(&ended) {
            ended.lock = self.let_go(root, &ended).await;
        }
        // One that may still hold its lock is looked through by the next plan.
        if ended.lock == LockAfter::Gone {
            ended.forget();
        }
        Ok(ended)
    }

    /// What was printed, or why it failed.
    fn checked(&self, root: &Root, action: &'static str, ended: &Ended) -> Result<String, Error> {
        if ended.success {
            return Ok(ended.stdout.clone());
        }
        Err(classify::of_run(self, root, action, ended))
    }

    fn lock_timeout(&self) -> OsString {
        format!("-lock-timeout={}s", self.limits.lock.as_secs()).into()
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<OsString> {
    words.into_iter().map(OsString::from).collect()
}

fn flag(name: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}
