//! The container of a Cloud Run service.

use serde_json::json;

use super::elf::GlibcVersion;
use crate::template;

/// The image that a service's binary is put on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseImage {
    /// A full reference, best by digest: `registry/name@sha256:…`.
    pub reference: String,
    /// The glibc in it; a binary that needs a newer one is refused.
    pub glibc: GlibcVersion,
}

impl Default for BaseImage {
    /// Debian 12 without a shell: the C library, certificates, and a user that isn't root.
    fn default() -> Self {
        Self {
            reference: "gcr.io/distroless/cc-debian12:nonroot".to_owned(),
            glibc: GlibcVersion(2, 36),
        }
    }
}

/// The Dockerfile of a service, whose binary lies beside it under the service's name. Another base
/// image can be given with `--build-arg BASE_IMAGE=…`; no build step needs `BuildKit`.
pub fn dockerfile(service: &str, base: &BaseImage) -> Result<String, template::Error> {
    let values = json!({ "service": service, "base_image": base.reference });
    template::render("Dockerfile.hbs", include_str!("../../templates/Dockerfile.hbs"), &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_ingest_service() {
        let dockerfile = dockerfile("ingest", &BaseImage::default()).expect("it renders");
        insta::assert_snapshot!(dockerfile, @r#"
        ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot
        FROM ${BASE_IMAGE}
        COPY ingest /ingest
        # The nonroot user, by number: the base image need not have a name for it.
        USER 65532:65532
        # Cloud Run sets PORT itself; this is for everywhere else.
        ENV PORT=8080
        EXPOSE 8080
        ENTRYPOINT ["/ingest"]
        "#);
    }
}
