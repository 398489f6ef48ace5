//! The services' images: their digests are known once they are built, their addresses once there is a repository.

use infra::files::ResolvedOutputs;
use infra::package::Service;
use infra::package::image::{ImageReference, Repository};

use super::{DeployContext, Failure};
use crate::commands::artifacts::Artifacts;
use crate::images;
use cli::Progress;

/// The length of a digest in a table, enough to tell images apart.
const SHORT: usize = 12;

/// The names that the images will have in `repository`; nothing is sent.
pub(super) fn references(
    site: &DeployContext,
    repository: &str,
    known: ResolvedOutputs,
) -> Result<ResolvedOutputs, Failure> {
    let to: Repository = repository.parse().map_err(images::Error::from)?;
    let artifacts = Artifacts::read(site)?;
    let mut named = Vec::new();
    for service in deployed(site) {
        let Some(digest) = artifacts.service(&service)?.image_digest.clone() else { continue };
        let repository = to.below(service.name);
        named.push((service.name, ImageReference { repository, digest }.to_string()));
    }
    Ok(with(named, known))
}

/// Pushes the images to `repository`, except those that it has.
pub(super) async fn push(
    site: &DeployContext,
    repository: &str,
    known: ResolvedOutputs,
    progress: &Progress,
) -> Result<ResolvedOutputs, Failure> {
    progress.now(format!("pushing the images to {repository}"));
    let to: Repository = repository.parse().map_err(images::Error::from)?;
    let artifacts = Artifacts::read(site)?;
    for service in deployed(site) {
        artifacts.service(&service)?;
    }
    let pushed = images::push_services(&site.checkout.artifacts, &to).await.map_err(|error| {
        if error.is_environment() { Failure::missing(error) } else { error.into() }
    })?;
    for service in &pushed {
        progress.note(format!("{}: {} blobs sent", service.image, service.blobs_sent));
    }
    let named = pushed.into_iter().map(|service| (service.service, service.image)).collect();
    Ok(with(named, known))
}

/// The services deployed to Google Cloud; the producer only if it has an instance there.
fn deployed(site: &DeployContext) -> impl Iterator<Item = Service> {
    let at_gcp = site.settings.has_producer_at("gcp");
    let is_producer = |service: &Service| service.name == Service::PRODUCER.name;
    Service::ALL.into_iter().filter(move |service| at_gcp || !is_producer(service))
}

fn with(images: Vec<(&'static str, String)>, mut known: ResolvedOutputs) -> ResolvedOutputs {
    for (service, image) in images {
        match service {
            "ingest" => known.ingest_image = Some(image),
            "replicate" => known.replicate_image = Some(image),
            "producer" => known.producer.image = Some(image),
            _ => {}
        }
    }
    known
}

/// `ingest 4cbd5c1d2a5e`.
pub(super) fn in_brief(output: &str, image: &str) -> String {
    let digest = image.rsplit(':').next().unwrap_or(image);
    let service = output.trim_end_matches("_image");
    format!("{service} {}", digest.get(..SHORT).unwrap_or(digest))
}
