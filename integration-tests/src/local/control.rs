//! What stands in for Cloud Run and Cloud Scheduler on this machine: [`deploy::local::run`] over HTTP.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::http;
use super::jobs::Jobs;
use super::services::Services;
use super::shared::Shared;
use crate::processes::emulators::Launch;

/// The control plane of local services and jobs. Dropping it ends what it runs, in the background.
#[derive(Debug)]
pub struct Control {
    /// Its URL. The path is a secret: it allows running any program as this user.
    pub endpoint: String,
    shared: Arc<Shared>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Control {
    /// Listens on a free port of loopback. What it runs is started with `launch`, and works below its folder.
    pub async fn start(launch: Launch) -> anyhow::Result<Self> {
        let folder = launch.run_dir.join("services");
        make_anew(&folder).with_context(|| format!("make {} anew", folder.display()))?;
        let shared = Arc::new(Shared {
            services: Services::new(launch, folder),
            jobs: Jobs::new().context("open a client for jobs")?,
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.context("listen on loopback for the local Cloud Run")?;
        let secret = format!("{:032x}", rand::random::<u128>());
        let address = listener.local_addr().context("read the port of the local Cloud Run")?;
        let router = http::router(&secret, Arc::clone(&shared));
        let (stop, stopped) = oneshot::channel();
        let server = axum::serve(listener, router).with_graceful_shutdown(async {
            // Also if the other end is dropped.
            let _ = stopped.await;
        });
        let server = tokio::spawn(async { server.await });
        Ok(Self { endpoint: format!("http://{address}/{secret}"), shared, stop, server })
    }

    /// Ends all services and jobs, and waits until they are gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        let _ = self.stop.send(());
        self.shared.jobs.stop();
        let stopped = self.shared.services.stop().await;
        // A request that is still being answered has nothing left to work on.
        self.server.abort();
        stopped.context("stop the local services")
    }
}

/// Makes the folder anew: the files of a killed run are of no use.
fn make_anew(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder)
}
