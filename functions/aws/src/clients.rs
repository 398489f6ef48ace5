//! SDK clients, made once per process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::http::{self, Trust};

/// Long enough for a cold service, short enough for several tries within a function's time limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Region, credentials and endpoint from the environment (`AWS_*`), with bounded waits.
pub async fn sdk_config() -> SdkConfig {
    config_loader().load().await
}

/// [`sdk_config`] before it is loaded, for callers that set an endpoint or credentials.
///
/// A function talks to AWS alone, so it trusts the authorities of AWS alone, unless the environment names others, such as a
/// gateway's: see `http.rs`.
#[must_use]
pub fn config_loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let client = http::client(Trust::Amazon, |name| std::env::var(name).ok());
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).http_client(client)
}

/// The HTTP client of tools on a person's or a company's machine: it trusts the authorities of the system.
#[must_use]
pub fn tool_http_client() -> SharedHttpClient {
    http::client(Trust::System, |name| std::env::var(name).ok())
}

/// The configuration of a tool that retries by itself: a call is tried once, for `timeout` at most, in `region` or else in
/// the environment's region.
pub async fn single_attempt_config(region: Option<&str>, timeout: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .operation_attempt_timeout(timeout)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(tool_http_client())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::disabled());
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_owned()));
    }
    loader.load().await
}

/// The clients of the services that the pipeline uses.
#[derive(Clone, Debug)]
pub struct Clients {
    /// Candles.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// The archive.
    pub s3: aws_sdk_s3::Client,
    /// The queue.
    pub sqs: aws_sdk_sqs::Client,
}

impl Clients {
    /// Clients that share `config`.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        // A custom endpoint (an emulator, a gateway) has no DNS name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(config)
            .force_path_style(config.endpoint_url().is_some())
            .build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            sqs: aws_sdk_sqs::Client::new(config),
        }
    }
}
