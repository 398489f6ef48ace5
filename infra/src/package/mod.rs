//! Deployable artifacts out of release binaries: the Lambda zip, the Cloud Run context, and the
//! manifest that names their hashes. The same binaries give the same bytes, whenever and wherever.

mod archive;
mod docker;
pub mod elf;
mod manifest;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use archive::lambda_zip;
pub use docker::{BaseImage, dockerfile};
pub use manifest::{Artifact, Manifest};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use elf::GlibcVersion;

use crate::template;

/// The newest glibc that `provided.al2023` has.
pub const LAMBDA_GLIBC: GlibcVersion = GlibcVersion(2, 34);

/// Why there are no artifacts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A release binary isn't there.
    #[error(
        "no binary `{name}` in {}; build it first: cargo xtask build",
        folder.display()
    )]
    NoBinary {
        /// The binary's name.
        name: &'static str,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A file or folder couldn't be read or written.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The zip couldn't be written.
    #[error("write the zip {}: {source}", path.display())]
    Zip {
        /// The zip.
        path: PathBuf,
        /// What went wrong.
        source: zip::result::ZipError,
    },
    /// The binary isn't fit for where it is to run.
    #[error(transparent)]
    Elf(#[from] elf::Error),
    /// The Dockerfile couldn't be rendered.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// `manifest.json` isn't what this version writes.
    #[error("read the manifest {}: {source}; package again", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// `manifest.json` is another version's.
    #[error("the manifest {} has schema {found}, not {}; package again", path.display(), Manifest::SCHEMA)]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
}

impl Error {
    /// The build machine lacks something, as opposed to a failure while writing.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::NoBinary { .. } | Self::Elf(elf::Error::TooNew { .. }))
    }
}

/// The size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in lowercase hex.
    pub sha256: String,
}

impl Digest {
    /// Reads the whole file.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let content = fs::read(path).map_err(failed("read", path))?;
        Ok(Self::of(&content))
    }

    fn of(content: &[u8]) -> Self {
        use sha2::Digest as _;
        use std::fmt::Write as _;
        let mut sha256 = String::with_capacity(64);
        for byte in sha2::Sha256::digest(content) {
            // Writing to a String can't fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        Self { bytes: content.len() as u64, sha256 }
    }

    /// SHA-256 in base64, as Lambda says it.
    #[must_use]
    pub fn sha256_base64(&self) -> String {
        let digits = self.sha256.as_bytes().chunks(2);
        let bytes: Vec<u8> = digits
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        BASE64_STANDARD.encode(bytes)
    }
}

/// Where the binaries are that are packaged.
#[derive(Clone, Copy, Debug)]
pub struct BinDirs<'a> {
    /// The Lambda bootstraps.
    pub lambda: &'a Path,
    /// The Cloud Run services.
    pub services: &'a Path,
}

/// What is packaged, in the manifest's order: the binary's name, and what becomes of it.
const PACKAGES: [(&str, Kind); 4] = [
    ("aws-ingest", Kind::Lambda { zip: "aws/ingest.zip" }),
    ("gcp-ingest", Kind::Service { folder: "gcp/ingest" }),
    ("aws-replicate", Kind::Lambda { zip: "aws/replicate.zip" }),
    ("gcp-replicate", Kind::Service { folder: "gcp/replicate" }),
];

/// How a binary is packaged.
#[derive(Clone, Copy)]
enum Kind {
    /// As the bootstrap in a zip.
    Lambda { zip: &'static str },
    /// In a folder, beside a Dockerfile, under the folder's own name.
    Service { folder: &'static str },
}

impl Kind {
    /// The files that it becomes.
    fn files(self) -> Vec<String> {
        match self {
            Self::Lambda { zip } => vec![zip.to_owned()],
            Self::Service { folder } => {
                vec![format!("{folder}/{}", service_name(folder)), format!("{folder}/Dockerfile")]
            }
        }
    }
}

/// Packages the functions into `out_dir`:
///
/// ```text
/// aws/{ingest,replicate}.zip
/// gcp/ingest/{ingest,Dockerfile}
/// gcp/replicate/{replicate,Dockerfile}
/// manifest.json
/// ```
///
/// Each file is put in place whole, by a rename: whoever reads the folder meanwhile, or runs what is
/// in it, keeps what it has open.
pub fn package_all(bins: BinDirs<'_>, out_dir: &Path) -> Result<Manifest, Error> {
    let staging = out_dir.join(format!(".staging-{}", std::process::id()));
    let packaged = package_into(bins, &staging).and_then(|manifest| {
        let files = PACKAGES.iter().flat_map(|(_, kind)| kind.files());
        for path in files.chain([Manifest::FILE.to_owned()]) {
            let to = out_dir.join(&path);
            create_parent(&to)?;
            fs::rename(staging.join(&path), &to).map_err(failed("put in place", &to))?;
        }
        Ok(manifest)
    });
    // Left over only if something failed, which is what is reported then.
    let _ = fs::remove_dir_all(&staging);
    packaged
}

fn package_into(bins: BinDirs<'_>, out_dir: &Path) -> Result<Manifest, Error> {
    let base = BaseImage::default();
    let package = |&(name, kind): &(&'static str, Kind)| match kind {
        Kind::Lambda { zip } => package_lambda(name, bins.lambda, out_dir, zip),
        Kind::Service { folder } => package_service(name, bins.services, out_dir, folder, &base),
    };
    let artifacts: Result<Vec<_>, _> = PACKAGES.iter().map(package).collect();
    let manifest = Manifest::new(artifacts?);
    manifest.write(out_dir)?;
    Ok(manifest)
}

fn service_name(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

fn package_lambda(
    name: &'static str,
    bin_dir: &Path,
    out_dir: &Path,
    path: &str,
) -> Result<Artifact, Error> {
    let binary = binary(name, bin_dir)?;
    let needs = elf::check_glibc(&binary, LAMBDA_GLIBC)?;
    let zip = out_dir.join(path);
    create_parent(&zip)?;
    let digest = lambda_zip(&binary, &zip)?;
    Artifact::new(name, path, digest, &needs, &binary)
}

fn package_service(
    name: &'static str,
    bin_dir: &Path,
    out_dir: &Path,
    folder: &str,
    base: &BaseImage,
) -> Result<Artifact, Error> {
    let binary = binary(name, bin_dir)?;
    let needs = elf::check_glibc(&binary, base.glibc)?;
    let service = service_name(folder);
    let path = format!("{folder}/{service}");
    let copy = out_dir.join(&path);
    create_parent(&copy)?;
    // Takes the mode along, and a release binary's is executable.
    fs::copy(&binary, &copy).map_err(failed("copy the binary to", &copy))?;
    let dockerfile_path = out_dir.join(folder).join("Dockerfile");
    fs::write(&dockerfile_path, dockerfile(service, base)?)
        .map_err(failed("write", &dockerfile_path))?;
    Artifact::new(name, &path, Digest::of_file(&copy)?, &needs, &binary)
}

fn binary(name: &'static str, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    if path.is_file() { Ok(path) } else { Err(Error::NoBinary { name, folder: folder.to_owned() }) }
}

fn create_parent(path: &Path) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(failed("create the folder", parent))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}
