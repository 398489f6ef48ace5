//! A session with Terraform: one initialised root, and the calls on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use cli::{Failure, Progress};

use super::known::Outputs;
use super::site::DeployContext;
use super::step::Step;
use super::{plans, report};
use crate::plan::{Action, Change};
use crate::terraform::{self, Error, Phase, Plan, Purpose, Root, Terraform};

/// Number of running programs that handle Ctrl-C themselves.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// True if Terraform is running: it handles Ctrl-C itself, and must be waited for.
pub(super) fn is_running() -> bool {
    RUNNING.load(Ordering::Relaxed) > 0
}

struct Guard;

impl Guard {
    fn new() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The waits for values that a cloud does not know yet.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// The first pause; each further one is twice as long.
    first: Duration,
    /// The longest pause.
    longest: Duration,
    /// The total time after which to give up.
    limit: Duration,
}

/// A new metric is usable after up to 10 minutes.
const PATIENCE: Patience = Patience {
    first: Duration::from_secs(15),
    longest: Duration::from_mins(2),
    limit: Duration::from_mins(15),
};

/// An initialised root.
pub(super) struct Session<'s> {
    terraform: Terraform,
    root: Root,
    progress: &'s Progress,
    patience: Patience,
    /// Addresses of resources created in this session.
    made: Mutex<BTreeSet<String>>,
    /// True once this session has made or changed a grant on Google Cloud.
    granted: AtomicBool,
}

impl<'s> Session<'s> {
    /// Finds the program, and initialises the root.
    pub(super) async fn open(
        site: &DeployContext,
        root: Root,
        progress: &'s Progress,
    ) -> Result<Self, Failure> {
        let terraform = Terraform::find(&site.settings).await.map_err(failed)?;
        progress.now(format!("{}: getting ready", root.name));
        let _running = Guard::new();
        terraform.init(&root).await.map_err(failed)?;
        let (made, granted) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { terraform, root, progress, patience: PATIENCE, made, granted })
    }

    fn told(&self) -> impl FnMut(terraform::Progress<'_>) + Send {
        |what| {
            if let terraform::Progress::Event(event) = &what
                && event.phase == Phase::Done
            {
                if event.action == "create" {
                    let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                    made.insert(event.address.clone());
                }
                if gives_rights(&event.action, &event.address) {
                    self.granted.store(true, Ordering::Relaxed);
                }
            }
            report::terraform(self.progress, &what);
        }
    }

    /// Plans, shows, confirms and applies. Changes that failed only because the cloud did not know a resource created just
    /// before are planned and applied again, after pauses.
    pub(super) async fn deploy(&self, site: &DeployContext, yes: bool) -> Result<(), Failure> {
        let begun = tokio::time::Instant::now();
        let mut pause = self.patience.first;
        let mut agreed = BTreeSet::new();
        loop {
            let Err(error) = self.attempt(site, yes, &mut agreed).await? else { return Ok(()) };
            let left = self.patience.limit.saturating_sub(begun.elapsed());
            if !self.passes(&error) || pause > left {
                return Err(failed(error));
            }
            self.progress.note(format!(
                "{error}\n{}: that passes by itself: planning and applying again in {} s, and so on for at most {} s more",
                self.root.name,
                pause.as_secs(),
                left.as_secs()
            ));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(self.patience.longest);
        }
    }

    /// One try. Changes that were confirmed are not asked about again.
    async fn attempt(
        &self,
        site: &DeployContext,
        yes: bool,
        agreed: &mut BTreeSet<(String, &'static str)>,
    ) -> Result<Result<(), Error>, Failure> {
        self.progress.now(format!("{}: planning", self.root.name));
        let _running = Guard::new();
        let plan = self.terraform.plan(&self.root, Purpose::Deploy, &mut self.told()).await;
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(error)),
        };
        let changes: Vec<_> = plan.changes.iter().map(brief).collect();
        let again = !agreed.is_empty() && changes.iter().all(|change| agreed.contains(change));
        plans::show(site, vec![Step::Terraform(plan.clone())], yes || again, self.progress)?;
        agreed.extend(changes);
        self.progress.now(format!("{}: applying", self.root.name));
        Ok(self.terraform.apply(&self.root, &plan, &mut self.told()).await)
    }

    fn passes(&self, error: &Error) -> bool {
        let Error::NotYet { after, .. } = error else { return false };
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        after.is_none_or(|kind| made.iter().any(|address| address.split('.').next() == Some(kind)))
    }

    /// True if this session has made or changed a grant on Google Cloud.
    pub(super) fn gave_rights(&self) -> bool {
        self.granted.load(Ordering::Relaxed)
    }

    /// The changes, without applying them.
    pub(super) async fn look(&self, purpose: Purpose) -> Result<Plan, Failure> {
        self.progress.now(format!("{}: planning", self.root.name));
        let _running = Guard::new();
        self.terraform.look(&self.root, purpose, &mut self.told()).await.map_err(failed)
    }

    pub(super) async fn plan(&self, purpose: Purpose) -> Result<Plan, Failure> {
        self.progress.now(format!("{}: planning", self.root.name));
        let _running = Guard::new();
        let mut told = self.told();
        self.terraform.plan(&self.root, purpose, &mut told).await.map_err(failed)
    }

    pub(super) async fn apply(&self, plan: &Plan) -> Result<(), Failure> {
        self.progress.now(format!("{}: applying", self.root.name));
        let _running = Guard::new();
        let mut told = self.told();
        self.terraform.apply(&self.root, plan, &mut told).await.map_err(failed)
    }

    pub(super) async fn destroy(&self) -> Result<(), Failure> {
        let plan = self.plan(Purpose::Destroy).await?;
        self.apply(&plan).await
    }

    pub(super) async fn drift(&self) -> Result<Vec<Change>, Failure> {
        let _running = Guard::new();
        let mut told = self.told();
        self.terraform.drift(&self.root, &mut told).await.map_err(failed)
    }

    pub(super) async fn outputs(&self) -> Result<Outputs, Failure> {
        let _running = Guard::new();
        Ok(texts(self.terraform.outputs(&self.root).await.map_err(failed)?))
    }

    pub(super) async fn resources(&self) -> Result<Vec<String>, Failure> {
        let _running = Guard::new();
        self.terraform.resources(&self.root).await.map_err(failed)
    }
}

