//! Python packages of an image: this machine's pip puts them into a folder, for the image's Python, which is another one.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use tokio::process::Command;

use super::base::Debian;

/// The kinds of packages that run on the bases, newest first.
const WHEELS: [&str; 4] = ["manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014"];

/// Packages to install: each pinned by hash, as pip reads it.
pub(super) struct Packages {
    pub(super) requirements: &'static str,
    /// Packages published as source alone, to be built by the setuptools among the others. They must be pure Python.
    pub(super) sources: Option<&'static str>,
}

impl Packages {
    /// Their inputs, for a hash.
    pub(super) fn inputs(&self) -> String {
        [self.requirements, self.sources.unwrap_or_default()].concat()
    }

    /// Has the pip of `python` put them into `target`, for the Python of `debian`.
    pub(super) async fn install(
        &self,
        python: &Path,
        debian: &Debian,
        target: &Path,
    ) -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("make a folder for the requirements")?;
        let pinned = folder.path().join("requirements.txt");
        std::fs::write(&pinned, self.requirements).context("write the requirements")?;
        let mut pip = self::pip(python, &pinned, target);
        // pip checks a package's `Requires-Python` against the Python that runs pip. It was chosen for the image's.
        pip.args(["--only-binary=:all:", "--ignore-requires-python", "--implementation=cp"]);
        pip.args(["--python-version", debian.python]);
        for wheel in WHEELS {
            pip.args(["--platform".to_owned(), format!("{wheel}_{}", std::env::consts::ARCH)]);
        }
        run(pip).await?;

        let Some(sources) = self.sources else { return Ok(()) };
        std::fs::write(&pinned, sources).context("write the requirements")?;
        let mut pip = self::pip(python, &pinned, target);
        // Isolated, a build would fetch a setuptools that is not pinned.
        pip.args(["--no-binary=:all:", "--no-build-isolation"]).env("PYTHONPATH", target);
        run(pip).await
    }
}

fn pip(python: &Path, requirements: &Path, target: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    pip.args(["--no-deps", "--require-hashes", "--no-compile", "--root-user-action=ignore"]);
    pip.arg("--target").arg(target).arg("--requirement").arg(requirements);
    pip
}

async fn run(mut pip: Command) -> anyhow::Result<()> {
    let output = pip.kill_on_drop(true).output().await.context("run pip")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(anyhow!(
        "pip: {}\nIf there is no network: let pip use an index that can be reached (PIP_INDEX_URL)",
        said.trim()
    ))
}
