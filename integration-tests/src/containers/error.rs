//! Why the clouds can't be had, or a fault can't be fired.

use std::net::IpAddr;
use std::path::PathBuf;

use testcontainers::TestcontainersError;

use super::fault::Unsupported;
use crate::docker::DockerError;
use crate::processes::supervised::SuperviseError;

/// Why the clouds can't be had, or a fault can't be fired.
#[derive(Debug, thiserror::Error)]
pub enum ContainersError {
    /// A folder can't be made.
    #[error("create {}: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// The engine did not do it.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The containers could not be labelled with their owner.
    #[error("find out who this process is: {0}")]
    Holder(std::io::Error),
    /// The reaper, which removes the containers when this process has died, can't be started.
    #[error(transparent)]
    Reaper(#[from] SuperviseError),
    /// The network has no address for the host.
    #[error(
        "the network's gateway is {0:?}, not an address; is this engine's bridge driver its own?"
    )]
    NoGateway(String),
    /// Containers can't be given a way to a port of the host.
    #[error(
        "listen on {address}, by which containers reach port {port} of this machine: {cause}; the engine must run on \
         this machine itself, not in a virtual machine"
    )]
    Expose {
        /// The port.
        port: u16,
        /// The host's address, as containers see it.
        address: IpAddr,
        /// The I/O error.
        cause: std::io::Error,
    },
    /// No port is free.
    #[error("find a free port: {0}")]
    Port(std::io::Error),
    /// A container can't be started.
    #[error("start {name} of {image}")]
    Start {
        /// The container.
        name: String,
        /// Its image.
        image: String,
        /// The engine's error.
        source: Box<TestcontainersError>,
    },
    /// A container ended, or did not answer, before it was ready.
    #[error("{name} of {image} {problem}; the end of {}:\n{log_tail}", log.display())]
    NotReady {
        /// The container.
        name: String,
        /// Its image.
        image: String,
        /// The problem.
        problem: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of its log.
        log_tail: String,
    },
    /// The images have not what the fault needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}
