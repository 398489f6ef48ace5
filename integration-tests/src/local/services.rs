//! Local Cloud Run: each service one supervised process behind a port that stays.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use deploy::local::run::{Service, ServiceState};
use futures::future::join_all;
use infra::package::Digest;

use super::forward::Forward;
use super::problem::{Problem, bad, check_name, did_not_start, failed, full, missing};
use crate::processes::emulators::cloud_run::{self, Instance};
use crate::processes::emulators::{Launch, Running};
use crate::processes::supervised::SuperviseError;

const SERVICES_MAX: usize = 16;
const BINARY_BYTES_MAX: u64 = 512 * 1024 * 1024;
const CONCURRENCY_MAX: u32 = 1_000;
const VARIABLES_MAX: usize = 100;
/// Variables that the runner of a service sets.
const RESERVED: [&str; 5] =
    ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "TWINCLOUD_LISTEN_HOST"];

#[derive(Debug)]
pub(super) struct Services {
    launch: Launch,
    /// Copies of binaries, so that a build doesn't pull them away.
    folder: PathBuf,
    running: Mutex<BTreeMap<String, Entry>>,
    /// Allows one change at a time; readers don't wait.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Entry {
    state: ServiceState,
    program: PathBuf,
    forward: Forward,
    instance: Running,
}

impl Entry {
    fn state(&self) -> ServiceState {
        let supervised = &self.instance.supervised;
        let (restarts, pid) = (supervised.restarts(), supervised.pid());
        ServiceState { restarts, pid, ..self.state.clone() }
    }
}

impl Services {
    pub(super) fn new(launch: Launch, folder: PathBuf) -> Self {
        let (running, changing) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { launch, folder, running, changing }
    }

    pub(super) fn all(&self) -> Vec<ServiceState> {
        self.with(|running| running.values().map(Entry::state).collect())
    }

    pub(super) fn get(&self, name: &str) -> Result<ServiceState, Problem> {
        let state = self.with(|running| running.get(name).map(Entry::state));
        state.ok_or_else(|| missing("service", name))
    }

    /// Starts it, or replaces it if anything differs, and waits until it is ready. If it doesn't get there, what was
    /// there before goes on.
    pub(super) async fn put(&self, name: &str, wanted: Service) -> Result<ServiceState, Problem> {
        check_name(name)?;
        check(&wanted)?;
        let _changing = self.changing.lock().await;
        let before = self.with(|running| running.get(name).map(Entry::state));
        if before.is_none() && self.with(|running| running.len()) >= SERVICES_MAX {
            return Err(full("service", SERVICES_MAX));
        }
        let revision = before.as_ref().map_or(1, |state| state.revision + 1);
        let program = self.folder.join(format!("{name}-r{revision}"));
        let sha256 = copy(&wanted.binary, &program).await?;
        let mut state = ServiceState {
            name: name.to_owned(),
            uri: before.as_ref().map(|state| state.uri.clone()).unwrap_or_default(),
            revision,
            sha256,
            env: wanted.env,
            concurrency: wanted.concurrency,
            labels: wanted.labels,
            restarts: 0,
            pid: None,
        };
        if let Some(before) = before.filter(|before| runs_as(before, &state)) {
            let _ = fs::remove_file(&program);
            return self.relabelled(name, &before, state);
        }
        match self.start(&mut state, &program).await {
            Ok(()) => self.get(name),
            Err(problem) => {
                let _ = fs::remove_file(&program);
                Err(problem)
            }
        }
    }

    /// Changes labels and concurrency, which need no new process.
    fn relabelled(
        &self,
        name: &str,
        before: &ServiceState,
        wanted: ServiceState,
    ) -> Result<ServiceState, Problem> {
        if (&before.labels, before.concurrency) != (&wanted.labels, wanted.concurrency) {
            self.with(|running| running.get_mut(name).map(|entry| entry.state = wanted));
        }
        self.get(name)
    }

