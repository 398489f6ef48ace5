//! An instance of a Cloud Run service: the release binary itself, told its port by `PORT`, started again when it
//! crashes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::start::Server;
use super::{Context, Running, StartError};
use crate::processes::supervised::{Restart, Spec};

/// Its name, in logs and errors.
pub const NAME: &str = "gcp-ingest";

const RESTART: Restart = Restart::Always { backoff_ms: 50, restarts_max: 1_000 };

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The service's program.
    pub program: PathBuf,
    /// Its environment, besides `PORT`.
    pub env: BTreeMap<String, String>,
}

/// Starts it, and waits until it is ready.
pub async fn start(context: &Context, options: &Options) -> Result<Running, StartError> {
    start_as(context, NAME, options).await
}

/// Starts it under this name, which is the log's too, and waits until it is ready.
pub async fn start_as(
    context: &Context,
    name: &str,
    options: &Options,
) -> Result<Running, StartError> {
    let make = |port: u16| {
        let spec = Spec::new(name, &options.program, &context.run_dir)
            .env("PORT", port.to_string())
            .env("TWINCLOUD_LISTEN_HOST", "127.0.0.1")
            .restart(RESTART);
        options.env.iter().fold(spec, |spec, (name, value)| spec.env(name, value))
    };
    let server = Server { name: NAME, ready_path: "/healthz", make };
    server.start(context).await.map_err(|error| error.named(name))
}