/// The parts of a change that a confirmation covers.
fn brief(change: &Change) -> (String, &'static str) {
    let action = match change.action {
        Action::Add | Action::Import => "made",
        Action::Modify | Action::Dynamic => "changed",
        Action::Remove => "removed",
    };
    (change.address.clone(), action)
}

/// True for a change that gives members rights: a new grant, or a change of a custom role.
fn gives_rights(action: &str, address: &str) -> bool {
    match action {
        "create" => address.contains("_iam_member."),
        "update" => address.contains("_iam_custom_role."),
        _ => false,
    }
}

/// An error of Terraform: of the machine or environment, or of the work.
pub(super) fn failed(error: Error) -> Failure {
    if error.is_environment() { Failure::missing(error) } else { error.into() }
}

/// Outputs as texts, without those that are null.
fn texts(outputs: BTreeMap<String, Value>) -> Outputs {
    let texts = outputs.into_iter().filter_map(|(name, value)| match value {
        Value::Null => None,
        Value::String(text) => Some((name, text)),
        other => Some((name, other.to_string())),
    });
    texts.collect()
}

/// The part of a state that is read without Terraform.
#[derive(serde::Deserialize)]
pub(super) struct State {
    #[serde(default)]
    pub(super) resources: Vec<Value>,
    #[serde(default)]
    outputs: BTreeMap<String, Output>,
}

#[derive(serde::Deserialize)]
struct Output {
    value: Value,
}

impl State {
    pub(super) fn read(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    pub(super) fn outputs(self) -> Outputs {
        texts(self.outputs.into_iter().map(|(name, output)| (name, output.value)).collect())
    }
}

#[cfg(test)]
mod tests;
