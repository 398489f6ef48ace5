//! SDK clients, made once per process.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

/// Long enough for a cold service, short enough for several tries within a function's time limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// Region, credentials and endpoint from the environment (`AWS_*`), with bounded waits.
pub async fn sdk_config() -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts).load().await
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
        // An endpoint of one's own (an emulator, a gateway) has no DNS name for each bucket.
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
