//! Google's own Pub/Sub emulator.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError, java};

/// Its name, in logs and errors.
pub const NAME: &str = "pubsub";

/// Starts it, and waits until it is ready.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.run_dir, NAME)?;
    let make = |port| {
        let spec = java::spec(context, NAME, &folder)
            .args(["-jar".into(), context.tools.pubsub_jar.clone()]);
        spec.args(["--host=127.0.0.1".to_owned(), format!("--port={port}")])
    };
    Server { name: NAME, ready_path: "/", make }.start(context).await
}
