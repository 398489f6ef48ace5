//! A checkout of the project.

use std::env;
use std::path::PathBuf;

use crate::settings::{self, FILE, Settings};

/// The environment of the emulators.
pub const LOCAL: &str = "local";

/// A checkout and its artifacts.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The folder of twincloud.toml.
    pub root: PathBuf,
    /// The folder in which `cargo xtask build` puts the artifacts.
    pub artifacts: PathBuf,
}

impl Checkout {
    /// From `TWINCLOUD_ROOT` and `TWINCLOUD_ARTIFACTS`, which `cargo xtask` sets; by default, from the current folder.
    /// Both are absolute, as they are passed to programs in other folders.
    #[must_use]
    pub fn from_vars() -> Self {
        let folder = |variable, default: &str| {
            let folder = env::var_os(variable).map_or_else(|| default.into(), PathBuf::from);
            std::path::absolute(&folder).unwrap_or(folder)
        };
        Self {
            root: folder("TWINCLOUD_ROOT", "."),
            artifacts: folder("TWINCLOUD_ARTIFACTS", "target/artifacts"),
        }
    }

    /// The settings of local clouds, overridden by variables and by those of the command line.
    pub fn settings(&self, sets: &[String]) -> Result<Settings, settings::Error> {
        Settings::load(&self.root.join(FILE), Some(LOCAL), sets, env::vars())
    }

    /// The settings for the clouds, without overrides.
    pub fn shipped(&self) -> Result<Settings, settings::Error> {
        Settings::load(&self.root.join(FILE), None, &[], std::iter::empty())
    }
}
