//! `twincloud.toml`, typed: the one source of names, sizes and limits for both clouds.
//!
//! Values come from four layers, each laid over the one before: the file, the chosen environment's
//! overlay in it, variables such as `TWINCLOUD_AWS__QUEUE__NAME`, and `--set` arguments.

mod apart;
mod containers;
mod error;
mod layers;
mod model;
mod overlays;
mod overrides;
mod schema;
mod validate;

use std::path::Path;

pub use containers::{AwsEmulator, ContainerImages, Containers};
pub use error::Error;
pub use model::{
    Alerts, Architecture, Archive, Aws, AwsArchive, AwsBudget, AwsIngest, AwsReplicate, AwsState,
    CompareAndSet, Firestore, Foundation, Functions, Gcp, GcpBudget, GcpIngest, GcpReplicate,
    GcpState, Github, Host, Images, Producer, Project, Pubsub, Queue, Region, Settings, Terraform,
    Trading,
};
pub use producer_config::{Binance, HealthConfig, Policy, Publish, Route, Spool, SpoolSync};
pub use schema::schema;

use error::nearest;
use layers::{Layer, Layers};
use overlays::Overlays;

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
        let mut base = Layer::parse(path, text)?;
        let overlays = Overlays::take(&mut base)?;
        Layers(vec![base.clone()]).read()?;
        let mut all = Vec::new();
        for overlay in overlays.all() {
            all.push(Environment::read(overlays.layered(&base, overlay, &[]))?);
        }
        apart::all(&all)?;

        let chosen = env.or(base.text("project.environment")).unwrap_or_default();
        let overlay = overlays.named(chosen).ok_or_else(|| Error::UnknownEnvironment {
            name: chosen.to_owned(),
            path: path.to_owned(),
            hint: nearest(chosen, overlays.all().map(|overlay| overlay.name.as_str())),
        })?;
        let mut overrides = overrides::from_vars(vars)?;
        overrides.extend(overrides::from_sets(sets)?);
        let mut layers = overlays.layered(&base, overlay, &[]);
        layers.0.extend_from_slice(&overrides);
        let environment = Environment::read(layers)?;
        apart::one(&environment, &all)?;
        let mut settings = environment.settings;
        for region in overlays.regions_of(chosen) {
            // The values of its overlay stand above those that are overridden for this one.
            let there = overlays.layered(&base, region, &overrides).read()?;
            let taken = |taken: &str| taken == there.aws.region;
            if taken(&settings.aws.region) || settings.regions.iter().any(|r| taken(&r.region)) {
                let problem = format!("{chosen} is in `{}` already", there.aws.region);
                return Err(region.error("aws.region", &problem));
            }
            settings.regions.push(Region::of(&there));
        }
        Ok(settings)
    }
}

/// The settings of an environment, and the layers that they come from.
struct Environment {
    layers: Layers,
    settings: Settings,
}

impl Environment {
    fn read(layers: Layers) -> Result<Self, Error> {
        Ok(Self { settings: layers.read()?, layers })
    }
}

fn key_error(origin: String, key: &str, problem: &str) -> Error {
    Error::Key { origin, key: format!("`{key}`"), problem: problem.to_owned() }
}
