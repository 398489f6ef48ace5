//! Calls to one repository of a registry, each retried a bounded number of times.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use infra::package::image::Repository;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use reqwest::header::HeaderValue;

use super::Error;
use super::auth;
use super::error::{is_transient, status};

/// Tries of one call, the first one counted.
const ATTEMPTS: u32 = 4;
/// Pause before the second try; doubles with each.
const PAUSE: Duration = Duration::from_millis(200);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time without a byte from the registry.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// The purpose of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Pull,
    Push,
}

pub(super) struct Registry {
    client: Client,
    repository: Repository,
}

impl Registry {
    /// Signs in, if the registry requires it.
    pub(super) async fn sign_in(repository: &Repository, access: Access) -> Result<Self, Error> {
        let protocol =
            if repository.is_loopback() { ClientProtocol::Http } else { ClientProtocol::Https };
        let client = Client::try_from(ClientConfig {
            protocol,
            // One request a blob; Artifact Registry accepts no other.
            use_monolithic_push: true,
            connect_timeout: Some(CONNECT_TIMEOUT),
            read_timeout: Some(READ_TIMEOUT),
            user_agent: concat!("twincloud/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        });
        let failed = |error| Error::of("open", repository, &error);
        let registry = Self { client: client.map_err(failed)?, repository: repository.clone() };
        let auth = auth::of(repository).await?;
        let operation = match access {
            Access::Pull => RegistryOperation::Pull,
            Access::Push => RegistryOperation::Push,
        };
        let reference = registry.at("");
        registry.tried("sign in to", || registry.client.auth(&reference, &auth, operation)).await?;
        // Existence checks request their own token.
        registry.client.store_auth_if_needed(repository.registry(), &auth).await;
        Ok(registry)
    }

    pub(super) async fn has_manifest(&self, digest: &str) -> Result<bool, Error> {
        let reference = self.at(digest);
        // The client uses the credentials stored at the sign-in, not this one.
        let auth = RegistryAuth::Anonymous;
        let found = self
            .tried("look for the manifest in", || async {
                match self.client.fetch_manifest_digest(&reference, &auth).await {
                    Err(error) if is_absent(&error) => Ok(false),
                    found => found.map(|_| true),
                }
            })
            .await?;
        Ok(found)
    }

    pub(super) async fn has_blob(&self, digest: &str) -> Result<bool, Error> {
        let reference = self.at("");
        self.tried("look for a layer in", || self.client.blob_exists(&reference, digest)).await
    }

    pub(super) async fn send_blob(&self, digest: &str, content: &[u8]) -> Result<(), Error> {
        let reference = self.at("");
        let content = Bytes::copy_from_slice(content);
        self.tried("push a layer to", || self.client.push_blob(&reference, content.clone(), digest))
            .await
            .map(drop)
    }

    pub(super) async fn send_manifest(
        &self,
        digest: &str,
        content: &[u8],
        media_type: &'static str,
    ) -> Result<(), Error> {
        let reference = self.at(digest);
        let content = Bytes::copy_from_slice(content);
        let media_type = HeaderValue::from_static(media_type);
        self.tried("push the manifest to", || {
            self.client.push_manifest_raw(&reference, content.clone(), media_type.clone())
        })
        .await
        .map(drop)
    }

    /// A manifest of one of these types.
    pub(super) async fn manifest(&self, digest: &str, types: &[&str]) -> Result<Bytes, Error> {
        let reference = self.at(digest);
        let auth = RegistryAuth::Anonymous;
        let (content, _) = self
            .tried("pull a manifest from", || {
                self.client.pull_manifest_raw(&reference, &auth, types)
            })
            .await?;
        Ok(content)
    }

    pub(super) async fn blob(&self, digest: &str) -> Result<Vec<u8>, Error> {
        let reference = self.at("");
        let descriptor = OciDescriptor { digest: digest.to_owned(), ..OciDescriptor::default() };
        self.tried("pull a layer from", || async {
            let mut content = Vec::new();
            // This checks the digest.
            self.client.pull_blob(&reference, &descriptor, &mut content).await?;
            Ok(content)
        })
        .await
    }

    /// The digest in place of a tag: the path of the request is the same, and if a registry sends no
    /// `Location`, the client expects a tag at the end of its own URL and panics without one.
    fn at(&self, digest: &str) -> Reference {
        Reference::with_tag(
            self.repository.registry().to_owned(),
            self.repository.path().to_owned(),
            digest.to_owned(),
        )
    }

    async fn tried<T, F>(&self, action: &'static str, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, OciDistributionError>>,
    {
        let mut attempt = 1;
        loop {
            match call().await {
                Ok(done) => return Ok(done),
                Err(error) if attempt < ATTEMPTS && is_transient(&error) => {
                    tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                Err(error) => return Err(Error::of(action, &self.repository, &error)),
            }
        }
    }
}

/// True if the registry has no such manifest or repository.
fn is_absent(error: &OciDistributionError) -> bool {
    matches!(error, OciDistributionError::ImageManifestNotFoundError(_))
        || status(error) == Some(404)
}
