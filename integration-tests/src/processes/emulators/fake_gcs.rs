//! fake-gcs-server, for Cloud Storage.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError};
use crate::processes::supervised::Spec;

/// Its name, in logs and errors.
pub const NAME: &str = "fake-gcs";

/// Answers 200 once it is ready.
pub(crate) const READY_PATH: &str = "/_internal/healthcheck";

/// Its command-line arguments. Its URLs are for the host's loopback, wherever it listens.
pub(crate) fn arguments(host: &str, port: u16) -> Vec<String> {
    let public = format!("127.0.0.1:{port}");
    let (port, url) = (port.to_string(), format!("http://{public}"));
    let options = [
        ("-scheme", "http"),
        ("-host", host),
        ("-port", &port),
        ("-backend", "memory"),
        ("-log-level", "warn"),
        ("-public-host", &public),
        ("-external-url", &url),
    ];
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_owned()]).collect()
}

/// Starts it, and waits until it is ready. Its objects are in memory.
pub async fn start(context: &Context) -> Result<Running, StartError> {
    let folder = private_folder(&context.launch.run_dir, NAME)?;
    let make = |port: u16| {
        Spec::new(NAME, &context.tools.fake_gcs_server, &context.launch.run_dir)
            .args(arguments("127.0.0.1", port))
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
    };
    Server { name: NAME, ready_path: READY_PATH, make }.start(&context.launch).await
}
