//! The checkout that a command works on.

use std::env;
use std::path::PathBuf;

use infra::Settings;
use infra::settings::{Error, FILE};

/// The folder of twincloud.toml.
pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env::var_os("TWINCLOUD_ROOT").unwrap_or_default())
}

/// Where `package` leaves what is deployed.
pub(crate) fn artifacts() -> PathBuf {
    env::var_os("TWINCLOUD_ARTIFACTS")
        .map_or_else(|| folder().join("target/artifacts"), PathBuf::from)
}

/// The settings of an environment, or of the one that the file names.
pub(crate) fn settings(environment: Option<&str>, sets: &[String]) -> Result<Settings, Error> {
    let vars = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Settings::load(&folder().join(FILE), environment, sets, vars)
}
