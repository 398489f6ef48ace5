//! Failures of the engine for Google's emulators.

use std::path::PathBuf;
use std::time::Duration;

use google_cloud_gax::error::Error as ApiError;
use google_cloud_gax::error::rpc::Code;

/// The timeout of one call, with all its retries.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason why Google's side differs from the settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A variable that names an emulator has no value.
    #[error(
        "{variable} has no value: this engine is for emulators; start them with `cargo xtask up`"
    )]
    NoEmulator {
        /// The variable.
        variable: &'static str,
    },
    /// An endpoint that isn't an emulator's.
    #[error(
        "{endpoint} is not an emulator's http://HOST:PORT; what is on Google Cloud itself belongs to terraform-gcp/"
    )]
    NotAnEmulator {
        /// The endpoint.
        endpoint: String,
    },
    /// The emulator refuses connections.
    #[error(
        "reach {service} at {endpoint}: {problem}; are the local clouds still there? start them with `cargo xtask up`"
    )]
    Unreachable {
        /// The service, such as `Pub/Sub`.
        service: &'static str,
        /// Its endpoint.
        endpoint: String,
        /// The error.
        problem: String,
    },
    /// No client could be built.
    #[error(
        "open Pub/Sub at {endpoint}: {problem}; check the endpoint, and the credentials with `gcloud auth application-default login`"
    )]
    Client {
        /// The endpoint, or Google's own.
        endpoint: String,
        /// The error.
        problem: String,
    },
    /// A call was refused.
    #[error("{action} {name}: {cause}")]
    Call {
        /// The operation.
        action: &'static str,
        /// The full name of the topic or subscription.
        name: String,
        /// The error.
        cause: Box<ApiError>,
    },
    /// A call wasn't answered.
    #[error("{action} {name}: no answer within {} s; check the endpoint", CALL_TIMEOUT.as_secs())]
    NoAnswer {
        /// The operation.
        action: &'static str,
        /// The full name of the topic or subscription.
        name: String,
    },
    /// A request failed.
    #[error("{action} {name}; check the endpoint")]
    Request {
        /// The operation.
        action: &'static str,
        /// The full name.
        name: String,
        /// The error.
        source: reqwest::Error,
    },
    /// A request was refused.
    #[error("{action} {name}: {status}: {answer}")]
    Refused {
        /// The operation.
        action: &'static str,
        /// The full name.
        name: String,
        /// The HTTP status.
        status: u16,
        /// The answer's text.
        answer: String,
    },
    /// Another project has a bucket of this name; the names are shared by all projects.
    #[error(
        "the bucket name {bucket} is taken by another project; choose another gcp.bucket_prefix"
    )]
    Taken {
        /// The bucket.
        bucket: String,
    },
    /// A bucket can't be moved while it has objects.
    #[error(
        "replace bucket {bucket}: it holds objects, and a bucket can't be moved; set gcp.archive.location back, or empty it with `cargo xtask destroy gcp` first"
    )]
    NotEmpty {
        /// The bucket.
        bucket: String,
    },
    /// Another writer keeps filling a bucket that is to be deleted.
    #[error(
        "delete bucket {bucket}: somebody goes on to write into it; stop that, then run the same command again"
    )]
    Filled {
        /// The bucket.
        bucket: String,
    },
    /// A service did not become ready.
    #[error("start {service}: {problem}\nthe revision before it, if there was one, goes on")]
    Service {
        /// The service's name.
        service: String,
        /// The reason, with the end of its log.
        problem: String,
    },
    /// The binary is missing among the artifacts.
    #[error("find {artifact} in {}: it isn't there; run `cargo xtask build` first", manifest.display())]
    NoArtifact {
        /// The binary's name.
        artifact: &'static str,
        /// The manifest.
        manifest: PathBuf,
    },
    /// The artifacts can't be read.
    #[error("{0}; run `cargo xtask build` first")]
    Package(infra::package::Error),
    /// The file differs from the manifest.
    #[error("{} isn't what manifest.json says (SHA-256 {found}, not {expected}); package again", path.display())]
    Changed {
        /// The artifact's file.
        path: PathBuf,
        /// Its hash.
        found: String,
        /// The manifest's.
        expected: String,
    },
    /// A schedule that is not a plain period.
    #[error(
        "gcp.replicate.schedule {schedule:?} is no plain period, and the local scheduler knows only those: `*/N * * * *`, `M * * * *`, `M */N * * *` and `M H * * *`"
    )]
    Schedule {
        /// The schedule.
        schedule: String,
    },
    /// Collections nested deeper than a deployment creates.
    #[error("delete {name}: collections lie more than {depth_max} deep in it; delete it by hand")]
    TooDeep {
        /// The collection.
        name: String,
        /// The most levels.
        depth_max: usize,
    },
}

impl Error {
    /// True if something required is missing, as opposed to an operation that failed.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NoEmulator { .. }
                | Self::NotAnEmulator { .. }
                | Self::Unreachable { .. }
                | Self::NoArtifact { .. }
                | Self::Package(_)
        )
    }
}

/// Makes a call of Google's client with the timeout.
pub(super) async fn bounded<T>(
    action: &'static str,
    name: &str,
    call: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|cause| Error::Call {
            action,
            name: name.to_owned(),
            cause: Box::new(cause),
        }),
        Err(_) => Err(Error::NoAnswer { action, name: name.to_owned() }),
    }
}

/// The answer; `None` if the resource is missing.
pub(super) fn if_there<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Error::Call { cause, .. }) if has_code(&cause, Code::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn has_code(error: &ApiError, code: Code) -> bool {
    error.status().is_some_and(|status| status.code == code)
}
