//! `cargo xtask images build`: the emulators' images out of what the target `processes` starts, on a base of our own.
//!
//! An image bears a hash of all that it is made of, so nothing is made twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use args::{BuildImages, EmulatorImage, Images as Args, ImagesCommand};
use clap::ValueEnum as _;
use serde_json::json;
use tokio::process::Command;
use toolbox::{Cache, Env, Tools, pins};

use super::{FAKE_GCS_SERVER, FIRESTORE, IMAGE, INPUTS, MINISTACK, PUBSUB, base};
use crate::docker::{self, docker};
use crate::outcome::Failure;
use crate::processes::emulators::firestore::MAIN_CLASS;
use crate::progress::Progress;
use crate::run::{interrupted, tools};

/// For one image on top of the base.
const BUILD: Duration = Duration::from_mins(10);
/// Another run may be making the same.
const LOCK: Duration = Duration::from_mins(15);
/// The kinds of packages that run on the base, newest first.
const WHEELS: [&str; 4] = ["manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014"];
/// A start that is quick on two cores, and a heap that is bounded; see `processes/emulators/java.rs`.
const JAVA: &str = r#""java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData""#;

/// `cargo xtask images …`
pub fn run(args: &Args) -> Result<(), Failure> {
    let ImagesCommand::Build(args) = &args.command;
    let progress = Progress::default();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(docker::version()).map_err(|error| Failure::Lacking(error.into()))?;
    let tools = tools(&progress).map_err(Failure::Lacking)?;
    let images = runtime.block_on(async {
        tokio::select! {
            images = build(args, &tools, &progress) => images,
            // debootstrap hears of it by itself, and is waited for.
            told = late_interrupt() => { told?; Err(Failure::Interrupted) }
        }
    })?;
    progress.finish();
    print(&images, args.json);
    Ok(())
}

/// What does not end within a moment of an interrupt by its own will is dropped.
async fn late_interrupt() -> anyhow::Result<()> {
    interrupted().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    Ok(())
}

/// An image that is there now.
struct Made {
    reference: &'static str,
    inputs: String,
    /// Whether it was made now.
    new: bool,
}

fn print(images: &[Made], as_json: bool) {
    if as_json {
        let images = images.iter().map(
            |made| json!({ "image": made.reference, "inputs": made.inputs, "built": made.new }),
        );
        println!("{:#}", json!({ "images": images.collect::<Vec<_>>() }));
        return;
    }
    for made in images {
        println!("{:40} {}", made.reference, if made.new { "built" } else { "is there already" });
    }
}

async fn build(
    args: &BuildImages,
    tools: &Tools,
    progress: &Progress,
) -> Result<Vec<Made>, Failure> {
    let env = Env::from_process();
    let cache = Cache::locate(&env).context("find the cache")?;
    let _lock = {
        let (cache, progress) = (cache.clone(), progress.clone());
        let waiting = move || progress.now("waiting for another run that makes images");
        let lock = move || cache.lock("images", LOCK, waiting);
        tokio::task::spawn_blocking(lock).await.context("wait for the lock")?.context("lock")?
    };
    let all = EmulatorImage::value_variants();
    let wanted = all.iter().filter(|image| args.only.is_empty() || args.only.contains(image));
    let mut images = Vec::new();
    for image in wanted {
        let recipe = Recipe::of(*image, tools);
        let inputs = recipe.inputs()?;
        let there = docker::image_label(recipe.reference, INPUTS).await;
        let there = there.map_err(|error| Failure::Lacking(error.into()))?;
        let new = there.as_ref() != Some(&inputs);
        if new {
            if recipe.on_base {
                ensure_base(&env, &cache, progress).await?;
            }
            progress.now(format!("{}: making it", recipe.reference));
            recipe.build(&inputs, tools).await?;
        }
        images.push(Made { reference: recipe.reference, inputs, new });
    }
    Ok(images)
}

async fn ensure_base(env: &Env, cache: &Cache, progress: &Progress) -> Result<(), Failure> {
    let there = docker::image_label(base::NAME, INPUTS).await.context("look for the base")?;
    if there == Some(base::inputs()) {
        return Ok(());
    }
    base::make(env, cache, progress).await
}

/// How one image is made.
struct Recipe {
    image: EmulatorImage,
    reference: &'static str,
    /// Whether it stands on the base; else on nothing.
    on_base: bool,
    /// What is done with the content, besides where it stands.
    dockerfile: String,
    content: Content,
}

