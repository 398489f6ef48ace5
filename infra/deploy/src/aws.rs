//! The SDK's configuration, and its errors in words.

use std::error::Error as StdError;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_cloudformation::config::Credentials;
use aws_sdk_cloudformation::error::{ProvideErrorMetadata, SdkError};

/// Attempts of one call, the first one counted.
const ATTEMPTS: u32 = 4;
/// How long one attempt may take.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Loads the SDK's configuration for a region. Without an `endpoint` the calls go to AWS, or where
/// `AWS_ENDPOINT_URL` says; without `credentials` they are looked for as every AWS tool does.
pub async fn aws_config(
    endpoint: Option<&str>,
    region: &str,
    credentials: Option<Credentials>,
) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
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

/// The number of the account that the credentials are for: twelve digits.
pub async fn account(config: &SdkConfig) -> Result<String, SignInError> {
    let client = aws_sdk_sts::Client::new(config);
    let answer = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|error| SignInError { problem: in_words(&error) })?;
    let account = answer.account().filter(|account| !account.is_empty());
    account.map(str::to_owned).ok_or_else(|| SignInError {
        problem: "the answer has no account number; check the endpoint".to_owned(),
    })
}

/// What emulators take as credentials: anything, and this means account 000000000000.
#[must_use]
pub fn emulator_credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "emulator")
}

/// Why a call failed, with the next step where there is one.
pub fn in_words<E, R>(error: &SdkError<E, R>) -> String
where
    E: ProvideErrorMetadata + StdError + 'static,
    R: std::fmt::Debug,
{
    match error {
        SdkError::ServiceError(service) => {
            let error = service.err();
            let code = error.code().unwrap_or("an error without a code");
            let message = error.message().unwrap_or("no message").trim();
            match next_step(code) {
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

/// The error at the bottom, which knows the cause.
fn innermost(error: &dyn StdError) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
