//! A checkout of its own for each test that runs programs as `cargo xtask` does, and what such a run has left.

#![expect(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "a test fails by panicking"
)]

pub mod documented;
pub mod documents;
pub mod outputs;
mod server;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

pub use server::FileServer;

/// Events of a history that there are hundreds of.
const OF_MESSAGES: [&str; 5] =
    ["\"spooled\"", "\"accepted\"", "\"publish_failed\"", "\"replicated\"", "\"requests\""];

/// A checkout of its own, so that tests do not share `target/runs`.
pub struct Checkout {
    /// Its folder.
    pub dir: tempfile::TempDir,
}

impl Checkout {
    /// With the settings of this checkout and nothing else.
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(workspace().join("twincloud.toml"), dir.path().join("twincloud.toml"))
            .expect("copy the settings");
        Self { dir }
    }

    /// A program in this checkout.
    #[must_use]
    pub fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.dir.path());
        command.env("TWINCLOUD_ROOT", self.dir.path());
        command.env("TWINCLOUD_ARTIFACTS", artifacts());
        command
    }

    /// A file of the latest run.
    pub fn latest(&self, name: &str) -> String {
        let path = self.dir.path().join("target/runs/latest").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The report of the latest run.
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.latest("report.json")).expect("report.json is JSON")
    }
}

/// The folder of a failed test is gone, and with it when what happened.
impl Drop for Checkout {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let history = self.dir.path().join("target/runs/latest/history.jsonl");
        let Ok(history) = std::fs::read_to_string(history) else { return };
        let is_told = |line: &&str| !OF_MESSAGES.iter().any(|event| line.contains(event));
        let lines: Vec<&str> = history.lines().filter(is_told).collect();
        eprintln!("the history of the latest run, without messages:\n{}", lines.join("\n"));
    }
}

/// Output and exit code of a command.
pub struct Ran {
    /// The exit code; `None`: ended by a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// From the output of a program.
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        json.unwrap_or_else(|error| {
            panic!("{error}: stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }

    /// Panics with all output if the exit code is another one.
    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
    }
}

/// The command on a machine that has nothing, not even what is cached; `empty` is a folder.
pub fn bare<'a>(command: &'a mut Command, empty: &Path) -> &'a mut Command {
    command.env("PATH", empty).env("HOME", empty).env("TWINCLOUD_CLOUD_SDK", "");
    for variable in ["TWINCLOUD_CACHE", "XDG_CACHE_HOME", "TWINCLOUD_PYTHON", "JAVA_HOME"] {
        command.env_remove(variable);
    }
    command
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Real trades and their candles, where the checkout has them beside it.
pub fn recording() -> Option<(PathBuf, String)> {
    let data = workspace().join("../shared/data");
    let trades = data.join("binance-spot-btcusdt-2024-08-08.jsonl.gz");
    let candles =
        std::fs::read_to_string(data.join("binance-spot-btcusdt-2024-08-08.candles-1m.csv"));
    match candles {
        Ok(candles) => Some((trades, candles)),
        Err(error) => {
            eprintln!("skipped: no recording at {}: {error}", data.display());
            None
        }
    }
}

/// The folder of the packed functions.
pub fn artifacts() -> PathBuf {
    std::env::var_os("TWINCLOUD_ARTIFACTS")
        .map_or_else(|| workspace().join("target/artifacts"), PathBuf::from)
}
