//! Google's own Firestore emulator.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError, java};

/// Its name, in logs and errors.
pub const NAME: &str = "firestore";

const MAIN_CLASS: &str = "com.google.cloud.datastore.emulator.firestore.CloudFirestore";

/// Starts it, and waits until it is ready.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.run_dir, NAME)?;
    let make = |port: u16| {
        let spec = java::spec(context, NAME, &folder)
            .args(["-cp".into(), context.tools.firestore_jar.clone()]);
        let port = port.to_string();
        spec.args([
            MAIN_CLASS,
            "--host",
            "127.0.0.1",
            "--port",
            &port,
            "--database-mode",
            "firestore-native",
        ])
    };
    Server { name: NAME, ready_path: "/", make }.start(context).await
}
