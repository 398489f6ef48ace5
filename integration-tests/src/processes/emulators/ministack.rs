//! ministack, for AWS.

use super::start::{Server, private_folder};
use super::{Context, Running, StartError};
use crate::processes::supervised::Spec;

/// Its name, in logs and errors.
pub const NAME: &str = "ministack";

/// Options of the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The region of what is asked for without naming one.
    pub region: String,
    /// Endpoint of AWS for its Lambda functions. `None`: ministack itself.
    pub endpoint_for_functions: Option<String>,
    /// True if it enforces roles and policies.
    pub enforces_policies: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            endpoint_for_functions: None,
            enforces_policies: false,
        }
    }
}

/// Answers 200 once it is ready.
pub(crate) const READY_PATH: &str = "/_ministack/health";

/// Its environment variables. It is reached by the host's loopback, wherever it listens.
pub(crate) fn environment(
    host: &str,
    port: u16,
    region: &str,
    endpoint_for_functions: Option<&str>,
) -> Vec<(&'static str, String)> {
    let own = || format!("http://127.0.0.1:{port}");
    vec![
        ("GATEWAY_PORT", port.to_string()),
        ("BIND_HOST", host.to_owned()),
        ("MINISTACK_HOST", "127.0.0.1".to_owned()),
        ("MINISTACK_REGION", region.to_owned()),
        // Its Lambda functions inherit this, whatever their own settings say.
        ("AWS_ENDPOINT_URL", endpoint_for_functions.map_or_else(own, str::to_owned)),
        // No container is ever started, also where there is an engine.
        ("DOCKER_HOST", "unix:///nonexistent/docker.sock".to_owned()),
        ("LAMBDA_EXECUTOR", "local".to_owned()),
        // Everything is in memory.
        ("PERSIST_STATE", "0".to_owned()),
        ("S3_PERSIST", "0".to_owned()),
        ("LOG_LEVEL", "INFO".to_owned()),
    ]
}

/// Starts it, and waits until it is ready. Its state is in memory: killing it is a real loss of data.
pub async fn start(context: &Context, options: &Options) -> Result<Running, StartError> {
    let folder = private_folder(&context.launch.run_dir, NAME)?;
    let make = |port: u16| {
        let endpoint = options.endpoint_for_functions.as_deref();
        let told = environment("127.0.0.1", port, &options.region, endpoint);
        let spec = Spec::new(NAME, &context.tools.ministack_python, &context.launch.run_dir)
            .args(["-u", "-I", "-m", "ministack"])
            // All its files are below the run's folder.
            .env("STATE_DIR", folder.join("state"))
            .env("S3_DATA_DIR", folder.join("s3"))
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
            .env("AUTH", options.enforces_policies.to_string());
        told.into_iter().fold(spec, |spec, (name, value)| spec.env(name, value))
    };
    Server { name: NAME, ready_path: READY_PATH, make }.start(&context.launch).await
}
