//! The components of a deployment. Each is planned, applied, compared and destroyed by itself; the commands are loops over
//! them, in their order.

use std::fmt;

use anyhow::anyhow;
use args::Part;
use async_trait::async_trait;
use cli::{Failure, Progress};
use serde::Serialize;

use super::cloud_status::CloudStatus;
use super::connect::Connections;
use super::known::Outputs;
use super::site::DeployContext;
use super::step::Step;
use crate::inventory::Item;
use crate::plan::Change;
use crate::smoke;

mod deletion;
mod foundation;
mod google;
mod stack;
mod state;

/// A component of a deployment.
#[async_trait]
pub(super) trait Component: Sync {
    /// The changes that a deploy would make. Leaves nothing behind.
    async fn plan(&self, site: &DeployContext, progress: &Progress) -> Result<Vec<Step>, Failure>;

    /// Plans, shows the plan, asks for confirmation, applies it, keeps the outputs, and runs the smoke test if there is a
    /// pipeline.
    async fn apply(
        &self,
        site: &DeployContext,
        args: &args::Deploy,
        progress: &Progress,
    ) -> Result<Deployed, Failure>;

    /// The outputs, as the engine gives them; an error if it isn't deployed.
    async fn outputs(&self, site: &DeployContext, progress: &Progress) -> Result<Outputs, Failure>;

    /// The outputs if it is deployed, read with the least effort: before a command on another component.
    async fn observe(&self, site: &DeployContext, progress: &Progress)
    -> Result<Observed, Failure>;

    /// The differences from the last deploy.
    async fn drift(&self, site: &DeployContext, progress: &Progress) -> Result<Drifted, Failure>;

    /// Refuses a destroy that would fail half-way; changes nothing. `is_named`: the stack's name was typed or passed, which
    /// allows removing protections.
    async fn check_destroy(
        &self,
        _site: &DeployContext,
        _is_named: bool,
        _progress: &Progress,
    ) -> Result<(), Failure> {
        Ok(())
    }

    /// Deletes the component and all its data; does nothing if it is already deleted.
    async fn destroy(
        &self,
        site: &DeployContext,
        progress: &Progress,
    ) -> Result<Destroyed, Failure>;

    /// Its state; with a `progress` also values that take long to read. A component without a pipeline has the default.
    async fn status(&self, _site: &DeployContext, _progress: Option<&Progress>) -> CloudStatus {
        CloudStatus::default()
    }
}

/// AWS's stacks.
pub(super) const AWS: &dyn Component = &stack::Stack;
/// Google's side.
pub(super) const GOOGLE: &dyn Component = &google::Google;

/// The component of a part.
pub(super) fn of(part: Part) -> Result<&'static dyn Component, Failure> {
    match part {
        Part::Aws => Ok(AWS),
        Part::Gcp => Ok(GOOGLE),
        Part::Foundation => Ok(&foundation::Foundation),
        // `DeployContext::parts` has split it.
        Part::All => Err(Failure::usage(anyhow!("`all` is not one part"))),
    }
}

/// The tag of resources that terraform/ owns.
const FOUNDATION: &str = "foundation";

/// The result of a deploy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Deployed {
    pub(super) part: String,
    pub(super) outputs: Outputs,
    /// `None` if there is no pipeline to test yet.
    pub(super) smoke: Option<smoke::Passed>,
    #[serde(flatten)]
    pub(super) connections: Connections,
}

impl Deployed {
    pub(super) fn new(part: Part, outputs: Outputs, smoke: Option<smoke::Passed>) -> Self {
        Self { part: part.to_string(), outputs, smoke, connections: Connections::default() }
    }
}

impl fmt::Display for Deployed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.outputs {
            writeln!(f, "{name} = {value}")?;
        }
        match &self.smoke {
            Some(passed) => {
                writeln!(
                    f,
                    "{} is deployed: a trade came through in {} ms",
                    self.part, passed.took_ms
                )?;
            }
            None => writeln!(f, "{} is deployed", self.part)?,
        }
        self.connections.fmt(f)
    }
}

/// The current deployment of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Observed {
    /// The component is deployed.
    Deployed(Outputs),
    /// The component is not deployed.
    Absent,
    /// The settings don't name its place.
    NotNamed,
}

/// The differences between a component and its last deploy.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Drifted {
    pub(super) changes: Vec<Change>,
    /// Resources that are not compared, neither by the engine nor here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_compared: Vec<String>,
}

/// The result of a destroy.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Destroyed {
    pub(super) part: String,
    /// Resources kept on purpose, each with the reason.
    pub(super) kept: Vec<String>,
    /// Resources that should be deleted but still exist.
    pub(super) left: Vec<Item>,
}

impl fmt::Display for Destroyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kept in &self.kept {
            writeln!(f, "kept: {kept}")?;
        }
        for left in &self.left {
            writeln!(f, "left: {left}")?;
        }
        match self.left.len() {
            0 => writeln!(f, "{} is destroyed: the inventory is empty", self.part),
            n => writeln!(
                f,
                "{}: {n} resources are still there; run the same command again",
                self.part
            ),
        }
    }
}
