//! All four emulators, started at once.

use std::path::PathBuf;

use toolbox::Tools;

use futures::future::try_join_all;

use super::emulators::{self, Context, Launch, Running, StartError, ministack};
use super::supervised::{GuardProgram, OnEvent, SuperviseError};
use crate::emulator::Emulator;
use crate::history::CloudId;

/// Settings of the clouds' emulators.
#[derive(Debug, Clone)]
pub struct Options {
    /// Paths of the programs, from [`super::fetch::tools`].
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

    /// Settings for an emulator that is started alone, or again.
    #[must_use]
    pub fn context(&self) -> Context {
        Context { tools: self.tools.clone(), launch: self.launch() }
    }

    /// Settings for any process that is started beside the emulators.
    #[must_use]
    pub fn launch(&self) -> Launch {
        Launch {
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
    #[error("create {}: {cause}", path.display())]
    RunDir {
        /// The folder.
        path: PathBuf,
        /// The I/O error.
        cause: std::io::Error,
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
    options: Options,
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
            .map_err(|cause| LocalCloudsError::RunDir { path: path.clone(), cause })?;
        let options = &Options { run_dir: path, ..options.clone() };
        let context = options.context();
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
        Ok(Self { ministack, pubsub, firestore, fake_gcs, options: options.clone() })
    }

    /// URL of an emulator: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self, emulator: Emulator) -> &str {
        &self.running(emulator).endpoint
    }

    /// URL of AWS.
    #[must_use]
    pub fn aws_endpoint(&self) -> &str {
        &self.ministack.endpoint
    }

    /// URL of Pub/Sub.
    #[must_use]
    pub fn pubsub_endpoint(&self) -> &str {
        &self.pubsub.endpoint
    }

    /// URL of Firestore.
    #[must_use]
    pub fn firestore_endpoint(&self) -> &str {
        &self.firestore.endpoint
    }

    /// URL of Cloud Storage.
    #[must_use]
    pub fn gcs_endpoint(&self) -> &str {
        &self.fake_gcs.endpoint
    }

    /// `kill -9` of a cloud's emulators, and their data with them.
    pub async fn kill(&mut self, cloud: CloudId) -> Result<(), SuperviseError> {
        let killed = self.all_mut(cloud).into_iter().map(|running| running.supervised.kill9());
        try_join_all(killed).await.map(drop)
    }

    /// Starts a cloud's emulators that were killed, with no data, on other ports.
    pub async fn start_again(&mut self, cloud: CloudId) -> Result<(), StartError> {
        let context = &self.options.context();
        match cloud {
            CloudId::Aws => {
                self.ministack = ministack::start(context, &self.options.ministack).await?;
            }
            CloudId::Gcp => {
                (self.pubsub, self.firestore, self.fake_gcs) = tokio::try_join!(
                    emulators::pubsub::start(context),
                    emulators::firestore::start(context),
                    emulators::fake_gcs::start(context)
                )?;
            }
        }
        Ok(())
    }

    /// Stops a cloud's emulators in their tracks: no connection closes, nothing answers.
    pub fn pause(&self, cloud: CloudId) {
        for emulator in Emulator::of(cloud) {
            self.running(*emulator).supervised.pause();
        }
    }

    /// Undoes [`Self::pause`].
    pub fn resume(&self, cloud: CloudId) {
        for emulator in Emulator::of(cloud) {
            self.running(*emulator).supervised.resume();
        }
    }

    /// Kills one AWS function that runs now, if there is one, and says which: its process below ministack.
    #[must_use]
    pub fn kill_function(&self) -> Option<u32> {
        super::kill_below(self.ministack.supervised.pid()?, "bootstrap")
    }

    fn running(&self, emulator: Emulator) -> &Running {
        match emulator {
            Emulator::Aws => &self.ministack,
            Emulator::PubSub => &self.pubsub,
            Emulator::Firestore => &self.firestore,
            Emulator::Storage => &self.fake_gcs,
        }
    }

    fn all_mut(&mut self, cloud: CloudId) -> Vec<&mut Running> {
        match cloud {
            CloudId::Aws => vec![&mut self.ministack],
            CloudId::Gcp => vec![&mut self.pubsub, &mut self.firestore, &mut self.fake_gcs],
        }
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
