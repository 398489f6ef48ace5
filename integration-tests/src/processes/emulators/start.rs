//! Starting a server on a free port, and waiting until it is ready.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Launch, Running};
use crate::processes::ports;
use crate::processes::supervised::{Exit, Spec, State, SuperviseError, Supervised, tail};

const READY: Duration = Duration::from_mins(1);
const PROBE: Duration = Duration::from_secs(1);
const PROBE_INTERVAL: Duration = Duration::from_millis(20);
/// Largest number of crashes of a restarted server before it is ready.
const CRASHES_MAX: u32 = 3;
/// Attempts of a start that lost its port to another process, each on another port.
const PORT_ATTEMPTS: usize = 5;
/// Messages of the emulators when their port is taken.
const PORT_TAKEN: [&str; 3] = ["already in use", "BindException", "Address in use"];

/// Why an emulator isn't there.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It can't be supervised.
    #[error(transparent)]
    Supervise(#[from] SuperviseError),
    /// No port is free.
    #[error("find a free port for {name}: {cause}")]
    Port {
        /// The emulator.
        name: String,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// A folder can't be made.
    #[error("create {}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// It ended instead of becoming ready.
    #[error("{name} ended ({exit}) before it was ready; the end of {}:\n{log_tail}", log.display())]
    Ended {
        /// The emulator.
        name: String,
        /// Its exit.
        exit: Exit,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        log_tail: String,
    },
    /// It did not become ready in time.
    #[error("{name} was not ready after {limit_s} s ({last_probe}); the end of {}:\n{log_tail}", log.display())]
    NotReady {
        /// The emulator.
        name: String,
        /// The bound.
        limit_s: u64,
        /// Result of the last probe.
        last_probe: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        log_tail: String,
    },
}

impl StartError {
    /// The same of a server that goes by another name.
    pub(super) fn named(mut self, new: &str) -> Self {
        match &mut self {
            Self::Port { name, .. } | Self::Ended { name, .. } | Self::NotReady { name, .. } => {
                new.clone_into(name);
            }
            Self::Supervise(_) | Self::Folder { .. } => {}
        }
        self
    }
}

/// A server to start: `make` gives its process for a port.
pub(super) struct Server<F> {
    pub(super) name: &'static str,
    /// A path that answers 200 once it is ready.
    pub(super) ready_path: &'static str,
    pub(super) make: F,
}

/// The process that must listen on the port for a probe to count.
#[derive(Clone, Copy)]
enum Listener {
    /// The process that was started.
    Process,
    /// Any process of this user: the one that listens belongs to the container engine, and is no child of this process.
    User(u32),
}

impl<F: Fn(u16) -> Spec> Server<F> {
    pub(super) async fn start(self, launch: &Launch) -> Result<Running, StartError> {
        self.start_with(launch, Listener::Process).await
    }

    /// Starts what has a process of this user listen for it.
    pub(super) async fn start_as(self, launch: &Launch, user: u32) -> Result<Running, StartError> {
        self.start_with(launch, Listener::User(user)).await
    }

    async fn start_with(self, launch: &Launch, listener: Listener) -> Result<Running, StartError> {
        let mut attempts_left = PORT_ATTEMPTS;
        loop {
            attempts_left -= 1;
            let port = ports::free()
                .map_err(|cause| StartError::Port { name: self.name.to_owned(), cause })?;
            let spec = (self.make)(port).on_event(launch.on_event.clone());
            match self.start_on(launch, port, listener, spec).await {
                Err(StartError::Ended { log_tail, .. })
                    if attempts_left > 0 && lost_its_port(&log_tail) =>
                {
                    tracing::info!(name = self.name, port, "the port was taken, another is tried");
                }
                result => return result,
            }
        }
    }

    async fn start_on(
        &self,
        launch: &Launch,
        port: u16,
        listener: Listener,
        spec: Spec,
    ) -> Result<Running, StartError> {
        let mut supervised = Supervised::spawn(&launch.guard, spec).await?;
        let endpoint = format!("http://127.0.0.1:{port}");
        let url = format!("{endpoint}{}", self.ready_path);
        let result = self.until_ready(&supervised, port, listener, &url).await;
        match result {
            Ok(()) => Ok(Running { endpoint, port, supervised }),
            Err(error) => {
                // The error that matters is why it wasn't ready.
                let _ = supervised.stop().await;
                Err(error)
            }
        }
    }

    async fn until_ready(
        &self,
        supervised: &Supervised,
        port: u16,
        listener: Listener,
        url: &str,
    ) -> Result<(), StartError> {
        let client = reqwest::Client::builder().no_proxy().timeout(PROBE).build();
        let client = client.map_err(|error| self.not_ready(supervised, error.to_string()))?;
        let deadline = Instant::now() + READY;
        loop {
            let last_probe = match client.get(url).send().await {
                Ok(answer) if answer.status().is_success() => {
                    if supervised.pid().is_some_and(|pid| listener.listens(port, pid)) {
                        return Ok(());
                    }
                    "someone else answers on its port".to_owned()
                }
                Ok(answer) => format!("its probe got {}", answer.status()),
                Err(error) => format!("its probe failed: {}", root_cause(&error)),
            };
            let ended = match supervised.state() {
                State::Ended { exit } => Some(exit),
                // It is started again and again, and never gets there.
                State::Restarting { last } if supervised.restarts() >= CRASHES_MAX => Some(last),
                _ => None,
            };
            if let Some(exit) = ended {
                let log = supervised.log().to_owned();
                return Err(StartError::Ended {
                    name: self.name.to_owned(),
                    exit,
                    log_tail: tail(&log),
                    log,
                });
            }
            if Instant::now() >= deadline {
                return Err(self.not_ready(supervised, last_probe));
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    fn not_ready(&self, supervised: &Supervised, last_probe: String) -> StartError {
        let log = supervised.log().to_owned();
        StartError::NotReady {
            name: self.name.to_owned(),
            limit_s: READY.as_secs(),
            last_probe,
            log_tail: tail(&log),
            log,
        }
    }
}

impl Listener {
    fn listens(self, port: u16, pid: u32) -> bool {
        match self {
            Self::Process => ports::is_listened_on_by(port, pid),
            Self::User(user) => ports::is_listened_on_by_user(port, user),
        }
    }
}

/// A folder of the emulator's own below the run's, made now.
pub(super) fn private_folder(run_dir: &Path, name: &str) -> Result<PathBuf, StartError> {
    let path = run_dir.join(name);
    std::fs::create_dir_all(&path)
        .map_err(|cause| StartError::Folder { path: path.clone(), cause })?;
    Ok(path)
}

fn lost_its_port(log_tail: &str) -> bool {
    PORT_TAKEN.iter().any(|words| log_tail.contains(words))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
