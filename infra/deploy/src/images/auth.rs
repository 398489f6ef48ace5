//! Credentials for a registry.

use docker_credential::{CredentialRetrievalError, DockerCredential};
use google_cloud_auth::credentials;
use infra::package::image::Repository;
use oci_client::secrets::RegistryAuth;

use super::Error;

/// The user name that Google's registries expect with an access token.
const GOOGLE_USER: &str = "oauth2accesstoken";

pub(super) async fn of(repository: &Repository) -> Result<RegistryAuth, Error> {
    if repository.is_google() { google(repository).await } else { docker(repository) }
}

/// A token of the Application Default Credentials.
async fn google(repository: &Repository) -> Result<RegistryAuth, Error> {
    let registry = || repository.registry().to_owned();
    let failed = |problem: String| Error::NoGoogleCredentials { registry: registry(), problem };
    let credentials = credentials::Builder::default()
        .build_access_token_credentials()
        .map_err(|error| failed(error.to_string()))?;
    let token = credentials.access_token().await.map_err(|error| failed(error.to_string()))?;
    Ok(RegistryAuth::Basic(GOOGLE_USER.to_owned(), token.token))
}

/// The login of `docker login`, or anonymous.
fn docker(repository: &Repository) -> Result<RegistryAuth, Error> {
    use CredentialRetrievalError as Cause;
    match docker_credential::get_credential(repository.registry()) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(Error::DockerCredentials {
            registry: repository.registry().to_owned(),
            problem: "it is an identity token, which can't be used here".to_owned(),
        }),
        // There is no such file, or it has no entry for this registry.
        Err(Cause::ConfigNotFound | Cause::ConfigReadError | Cause::NoCredentialConfigured) => {
            Ok(RegistryAuth::Anonymous)
        }
        Err(error) => Err(Error::DockerCredentials {
            registry: repository.registry().to_owned(),
            problem: error.to_string(),
        }),
    }
}
