//! The clouds as containers: the same emulators as in [`crate::processes`], each with a network card of its own, so that
//! one can be killed, paused, and cut off from the network.
//!
//! - [`images`] finds the images, and makes those that no registry can give.
//! - [`Program`] is the program in an image, and its start-up.
//! - [`Containers`] is all four of them, [`Alone`] a single one, for a test. Both label their containers as
//!   [`crate::docker`] says, and [`reaper`] removes these when the harness has died.
//!
//! An emulator has one port, the same in its container and on the host's loopback, so one address of it holds in both.
//! On the run's network it also goes by the name of its container ([`Containers::inside`]). What listens on the host's
//! loopback is reached from containers through [`Containers::expose`].

mod alone;
mod error;
mod fault;
pub mod images;
mod node;
mod program;
pub mod reaper;
mod start;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};

use crate::docker::{self, ANSWER, docker};
use crate::emulator::Emulator;
use crate::local::forward::Forward;
use crate::processes::supervised::{GuardProgram, Supervised};

pub use alone::Alone;
pub use error::ContainersError;
pub use fault::{Fault, Unsupported};
pub use images::{Image, Images};
pub use program::Program;

use node::Node;

/// Host name of the host in containers.
const HOST: &str = "host.docker.internal";
const NETWORK: Duration = Duration::from_secs(30);
/// In the container of ministack, which has Python and little else: kills one function, and says which.
const KILL_FUNCTION: &str = "import os
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        if open(f'/proc/{pid}/comm').read() == 'bootstrap\\n':
            os.kill(int(pid), 9)
            print(pid)
            break
    except OSError:
        pass";

/// Settings of the clouds' emulators.
#[derive(Debug, Clone)]
pub struct Options {
    /// Of the emulators, as [`Images::find`] gives them.
    pub images: Images,
    /// The program that has the subcommands `guard` and `reaper`.
    pub guard: GuardProgram,
    /// The folder of this run: its last part names the containers, and logs go into it.
    pub run_dir: PathBuf,
    /// The AWS region of what is asked for without naming one.
    pub region: String,
    /// A port on the host's loopback that the AWS functions take for AWS, such as a proxy's. `None`: the emulator itself.
    pub proxy_for_functions: Option<u16>,
}

impl Options {
    /// With this program as the guard, in `us-east-1`.
    #[must_use]
    pub fn new(images: Images, run_dir: impl Into<PathBuf>) -> Self {
        Self {
            images,
            guard: GuardProgram::own(),
            run_dir: run_dir.into(),
            region: "us-east-1".to_owned(),
            proxy_for_functions: None,
        }
    }
}

