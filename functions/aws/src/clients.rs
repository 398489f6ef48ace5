//! SDK clients, made once per process.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

/// Long enough for a cold service, short enough for several tries within a function's time limit.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// The authorities that AWS's services have their certificates from, as <https://www.amazontrust.com/repository/>
/// lists them.
const AMAZON_ROOTS: &str = include_str!("../roots/amazon-trust-services.pem");

/// Region, credentials and endpoint from the environment (`AWS_*`), with bounded waits.
pub async fn sdk_config() -> SdkConfig {
    config_loader().load().await
}

/// [`sdk_config`] before it is loaded, for one who knows better where AWS is, or who asks.
///
/// A function talks to AWS alone, so it trusts the authorities of AWS alone; reading all those of the system would
/// be most of its cold start. `SSL_CERT_FILE` or `SSL_CERT_DIR` bring others instead, such as a gateway's.
#[must_use]
pub fn config_loader() -> ConfigLoader {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
    let brings_others =
        ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|v| std::env::var_os(v).is_some());
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    if !brings_others && let Ok(tls) = TlsContext::builder().with_trust_store(roots).build() {
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        loader = loader.http_client(client.tls_context(tls).build_https());
    }
    loader
}

/// [`sdk_config`] for one who tries again by himself: a call is tried once, for `timeout` at most, in `region` or else
/// in that of the environment.
pub async fn single_attempt_config(region: Option<&str>, timeout: Duration) -> SdkConfig {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .operation_attempt_timeout(timeout)
        .build();
    let mut loader = config_loader().timeout_config(timeouts).retry_config(RetryConfig::disabled());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roots_are_five_certificates_and_a_client_takes_them() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
        let tls = TlsContext::builder().with_trust_store(roots).build().unwrap();
        let client = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        // Panics if a certificate can't be read.
        drop(client.tls_context(tls).build_https());
    }
}
