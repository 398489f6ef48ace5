//! Terraform, or `OpenTofu`, as an engine: the changes of a root are a plan in a file; it is shown, and then exactly that
//! file is applied.
//!
//! The program runs in a copy of the root (see [`Root`]) and in a process group of its own. Ctrl-C and SIGTERM are handled
//! here while it runs: it is signalled once, saves its state, releases its lock, and is waited for. After a `kill -9`, the
//! next plan releases the lock of the killed run and imports the resources that it created without saving them.
//!
//! tokio keeps handling a signal once it was requested: after the first call here, the caller must handle Ctrl-C outside of
//! these calls.

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

/// Bounds of all waits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the providers and a reachable state.
    pub init: Duration,
    /// For a plan, without its wait for the lock.
    pub plan: Duration,
    /// For an apply, without its wait for the lock.
    pub apply: Duration,
    /// For a query of the state.
    pub query: Duration,
    /// For another run to release the state's lock.
    pub lock: Duration,
    /// For a signalled program to stop.
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

/// The purpose of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To deploy the root.
    Deploy,
    /// To delete everything that the root created.
    Destroy,
}

/// Progress of an operation.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    /// Another run holds the state's lock, and is waited for.
    WaitingForLock,
    /// The lock of a killed run was released.
    Unlocked {
        /// The lock's id.
        id: &'a str,
    },
    /// A resource that a killed run created without saving it was imported into the state.
    Adopted {
        /// The resource's address.
        address: &'a str,
    },
    /// A resource that a killed run was creating; it may exist.
    Uncertain {
        /// The resource's address.
        address: &'a str,
    },
    /// A resource that a killed run created without saving it. A plan made for viewing does not import it.
    Left {
        /// The resource's address.
        address: &'a str,
    },
    /// An event of a resource.
    Event(&'a Event),
    /// The program was signalled to stop, and finishes its current work.
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

    /// Plans an apply. Recovers from killed runs of this machine (see [`Progress`]), and holds the state's lock meanwhile.
    pub async fn plan(
        &self,
        root: &Root,
        purpose: Purpose,
        progress: OnProgress<'_>,
    ) -> Result<Plan, Error> {
        self.take_up(root, progress).await?;
        self.planned(root, purpose, self.lock_timeout(), progress).await
    }

    /// Plans for viewing: takes no lock, and only reports what killed runs left.
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

    /// Applies a plan exactly, or not at all if the state has changed since.
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

    /// Deletes everything that the root created, and returns the plan. An empty state is success.
    pub async fn destroy(&self, root: &Root, progress: OnProgress<'_>) -> Result<Plan, Error> {
        let plan = self.plan(root, Purpose::Destroy, progress).await?;
        self.apply(root, &plan, progress).await?;
        Ok(plan)
    }

    /// Changes made by other means since the last apply, which the next one would revert.
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

    /// Addresses of all resources in the state.
    pub async fn resources(&self, root: &Root) -> Result<Vec<String>, Error> {
        let args = ["state", "list"];
        let ended = self.run(root, "list", words(args), self.limits.query, &mut |_| ()).await?;
        if !ended.success && ended.stderr.contains("No state file was found") {
            return Ok(Vec::new());
        }
        let listed = self.checked(root, "list the resources of", &ended)?;
        Ok(listed.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    }

    /// Recovers from killed runs of this machine: releases their locks, and imports resources that they created without
    /// saving.
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
                // If there is a lock, the plan reports it; the next call reads again.
                Err(_) => unread = true,
            }
        }
        for id in &locks {
            // It may be released, or another run's by now; then the plan reports it.
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
                // Some types can't be imported, or the resource was deleted since; then the apply reports it.
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

    /// Releases the lock with this id, and no other. Returns true if it was released.
    async fn unlock(&self, root: &Root, id: &str) -> Result<bool, Error> {
        let args = words(["force-unlock", "-force", id]);
        let limit = self.limits.query;
        let run = Run { terraform: self, root, action: "unlock", args, limit };
        let ended = run.follow(&mut |_| ()).await?;
        ended.forget();
        Ok(ended.success)
    }

    /// The lock of an ended run: released here, if the run should have released it and did not.
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

    /// Runs a query and returns its output.
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
        // The next plan examines a run that may still hold its lock.
        if ended.lock == LockAfter::Gone {
            ended.forget();
        }
        Ok(ended)
    }

    /// The output, or the error of a failed run.
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
