//! `twincloud.toml`, typed: the one source of names, sizes and limits for both clouds.
//!
//! Values come from four layers, each laid over the one before: the file, the chosen environment's
//! overlay in it, variables such as `TWINCLOUD_AWS__QUEUE__NAME`, and `--set` arguments.

mod containers;
mod de;
mod error;
mod model;
mod overrides;
mod tree;
mod validate;

use std::path::Path;

pub use containers::{AwsEmulator, ContainerImages, Containers};
pub use error::{Error, Origin};
pub use model::{
    Alerts, Architecture, Archive, Aws, AwsArchive, AwsBudget, AwsIngest, AwsReplicate, AwsState,
    Binance, CompareAndSet, Firestore, Foundation, Functions, Gcp, GcpBudget, GcpIngest,
    GcpReplicate, GcpState, Github, Health, Images, Policy, Producer, Project, Publish, Pubsub,
    Queue, Route, Settings, Spool, SpoolSync, Terraform, Trading,
};

use error::nearest;
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
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
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
        let overlays = overlays(&mut base)?;
        read(base.clone())?;
        for (name, overlay) in &overlays {
            read(layered(&base, name, overlay))?;
        }

        let default = base.at(["project", "environment"]).and_then(Node::text);
        let chosen = env.or(default).unwrap_or_default();
        let Some((name, overlay)) = overlays.iter().find(|(name, _)| name == chosen) else {
            let names = overlays.iter().map(|(name, _)| name.as_str());
            return Err(Error::UnknownEnvironment {
                name: chosen.to_owned(),
                path: path.to_owned(),
                hint: nearest(chosen, names),
            });
        };
        let mut tree = layered(&base, name, overlay);
        for layer in overrides::from_vars(vars)? {
            tree.merge(layer);
        }
        for layer in overrides::from_sets(sets)? {
            tree.merge(layer);
        }
        read(tree)
    }
}

/// The `[env.*]` tables, by name, taken out of the document.
fn overlays(base: &mut Node) -> Result<Vec<(String, Node)>, Error> {
    let Some(env) = base.take("env") else {
        return Ok(Vec::new());
    };
    let Kind::Table(overlays) = env.kind else {
        return Err(key_error(
            &env.origin,
            "env",
            "expected a table of environments, such as [env.prod]",
        ));
    };
    for (name, overlay) in &overlays {
        if let Some(node) = overlay.at(["project", "environment"]) {
            let key = format!("env.{name}.project.environment");
            return Err(key_error(
                &node.origin,
                &key,
                "an overlay's environment is its own name; remove this key",
            ));
        }
    }
    Ok(overlays.into_iter().collect())
}

fn layered(base: &Node, name: &str, overlay: &Node) -> Node {
    let mut tree = base.clone();
    tree.merge(overlay.clone());
    if let Kind::Table(root) = &mut tree.kind
        && let Some(Node { kind: Kind::Table(project), .. }) = root.get_mut("project")
        && let Some(environment) = project.get_mut("environment")
    {
        environment.kind = Kind::String(name.to_owned());
    }
    tree
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
    let value = |key| tree.at(["project", key]).and_then(Node::text).unwrap_or_default().to_owned();
    let known = [("prefix", value("prefix")), ("environment", value("environment"))];
    for section in ["aws", "gcp"] {
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