/// Settings that all containers of a run share.
#[derive(Debug)]
struct Run {
    /// Names the network, and is the label by which everything is found.
    id: String,
    dir: PathBuf,
    labels: [(&'static str, String); 2],
    /// The host, as the network has it.
    gateway: IpAddr,
    region: String,
    /// Endpoint of AWS for AWS functions, if not the emulator's own.
    endpoint_for_functions: Option<String>,
}

impl Run {
    /// Removes what dead runs have left, and makes the network. The reaper removes everything that will bear the labels.
    async fn begin(
        guard: &GuardProgram,
        dir: &Path,
        region: &str,
        progress: impl Fn(&str),
    ) -> Result<(Self, Supervised), ContainersError> {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let logs = dir.join("logs");
        std::fs::create_dir_all(&logs)
            .map_err(|cause| ContainersError::Folder { path: logs, cause })?;
        for removed in docker::reap().await? {
            progress(&format!("removed {removed}, which a dead run had left"));
        }
        let id = run_id(&dir);
        let reaper = reaper::start(guard, &id, &dir).await?;
        let labels = docker::labels(&id).map_err(ContainersError::Holder)?;
        let gateway = create_network(&id, &labels).await?;
        let region = region.to_owned();
        Ok((Self { id, dir, labels, gateway, region, endpoint_for_functions: None }, reaper))
    }
}

/// Both clouds, as four containers. Dropping it removes them.
#[derive(Debug)]
pub struct Containers {
    // In the order in which they are dropped: containers before the reaper that looks after what is left.
    nodes: Vec<Node>,
    forwards: Mutex<Vec<Forward>>,
    run: Run,
    images: Images,
    reaper: Supervised,
}

impl Containers {
    /// Removes what dead runs have left, starts all four at once, and waits until all are ready. If one fails, the
    /// others are removed.
    pub async fn start(
        options: &Options,
        progress: impl Fn(&str),
    ) -> Result<Self, ContainersError> {
        let Options { guard, run_dir, region, .. } = options;
        let (mut run, reaper) = Run::begin(guard, run_dir, region, &progress).await?;
        let mut forwards = Vec::new();
        if let Some(proxy) = options.proxy_for_functions {
            let forward = forward(&run, proxy).await?;
            run.endpoint_for_functions = Some(from_containers(&forward));
            forwards.push(forward);
        }
        let begun = Instant::now();
        progress("starting the emulators' containers");
        let nodes = try_join_all(Emulator::ALL.map(async |emulator| {
            let image = options.images.of(emulator);
            let node = Node::start(&run, emulator, image.clone()).await?;
            progress(&format!(
                "{emulator} ({}) is ready at {} after {} ms",
                image.reference,
                node.endpoint(),
                begun.elapsed().as_millis()
            ));
            Ok::<_, ContainersError>(node)
        }))
        .await?;
        let (forwards, images) = (Mutex::new(forwards), options.images.clone());
        Ok(Self { nodes, forwards, run, images, reaper })
    }

    /// URL of AWS, for the host.
    #[must_use]
    pub fn aws_endpoint(&self) -> &str {
        self.endpoint(Emulator::Aws)
    }

    /// URL of Pub/Sub, for the host.
    #[must_use]
    pub fn pubsub_endpoint(&self) -> &str {
        self.endpoint(Emulator::PubSub)
    }

    /// URL of Firestore, for the host.
    #[must_use]
    pub fn firestore_endpoint(&self) -> &str {
        self.endpoint(Emulator::Firestore)
    }

    /// URL of Cloud Storage, for the host.
    #[must_use]
    pub fn gcs_endpoint(&self) -> &str {
        self.endpoint(Emulator::Storage)
    }

    /// URL of an emulator, for the host: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self, emulator: Emulator) -> &str {
        self.node(emulator).endpoint()
    }

    /// URL of an emulator for an AWS function, which a deploy must give it. ministack's functions are in its own
    /// container, and find AWS there also when it is cut off from the network.
    #[must_use]
    pub fn inside(&self, emulator: Emulator) -> String {
        if self.node(emulator).image.program == Program::MiniStack {
            return self
                .run
                .endpoint_for_functions
                .clone()
                .unwrap_or(self.endpoint(emulator).into());
        }
        self.node(emulator).endpoint_by_name()
    }

    /// Lets containers reach a port of the host's loopback, such as that of a service that Pub/Sub is to push to, or of a
    /// proxy. The URL is one for containers.
    pub async fn expose(&self, port: u16) -> Result<String, ContainersError> {
        let forwards = || self.forwards.lock().unwrap_or_else(PoisonError::into_inner);
        let there = forwards().iter().find(|it| it.target() == port).map(from_containers);
        if let Some(url) = there {
            return Ok(url);
        }
        let forward = forward(&self.run, port).await?;
        let url = from_containers(&forward);
        forwards().push(forward);
        Ok(url)
    }

    /// The name of an emulator's container.
    #[must_use]
    pub fn container(&self, emulator: Emulator) -> &str {
        &self.node(emulator).name
    }

    /// The label `twincloud.run` of everything that was started.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run.id
    }

    /// True if a fault can be injected with these images.
    #[must_use]
    pub fn supports(&self, fault: Fault) -> bool {
        self.images.supports(fault)
    }

