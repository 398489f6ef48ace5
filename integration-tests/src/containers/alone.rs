//! One emulator alone, for a test of what it can do.

use std::path::Path;

use super::node::Node;
use super::{ContainersError, Image, Run};
use crate::docker;
use crate::emulator::Emulator;
use crate::processes::supervised::{GuardProgram, Supervised};

/// One emulator in a container, on a network of its own. Dropping it removes it, as it is with
/// [`Containers`](super::Containers).
#[derive(Debug)]
pub struct Alone {
    // In the order in which they are dropped: the container before the reaper that looks after what is left.
    node: Node,
    run: Run,
    reaper: Supervised,
}

impl Alone {
    /// Starts what is in `image` in the place of `emulator`, with nothing in it, and waits until it is ready. The last part
    /// of `run_dir` names the container, and its log goes into it.
    pub async fn start(
        emulator: Emulator,
        image: Image,
        guard: &GuardProgram,
        run_dir: &Path,
    ) -> Result<Self, ContainersError> {
        let progress = |text: &str| tracing::info!("{text}");
        let (run, reaper) = Run::begin(guard, run_dir, "us-east-1", progress).await?;
        let node = Node::start(&run, emulator, image).await?;
        Ok(Self { node, run, reaper })
    }

    /// Its URL for the host: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.node.endpoint()
    }

    /// The label `twincloud.run` of everything that was started.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run.id
    }

    /// Removes everything, and waits until it is gone.
    pub async fn stop(mut self) -> Result<(), ContainersError> {
        self.node.remove().await;
        docker::remove_run(&self.run.id).await?;
        self.reaper.stop().await?;
        Ok(())
    }
}
