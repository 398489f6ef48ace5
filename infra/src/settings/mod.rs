//! `twincloud.toml`, typed: the one source of names, sizes and limits for both clouds.
//!
//! Values come from four layers, each laid over the one before: the file, the chosen environment's
//! overlay in it, variables such as `TWINCLOUD_AWS__QUEUE__NAME`, and `--set` arguments.

mod apart;
mod containers;
mod de;
mod error;
mod model;
mod overlays;
mod overrides;
mod tree;
mod validate;

use std::path::Path;

pub use containers::{AwsEmulator, ContainerImages, Containers};
pub use error::{Error, Origin};
pub use model::{
    Alerts, Architecture, Archive, Aws, AwsArchive, AwsBudget, AwsIngest, AwsReplicate, AwsState,
    Binance, CompareAndSet, Firestore, Foundation, Functions, Gcp, GcpBudget, GcpIngest,
    GcpReplicate, GcpState, Github, Health, Host, Images, Policy, Producer, Project, Publish,
    Pubsub, Queue, Region, Route, Settings, Spool, SpoolSync, Terraform, Trading,
};

use error::nearest;
use overlays::Overlays;
use tree::{Kind, Node};

/// The settings file, from the root of the workspace.
pub const FILE: &str = "twincloud.toml";

impl Settings {
    /// Reads the file at `path`, lays the environment's overlay over it (the file's own
    /// `project.environment` where `env` is none), then `vars`, then `sets` (`key=value` each), and
    /// checks the result. A mistake in an overlay that wasn't chosen is reported too.
    ///
    /// Only variables that start with `TWINCLOUD_` and have `__` after it are settings; the others
    /// are passed over, so [`std::env::vars`] can be given whole.
    pub fn load(
        path: &Path,
        env: Option<&str>,
        sets: &[String],
        vars: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| Error::Read { path: path.to_owned(), cause })?;
        Self::parse(path, &text, env, sets, vars)
    }

    /// [`Settings::load`] over the text of a file that was read already; `path` is for messages.
    pub fn parse(
        path: &Path,
        text: &str,
        env: Option<&str>,
        sets: &[String],
        vars: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let mut base = Node::parse(path, text)?;
        let overlays = Overlays::take(&mut base)?;
        read(base.clone())?;
        let mut all = Vec::new();
        for overlay in overlays.all() {
            let tree = overlays.layered(&base, overlay, Vec::new());
            all.push(Environment { settings: read(tree.clone())?, tree });
        }
        apart::all(&all)?;

        let default = base.at(["project", "environment"]).and_then(Node::text);
        let chosen = env.or(default).unwrap_or_default();
        let overlay = overlays.named(chosen).ok_or_else(|| Error::UnknownEnvironment {
            name: chosen.to_owned(),
            path: path.to_owned(),
            hint: nearest(chosen, overlays.all().map(|overlay| overlay.name.as_str())),
        })?;
        let mut overrides = overrides::from_vars(vars)?;
        overrides.extend(overrides::from_sets(sets)?);
        let mut tree = overlays.layered(&base, overlay, Vec::new());
        for layer in &overrides {
            tree.merge(layer.clone());
        }
        let mut settings = read(tree.clone())?;
        apart::one(&Environment { tree, settings: settings.clone() }, &all)?;
        for region in overlays.regions_of(chosen) {
            // What its overlay says stands above what is overridden for this one.
            let there = read(overlays.layered(&base, region, overrides.clone()))?;
            let taken = |taken: &str| taken == there.aws.region;
            if taken(&settings.aws.region) || settings.regions.iter().any(|r| taken(&r.region)) {
                let problem = format!("{chosen} is in `{}` already", there.aws.region);
                return Err(region.error(&["aws", "region"], &problem));
            }
            settings.regions.push(Region::of(&there));
        }
        Ok(settings)
    }
}

/// The settings of an environment, and where each stands.
struct Environment {
    tree: Node,
    settings: Settings,
}

/// Fills the placeholders in, types the tree, and checks the values.
fn read(mut tree: Node) -> Result<Settings, Error> {
    expand(&mut tree)?;
    let settings: Settings = de::read(&tree)?;
    validate::check(&settings).map_err(|invalid| {
        let origin = tree
            .at(invalid.key.split('.'))
            .map_or_else(|| tree.origin.clone(), |node| node.origin.clone());
        key_error(&origin, &invalid.key, &invalid.problem)
    })?;
    Ok(settings)
}

/// Puts `[project]`'s values in the place of `{prefix}` and `{environment}`.
fn expand(tree: &mut Node) -> Result<(), Error> {
    let given = |key| tree.at(["project", key]).and_then(Node::text).map(str::to_owned);
    let value = |key| given(key).unwrap_or_default();
    // The Google side is that of the environment that this one is in another region.
    let (prefix, environment) = (value("prefix"), value("environment"));
    let home = given("region_of").unwrap_or_else(|| environment.clone());
    for (section, environment) in [("aws", environment), ("gcp", home)] {
        let known = [("prefix", prefix.clone()), ("environment", environment)];
        let Kind::Table(root) = &mut tree.kind else { continue };
        let Some(node) = root.get_mut(section) else { continue };
        node.each_string(&mut |text, origin| {
            for (name, value) in &known {
                *text = text.replace(&format!("{{{name}}}"), value);
            }
            match text.split_once('{') {
                Some((_, rest)) => {
                    let name = rest.split('}').next().unwrap_or(rest);
                    let hint = nearest(name, known.iter().map(|(name, _)| *name));
                    Err(key_error(origin, text, &format!("no placeholder `{{{name}}}`{hint}")))
                }
                None => Ok(()),
            }
        })?;
    }
    Ok(())
}

fn key_error(origin: &Origin, key: &str, problem: &str) -> Error {
    Error::Key { origin: origin.clone(), key: format!("`{key}`"), problem: problem.to_owned() }
}
