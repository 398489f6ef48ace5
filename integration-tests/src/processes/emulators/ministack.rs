//! ministack, for AWS.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError};
use crate::processes::supervised::Spec;

/// Its name, in logs and errors.
pub const NAME: &str = "ministack";

/// What a run may choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The region of what is asked for without naming one.
    pub region: String,
    /// Where its Lambda functions find AWS. `None`: at ministack itself.
    pub endpoint_for_functions: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { region: "us-east-1".to_owned(), endpoint_for_functions: None }
    }
}

/// Starts it, and waits until it is ready. Its state is in memory: killing it is a real loss of data.
pub async fn start(context: &Context, options: &Options) -> Result<Running, StartError> {
    let folder = private_folder(&context.run_dir, NAME)?;
    let make = |port: u16| {
        // Its Lambda functions inherit this, whatever their own settings say.
        let endpoint = options
            .endpoint_for_functions
            .clone()
            .unwrap_or_else(|| format!("http://127.0.0.1:{port}"));
        Spec::new(NAME, &context.tools.ministack_python, &context.run_dir)
            .args(["-u", "-I", "-m", "ministack"])
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", &options.region)
            .env("AWS_ENDPOINT_URL", endpoint)
            // No container is ever started, also where there is an engine.
            .env("DOCKER_HOST", "unix:///nonexistent/docker.sock")
            .env("LAMBDA_EXECUTOR", "local")
            // Everything is in memory; what must be a file is below the run's folder.
            .env("PERSIST_STATE", "0")
            .env("S3_PERSIST", "0")
            .env("STATE_DIR", folder.join("state"))
            .env("S3_DATA_DIR", folder.join("s3"))
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
            .env("LOG_LEVEL", "INFO")
    };
    Server { name: NAME, ready_path: "/_ministack/health", make }.start(context).await
}
