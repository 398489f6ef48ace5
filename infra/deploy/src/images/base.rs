//! The base image of a service, by digest.

use infra::package::image::{Base, Blob, Descriptor, ImageReference, MANIFEST_TYPE};
use infra::settings::Architecture;
use serde::Deserialize;
use serde_json::Value;

use super::Error;
use super::registry::{Access, Registry};

const DOCKER_MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST_TYPE: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const TYPES: [&str; 4] = [MANIFEST_TYPE, DOCKER_MANIFEST_TYPE, INDEX_TYPE, DOCKER_LIST_TYPE];

/// An index: one image for each processor.
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

/// Fetches a base from its registry, each part checked against its digest. From an index, the image for linux
/// on `architecture` is taken.
pub async fn fetch_base(
    reference: &ImageReference,
    architecture: Architecture,
) -> Result<Base, Error> {
    let registry = Registry::sign_in(&reference.repository, Access::Pull).await?;
    let refused = |problem: String| Error::Base { reference: reference.to_string(), problem };
    let mut content = checked(&registry, &reference.digest, refused).await?;
    if let Ok(index) = serde_json::from_slice::<Index>(&content) {
        let wanted = match architecture {
            Architecture::X86_64 => "amd64",
            Architecture::Arm64 => "arm64",
        };
        let entry = index.manifests.iter().find(|entry| {
            let platform = entry.platform.as_ref();
            platform.is_some_and(|at| at.os == "linux" && at.architecture == wanted)
        });
        let entry =
            entry.ok_or_else(|| refused(format!("it has no image for linux on {wanted}")))?;
        content = checked(&registry, &entry.digest, refused).await?;
    }
    let parts: Parts = serde_json::from_slice(&content)
        .map_err(|error| refused(format!("its manifest can't be read: {error}")))?;
    let config = registry.blob(&parts.config.digest).await?;
    let config: Value = serde_json::from_slice(&config)
        .map_err(|error| refused(format!("its configuration can't be read: {error}")))?;
    let mut layers = Vec::new();
    for Descriptor { media_type, digest, .. } in parts.layers {
        layers.push(Blob::new(&media_type, registry.blob(&digest).await?));
    }
    Ok(Base { reference: reference.to_string(), config, layers })
}

/// The relevant parts of a manifest, OCI's or Docker's.
#[derive(Deserialize)]
struct Parts {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

async fn checked(
    registry: &Registry,
    digest: &str,
    refused: impl Fn(String) -> Error,
) -> Result<Vec<u8>, Error> {
    let content = registry.manifest(digest, &TYPES).await?.to_vec();
    let found = Blob::new(MANIFEST_TYPE, content);
    if found.descriptor.digest == digest {
        return Ok(found.content);
    }
    Err(refused(format!("the registry gave {} for {digest}", found.descriptor.digest)))
}
