//! The SDK's configuration, and its errors as text.

use std::any::Any;
use std::error::Error as StdError;
use std::time::{Duration, SystemTime};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::Credentials;
use aws_sdk_cloudformation::config::http::HttpResponse;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

/// Attempts of one call, the first one counted.
const ATTEMPTS: u32 = 4;
/// The timeout of one attempt.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Loads the SDK's configuration for a region. Without an `endpoint` the calls go to AWS, or to
/// `AWS_ENDPOINT_URL`; without `credentials` they are found as by every AWS tool.
pub async fn aws_config(
    endpoint: Option<&str>,
    region: &str,
    credentials: Option<Credentials>,
) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(cloud_aws::tool_http_client())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_attempt_timeout(ATTEMPT_TIMEOUT)
                .build(),
        );
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(credentials) = credentials {
        loader = loader.credentials_provider(credentials);
    }
    loader.load().await
}

/// The credentials can't be used.
#[derive(Debug, thiserror::Error)]
#[error("sign in to AWS: {problem}")]
pub struct SignInError {
    problem: String,
}

/// The identity that the credentials belong to.
pub(crate) struct Identity {
    /// The account's number: twelve digits.
    pub(crate) account: String,
    /// The ARN of the user or of the assumed role; empty if an emulator returns none.
    pub(crate) arn: String,
}

/// Returns the identity of the credentials.
pub(crate) async fn identity(config: &SdkConfig) -> Result<Identity, SignInError> {
    let client = aws_sdk_sts::Client::new(config);
    let answer = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| SignInError { problem: in_words(&error) })?;
    let account = answer.account().filter(|account| !account.is_empty());
    let account = account.ok_or_else(|| SignInError {
        problem: "the answer has no account number; check the endpoint".to_owned(),
    })?;
    let arn = answer.arn().unwrap_or_default();
    Ok(Identity { account: account.to_owned(), arn: arn.to_owned() })
}

/// The number of the account that the credentials are for: twelve digits.
pub async fn account(config: &SdkConfig) -> Result<String, SignInError> {
    Ok(identity(config).await?.account)
}

/// Credentials for emulators, which accept any; these mean account 000000000000.
#[must_use]
pub fn emulator_credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "emulator")
}

/// The reason why a call failed, with the next step if there is one.
pub fn in_words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug + 'static,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let code = error.code().unwrap_or("an error without a code");
            let message = error.message().unwrap_or("no message").trim();
            let answer = (service.raw() as &dyn Any).downcast_ref::<HttpResponse>();
            let date = answer.and_then(|answer| answer.headers().get("date"));
            let clock = cloud_aws::clock_is_off(code, message, date, SystemTime::now());
            match clock.or_else(|| next_step(code).map(str::to_owned)) {
                Some(step) => format!("{message} ({code}); {step}"),
                None => format!("{message} ({code})"),
            }
        }
        SdkError::TimeoutError(_) => {
            "no answer in time; check the network and the endpoint, then run the same command again"
                .to_owned()
        }
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            let cause = failure
                .as_connector_error()
                .map_or_else(|| "no connection".to_owned(), |error| innermost(error));
            format!("the endpoint can't be reached: {cause}; check the network and the endpoint")
        }
        // Such as certificates that can't be read, or a proxy that can't be used.
        SdkError::DispatchFailure(failure) if failure.is_user() => failure
            .as_connector_error()
            .map_or_else(|| "the call can't be made".to_owned(), |error| innermost(error)),
        other => {
            let cause = innermost(other);
            format!("{cause}; check the credentials with `aws sts get-caller-identity`")
        }
    }
}

fn next_step(code: &str) -> Option<&'static str> {
    match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => Some("sign in again"),
        "InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch" => {
            Some("these credentials aren't valid; check them with `aws sts get-caller-identity`")
        }
        "AccessDenied" | "AccessDeniedException" => {
            Some("these credentials may not do this; ask for the permission, or take other ones")
        }
        "Throttling" | "ThrottlingException" => {
            Some("wait a minute, then run the same command again")
        }
        _ => None,
    }
}

/// The innermost error, which names the cause.
fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// The error's text if STS refuses with this code, message and date.
    async fn refused(code: &str, message: &str, date: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        );
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ndate: {date}\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let server = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let _ = stream.read(&mut [0; 16_384]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let config = aws_config(Some(&endpoint), "eu-west-1", Some(emulator_credentials())).await;
        let error = account(&config).await.expect_err("it is refused").to_string();
        server.abort();
        error
    }

    #[tokio::test]
    async fn a_wrong_clock_is_not_told_as_wrong_credentials() {
        const LONG_AGO: &str = "Wed, 01 Jan 2020 01:00:00 GMT";
        let expired = "Signature expired: 20200101T000000Z is now earlier than 20200101T005500Z";
        let skewed = "The difference between the request time and the current time is too large.";
        for (code, message) in [
            ("SignatureDoesNotMatch", expired),
            ("RequestTimeTooSkewed", skewed),
            ("SignatureDoesNotMatch", "The signatures differ."),
        ] {
            let said = refused(code, message, LONG_AGO).await;
            assert!(said.contains("days ahead of AWS's"), "{said}");
            assert!(said.contains("set the clock") && !said.contains("credentials"), "{said}");
        }
        let said = refused("InvalidClientTokenId", "The token is invalid.", LONG_AGO).await;
        assert!(
            said.contains("these credentials aren't valid"),
            "a key is wrong at any time: {said}"
        );
    }
}
