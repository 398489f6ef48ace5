//! Google's own Firestore emulator.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError, java};

/// Its name, in logs and errors.
pub const NAME: &str = "firestore";

/// The jar's main class.
pub(crate) const MAIN_CLASS: &str = "com.google.cloud.datastore.emulator.firestore.CloudFirestore";
/// Answers 200 once it is ready.
pub(crate) const READY_PATH: &str = "/";

/// Its command-line arguments.
pub(crate) fn arguments(host: &str, port: u16) -> Vec<String> {
    let port = port.to_string();
    ["--host", host, "--port", &port, "--database-mode", "firestore-native"]
        .map(str::to_owned)
        .to_vec()
}

/// Starts it, and waits until it is ready.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.launch.run_dir, NAME)?;
    let make = |port: u16| {
        let spec = java::spec(context, NAME, &folder)
            .args(["-cp".into(), context.tools.firestore_jar.clone()]);
        spec.args([MAIN_CLASS]).args(arguments("127.0.0.1", port))
    };
    Server { name: NAME, ready_path: READY_PATH, make }.start(&context.launch).await
}