    async fn start(&self, state: &mut ServiceState, program: &Path) -> Result<(), Problem> {
        let mut env = state.env.clone();
        env.insert("K_SERVICE".to_owned(), state.name.clone());
        env.insert("K_REVISION".to_owned(), format!("{}-r{}", state.name, state.revision));
        let options = cloud_run::Options { instance: Instance::Program(program.to_owned()), env };
        let log_name = format!("{}-r{}", state.name, state.revision);
        let instance = cloud_run::start_as(&self.launch, &log_name, &options).await;
        let instance = instance.map_err(|error| did_not_start(error.to_string()))?;
        let new = if self.with(|running| running.contains_key(&state.name)) {
            None
        } else {
            let forward = Forward::to(instance.port).await;
            Some(forward.map_err(|error| failed("listen for the service", &error))?)
        };
        let program = program.to_owned();
        let replaced = self.with(|running| {
            let (before, forward) = match (running.remove(&state.name), new) {
                (Some(Entry { forward, instance, program, .. }), _) => {
                    (Some((instance, program)), forward)
                }
                (None, Some(forward)) => (None, forward),
                // Changes come one at a time, so it is there as it was before.
                (None, None) => return None,
            };
            forward.point_to(instance.port);
            state.uri = forward.uri();
            let entry = Entry { state: state.clone(), program, forward, instance };
            running.insert(state.name.clone(), entry);
            before
        });
        if let Some((mut instance, program)) = replaced {
            // It answers what it has begun to. If it hangs, its guard ends it.
            if let Err(error) = instance.stop().await {
                tracing::warn!(%error, "the replaced revision did not stop");
            }
            let _ = fs::remove_file(program);
        }
        Ok(())
    }

    pub(super) async fn delete(&self, name: &str) -> Result<ServiceState, Problem> {
        let _changing = self.changing.lock().await;
        let entry = self.with(|running| running.remove(name));
        let mut entry = entry.ok_or_else(|| missing("service", name))?;
        let state = entry.state();
        entry.instance.stop().await.map_err(|error| failed("stop the service", &error))?;
        let _ = fs::remove_file(&entry.program);
        Ok(state)
    }

    /// Ends all of them at once.
    pub(super) async fn stop(&self) -> Result<(), SuperviseError> {
        let mut running = self.with(std::mem::take);
        let stopping = running.values_mut().map(|entry| entry.instance.stop());
        join_all(stopping).await.into_iter().collect()
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Entry>) -> T) -> T {
        work(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// True if the same process serves both states.
fn runs_as(before: &ServiceState, wanted: &ServiceState) -> bool {
    (&before.sha256, &before.env) == (&wanted.sha256, &wanted.env)
}

fn check(wanted: &Service) -> Result<(), Problem> {
    let path = wanted.binary.display();
    if !wanted.binary.is_absolute() {
        return Err(bad(format!("binary {path} must be an absolute path")));
    }
    let metadata = fs::metadata(&wanted.binary)
        .map_err(|error| bad(format!("read binary {path}: {error}; build it first")))?;
    if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
        return Err(bad(format!("binary {path} is no program")));
    }
    if metadata.len() > BINARY_BYTES_MAX {
        return Err(bad(format!("binary {path} is larger than {BINARY_BYTES_MAX} bytes")));
    }
    if !(1..=CONCURRENCY_MAX).contains(&wanted.concurrency) {
        return Err(bad(format!("concurrency must be 1 to {CONCURRENCY_MAX}")));
    }
    if wanted.env.len() > VARIABLES_MAX {
        return Err(bad(format!("env has more than {VARIABLES_MAX} variables")));
    }
    wanted.env.iter().try_for_each(|(name, value)| check_variable(name, value))
}

fn check_variable(name: &str, value: &str) -> Result<(), Problem> {
    if RESERVED.contains(&name) {
        return Err(bad(format!("env.{name} is set by whoever runs the service; take it out")));
    }
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(bad(format!("env has {name:?}, which is no name of a variable")));
    }
    if value.contains('\0') {
        return Err(bad(format!("env.{name} has a NUL in it")));
    }
    Ok(())
}

/// Copies a binary and gives the copy's SHA-256.
async fn copy(from: &Path, to: &Path) -> Result<String, Problem> {
    let (from, to) = (from.to_owned(), to.to_owned());
    let copied = tokio::task::spawn_blocking(move || {
        fs::copy(&from, &to).map_err(|error| failed("copy the binary", &error))?;
        let digest = Digest::of_file(&to).map_err(|error| failed("hash the binary", &error))?;
        Ok(digest.sha256)
    });
    copied.await.map_err(|error| failed("copy the binary", &error))?
}
