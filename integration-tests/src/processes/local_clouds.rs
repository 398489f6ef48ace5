//! All four emulators, started at once.

use std::path::PathBuf;

use toolbox::Tools;

use super::emulators::{self, Context, Running, StartError, ministack};
use super::supervised::{GuardProgram, OnEvent, SuperviseError};

/// What to start the clouds with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the programs are, as [`super::fetch::tools`] gives it.
    pub tools: Tools,
    /// The program that has the subcommand `guard`.
    pub guard: GuardProgram,
    /// The folder of this run. All that the clouds write is in it.
    pub run_dir: PathBuf,
    /// Is told of every start and end of an emulator.
    pub on_event: OnEvent,
    /// For the AWS side.
    pub ministack: ministack::Options,
}

impl Options {
    /// With this program as the guard.
    #[must_use]
    pub fn new(tools: Tools, run_dir: impl Into<PathBuf>) -> Self {
        Self {
            tools,
            guard: GuardProgram::own(),
            run_dir: run_dir.into(),
            on_event: OnEvent::ignore(),
            ministack: ministack::Options::default(),
        }
    }

    /// What an emulator that is started alone, or again, is started with.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            tools: self.tools.clone(),
            guard: self.guard.clone(),
            run_dir: self.run_dir.clone(),
            on_event: self.on_event.clone(),
        }
    }
}

/// Why the clouds can't be had.
#[derive(Debug, thiserror::Error)]
pub enum LocalCloudsError {
    /// The folder of the run can't be made.
    #[error("create {}: {source}", path.display())]
    RunDir {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An emulator did not become ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An emulator did not stop.
    #[error(transparent)]
    Stop(#[from] SuperviseError),
}

/// Both clouds, as four processes. Dropping it ends them, in the background.
#[derive(Debug)]
pub struct LocalClouds {
    /// AWS.
    pub ministack: Running,
    /// Pub/Sub.
    pub pubsub: Running,
    /// Firestore.
    pub firestore: Running,
    /// Cloud Storage.
    pub fake_gcs: Running,
}

impl LocalClouds {
    /// Starts all four at once, and waits until all are ready. If one fails, the others are ended.
    pub async fn start(
        options: &Options,
        progress: impl Fn(&str),
    ) -> Result<Self, LocalCloudsError> {
        let path =
            std::path::absolute(&options.run_dir).unwrap_or_else(|_| options.run_dir.clone());
        std::fs::create_dir_all(&path)
            .map_err(|source| LocalCloudsError::RunDir { path: path.clone(), source })?;
        let context = Context { run_dir: path, ..options.context() };
        let begun = std::time::Instant::now();
        let ready = |name: &str, running: Running| {
            progress(&format!(
                "{name} is ready at {} after {} ms",
                running.endpoint,
                begun.elapsed().as_millis()
            ));
            running
        };
        progress("starting ministack, Pub/Sub, Firestore and fake-gcs-server");
        let (ministack, pubsub, firestore, fake_gcs) = tokio::try_join!(
            async {
                ministack::start(&context, &options.ministack)
                    .await
                    .map(|running| ready("ministack", running))
            },
            async {
                emulators::pubsub::start(&context).await.map(|running| ready("Pub/Sub", running))
            },
            async {
                emulators::firestore::start(&context)
                    .await
                    .map(|running| ready("Firestore", running))
            },
            async {
                emulators::fake_gcs::start(&context)
                    .await
                    .map(|running| ready("fake-gcs-server", running))
            },
        )?;
        Ok(Self { ministack, pubsub, firestore, fake_gcs })
    }

    /// Where AWS is.
    #[must_use]
    pub fn aws_endpoint(&self) -> &str {
        &self.ministack.endpoint
    }

    /// Where Pub/Sub is.
    #[must_use]
    pub fn pubsub_endpoint(&self) -> &str {
        &self.pubsub.endpoint
    }

    /// Where Firestore is.
    #[must_use]
    pub fn firestore_endpoint(&self) -> &str {
        &self.firestore.endpoint
    }

    /// Where Cloud Storage is.
    #[must_use]
    pub fn gcs_endpoint(&self) -> &str {
        &self.fake_gcs.endpoint
    }

    /// Ends all four at once, and waits until they are gone.
    pub async fn stop(mut self) -> Result<(), LocalCloudsError> {
        let (ministack, pubsub, firestore, fake_gcs) = tokio::join!(
            self.ministack.stop(),
            self.pubsub.stop(),
            self.firestore.stop(),
            self.fake_gcs.stop()
        );
        for stopped in [ministack, pubsub, firestore, fake_gcs] {
            stopped?;
        }
        Ok(())
    }
}
