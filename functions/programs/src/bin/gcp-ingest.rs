//! The Cloud Run service behind the push subscription: turns trades into archive objects and candles.

use std::process::ExitCode;

use anyhow::Context as _;
use cloud_gcp::service;
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
    let ingest = service::from_vars(|name| std::env::var(name).ok(), seed).await?;
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
    service::serve(listener, ingest, stop).await.context("serve")?;
    tracing::info!("stopped");
    Ok(())
}
