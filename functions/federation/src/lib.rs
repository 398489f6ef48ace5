//! Credentials for the other cloud without any of its keys.
//!
//! - **AWS to Google.** The program signs a `GetCallerIdentity` request with its role's credentials and does not send it:
//!   Google's token service does, learns from AWS which role signed, and returns an access token (workload identity
//!   federation).
//! - **Google to AWS.** The metadata server issues an identity token of the service account for an audience; AWS's token
//!   service exchanges it for credentials of a role (`AssumeRoleWithWebIdentity`).
//!
//! A producer on an EC2 instance uses Google's client libraries for the former: an `external_account` file makes them read the
//! instance's role from its metadata.
//!
//! Both kinds of credentials are fetched at the first use and again before they expire.

use anyhow::Context as _;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use google_cloud_auth::credentials::external_account;
use google_cloud_auth::credentials::idtoken::{IDTokenCredentials, mds};
use serde_json::json;

/// Google's token service.
pub const GOOGLE_STS: &str = "https://sts.googleapis.com/v1/token";

/// The session name in AWS's logs.
const SESSION: &str = "twincloud";
/// Read access only.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_only";
/// The URL that Google's token service sends the signed request to.
const CALLER_IDENTITY: &str =
    "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";

/// Credentials for Google Cloud of the AWS role whose credentials and region are in the environment, as in a Lambda function.
/// `audience` is the provider of the workload identity pool, `//iam.googleapis.com/projects/…`.
pub fn google_credentials(
    audience: &str,
    sts: &str,
) -> anyhow::Result<google_cloud_auth::credentials::Credentials> {
    let config = json!({
        "type": "external_account",
        "audience": audience,
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "token_url": sts,
        "credential_source": {
            "environment_id": "aws1",
            "regional_cred_verification_url": CALLER_IDENTITY,
        },
    });
    let credentials = external_account::Builder::new(config).with_scopes([SCOPE]).build();
    credentials.context("prepare the exchange of the role's identity at Google's token service")
}

/// Credentials for AWS of the Google service account that this program runs as.
#[derive(Debug)]
pub struct AwsIdentity {
    token: IDTokenCredentials,
    sts: aws_sdk_sts::Client,
    role: String,
}

impl AwsIdentity {
    /// `role` is an ARN, `sts` the URL of AWS's token service, and `metadata` that of the metadata server if it is not the
    /// default one.
    pub fn new(
        audience: &str,
        role: &str,
        sts: &SdkConfig,
        metadata: Option<&str>,
    ) -> anyhow::Result<Self> {
        let builder = mds::Builder::new(audience);
        let builder = match metadata {
            Some(metadata) => builder.with_endpoint(metadata),
            None => builder,
        };
        let token = builder.build().context("prepare the metadata server's identity token")?;
        Ok(Self { token, sts: aws_sdk_sts::Client::new(sts), role: role.to_owned() })
    }

    async fn assume(&self) -> provider::Result {
        let token = self
            .token
            .id_token()
            .await
            .map_err(|error| failed("ask the metadata server for an identity token", &error))?;
        let assume = self.sts.assume_role_with_web_identity().web_identity_token(token);
        let assumed = assume.role_arn(&self.role).role_session_name(SESSION).send().await;
        let assumed = assumed.map_err(|error| {
            failed(&format!("assume the role {}", self.role), &error.into_service_error())
        })?;
        let credentials = assumed.credentials.ok_or_else(|| {
            CredentialsError::unhandled(format!("assume the role {}: no credentials", self.role))
        })?;
        let expiry = credentials.expiration.try_into().ok();
        let (id, secret) = (credentials.access_key_id, credentials.secret_access_key);
        Ok(Credentials::new(id, secret, Some(credentials.session_token), expiry, SESSION))
    }
}

impl ProvideCredentials for AwsIdentity {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.assume())
    }
}

fn failed(what: &str, error: &dyn std::error::Error) -> CredentialsError {
    let mut text = format!("{what}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    CredentialsError::provider_error(text)
}
