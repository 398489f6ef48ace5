//! A registry of images: Debian's `docker-registry`, which is the reference implementation. No TLS, as everywhere on
//! loopback.

use std::ffi::OsStr;

use serde_json::json;

use super::start::{Server, private_folder};
use super::{Launch, Running, StartError};
use crate::processes::supervised::Spec;

/// Its program, which is looked for on `PATH`; also its name, in logs and errors.
pub const NAME: &str = "docker-registry";

/// Options of the emulator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Logins that it requires, as lines of `htpasswd` with bcrypt. Empty: none.
    pub htpasswd: String,
    /// Prefix of its paths, such as `/elsewhere/`; clients without it find no registry. Empty: none.
    pub prefix: String,
}

/// Starts it, and waits until it is ready. Its images are below the run's folder.
pub async fn start(launch: &Launch, options: &Options) -> Result<Running, StartError> {
    let folder = private_folder(&launch.run_dir, NAME)?;
    let failed = |cause| StartError::Folder { path: folder.clone(), cause };
    let htpasswd = folder.join("htpasswd");
    std::fs::write(&htpasswd, &options.htpasswd).map_err(failed)?;
    let config = folder.join("config.yml");
    let mut settings = json!({
        "version": "0.1",
        "storage": { "filesystem": { "rootdirectory": folder.join("images") } },
        // The port comes by the environment, which stands above the file.
        "http": { "addr": "127.0.0.1:0" },
    });
    if !options.prefix.is_empty() {
        settings["http"]["prefix"] = json!(options.prefix);
    }
    if !options.htpasswd.is_empty() {
        settings["auth"]["htpasswd"] = json!({ "realm": "registry", "path": htpasswd });
    }
    // JSON is YAML.
    let text = settings.to_string();
    std::fs::write(&config, text).map_err(failed)?;
    let make = |port: u16| {
        Spec::new(NAME, NAME, &launch.run_dir)
            .args([OsStr::new("serve"), config.as_os_str()])
            .env("REGISTRY_HTTP_ADDR", format!("127.0.0.1:{port}"))
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
    };
    Server { name: NAME, ready_path: "/", make }.start(launch).await
}
