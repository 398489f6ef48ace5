//! The checkout of a command.

use std::env;
use std::path::PathBuf;

use infra::Checkout;
use infra::Settings;
use infra::settings::{Error, FILE};

/// The folder in which `package` puts the artifacts.
pub(crate) fn artifacts() -> PathBuf {
    Checkout::from_vars().artifacts
}

/// The settings of an environment, or of the default one in the file.
pub(crate) fn settings(environment: Option<&str>, sets: &[String]) -> Result<Settings, Error> {
    let vars = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Settings::load(&Checkout::from_vars().root.join(FILE), environment, sets, vars)
}
