//! The `[env.*]` tables: each is laid over the file, or over the environment that it is in another region.

use super::error::{Error, nearest};
use super::key_error;
use super::layers::{Layer, Layers};
use super::model::{Region, Settings};
use crate::names;

/// An environment's own settings.
#[derive(Debug)]
pub(super) struct Overlay {
    pub(super) name: String,
    layer: Layer,
    region_of: Option<String>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Overlays(Vec<Overlay>);

impl Overlays {
    /// Takes them out of the document.
    pub(super) fn take(base: &mut Layer) -> Result<Self, Error> {
        if base.at("project.region_of").is_some() {
            let problem = "an overlay says so, such as [env.eu.project]; remove this key";
            return Err(base.error("project.region_of", problem));
        }
        let overlays = base.take("env")?.into_iter().map(|(name, layer)| {
            let region_of = layer.text("project.region_of").map(str::to_owned);
            Overlay { name, layer, region_of }
        });
        let mut overlays = Self(overlays.collect());
        overlays.all().try_for_each(|overlay| overlays.check(overlay))?;
        for overlay in &mut overlays.0 {
            overlay.layer.set_project("environment", &overlay.name);
        }
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

    /// The layers of one, with `between` laid under what it says itself.
    pub(super) fn layered(&self, base: &Layer, overlay: &Overlay, between: &[Layer]) -> Layers {
        let home = overlay.region_of.as_deref().and_then(|home| self.named(home));
        let under = std::iter::once(base).chain(home.map(|home| &home.layer)).chain(between);
        Layers(under.chain([&overlay.layer]).cloned().collect())
    }

    fn check(&self, overlay: &Overlay) -> Result<(), Error> {
        if overlay.layer.at("project.environment").is_some() {
            let problem = "an overlay's environment is its own name; remove this key";
            return Err(overlay.error("project.environment", problem));
        }
        let Some(home) = overlay.region_of.as_deref() else { return Ok(()) };
        let key = "project.region_of";
        match self.named(home) {
            Some(Overlay { region_of: None, .. }) => {}
            Some(_) => {
                let problem = format!(
                    "{home} is itself another region; name the environment that has the Google side"
                );
                return Err(overlay.error(key, &problem));
            }
            None => {
                let hint = nearest(home, self.all().map(|other| other.name.as_str()));
                return Err(overlay.error(key, &format!("no environment `{home}`{hint}")));
            }
        }
        for shared in ["gcp", "trading", "route"] {
            if overlay.layer.at(shared).is_some() {
                let problem = format!("it is {home}'s: put it under [env.{home}.{shared}]");
                return Err(overlay.error(shared, &problem));
            }
        }
        if overlay.layer.at("aws.region").is_none() {
            let problem = format!(
                "{} is {home} in another region: say which, as `region` under [env.{}.aws]",
                overlay.name, overlay.name
            );
            return Err(overlay.error(key, &problem));
        }
        Ok(())
    }
}

impl Overlay {
    /// An error at a key of it.
    pub(super) fn error(&self, key: &str, problem: &str) -> Error {
        key_error(self.layer.origin(key), &format!("env.{}.{key}", self.name), problem)
    }
}

impl Region {
    /// The facts of a region that other regions need.
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
