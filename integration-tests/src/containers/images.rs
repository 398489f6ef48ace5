//! The emulators' images: which ones, where from, and made here where no registry can be reached.

mod base;
mod build;
mod localstack;
mod packages;

use infra::settings::{AwsEmulator, ContainerImages, Containers as Settings};

use super::program::Program;
use crate::docker::{self, DockerError};
use crate::emulator::Emulator;

pub use build::run;

/// The last release of `LocalStack` that runs without an account.
pub const LOCALSTACK: &str = "localstack/localstack:4.14.0";
/// Debian inside: a function is linked to glibc.
const MINISTACK_PUBLISHED: &str = "ministackorg/ministack:full";
const CLOUD_SDK: &str = "gcr.io/google.com/cloudsdktool/google-cloud-cli:528.0.0-emulators";
const FAKE_GCS_SERVER_PUBLISHED: &str = "fsouza/fake-gcs-server:1.54.0";

/// Images that `cargo xtask images build` makes.
const MINISTACK: &str = "twincloud/ministack:1.5.33";
const PUBSUB: &str = "twincloud/pubsub-emulator:local";
const FIRESTORE: &str = "twincloud/firestore-emulator:local";
const FAKE_GCS_SERVER: &str = "twincloud/fake-gcs-server:1.54.0";
/// Named after the package on `PyPI`: `LocalStack`'s own code, and neither what its image brings nor what it fetches.
const LOCALSTACK_CODE: &str = "twincloud/localstack-core:4.14.0";
/// The label of an image that was made here: which of the emulators it is.
const IMAGE: &str = "twincloud.image";
/// The value of [`IMAGE`] that [`LOCALSTACK_CODE`] has.
const LABEL_OF_CODE: &str = "localstack";
/// The label of an image that was made here: a hash of all that it was made of.
const INPUTS: &str = "twincloud.inputs";

/// An image, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// With a tag or a digest.
    pub reference: String,
    /// The program in it.
    pub program: Program,
}

/// An image for each emulator, all of which the engine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// AWS.
    pub aws: Image,
    /// Pub/Sub.
    pub pubsub: Image,
    /// Firestore.
    pub firestore: Image,
    /// Cloud Storage.
    pub storage: Image,
}

/// Why an image can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// There is no engine that answers.
    #[error(transparent)]
    Engine(DockerError),
    /// It is not here and can't be pulled.
    #[error(
        "no image for {emulator}: {why}; where no registry can be reached, `cargo xtask images build` makes one \
         (of LocalStack none that runs functions: choose ministack, --aws-emulator ministack)"
    )]
    NoImage {
        /// For what.
        emulator: Emulator,
        /// The engine's error.
        why: DockerError,
    },
    /// The settings name the image that was made here of `LocalStack`'s code.
    #[error(
        "{reference} holds LocalStack's code alone, for tests: no function runs on it and it has no table; name LocalStack's \
         own image as containers.images.localstack, or choose ministack, --aws-emulator ministack"
    )]
    CodeAlone {
        /// The image.
        reference: String,
    },
    /// The image of `LocalStack`'s code has not been built.
    #[error(
        "no image {LOCALSTACK_CODE}: `cargo xtask images build --only localstack` makes it (as root, with debootstrap)"
    )]
    NotMade,
}

impl Images {
    /// Of each emulator the image that the settings name, else the one that was made here, else the published one, which
    /// is pulled. `aws` comes before the settings. With neither, AWS is `LocalStack` where that can be had.
    pub async fn find(
        settings: &Settings,
        aws: Option<AwsEmulator>,
        progress: impl Fn(&str),
    ) -> Result<Self, ImagesError> {
        docker::version().await.map_err(ImagesError::Engine)?;
        let Settings { aws_emulator, images } = settings;
        let aws = match aws.or(*aws_emulator) {
            Some(AwsEmulator::LocalStack) => localstack(images).await?,
            Some(AwsEmulator::MiniStack) => ministack(images).await?,
            None => match localstack(images).await {
                Ok(image) => image,
                Err(ImagesError::NoImage { why, .. }) => {
                    progress(&format!("AWS by ministack, because LocalStack can't be had: {why}"));
                    ministack(images).await?
                }
                Err(error) => return Err(error),
            },
        };
        let pubsub = [Program::PubSubJar, Program::PubSubOfCloudSdk];
        let firestore = [Program::FirestoreJar, Program::FirestoreOfCloudSdk];
        Ok(Self {
            aws,
            pubsub: google(Emulator::PubSub, images.pubsub.as_ref(), PUBSUB, pubsub).await?,
            firestore: google(Emulator::Firestore, images.firestore.as_ref(), FIRESTORE, firestore)
                .await?,
            storage: Image {
                reference: first(
                    Emulator::Storage,
                    images.storage.as_ref(),
                    FAKE_GCS_SERVER,
                    FAKE_GCS_SERVER_PUBLISHED,
                )
                .await?,
                program: Program::FakeGcsServer,
            },
        })
    }

