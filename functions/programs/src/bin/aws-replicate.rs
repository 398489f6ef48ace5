//! The Lambda function on a schedule: copies objects that this cloud lacks from Google Cloud.

use std::process::ExitCode;

use cloud_aws::{Clients, sdk_config};
use lambda_runtime::{LambdaEvent, service_fn};
use replicate::aws;
use serde_json::Value;

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
    let replicate = aws::from_vars(&clients, |name| std::env::var(name).ok(), seed).await?;
    let replicate = &replicate;
    // The event itself starts a run; its content is ignored.
    let handler = service_fn(async |event: LambdaEvent<Value>| {
        aws::handle(replicate, event.context.deadline()).await
    });
    lambda_runtime::run(handler).await.map_err(anyhow::Error::from_boxed)
}
