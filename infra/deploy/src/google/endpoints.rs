//! Endpoints of the emulators of Google's services. They can't name Google Cloud itself.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Error;

/// The variable with the address of the local replacement for Cloud Run and Cloud Scheduler.
pub const RUN_VARIABLE: &str = "TWINCLOUD_LOCAL_RUN";

/// The timeout of a connection to an emulator.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Emulators of Google's services, each as a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Pub/Sub.
    pub pubsub: String,
    /// Firestore.
    pub firestore: String,
    /// Cloud Storage.
    pub storage: String,
    /// The local replacement for Cloud Run and Cloud Scheduler; see [`crate::local::run`].
    pub run: String,
}

impl Endpoints {
    /// Reads the variables of [`variables`](Self::variables). A missing one is an error: a service without an emulator
    /// is Terraform's.
    pub fn from_vars(get: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let endpoint = |variable: &'static str| {
            let host = get(variable).filter(|host| !host.is_empty());
            let host = host.ok_or(Error::NoEmulator { variable })?;
            Ok::<_, Error>(if host.contains("://") { host } else { format!("http://{host}") })
        };
        let endpoints = Self {
            pubsub: endpoint("PUBSUB_EMULATOR_HOST")?,
            firestore: endpoint("FIRESTORE_EMULATOR_HOST")?,
            storage: endpoint("STORAGE_EMULATOR_HOST")?,
            run: endpoint(RUN_VARIABLE)?,
        };
        endpoints.named().into_iter().try_for_each(|(_, url)| host_and_port(url).map(drop))?;
        Ok(endpoints)
    }

    /// The variables that direct Google's and this project's own tools to the emulators.
    #[must_use]
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.for_services();
        variables.insert(RUN_VARIABLE.to_owned(), self.run.clone());
        variables
    }

    /// The variables that a service gets: none with which it could start another one.
    pub(super) fn for_services(&self) -> BTreeMap<String, String> {
        let host =
            |url: &String| url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        [
            ("PUBSUB_EMULATOR_HOST", host(&self.pubsub)),
            ("FIRESTORE_EMULATOR_HOST", host(&self.firestore)),
            ("STORAGE_EMULATOR_HOST", self.storage.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Checks that each is a reachable emulator. Google's client would try for half a minute to reach a missing one.
    pub(super) async fn check(&self) -> Result<(), Error> {
        for (service, url) in self.named() {
            let unreachable =
                |problem: String| Error::Unreachable { service, endpoint: url.to_owned(), problem };
            match timeout(CONNECT_TIMEOUT, TcpStream::connect(host_and_port(url)?)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(unreachable(error.to_string())),
                Err(_) => return Err(unreachable("no answer".to_owned())),
            }
        }
        Ok(())
    }

    fn named(&self) -> [(&'static str, &str); 4] {
        [
            ("Pub/Sub", &self.pubsub),
            ("Firestore", &self.firestore),
            ("Cloud Storage", &self.storage),
            ("Cloud Run", &self.run),
        ]
    }
}

/// The host and port of an emulator's URL. Refuses URLs of Google's own, and TLS, which no emulator supports.
fn host_and_port(url: &str) -> Result<String, Error> {
    let refused = || Error::NotAnEmulator { endpoint: url.to_owned() };
    let parsed = reqwest::Url::parse(url).map_err(|_| refused())?;
    let (Some(host), Some(port)) = (parsed.host_str(), parsed.port_or_known_default()) else {
        return Err(refused());
    };
    let googles = host == "googleapis.com" || host.ends_with(".googleapis.com");
    if parsed.scheme() == "http" && !googles {
        Ok(format!("{host}:{port}"))
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vars(name: &str) -> Option<String> {
        let value = match name {
            "PUBSUB_EMULATOR_HOST" => "127.0.0.1:1",
            "FIRESTORE_EMULATOR_HOST" => "127.0.0.1:2",
            "STORAGE_EMULATOR_HOST" => "http://127.0.0.1:3",
            RUN_VARIABLE => "http://127.0.0.1:4/secret",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn variables_are_read_as_they_are_given() {
        let endpoints = Endpoints::from_vars(vars).expect("all are there");
        assert_eq!(endpoints.pubsub, "http://127.0.0.1:1");
        let again = Endpoints::from_vars(|name| endpoints.variables().get(name).cloned());
        assert_eq!(again.expect("all are there"), endpoints);
    }

    #[test]
    fn a_missing_emulator_is_named_and_google_itself_is_refused() {
        for missing in ["PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", RUN_VARIABLE] {
            let error = Endpoints::from_vars(|name| vars(name).filter(|_| name != missing));
            let error = error.expect_err("one is missing").to_string();
            assert!(error.contains(missing) && error.contains("cargo xtask up"), "{error}");
        }
        for real in ["https://storage.googleapis.com", "storage.googleapis.com:80", "https://x"] {
            let error = Endpoints::from_vars(|name| match name {
                "STORAGE_EMULATOR_HOST" => Some(real.to_owned()),
                _ => vars(name),
            });
            let error = error.expect_err("no emulator").to_string();
            assert!(error.contains("terraform-gcp"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_emulator_that_is_not_there_is_named_at_once() {
        let mut endpoints = Endpoints::from_vars(vars).expect("all are there");
        endpoints.pubsub = "http://127.0.0.1:9".to_owned();
        let error = endpoints.check().await.expect_err("nobody listens").to_string();
        assert!(error.contains("Pub/Sub") && error.contains("http://127.0.0.1:9"), "{error}");
        assert!(error.contains("cargo xtask up"), "{error}");
    }
}