    /// The emulator of AWS.
    #[must_use]
    pub fn aws_emulator(&self) -> args::AwsEmulator {
        match self.aws.program {
            Program::LocalStack => args::AwsEmulator::Localstack,
            _ => args::AwsEmulator::Ministack,
        }
    }

    /// The one of an emulator.
    #[must_use]
    pub fn of(&self, emulator: Emulator) -> &Image {
        match emulator {
            Emulator::Aws => &self.aws,
            Emulator::PubSub => &self.pubsub,
            Emulator::Firestore => &self.firestore,
            Emulator::Storage => &self.storage,
        }
    }
}

/// The image that was made here of `LocalStack`'s own code. It is for tests of what that code carries: the queues, the
/// archive, and the parts of the stack that are neither functions nor the table.
pub async fn localstack_code() -> Result<Image, ImagesError> {
    docker::version().await.map_err(ImagesError::Engine)?;
    if is_here(LOCALSTACK_CODE).await? {
        return Ok(Image {
            reference: LOCALSTACK_CODE.to_owned(),
            program: Program::LocalStackCode,
        });
    }
    Err(ImagesError::NotMade)
}

async fn localstack(images: &ContainerImages) -> Result<Image, ImagesError> {
    let reference = images.localstack.clone().unwrap_or_else(|| LOCALSTACK.to_owned());
    ensure(Emulator::Aws, &reference).await?;
    let label = docker::image_label(&reference, IMAGE).await.map_err(ImagesError::Engine)?;
    if label.is_some_and(|label| label == LABEL_OF_CODE) {
        return Err(ImagesError::CodeAlone { reference });
    }
    Ok(Image { reference, program: Program::LocalStack })
}

async fn ministack(images: &ContainerImages) -> Result<Image, ImagesError> {
    let asked = images.ministack.as_ref();
    let reference = first(Emulator::Aws, asked, MINISTACK, MINISTACK_PUBLISHED).await?;
    Ok(Image { reference, program: Program::MiniStack })
}

/// One that was made here holds the jar alone; any other is Google's command line.
async fn google(
    emulator: Emulator,
    asked: Option<&String>,
    made_here: &str,
    [jar, cloud_sdk]: [Program; 2],
) -> Result<Image, ImagesError> {
    let reference = first(emulator, asked, made_here, CLOUD_SDK).await?;
    let label = docker::image_label(&reference, IMAGE).await.map_err(ImagesError::Engine)?;
    let is_ours = label.is_some_and(|label| !label.is_empty());
    Ok(Image { reference, program: if is_ours { jar } else { cloud_sdk } })
}

/// The requested image, else the one that was made here, else the published one.
async fn first(
    emulator: Emulator,
    asked: Option<&String>,
    made_here: &str,
    published: &str,
) -> Result<String, ImagesError> {
    let reference = if let Some(asked) = asked {
        asked
    } else if is_here(made_here).await? {
        made_here
    } else {
        published
    };
    ensure(emulator, reference).await?;
    Ok(reference.to_owned())
}

/// True if the engine has this image, of those that are made here.
async fn is_here(reference: &str) -> Result<bool, ImagesError> {
    let label = docker::image_label(reference, IMAGE).await.map_err(ImagesError::Engine)?;
    Ok(label.is_some())
}

async fn ensure(emulator: Emulator, reference: &str) -> Result<(), ImagesError> {
    let ensured = docker::ensure_image(reference).await;
    ensured.map_err(|why| ImagesError::NoImage { emulator, why })
}

/// The AWS emulator of a command line, as the settings name it.
#[must_use]
pub fn asked(aws: args::AwsEmulator) -> AwsEmulator {
    match aws {
        args::AwsEmulator::Localstack => AwsEmulator::LocalStack,
        args::AwsEmulator::Ministack => AwsEmulator::MiniStack,
    }
}
