//! Images of the Cloud Run services: built without a container engine (by [`infra::package::image`]), pushed to a
//! registry and referred to by digest from then on.

mod auth;
mod base;
mod error;
mod registry;

use std::path::Path;

use infra::package::Service;
use infra::package::image::{Blob, Image, ImageReference, MANIFEST_TYPE, Repository};
use serde::Serialize;

pub use base::fetch_base;
pub use error::Error;

use registry::Registry;

/// A pushed image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// Its reference by digest, as Terraform and Cloud Run get it.
    pub reference: ImageReference,
    /// Blobs sent, without those that the repository had.
    pub blobs_sent: usize,
    /// True if the manifest was sent; if the repository had it, nothing was sent.
    pub manifest_sent: bool,
}

/// A service's pushed image, as printed by the command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushedService {
    /// The service, such as `ingest`.
    pub service: &'static str,
    /// Its image, by digest.
    pub image: String,
    /// Blobs that were sent.
    pub blobs_sent: usize,
    /// True if the manifest was sent.
    pub manifest_sent: bool,
}

/// Pushes the image of each service in the artifacts' folder, each to a repository of its name below `to`.
pub async fn push_services(artifacts: &Path, to: &Repository) -> Result<Vec<PushedService>, Error> {
    // All are read first: an incomplete folder is noticed before anything is sent.
    let images = Service::ALL.map(|service| (service.name, service.layout(artifacts).read()));
    let mut pushed = Vec::new();
    for (service, image) in images {
        let Pushed { reference, blobs_sent, manifest_sent } =
            push(&image?, &to.below(service)).await?;
        pushed.push(PushedService {
            service,
            image: reference.to_string(),
            blobs_sent,
            manifest_sent,
        });
    }
    Ok(pushed)
}

/// Pushes an image, by digest and without a tag. Parts that the repository has aren't sent again, so pushing twice sends
/// nothing, and an interrupted push can be continued.
///
/// Google's registries get a token of the Application Default Credentials, others the login of `docker login`. Without
/// TLS only on loopback.
pub async fn push(image: &Image, to: &Repository) -> Result<Pushed, Error> {
    let registry = Registry::sign_in(to, registry::Access::Push).await?;
    let reference = ImageReference { repository: to.clone(), digest: image.digest().to_owned() };
    let mut pushed = Pushed { reference, blobs_sent: 0, manifest_sent: false };
    if registry.has_manifest(image.digest()).await? {
        return Ok(pushed);
    }
    for blob in image.blobs() {
        pushed.blobs_sent += usize::from(send_blob(&registry, blob).await?);
    }
    registry.send_manifest(image.digest(), &image.manifest.content, MANIFEST_TYPE).await?;
    pushed.manifest_sent = true;
    Ok(pushed)
}

/// Sends a blob unless the repository has it; returns true if it was sent.
async fn send_blob(registry: &Registry, blob: &Blob) -> Result<bool, Error> {
    let digest = &blob.descriptor.digest;
    if registry.has_blob(digest).await? {
        return Ok(false);
    }
    registry.send_blob(digest, &blob.content).await?;
    Ok(true)
}
