//! The artifacts of `cargo xtask build`, checked against the processor that they will run on.

use anyhow::anyhow;
use infra::package::{Artifact, Manifest, Service};
use infra::settings::Architecture;

use super::site::DeployContext;
use cli::Failure;

/// The manifest of the artifacts.
pub(super) struct Artifacts<'s> {
    site: &'s DeployContext,
    manifest: Manifest,
}

impl<'s> Artifacts<'s> {
    pub(super) fn read(site: &'s DeployContext) -> Result<Self, Failure> {
        Ok(Self { site, manifest: site.manifest()? })
    }

    /// The artifact of a Lambda function, for the processor in its settings.
    pub(super) fn lambda(&self, name: &str) -> Result<&Artifact, Failure> {
        let wanted = self.site.settings.aws.ingest.architecture;
        self.get(name, wanted, "change aws.ingest.architecture, or build on a machine that has it")
    }

    /// The artifact of a service: Cloud Run and both of the producer's instances have x86-64
    /// processors.
    pub(super) fn service(&self, service: &Service) -> Result<&Artifact, Failure> {
        let next =
            "set gcp.images.target to x86_64-unknown-linux-gnu, and build again: cargo xtask build";
        self.get(service.binary, Architecture::X86_64, next)
    }

    fn get(&self, name: &str, wanted: Architecture, next: &str) -> Result<&Artifact, Failure> {
        let artifact = self.manifest.artifact(name).ok_or_else(|| {
            let folder = self.site.checkout.artifacts.display();
            Failure::missing(anyhow!(
                "find {name} in {folder}/{}; run `cargo xtask build`",
                Manifest::FILE
            ))
        })?;
        // Emulators run it on this machine's processor, whatever the clouds have.
        if self.site.local.is_none() && artifact.arch != wanted.as_str() {
            let (built, wanted) = (&artifact.arch, wanted.as_str());
            return Err(Failure::missing(anyhow!(
                "{name} is built for {built}, and it is to run on {wanted}: {next}"
            )));
        }
        Ok(artifact)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use infra::Settings;
    use serde_json::json;

    use super::*;
    use infra::Checkout;

    /// Artifacts for `arch`, with functions on AWS that run on `lambda`.
    fn site(folder: &std::path::Path, arch: &str, lambda: &str) -> DeployContext {
        let artifact = |name: &str| {
            json!({
                "name": name, "path": name, "bytes": 1, "sha256": "0", "arch": arch,
                "glibc_max": null, "uncompressed_bytes": 1,
            })
        };
        let artifacts = ["aws-ingest", "gcp-ingest", "producer"].map(artifact);
        let manifest = json!({ "schema": Manifest::SCHEMA, "artifacts": artifacts });
        fs::write(folder.join(Manifest::FILE), manifest.to_string()).expect("written");
        let sets = [format!("aws.ingest.architecture={lambda}")];
        let file = include_str!("../../../../twincloud.toml");
        DeployContext {
            checkout: Checkout { root: folder.to_owned(), artifacts: folder.to_owned() },
            settings: Settings::parse(folder, file, None, &sets, std::iter::empty())
                .expect("valid"),
            local: None,
            sets: Vec::new(),
        }
    }

    #[test]
    fn nothing_is_deployed_to_a_processor_that_it_was_not_built_for() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = |result: Result<&Artifact, Failure>| {
            result.expect_err("another processor").to_string().replace('\n', " ")
        };

        let same = site(folder.path(), "x86_64", "x86_64");
        let artifacts = Artifacts::read(&same).expect("a manifest");
        artifacts.lambda("aws-ingest").expect("the same processor");
        artifacts.service(&Service::PRODUCER).expect("the same processor");
        let absent = error(artifacts.lambda("aws-replicate"));
        assert!(absent.starts_with("find aws-replicate in /"), "{absent}");
        assert!(absent.ends_with("manifest.json; run `cargo xtask build`"), "{absent}");

        let graviton = site(folder.path(), "x86_64", "arm64");
        let artifacts = Artifacts::read(&graviton).expect("a manifest");
        assert_eq!(
            error(artifacts.lambda("aws-ingest")),
            "aws-ingest is built for x86_64, and it is to run on arm64: change aws.ingest.architecture, or build on a \
             machine that has it"
        );
        artifacts.service(&Service::PRODUCER).expect("of no concern to services");

        let built_there = site(folder.path(), "arm64", "arm64");
        let artifacts = Artifacts::read(&built_there).expect("a manifest");
        artifacts.lambda("aws-ingest").expect("the same processor");
        for service in [Service::ALL[0], Service::PRODUCER] {
            let error = error(artifacts.service(&service));
            let begin = format!(
                "{} is built for arm64, and it is to run on x86_64: set gcp.images.target to ",
                service.binary
            );
            assert!(error.starts_with(&begin), "{error}");
        }
    }
}
