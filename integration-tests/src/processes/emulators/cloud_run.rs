//! An instance of a Cloud Run service, told its port by `PORT` and started again when it crashes: the packed program
//! itself, or a container of the pushed image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use infra::package::image::{self, ImageReference};

use super::start::Server;
use super::{Launch, Running, StartError};
use crate::docker;
use crate::processes::container;
use crate::processes::supervised::{Restart, Spec};

/// Its name, in logs and errors.
pub const NAME: &str = "gcp-ingest";

const RESTART: Restart = Restart::Always { backoff_ms: 50, restarts_max: 1_000 };

/// The service to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service.
    pub instance: Instance,
    /// Its environment, besides `PORT`.
    pub env: BTreeMap<String, String>,
}

/// Kind of an instance.
#[derive(Debug, Clone)]
pub enum Instance {
    /// A process of this program.
    Program(PathBuf),
    /// A container.
    Container {
        /// Of this image, which the engine has.
        image: ImageReference,
        /// By which its containers are found.
        run: String,
    },
}

/// Starts it, and waits until it is ready.
pub async fn start(launch: &Launch, options: &Options) -> Result<Running, StartError> {
    start_as(launch, NAME, options).await
}

/// Starts it under this name, which is the log's too, and waits until it is ready.
pub async fn start_as(
    launch: &Launch,
    name: &str,
    options: &Options,
) -> Result<Running, StartError> {
    let env = |port: u16| {
        let own = [("PORT", port.to_string()), ("TWINCLOUD_LISTEN_HOST", "127.0.0.1".to_owned())];
        let given = options.env.iter().map(|(name, value)| (name.as_str(), value.clone()));
        own.into_iter().chain(given).collect::<Vec<_>>()
    };
    let started = match &options.instance {
        Instance::Program(program) => {
            let make = |port: u16| {
                let spec = Spec::new(name, program, &launch.run_dir).restart(RESTART);
                env(port).into_iter().fold(spec, |spec, (name, value)| spec.env(name, value))
            };
            Server { name: NAME, ready_path: "/healthz", make }.start(launch).await
        }
        Instance::Container { image, run } => {
            let make = |port: u16| {
                let mut spec = Spec::new(name, launch.guard.path(), &launch.run_dir)
                    .args(["container", "--run", run, "--"])
                    .restart(RESTART);
                spec.grace = container::HOLDER_GRACE;
                for (name, value) in env(port) {
                    spec = spec.args(["--env".to_owned(), format!("{name}={value}")]);
                }
                let spec = spec.args([image.to_string()]);
                let variables = docker::engine_variables();
                variables.fold(spec, |spec, (name, value)| spec.env(name, value))
            };
            let server = Server { name: NAME, ready_path: "/healthz", make };
            server.start_as(launch, image::USER).await
        }
    };
    started.map_err(|error| error.named(name))
}