/// What the image has besides the base, at the place `content` of the Dockerfile's folder.
enum Content {
    File(PathBuf),
    /// Python packages, pinned by hash.
    Packages(&'static str),
}

impl Recipe {
    fn of(image: EmulatorImage, tools: &Tools) -> Self {
        let file = |path: &Path| Content::File(path.to_owned());
        let (reference, on_base, lines, content) = match image {
            EmulatorImage::Ministack => (
                MINISTACK,
                true,
                "COPY content /opt/ministack\n\
                 ENV PYTHONPATH=/opt/ministack PYTHONDONTWRITEBYTECODE=1\n\
                 ENTRYPOINT [\"python3\", \"-u\", \"-m\", \"ministack\"]\n"
                    .to_owned(),
                Content::Packages(pins::MINISTACK.requirements),
            ),
            EmulatorImage::Pubsub => (
                PUBSUB,
                true,
                format!(
                    "COPY content /emulator.jar\nENTRYPOINT [{JAVA}, \"-jar\", \"/emulator.jar\"]\n"
                ),
                file(&tools.pubsub_jar),
            ),
            EmulatorImage::Firestore => (
                FIRESTORE,
                true,
                format!(
                    "COPY content /emulator.jar\nENTRYPOINT [{JAVA}, \"-cp\", \"/emulator.jar\", \
                     \"{MAIN_CLASS}\"]\n"
                ),
                file(&tools.firestore_jar),
            ),
            EmulatorImage::Storage => (
                FAKE_GCS_SERVER,
                false,
                "COPY content /fake-gcs-server\nENTRYPOINT [\"/fake-gcs-server\"]\n".to_owned(),
                file(&tools.fake_gcs_server),
            ),
        };
        let under = if on_base { base::NAME } else { "scratch" };
        let dockerfile = format!("FROM {under}\n{lines}");
        Self { image, reference, on_base, dockerfile, content }
    }

    fn inputs(&self) -> anyhow::Result<String> {
        let content = match &self.content {
            Content::File(path) => toolbox::verify::sha256_file(path)
                .with_context(|| format!("read {}", path.display()))?,
            Content::Packages(requirements) => (*requirements).to_owned(),
        };
        let base = if self.on_base { base::inputs() } else { std::env::consts::ARCH.to_owned() };
        let all = [self.dockerfile.as_str(), &content, &base].join("\n");
        Ok(toolbox::verify::sha256(all.as_bytes()))
    }

    async fn build(&self, inputs: &str, tools: &Tools) -> anyhow::Result<()> {
        let folder = tempfile::tempdir().context("make a folder for the image")?;
        let content = folder.path().join("content");
        std::fs::write(folder.path().join("Dockerfile"), &self.dockerfile)
            .context("write the Dockerfile")?;
        match &self.content {
            Content::File(path) => {
                std::fs::copy(path, &content)
                    .with_context(|| format!("copy {}", path.display()))?;
            }
            Content::Packages(requirements) => {
                let pinned = folder.path().join("requirements.txt");
                std::fs::write(&pinned, requirements).context("write the requirements")?;
                install(&tools.ministack_python, &pinned, &content).await?;
            }
        }
        let which = self.image.to_possible_value().context("the image has a name")?;
        let (image, inputs) =
            (format!("{IMAGE}={}", which.get_name()), format!("{INPUTS}={inputs}"));
        let folder = folder.path().to_str().context("the temporary folder's name is no text")?;
        let words = ["build", "--quiet", "--label", &image, "--label", &inputs];
        let words = [&words[..], &["--tag", self.reference, folder]].concat();
        docker(&words, BUILD).await?;
        Ok(())
    }
}

/// Has pip put packages for the base's Python into a folder; the Python that runs pip may be another.
async fn install(python: &Path, requirements: &Path, target: &Path) -> anyhow::Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    pip.args(["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]);
    pip.args([
        "--root-user-action=ignore",
        "--implementation=cp",
        "--python-version",
        base::PYTHON,
    ]);
    for wheel in WHEELS {
        pip.args(["--platform".to_owned(), format!("{wheel}_{}", std::env::consts::ARCH)]);
    }
    pip.arg("--target").arg(target).arg("--requirement").arg(requirements);
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
