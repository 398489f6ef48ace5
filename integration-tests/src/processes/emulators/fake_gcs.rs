//! fake-gcs-server, for Cloud Storage.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError};
use crate::processes::supervised::Spec;

/// Its name, in logs and errors.
pub const NAME: &str = "fake-gcs";

/// Starts it, and waits until it is ready. Its objects are in memory.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.run_dir, NAME)?;
    let make = |port: u16| {
        let host_and_port = format!("127.0.0.1:{port}");
        Spec::new(NAME, &context.tools.fake_gcs_server, &context.run_dir)
            .args([
                "-scheme",
                "http",
                "-host",
                "127.0.0.1",
                "-backend",
                "memory",
                "-log-level",
                "warn",
            ])
            .args([
                "-port".to_owned(),
                port.to_string(),
                "-public-host".to_owned(),
                host_and_port.clone(),
            ])
            .args(["-external-url".to_owned(), format!("http://{host_and_port}")])
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
    };
    Server { name: NAME, ready_path: "/_internal/healthcheck", make }.start(context).await
}
