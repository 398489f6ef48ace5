//! The emulators: how each is started, and how it says that it is ready.

pub mod cloud_run;
pub mod fake_gcs;
pub mod firestore;
mod java;
pub mod ministack;
pub mod pubsub;
pub mod registry;
mod start;

use std::path::PathBuf;

use toolbox::Tools;

use super::supervised::{GuardProgram, OnEvent, SuperviseError, Supervised};

pub use start::StartError;

/// Settings that all processes of a run share.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// The folder of this run, for logs and everything that a process writes.
    pub run_dir: PathBuf,
    /// Is told of every start and end.
    pub on_event: OnEvent,
}

/// Settings that all emulators share.
#[derive(Debug, Clone)]
pub struct Context {
    /// Paths of the programs.
    pub tools: Tools,
    /// As every process.
    pub launch: Launch,
}

/// An emulator that is ready.
#[derive(Debug)]
pub struct Running {
    /// Its address, `http://127.0.0.1:PORT`.
    pub endpoint: String,
    /// Its port.
    pub port: u16,
    /// The process.
    pub supervised: Supervised,
}

impl Running {
    /// `127.0.0.1:PORT`, as the variables `*_EMULATOR_HOST` have it.
    #[must_use]
    pub fn host_and_port(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it.
    pub async fn stop(&mut self) -> Result<(), SuperviseError> {
        self.supervised.stop().await.map(|_| ())
    }
}
