//! One emulator: its container, started, watched until it is ready, and started again.

use std::collections::HashMap;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use testcontainers::bollard::models::{HostConfig, PortBinding};
use testcontainers::core::Host;
use testcontainers::core::logs::LogFrame;
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, ImageExt as _};
use tokio::sync::Mutex;

use super::start::Start;
use super::{ContainersError, HOST, Image, Run};
use crate::docker;
use crate::emulator::Emulator;
use crate::processes::ports;
use crate::processes::supervised::tail;

const READY: Duration = Duration::from_mins(2);
const PROBE: Duration = Duration::from_secs(1);
const PROBE_INTERVAL: Duration = Duration::from_millis(25);
/// Attempts of a start that lost its port to another process, on another one or on the same one after a pause.
const PORT_ATTEMPTS: usize = 5;
const PORT_PAUSE: Duration = Duration::from_millis(300);
/// Messages of engines when the port is taken.
const PORT_TAKEN: [&str; 2] = ["port is already allocated", "address already in use"];

/// One emulator of the run.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) image: Image,
    emulator: Emulator,
    port: u16,
    endpoint: String,
    log: PathBuf,
    container: Mutex<Option<ContainerAsync<Start>>>,
}

impl Node {
    /// Starts it on a free port, and waits until it is ready.
    pub(super) async fn start(
        run: &Run,
        emulator: Emulator,
        image: Image,
    ) -> Result<Self, ContainersError> {
        let mut attempts_left = PORT_ATTEMPTS;
        loop {
            attempts_left -= 1;
            let port = ports::free().map_err(ContainersError::Port)?;
            let node = Self {
                name: format!("{}-{emulator}", run.id),
                image: image.clone(),
                emulator,
                port,
                endpoint: format!("http://127.0.0.1:{port}"),
                log: run.dir.join("logs").join(format!("{emulator}.log")),
                container: Mutex::new(None),
            };
            match node.replace(run).await {
                Ok(()) => return Ok(node),
                Err(error) if attempts_left > 0 && lost_its_port(&error) => {
                    tracing::info!(name = node.name, port, "the port was taken, another is tried");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `http://127.0.0.1:PORT`
    pub(super) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// For those on the run's network.
    pub(super) fn endpoint_by_name(&self) -> String {
        format!("http://{}:{}", self.name, self.port)
    }

    /// A new container at the same address. While there was none, the port may have become that of anybody's connection,
    /// which ends.
    pub(super) async fn start_again(&self, run: &Run) -> Result<(), ContainersError> {
        let mut attempts_left = PORT_ATTEMPTS;
        loop {
            attempts_left -= 1;
            match self.replace(run).await {
                Err(error) if attempts_left > 0 && lost_its_port(&error) => {
                    tracing::info!(name = self.name, port = self.port, "the port is taken");
                    tokio::time::sleep(PORT_PAUSE).await;
                }
                replaced => return replaced,
            }
        }
    }

    /// A new container in the place of the old one, if there is one.
    async fn replace(&self, run: &Run) -> Result<(), ContainersError> {
        let mut container = self.container.lock().await;
        remove(container.take()).await;
        // A start that failed may have left one of this name as well.
        docker::remove_container(&self.name).await?;
        let port = self.port;
        let request = ContainerRequest::from(Start::new(&self.image, run, &self.name, port))
            .with_container_name(&self.name)
            .with_network(&run.id)
            .with_host(HOST, Host::Addr(run.gateway))
            .with_labels(run.labels.clone())
            .with_log_consumer(self.log_file()?)
            .with_host_config_modifier(move |config| on_loopback(config, port));
        let started = request.start().await.map_err(|source| ContainersError::Start {
            name: self.name.clone(),
            image: self.image.reference.clone(),
            source: Box::new(source),
        })?;
        self.until_ready(&started).await?;
        *container = Some(started);
        Ok(())
    }

    /// Removes its container; one that is gone already is fine.
    pub(super) async fn remove(&self) {
        remove(self.container.lock().await.take()).await;
    }

    async fn until_ready(&self, container: &ContainerAsync<Start>) -> Result<(), ContainersError> {
        let url = format!("{}{}", self.endpoint, self.image.program.ready_path());
        let client = reqwest::Client::builder().no_proxy().timeout(PROBE).build();
        let client = client.map_err(|error| self.not_ready(format!("can't be asked: {error}")))?;
        let deadline = Instant::now() + READY;
        loop {
            let last = match client.get(&url).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => format!("its probe got {}", answer.status()),
                Err(error) => format!("its probe failed: {error}"),
            };
            if !container.is_running().await.unwrap_or(true) {
                return Err(self.not_ready("ended before it was ready".to_owned()));
            }
            if Instant::now() >= deadline {
                let limit_s = READY.as_secs();
                return Err(self.not_ready(format!("was not ready after {limit_s} s ({last})")));
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    fn not_ready(&self, problem: String) -> ContainersError {
        ContainersError::NotReady {
            name: self.name.clone(),
            image: self.image.reference.clone(),
            problem,
            log: self.log.clone(),
            log_tail: tail(&self.log),
        }
    }

    /// Appends what the container says to the log.
    fn log_file(&self) -> Result<impl Fn(&LogFrame) + Send + Sync + use<>, ContainersError> {
        let file = OpenOptions::new().create(true).append(true).open(&self.log);
        let file =
            file.map_err(|cause| ContainersError::Folder { path: self.log.clone(), cause })?;
        Ok(move |frame: &LogFrame| {
            let (LogFrame::StdOut(bytes) | LogFrame::StdErr(bytes)) = frame;
            // A log that can't be written is no reason to end a run.
            let _ = (&file).write_all(bytes);
        })
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Node");
        shown.field("name", &self.name).field("image", &self.image);
        shown.field("emulator", &self.emulator).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Removes a container, and leaves it to the caller to find that it is still there.
///
/// Merely dropping one blocks the thread that drops it on a runtime of its own, which takes that thread's wake-ups: what is
/// started beside it then waits for an answer that has come.
async fn remove(container: Option<ContainerAsync<Start>>) {
    if let Some(container) = container {
        let _ = container.rm().await;
    }
}

/// Publishes the port on loopback alone: an emulator has no password.
fn on_loopback(config: &mut HostConfig, port: u16) {
    let binding =
        PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: Some(port.to_string()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([(format!("{port}/tcp"), Some(vec![binding]))]));
}

fn lost_its_port(error: &ContainersError) -> bool {
    let ContainersError::Start { source, .. } = error else { return false };
    let said = source.to_string();
    PORT_TAKEN.iter().any(|words| said.contains(words))
}
