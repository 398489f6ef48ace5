//! Failures at a registry, each with the next step.

use std::error::Error as StdError;

use infra::package::image::Repository;
use oci_client::errors::{OciDistributionError, OciErrorCode};

/// The reason why an image isn't in its registry, or a base can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image on disk can't be read.
    #[error(transparent)]
    Package(#[from] infra::package::Error),
    /// The reference doesn't name an image by digest.
    #[error(transparent)]
    Reference(#[from] infra::package::image::ReferenceError),
    /// There are no credentials for Google.
    #[error(
        "{registry} takes Google's credentials, and there are none: {problem}; sign in with `gcloud auth application-default login`"
    )]
    NoGoogleCredentials {
        /// The registry.
        registry: String,
        /// The error of the look-up.
        problem: String,
    },
    /// The login of `docker login` can't be used.
    #[error(
        "read Docker's credentials for {registry}: {problem}; renew them with `docker login {registry}`"
    )]
    DockerCredentials {
        /// The registry.
        registry: String,
        /// The problem.
        problem: String,
    },
    /// The registry doesn't answer.
    #[error(
        "{action} {repository}: the registry can't be reached: {problem}; check its name and the network"
    )]
    Unreachable {
        /// The operation.
        action: &'static str,
        /// The repository.
        repository: String,
        /// The network's error.
        problem: String,
    },
    /// The registry requires another login.
    #[error("{action} {repository}: the registry wants a login (401): {problem}; {step}")]
    NoLogin {
        /// The operation.
        action: &'static str,
        /// The repository.
        repository: String,
        /// The registry's message.
        problem: String,
        /// The way to sign in.
        step: String,
    },
    /// The login lacks the permission.
    #[error(
        "{action} {repository}: this login may not do it (403): {problem}; ask for the permission (Artifact Registry: roles/artifactregistry.writer), or take another login"
    )]
    Forbidden {
        /// The operation.
        action: &'static str,
        /// The repository.
        repository: String,
        /// The registry's message.
        problem: String,
    },
    /// There is no such repository or image.
    #[error("{action} {repository}: there is no such thing (404): {problem}; {step}")]
    Absent {
        /// The operation.
        action: &'static str,
        /// With which repository.
        repository: String,
        /// The registry's message.
        problem: String,
        /// The way to create it.
        step: &'static str,
    },
    /// The registry refused, or its answer can't be parsed.
    #[error(
        "{action} {repository}: {problem}; check that this is a registry, then run the same command again"
    )]
    Refused {
        /// The operation.
        action: &'static str,
        /// The repository.
        repository: String,
        /// The error, with its status if there was one.
        problem: String,
    },
    /// The base isn't a usable image.
    #[error("take the base {reference}: {problem}; name another gcp.images.base")]
    Base {
        /// The base.
        reference: String,
        /// The problem.
        problem: String,
    },
}

impl Error {
    pub(super) fn of(
        action: &'static str,
        repository: &Repository,
        error: &OciDistributionError,
    ) -> Self {
        let problem = said(error);
        let status = status(error);
        let registry = repository.registry();
        let google = repository.is_google();
        let repository = repository.to_string();
        match status {
            Some(401) => {
                let step = if google {
                    "sign in with `gcloud auth application-default login`".to_owned()
                } else {
                    format!("sign in with `docker login {registry}`")
                };
                Self::NoLogin { action, repository, problem, step }
            }
            Some(403) => Self::Forbidden { action, repository, problem },
            Some(404) => {
                let step = if google {
                    "the repository is made by the first apply of terraform-gcp/, which names it in its output image_repository"
                } else {
                    "make the repository, or name another"
                };
                Self::Absent { action, repository, problem, step }
            }
            Some(status) => {
                Self::Refused { action, repository, problem: format!("{problem} ({status})") }
            }
            None if is_network(error) => Self::Unreachable { action, repository, problem },
            None => Self::Refused { action, repository, problem },
        }
    }

    /// True if something outside of the project must be fixed: a login, a network, a build.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        match self {
            Self::Package(_)
            | Self::NoGoogleCredentials { .. }
            | Self::DockerCredentials { .. }
            | Self::Unreachable { .. }
            | Self::NoLogin { .. }
            | Self::Forbidden { .. }
            | Self::Absent { .. } => true,
            Self::Reference(_) | Self::Refused { .. } | Self::Base { .. } => false,
        }
    }
}

/// True if a retry may help: the network, or a registry that is temporarily busy or broken.
pub(super) fn is_transient(error: &OciDistributionError) -> bool {
    match status(error) {
        Some(status) => matches!(status, 408 | 429 | 500..),
        None => is_network(error),
    }
}

/// The HTTP status of the registry's answer, if the client kept it.
pub(super) fn status(error: &OciDistributionError) -> Option<u16> {
    match error {
        OciDistributionError::ServerError { code, .. } => Some(*code),
        OciDistributionError::RequestError(error) => error.status().map(|status| status.as_u16()),
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::AuthenticationFailure(_) => Some(401),
        OciDistributionError::ImageManifestNotFoundError(_) => Some(404),
        OciDistributionError::RegistryError { envelope, .. } => {
            envelope.errors.iter().find_map(|error| match error.code {
                OciErrorCode::Unauthorized => Some(401),
                OciErrorCode::Denied => Some(403),
                OciErrorCode::NameUnknown
                | OciErrorCode::ManifestUnknown
                | OciErrorCode::BlobUnknown
                | OciErrorCode::NotFound => Some(404),
                OciErrorCode::Toomanyrequests => Some(429),
                _ => None,
            })
        }
        _ => None,
    }
}

fn is_network(error: &OciDistributionError) -> bool {
    matches!(error, OciDistributionError::RequestError(error) if error.status().is_none() && !error.is_builder())
}

/// The registry's message in one line: the messages of its JSON, if it is JSON.
fn said(error: &OciDistributionError) -> String {
    let message = match error {
        OciDistributionError::ServerError { message, .. }
        | OciDistributionError::AuthenticationFailure(message) => of_envelope(message),
        OciDistributionError::RegistryError { envelope, .. } => {
            let messages = envelope.errors.iter().map(|error| error.message.as_str());
            messages.collect::<Vec<_>>().join(", ")
        }
        OciDistributionError::UnauthorizedError { .. } => String::new(),
        other => innermost(other),
    };
    let line = message.lines().next().unwrap_or_default().trim();
    if line.is_empty() { "it said nothing more".to_owned() } else { line.to_owned() }
}

fn of_envelope(text: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
    let errors = json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let messages: Vec<&str> = errors.iter().filter_map(|error| error["message"].as_str()).collect();
    if messages.is_empty() { text.to_owned() } else { messages.join(", ") }
}

fn innermost(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
