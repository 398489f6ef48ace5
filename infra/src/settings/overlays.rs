//! The `[env.*]` tables: each is laid over the file, or over the environment that it is in another region.

use super::error::{Error, nearest};
use super::key_error;
use super::model::{Region, Settings};
use super::tree::{Kind, Node};
use crate::names;

/// An environment's own settings.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) name: String,
    tree: Node,
    region_of: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Overlays(Vec<Overlay>);

impl Overlays {
    /// Takes them out of the document.
    pub(super) fn take(base: &mut Node) -> Result<Self, Error> {
        if let Some(node) = base.at(["project", "region_of"]) {
            let problem = "an overlay says so, such as [env.eu.project]; remove this key";
            return Err(key_error(&node.origin, "project.region_of", problem));
        }
        let Some(env) = base.take("env") else {
            return Ok(Self(Vec::new()));
        };
        let Kind::Table(tables) = env.kind else {
            let problem = "expected a table of environments, such as [env.prod]";
            return Err(key_error(&env.origin, "env", problem));
        };
        let overlays = tables.into_iter().map(|(name, tree)| {
            let region_of = tree.at(["project", "region_of"]).and_then(Node::text);
            Overlay { name, region_of: region_of.map(str::to_owned), tree }
        });
        let overlays = Self(overlays.collect());
        overlays.all().try_for_each(|overlay| overlays.check(overlay))?;
        Ok(overlays)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Overlay> {
        self.0.iter()
    }

    pub(super) fn named(&self, name: &str) -> Option<&Overlay> {
        self.all().find(|overlay| overlay.name == name)
    }

    /// Those that are `home` in another region.
    pub(super) fn regions_of(&self, home: &str) -> impl Iterator<Item = &Overlay> {
        self.all().filter(move |overlay| overlay.region_of.as_deref() == Some(home))
    }

    /// The settings of one, with `between` laid under what it says itself.
    pub(super) fn layered(&self, base: &Node, overlay: &Overlay, between: Vec<Node>) -> Node {
        let mut tree = base.clone();
        if let Some(home) = overlay.region_of.as_deref().and_then(|home| self.named(home)) {
            tree.merge(home.tree.clone());
        }
        for layer in between {
            tree.merge(layer);
        }
        tree.merge(overlay.tree.clone());
        if let Kind::Table(root) = &mut tree.kind
            && let Some(Node { kind: Kind::Table(project), .. }) = root.get_mut("project")
            && let Some(environment) = project.get_mut("environment")
        {
            environment.kind = Kind::String(overlay.name.clone());
        }
        tree
    }

    fn check(&self, overlay: &Overlay) -> Result<(), Error> {
        if overlay.tree.at(["project", "environment"]).is_some() {
            let problem = "an overlay's environment is its own name; remove this key";
            return Err(overlay.error(&["project", "environment"], problem));
        }
        let Some(home) = overlay.region_of.as_deref() else { return Ok(()) };
        let key = ["project", "region_of"];
        match self.named(home) {
            Some(Overlay { region_of: None, .. }) => {}
            Some(_) => {
                let problem = format!(
                    "{home} is itself another region; name the environment that has the Google side"
                );
                return Err(overlay.error(&key, &problem));
            }
            None => {
                let hint = nearest(home, self.all().map(|other| other.name.as_str()));
                return Err(overlay.error(&key, &format!("no environment `{home}`{hint}")));
            }
        }
        for shared in ["gcp", "trading", "route"] {
            if overlay.tree.at([shared]).is_some() {
                let problem = format!("it is {home}'s: put it under [env.{home}.{shared}]");
                return Err(overlay.error(&[shared], &problem));
            }
        }
        if overlay.tree.at(["aws", "region"]).is_none() {
            let problem = format!(
                "{} is {home} in another region: say which, as `region` under [env.{}.aws]",
                overlay.name, overlay.name
            );
            return Err(overlay.error(&key, &problem));
        }
        Ok(())
    }
}

impl Overlay {
    /// What is wrong with a key of it.
    pub(super) fn error(&self, key: &[&str], problem: &str) -> Error {
        let node = self.tree.at(key.iter().copied()).unwrap_or(&self.tree);
        key_error(&node.origin, &format!("env.{}.{}", self.name, key.join(".")), problem)
    }
}

impl Region {
    /// What others have to know of it.
    pub(super) fn of(settings: &Settings) -> Self {
        let replicates = settings.aws.replicate.enabled;
        Self {
            environment: settings.project.environment.clone(),
            region: settings.aws.region.clone(),
            queue: settings.aws.queue.name.clone(),
            table: settings.aws.table.clone(),
            replicate_role: replicates.then(|| names::aws_replicate_role(settings)),
        }
    }
}