    /// SIGKILL, as if the machine were gone: its data are lost, and its port refuses.
    pub async fn kill(&self, emulator: Emulator) -> Result<(), ContainersError> {
        let name = self.container(emulator);
        docker(&["kill", "--signal", "KILL", name], ANSWER).await?;
        Ok(())
    }

    /// A new container in the place of the old one, whatever became of that: at the same address, with no data.
    pub async fn start_again(&self, emulator: Emulator) -> Result<(), ContainersError> {
        self.node(emulator).start_again(&self.run).await
    }

    /// Freezes it: connections stay open, new ones are taken, nothing is answered.
    pub async fn pause(&self, emulator: Emulator) -> Result<(), ContainersError> {
        docker(&["pause", self.container(emulator)], ANSWER).await?;
        Ok(())
    }

    /// Undoes [`Self::pause`].
    pub async fn unpause(&self, emulator: Emulator) -> Result<(), ContainersError> {
        docker(&["unpause", self.container(emulator)], ANSWER).await?;
        Ok(())
    }

    /// Takes its network card away: its port refuses, and it reaches nothing. It goes on running and keeps its data.
    pub async fn disconnect(&self, emulator: Emulator) -> Result<(), ContainersError> {
        let name = self.container(emulator);
        docker(&["network", "disconnect", &self.run.id, name], NETWORK).await?;
        Ok(())
    }

    /// Undoes [`Self::disconnect`].
    pub async fn connect(&self, emulator: Emulator) -> Result<(), ContainersError> {
        let name = self.container(emulator);
        docker(&["network", "connect", &self.run.id, name], NETWORK).await?;
        Ok(())
    }

    /// Kills one AWS function that runs now, if there is one, and says which: its process in ministack's container.
    pub async fn kill_function(&self) -> Result<Option<u32>, ContainersError> {
        self.images.require(Fault::KillFunction)?;
        let name = self.container(Emulator::Aws);
        let said = docker(&["exec", name, "python3", "-c", KILL_FUNCTION], ANSWER).await?;
        Ok(said.trim().parse().ok())
    }

    /// Removes everything, and waits until it is gone.
    pub async fn stop(mut self) -> Result<(), ContainersError> {
        join_all(self.nodes.iter().map(Node::remove)).await;
        docker::remove_run(&self.run.id).await?;
        self.reaper.stop().await?;
        Ok(())
    }

    fn node(&self, emulator: Emulator) -> &Node {
        // There is one of each, in this order.
        &self.nodes[emulator as usize]
    }
}

/// The last part of the run's folder and this process: a name of its own on this engine, and fit for a host's name.
fn run_id(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.trim_matches('.').chars().map(fit).take(32).collect();
    format!("twincloud-{}-{}", name.to_ascii_lowercase(), std::process::id())
}

/// A network of the run's own; gives the host's address on it.
async fn create_network(id: &str, labels: &[(&str, String)]) -> Result<IpAddr, ContainersError> {
    let labels: Vec<String> =
        labels.iter().map(|(name, value)| format!("--label={name}={value}")).collect();
    let mut words = vec!["network", "create", "--driver", "bridge"];
    words.extend(labels.iter().map(String::as_str));
    words.push(id);
    docker(&words, NETWORK).await?;
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let gateway = docker(&["network", "inspect", "--format", format, id], ANSWER).await?;
    let gateway = gateway.trim();
    gateway.parse().map_err(|_| ContainersError::NoGateway(gateway.to_owned()))
}

async fn forward(run: &Run, port: u16) -> Result<Forward, ContainersError> {
    let forward = Forward::on(run.gateway, port).await;
    forward.map_err(|cause| ContainersError::Expose { port, address: run.gateway, cause })
}

fn from_containers(forward: &Forward) -> String {
    format!("http://{HOST}:{}", forward.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_so_that_a_container_can_be_too() {
        let id = run_id(Path::new("/tmp/.tmpA_b"));
        assert_eq!(id, format!("twincloud-tmpa-b-{}", std::process::id()));
        let longest = run_id(Path::new(&"x".repeat(200)));
        assert!(longest.len() + "-firestore".len() <= 63, "{longest}");
    }
}
