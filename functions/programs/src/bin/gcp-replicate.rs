//! The Cloud Run service on a schedule: copies objects that this cloud lacks from AWS.

use std::process::ExitCode;

use anyhow::Context as _;
use replicate::{gcp, service};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    cloud_gcp::log::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the service could not run");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let port = std::env::var("PORT").context("read the environment variable PORT")?;
    let port: u16 = port.parse().with_context(|| format!("read PORT={port} as a port number"))?;
    let seed = u64::from(std::process::id());
    let get = |name: &str| std::env::var(name).ok();
    let settings = gcp::settings(get)?;
    let replicate = gcp::from_vars(get, seed).await?;
    // Cloud Run routes to the container's address, not to its loopback; a local run needs the loopback only.
    let host = std::env::var("TWINCLOUD_LISTEN_HOST").unwrap_or_else(|_| "0.0.0.0".to_owned());
    let listener = TcpListener::bind((host.as_str(), port)).await;
    let listener = listener.with_context(|| format!("listen on {host}:{port}"))?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let stop = async move {
        terminated.recv().await;
        tracing::info!("stopping: SIGTERM");
    };
    tracing::info!(port, "listening");
    service::serve(listener, replicate, settings, stop).await.context("serve")?;
    tracing::info!("stopped");
    Ok(())
}
