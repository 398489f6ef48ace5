//! `manifest.json`: the packed artifacts, with sizes and hashes.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::elf::{Libc, Needs};
use super::{Digest, Error, failed};

/// The artifacts of one build. Contains no timestamp and no machine's paths, so equal builds give
/// equal files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Changes when a field changes its meaning.
    pub schema: u32,
    /// The artifacts, in a fixed order.
    pub artifacts: Vec<Artifact>,
}

/// A deployed file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The release binary that it is built from.
    pub name: String,
    /// Its path from the manifest's folder.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lowercase hex.
    pub sha256: String,
    /// `x86_64` or `arm64`.
    pub arch: String,
    /// The newest glibc that the binary needs, such as `2.34`; `None` for a static one.
    pub glibc_max: Option<String>,
    /// Size of the binary itself, in bytes.
    pub uncompressed_bytes: u64,
    /// The digest of the service's image, `sha256:…`; a Lambda function has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
}

impl Artifact {
    pub(super) fn new(
        name: &str,
        path: &str,
        digest: Digest,
        needs: &Needs,
        binary: &Path,
    ) -> Result<Self, Error> {
        Ok(Self {
            name: name.to_owned(),
            path: path.to_owned(),
            bytes: digest.bytes,
            sha256: digest.sha256,
            arch: needs.arch.as_str().to_owned(),
            glibc_max: match needs.libc {
                Libc::Glibc(newest) => Some(newest.to_string()),
                Libc::Static | Libc::Other => None,
            },
            uncompressed_bytes: fs::metadata(binary).map_err(failed("look at", binary))?.len(),
            image_digest: None,
        })
    }
}

impl Manifest {
    /// The version that is written and accepted.
    pub const SCHEMA: u32 = 1;
    /// The file's name.
    pub const FILE: &str = "manifest.json";

    pub(super) fn new(artifacts: Vec<Artifact>) -> Self {
        Self { schema: Self::SCHEMA, artifacts }
    }

    /// Reads the manifest in the artifacts' folder.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(Self::FILE);
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let manifest: Self = serde_json::from_str(&text)
            .map_err(|cause| Error::Manifest { path: path.clone(), cause })?;
        if manifest.schema == Self::SCHEMA {
            Ok(manifest)
        } else {
            Err(Error::Schema { path, found: manifest.schema })
        }
    }

    /// The artifact built from this binary.
    #[must_use]
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == name)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let path = folder.join(Self::FILE);
        let mut text = serde_json::to_string_pretty(self)
            .map_err(|cause| Error::Manifest { path: path.clone(), cause })?;
        text.push('\n');
        fs::write(&path, text).map_err(failed("write", &path))
    }
}
