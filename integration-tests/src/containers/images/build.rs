//! `cargo xtask images build`: the emulators' images out of what the target `processes` starts, on a base of our own, and one
//! of `LocalStack`'s own code.
//!
//! An image bears a hash of all that it is made of, so nothing is made twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use args::{BuildImages, EmulatorImage, Images as Args, ImagesCommand};
use clap::ValueEnum as _;
use serde_json::json;
use toolbox::{Cache, Env, Tools, pins};

use super::base::{self, BOOKWORM};
use super::packages::Packages;
use super::{
    FAKE_GCS_SERVER, FIRESTORE, IMAGE, INPUTS, LOCALSTACK_CODE, MINISTACK, PUBSUB, localstack,
};
use crate::docker::{self, docker};
use crate::processes::emulators::firestore::MAIN_CLASS;
use crate::processes::tools;
use crate::run::interrupted;
use cli::Failure;
use cli::Progress;

/// For one image on top of the base.
const BUILD: Duration = Duration::from_mins(10);
/// Another run may be making the same.
const LOCK: Duration = Duration::from_mins(15);
/// A start that is quick on two cores, and a heap that is bounded; see `processes/emulators/java.rs`.
const JAVA: &str = r#""java", "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData""#;

/// `cargo xtask images …`
pub fn run(args: &Args) -> Result<(), Failure> {
    let ImagesCommand::Build(args) = &args.command;
    let progress = Progress::default();
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime
        .block_on(docker::version())
        .map_err(|error| Failure::MissingPrerequisite(error.into()))?;
    let tools = tools(&progress).map_err(Failure::MissingPrerequisite)?;
    let images = runtime.block_on(async {
        tokio::select! {
            images = build(args, &tools, &progress) => images,
            // debootstrap hears of it by itself, and is waited for.
            told = late_interrupt() => { told?; Err(Failure::Interrupted(String::new())) }
        }
    })?;
    progress.finish();
    print(&images, args.json);
    Ok(())
}

/// Ends 20 s after an interrupt: a build that has not ended by itself until then is dropped.
async fn late_interrupt() -> anyhow::Result<()> {
    interrupted().await?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    Ok(())
}

/// An image that is there now.
struct Made {
    reference: &'static str,
    inputs: String,
    /// True if it was made now.
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
    let asked = if args.only.is_empty() { &EmulatorImage::OF_TARGET[..] } else { &args.only };
    let all = EmulatorImage::value_variants().iter().copied();
    let wanted = &all.filter(|image| asked.contains(image)).collect::<Vec<_>>();
    // Beside each other, since each waits for debootstrap most of the time. Neither is left in the middle of it.
    let (images, code) = tokio::join!(
        build_of_target(wanted, &env, &cache, tools, progress),
        build_localstack(wanted, &env, &cache, tools, progress),
    );
    let mut images = images?;
    images.extend(code?);
    Ok(images)
}

/// Those of the target `containers`, one after the other.
async fn build_of_target(
    wanted: &[EmulatorImage],
    env: &Env,
    cache: &Cache,
    tools: &Tools,
    progress: &Progress,
) -> Result<Vec<Made>, Failure> {
    let mut images = Vec::new();
    for recipe in wanted.iter().filter_map(|image| Recipe::of(*image, tools)) {
        let inputs = recipe.inputs()?;
        let new = is_missing(recipe.reference, &inputs).await?;
        if new {
            if recipe.on_base {
                ensure_base(env, cache, progress).await?;
            }
            progress.now(format!("{}: making it", recipe.reference));
            recipe.build(&inputs, tools).await?;
        }
        images.push(Made { reference: recipe.reference, inputs, new });
    }
    Ok(images)
}

/// That of `LocalStack`'s code, if it is wanted.
async fn build_localstack(
    wanted: &[EmulatorImage],
    env: &Env,
    cache: &Cache,
    tools: &Tools,
    progress: &Progress,
) -> Result<Option<Made>, Failure> {
    if !wanted.contains(&EmulatorImage::Localstack) {
        return Ok(None);
    }
    let inputs = localstack::inputs();
    let new = is_missing(LOCALSTACK_CODE, &inputs).await?;
    if new {
        localstack::make(&tools.ministack_python, env, cache, progress).await?;
    }
    Ok(Some(Made { reference: LOCALSTACK_CODE, inputs, new }))
}

/// True if there is no such image, or one that was made of other inputs.
async fn is_missing(reference: &str, inputs: &String) -> Result<bool, Failure> {
    let there = docker::image_label(reference, INPUTS).await;
    Ok(there.map_err(|error| Failure::MissingPrerequisite(error.into()))?.as_ref() != Some(inputs))
}

async fn ensure_base(env: &Env, cache: &Cache, progress: &Progress) -> Result<(), Failure> {
    let there = docker::image_label(base::NAME, INPUTS).await.context("look for the base")?;
    if there == Some(BOOKWORM.inputs()) {
        return Ok(());
    }
    base::make(env, cache, progress).await
}

/// Inputs of one image's build.
struct Recipe {
    image: EmulatorImage,
    reference: &'static str,
    /// True if it is built on the base image; else from scratch.
    on_base: bool,
    /// The Dockerfile's instructions for the content, apart from its location.
    dockerfile: String,
    content: Content,
}

/// Content of the image besides the base, at `content` in the Dockerfile's folder.
enum Content {
    File(PathBuf),
    Packages(Packages),
}

impl Recipe {
    /// None for `LocalStack`'s code, which is not made by `docker build`.
    fn of(image: EmulatorImage, tools: &Tools) -> Option<Self> {
        let file = |path: &Path| Content::File(path.to_owned());
        let (reference, on_base, lines, content) = match image {
            EmulatorImage::Localstack => return None,
            EmulatorImage::Ministack => (
                MINISTACK,
                true,
                "COPY content /opt/ministack\n\
                 ENV PYTHONPATH=/opt/ministack PYTHONDONTWRITEBYTECODE=1\n\
                 ENTRYPOINT [\"python3\", \"-u\", \"-m\", \"ministack\"]\n"
                    .to_owned(),
                Content::Packages(Packages {
                    requirements: pins::MINISTACK.requirements,
                    sources: None,
                }),
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
        Some(Self { image, reference, on_base, dockerfile, content })
    }

    fn inputs(&self) -> anyhow::Result<String> {
        let content = match &self.content {
            Content::File(path) => toolbox::verify::sha256_file(path)
                .with_context(|| format!("read {}", path.display()))?,
            Content::Packages(packages) => packages.inputs(),
        };
        let base = if self.on_base { BOOKWORM.inputs() } else { std::env::consts::ARCH.to_owned() };
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
            Content::Packages(packages) => {
                packages.install(&tools.ministack_python, &BOOKWORM, &content).await?;
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
