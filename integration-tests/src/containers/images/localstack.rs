//! The image of `LocalStack`'s own code, as `PyPI` has it, on a Debian of its own.
//!
//! It is not `LocalStack`'s image: what that brings besides, or fetches once it runs, is not in it. So no function runs on
//! it and there is no table; [`super::Images::find`] never takes it.

use std::path::Path;

use anyhow::Context as _;
use toolbox::{Cache, Env, pins};

use super::base::{self, Root, TRIXIE};
use super::packages::Packages;
use super::{IMAGE, INPUTS, LABEL_OF_CODE, LOCALSTACK_CODE};
use cli::Failure;
use cli::Progress;

const PACKAGES: Packages = Packages {
    requirements: pins::LOCALSTACK.requirements,
    sources: Some(pins::LOCALSTACK_SOURCES),
};
/// Its environment and entry point. Python keeps its compiled files, for another start in the same container.
const LINES: [&str; 2] = [
    "ENV PYTHONPATH=/opt/localstack",
    r#"ENTRYPOINT ["python3", "-u", "-m", "localstack.runtime.main"]"#,
];

/// A hash of all that it is made of, but Debian's packages' versions.
pub(super) fn inputs() -> String {
    let (packages, debian) = (PACKAGES.inputs(), TRIXIE.inputs());
    let parts = [&LINES[..], &[&packages, &debian]].concat();
    toolbox::verify::sha256(parts.join("\n").as_bytes())
}

/// Makes it. It becomes one layer: `docker build` needs more than a minute to copy so many files onto a base.
pub(super) async fn make(
    python: &Path,
    env: &Env,
    cache: &Cache,
    progress: &Progress,
) -> Result<(), Failure> {
    let root = Root::create(cache, &TRIXIE)?;
    let content = root.path.join("opt/localstack");
    // Beside each other. What pip says waits for debootstrap, which has things mounted; without debootstrap, pip is ended.
    let unpack = TRIXIE.unpack(&root, LOCALSTACK_CODE, env, progress);
    let install = async { Ok(PACKAGES.install(python, &TRIXIE, &content).await) };
    let ((), installed) = tokio::try_join!(unpack, install)?;
    installed.with_context(|| format!("install the packages of {LOCALSTACK_CODE}"))?;
    progress.now(format!("{LOCALSTACK_CODE}: handing it to Docker"));
    let labels = [format!("LABEL {IMAGE}={LABEL_OF_CODE}"), format!("LABEL {INPUTS}={}", inputs())];
    let lines = LINES.map(str::to_owned).into_iter().chain(labels).collect::<Vec<_>>();
    base::import(&root, LOCALSTACK_CODE, &lines).await?;
    Ok(())
}
