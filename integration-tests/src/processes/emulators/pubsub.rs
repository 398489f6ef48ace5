//! Google's own Pub/Sub emulator.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError, java};

/// Its name, in logs and errors.
pub const NAME: &str = "pubsub";

/// Answers 200 once it is ready.
pub(crate) const READY_PATH: &str = "/";

/// Command-line arguments of the jar.
pub(crate) fn arguments(host: &str, port: u16) -> Vec<String> {
    vec![format!("--host={host}"), format!("--port={port}")]
}

/// Starts it, and waits until it is ready.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.launch.run_dir, NAME)?;
    let make = |port| {
        let spec = java::spec(context, NAME, &folder)
            .args(["-jar".into(), context.tools.pubsub_jar.clone()]);
        spec.args(arguments("127.0.0.1", port))
    };
    Server { name: NAME, ready_path: READY_PATH, make }.start(&context.launch).await
}
