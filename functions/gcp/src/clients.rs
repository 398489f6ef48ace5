//! Endpoints of the services, and the credentials for them.

use google_cloud_auth::credentials::{CacheableResource, Credentials, anonymous};
use google_cloud_auth::errors::CredentialsError;

/// Endpoints of emulators as URLs; `None` is the real service, with Application Default Credentials.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// Cloud Storage.
    pub storage: Option<String>,
    /// Firestore.
    pub firestore: Option<String>,
    /// Pub/Sub.
    pub pubsub: Option<String>,
}

impl Endpoints {
    /// Reads the variables by which Google's own tools are directed to an emulator.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Self {
        let endpoint = |name: &str| {
            let host = get(name).filter(|host| !host.is_empty())?;
            Some(if host.contains("://") { host } else { format!("http://{host}") })
        };
        Self {
            storage: endpoint("STORAGE_EMULATOR_HOST"),
            firestore: endpoint("FIRESTORE_EMULATOR_HOST"),
            pubsub: endpoint("PUBSUB_EMULATOR_HOST"),
        }
    }
}

/// Emulators need no credentials, and a machine that runs them may have none.
pub(crate) fn no_credentials() -> Credentials {
    anonymous::Builder::new().build()
}

/// The headers of a request with these credentials.
pub(crate) async fn headers(
    credentials: &Credentials,
) -> Result<http::HeaderMap, CredentialsError> {
    Ok(match credentials.headers(http::Extensions::new()).await? {
        CacheableResource::New { data, .. } => data,
        CacheableResource::NotModified => http::HeaderMap::new(),
    })
}
