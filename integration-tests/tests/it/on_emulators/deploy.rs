//! What a person types to deploy, on the emulators that `up` started.

mod aws;
mod code_only;
mod errors;
mod foundation;
mod gcp;
mod interrupted;
mod rights;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::Checkout;

/// A checkout with local clouds of its own, which end with it.
pub(crate) struct Up {
    pub(crate) checkout: Checkout,
    /// The variables by which AWS's and Google's own tools are pointed to the emulators.
    pub(crate) endpoints: BTreeMap<String, String>,
}

impl Up {
    pub(crate) fn new() -> Self {
        Self::start(&[])
    }

    /// With further words for `up`.
    pub(crate) fn start(words: &[&str]) -> Self {
        let checkout = Checkout::new();
        let up = checkout.run(&[&["up", "--json"], words].concat());
        up.assert_code(0);
        let endpoints = up.json()["endpoints"].as_object().expect("endpoints").clone();
        let endpoints = endpoints
            .into_iter()
            .map(|(name, value)| (name, value.as_str().expect("a text").to_owned()));
        Self { endpoints: endpoints.collect(), checkout }
    }

    pub(crate) fn aws(&self) -> &str {
        &self.endpoints["AWS_ENDPOINT_URL"]
    }

    /// A command on these clouds that must end well; its standard output.
    #[track_caller]
    pub(crate) fn ok(&self, words: &[&str]) -> String {
        let ran = self.checkout.deploy(&on_processes(words));
        ran.assert_code(0);
        eprint!("{}", ran.stderr);
        ran.stdout
    }

    /// The same, as JSON.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let words = [words, &["--json"]].concat();
        serde_json::from_str(&self.ok(&words)).expect("JSON")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.checkout.run(&["down"]);
    }
}

/// The lines of `drift` but those that name resources which are not compared.
pub(crate) fn compared(drift: &str) -> Vec<&str> {
    drift.lines().filter(|line| !line.contains(": not compared: ")).collect()
}

pub(crate) fn on_processes<'w>(words: &[&'w str]) -> Vec<&'w str> {
    [words, &["--target", "processes"]].concat()
}
