//! The checkout that a command works on.

use std::env;
use std::path::PathBuf;

use infra::Checkout;
use infra::Settings;
use infra::settings::{Error, FILE};

/// Where `package` leaves what is deployed.
pub(crate) fn artifacts() -> PathBuf {
    Checkout::from_vars().artifacts
}

/// The settings of an environment, or of the one that the file names.
pub(crate) fn settings(environment: Option<&str>, sets: &[String]) -> Result<Settings, Error> {
    let vars = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Settings::load(&Checkout::from_vars().root.join(FILE), environment, sets, vars)
}
