//! The harness as a command, as xtask runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::trees::HARNESS;

/// Events of a history that there are hundreds of.
const OF_MESSAGES: [&str; 5] =
    ["\"spooled\"", "\"accepted\"", "\"publish_failed\"", "\"replicated\"", "\"requests\""];

/// A checkout of its own, so that tests do not share `target/runs`.
pub(crate) struct Checkout {
    pub(crate) dir: tempfile::TempDir,
}

impl Checkout {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::copy(workspace().join("twincloud.toml"), dir.path().join("twincloud.toml"))
            .expect("copy the settings");
        Self { dir }
    }

    /// A command of the harness in this checkout.
    pub(crate) fn harness(&self, words: &[&str]) -> Command {
        let mut command = Command::new(HARNESS);
        command.args(words).current_dir(self.dir.path());
        command.env("TWINCLOUD_ROOT", self.dir.path());
        command.env("TWINCLOUD_ARTIFACTS", artifacts());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.harness(words).output().expect("run the harness"))
    }

    /// A command of the deploy engine in this checkout; it finds the clouds that `up` started here.
    pub(crate) fn deploy_command(&self, words: &[&str]) -> Command {
        self.beside("deploy", words)
    }

    /// A day-two command in this checkout.
    pub(crate) fn operate_command(&self, words: &[&str]) -> Command {
        self.beside("operate", words)
    }

    fn beside(&self, program: &str, words: &[&str]) -> Command {
        // Built with the same selection, beside the harness.
        let mut command = Command::new(Path::new(HARNESS).with_file_name(program));
        command.args(words).current_dir(self.dir.path());
        command.env("TWINCLOUD_ROOT", self.dir.path());
        command.env("TWINCLOUD_ARTIFACTS", artifacts());
        command
    }

    pub(crate) fn deploy(&self, words: &[&str]) -> Ran {
        Ran::of(&self.deploy_command(words).output().expect("run the deploy engine"))
    }

    /// A file of the latest run.
    pub(crate) fn latest(&self, name: &str) -> String {
        let path = self.dir.path().join("target/runs/latest").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    pub(crate) fn report(&self) -> Value {
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

/// What a command said and how it ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let json = serde_json::from_str(&self.stdout);
        json.unwrap_or_else(|error| {
            panic!("{error}: stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
    }
}

/// The root of the workspace.
pub(crate) fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Real trades and their candles, where the checkout has them beside it.
pub(crate) fn recording() -> Option<(PathBuf, String)> {
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

pub(crate) fn artifacts() -> PathBuf {
    std::env::var_os("TWINCLOUD_ARTIFACTS")
        .map_or_else(|| workspace().join("target/artifacts"), PathBuf::from)
}
