//! A container of an image, as testcontainers starts it.

use testcontainers::core::{ContainerPort, Mount, WaitFor};

use super::program::Program;
use super::{Image, Run};

/// The engine's socket; `LocalStack` starts functions with it.
const ENGINE_SOCKET: &str = "/var/run/docker.sock";

/// A container that is to be started.
#[derive(Debug)]
pub(super) struct Start {
    name: String,
    tag: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, String)>,
    mounts: Vec<Mount>,
    ports: [ContainerPort; 1],
}

impl Start {
    pub(super) fn new(image: &Image, run: &Run, container: &str, port: u16) -> Self {
        // The text after the last colon, a tag or the end of a digest: testcontainers puts it back.
        let (name, tag) = image.reference.rsplit_once(':').unwrap_or((&image.reference, "latest"));
        let engine = || Mount::bind_mount(ENGINE_SOCKET, ENGINE_SOCKET);
        Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
            arguments: image.program.arguments(port),
            environment: image.program.environment(run, container, port),
            mounts: (image.program == Program::LocalStack).then(engine).into_iter().collect(),
            ports: [ContainerPort::Tcp(port)],
        }
    }
}

impl testcontainers::Image for Start {
    fn name(&self) -> &str {
        &self.name
    }

    fn tag(&self) -> &str {
        &self.tag
    }

    /// None: who starts it asks it by HTTP.
    fn ready_conditions(&self) -> Vec<WaitFor> {
        Vec::new()
    }

    fn env_vars(
        &self,
    ) -> impl IntoIterator<
        Item = (impl Into<std::borrow::Cow<'_, str>>, impl Into<std::borrow::Cow<'_, str>>),
    > {
        self.environment.iter().map(|(name, value)| (*name, value))
    }

    fn mounts(&self) -> impl IntoIterator<Item = &Mount> {
        &self.mounts
    }

    fn cmd(&self) -> impl IntoIterator<Item = impl Into<std::borrow::Cow<'_, str>>> {
        &self.arguments
    }

    fn expose_ports(&self) -> &[ContainerPort] {
        &self.ports
    }
}
