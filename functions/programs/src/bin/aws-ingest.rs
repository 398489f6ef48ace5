//! The Lambda function behind the queue: turns trades into archive objects and candles.

use std::process::ExitCode;

use cloud_aws::{Clients, function, sdk_config};
use lambda_runtime::{LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cloud_aws::log::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = %format!("{error:#}"), "the function could not run");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let clients = Clients::new(&sdk_config().await);
    let seed = u64::from(std::process::id());
    let ingest = function::from_vars(&clients, |name| std::env::var(name).ok(), seed)?;
    let ingest = &ingest;
    let handler =
        service_fn(async |event: LambdaEvent<_>| function::handle(ingest, event.payload).await);
    lambda_runtime::run(handler).await.map_err(anyhow::Error::from_boxed)
}
