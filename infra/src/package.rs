//! Packs release binaries into deployable artifacts: the Lambda zips, the images of the Cloud Run services and of the producer,
//! and the manifest with their hashes. Equal binaries give equal bytes, at any time and on any machine.

mod archive;
pub mod elf;
pub mod image;
mod manifest;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use archive::lambda_zip;
pub use manifest::{Artifact, Manifest};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use elf::{GlibcVersion, Libc};
use image::{Base, Image, ImageError, Layout};

/// The newest glibc that `provided.al2023` has.
pub const LAMBDA_GLIBC: GlibcVersion = GlibcVersion(2, 34);

/// The reason why there are no artifacts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A release binary is missing.
    #[error(
        "no binary `{name}` in {}; build it first: cargo xtask build",
        folder.display()
    )]
    NoBinary {
        /// The binary's name.
        name: &'static str,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// A file or folder couldn't be read or written.
    #[error("{action} {}: {cause}", path.display())]
    Io {
        /// The operation.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// The zip couldn't be written.
    #[error("write the zip {}: {cause}", path.display())]
    Zip {
        /// The zip.
        path: PathBuf,
        /// The error.
        cause: zip::result::ZipError,
    },
    /// The binary can't run on its platform.
    #[error(transparent)]
    Elf(#[from] elf::Error),
    /// A service's binary needs a C library, and an image has none.
    #[error(
        "{} isn't static: it would not start in an image; build it with `cargo xtask build`, for which \
         `cargo xtask doctor` says whether a static C library is there",
        path.display()
    )]
    Dynamic {
        /// The binary.
        path: PathBuf,
    },
    /// An image couldn't be made or read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// `manifest.json` can't be parsed by this version.
    #[error("read the manifest {}: {cause}; package again", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The parser's error.
        cause: serde_json::Error,
    },
    /// `manifest.json` is of another version.
    #[error("the manifest {} has schema {found}, not {}; package again", path.display(), Manifest::SCHEMA)]
    Schema {
        /// The manifest.
        path: PathBuf,
        /// Its schema.
        found: u32,
    },
}

impl Error {
    /// True if the build machine lacks something, as opposed to a failure while writing.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            Self::NoBinary { .. }
                | Self::Dynamic { .. }
                | Self::Elf(elf::Error::TooNew { .. } | elf::Error::OtherLibc { .. })
        )
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

    /// SHA-256 in base64, as Lambda gives it.
    #[must_use]
    pub fn sha256_base64(&self) -> String {
        let digits = self.sha256.as_bytes().chunks(2);
        let bytes: Vec<u8> = digits
            .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        BASE64_STANDARD.encode(bytes)
    }
}

/// The folders of the binaries to pack.
#[derive(Clone, Copy, Debug)]
pub struct BinDirs<'a> {
    /// The Lambda bootstraps.
    pub lambda: &'a Path,
    /// The Cloud Run services, static.
    pub services: &'a Path,
}

/// The platform that artifacts will run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Lambda, and images without a C library.
    Clouds,
    /// Emulators on the machine that built them: a dynamic binary starts there too. A dynamic service gets no image, since it
    /// would not start in one.
    ThisMachine,
}

/// A program with an image, a Cloud Run service or the producer: its package, its names, its environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// The package that has its binary.
    pub package: &'static str,
    /// Its binary.
    pub binary: &'static str,
    /// Its name in an image, in the artifacts' folder and in a registry.
    pub name: &'static str,
    /// Its folder below the artifacts.
    pub folder: &'static str,
    /// Environment variables of the image, as defaults.
    pub env: &'static [&'static str],
    /// The mount point of the volume in its image, writable by the image's user.
    pub volume: Option<&'static str>,
}

/// The fields that all Cloud Run services share. Cloud Run sets the port; 8080 is the default.
const CLOUD_RUN: Service = Service {
    package: "programs",
    binary: "",
    name: "",
    folder: "gcp",
    env: &["PORT=8080"],
    volume: None,
};

impl Service {
    /// The program that publishes trades, for a continuously running instance.
    pub const PRODUCER: Self = Self {
        package: "programs",
        binary: "producer",
        name: "producer",
        folder: "host",
        env: &[
            "TWINCLOUD_LISTEN=0.0.0.0:8080",
            "TWINCLOUD_SOURCE=binance",
            "TWINCLOUD_SPOOL=/spool",
        ],
        volume: Some("spool"),
    };

    /// All services.
    pub const ALL: [Self; 3] = [
        Self { binary: "gcp-ingest", name: "ingest", ..CLOUD_RUN },
        Self { binary: "gcp-replicate", name: "replicate", ..CLOUD_RUN },
        Self::PRODUCER,
    ];

    /// Its program, from the artifacts' folder.
    #[must_use]
    pub fn program(&self) -> String {
        format!("{0}/{1}/{1}", self.folder, self.name)
    }

    /// Its image in the artifacts' folder.
    #[must_use]
    pub fn layout(&self, artifacts: &Path) -> Layout {
        Layout::at(artifacts.join(self.folder).join("images").join(self.name))
    }
}

/// The Lambda functions: the binary that is the bootstrap, and its zip in the artifacts' folder.
const LAMBDAS: [(&str, &str); 2] =
    [("aws-ingest", "aws/ingest.zip"), ("aws-replicate", "aws/replicate.zip")];

/// Packages the Lambda functions and every [`Service`] into `out_dir`:
///
/// ```text
/// aws/{ingest,replicate}.zip
/// gcp/NAME/NAME                a Cloud Run service's program alone
/// gcp/images/NAME/             its image, as an OCI layout
/// host/producer/producer       the producer's program alone
/// host/images/producer/        its image
/// manifest.json
/// ```
///
/// Images are put on `base`, or on nothing. A binary that can't run at the `destination` is refused. Each file is replaced
/// atomically, by a rename: a process that reads the folder meanwhile, or runs a program in it, keeps its open files.
pub fn package_all(
    bins: BinDirs<'_>,
    base: Option<&Base>,
    destination: Destination,
    out_dir: &Path,
) -> Result<Manifest, Error> {
    let staging = out_dir.join(format!(".staging-{}", std::process::id()));
    let packaged =
        package_into(bins, base, destination, &staging).and_then(|(manifest, images)| {
            for (service, image) in Service::ALL.iter().zip(&images) {
                let layout = service.layout(out_dir);
                match image {
                    Some(image) => layout.write(image)?,
                    // Removes the image of an earlier build, which would be taken for this one's.
                    None => layout.remove()?,
                }
            }
            let paths = manifest.artifacts.iter().map(|artifact| artifact.path.as_str());
            for path in paths.chain([Manifest::FILE]) {
                let to = out_dir.join(path);
                create_parent(&to)?;
                fs::rename(staging.join(path), &to).map_err(failed("put in place", &to))?;
            }
            Ok(manifest)
        });
    // Left over only after a failure, which is reported instead.
    let _ = fs::remove_dir_all(&staging);
    packaged
}

fn package_into(
    bins: BinDirs<'_>,
    base: Option<&Base>,
    destination: Destination,
    out_dir: &Path,
) -> Result<(Manifest, Vec<Option<Image>>), Error> {
    let mut artifacts = Vec::new();
    for (name, zip) in LAMBDAS {
        artifacts.push(package_lambda(name, bins.lambda, destination, out_dir, zip)?);
    }
    let mut images = Vec::new();
    for service in &Service::ALL {
        let (artifact, image) =
            package_service(service, bins.services, base, destination, out_dir)?;
        artifacts.push(artifact);
        images.push(image);
    }
    let manifest = Manifest::new(artifacts);
    manifest.write(out_dir)?;
    Ok((manifest, images))
}

fn package_lambda(
    name: &'static str,
    bin_dir: &Path,
    destination: Destination,
    out_dir: &Path,
    path: &str,
) -> Result<Artifact, Error> {
    let binary = binary(name, bin_dir)?;
    let needs = match destination {
        Destination::Clouds => elf::check_glibc(&binary, LAMBDA_GLIBC)?,
        Destination::ThisMachine => elf::needs(&binary)?,
    };
    let zip = out_dir.join(path);
    create_parent(&zip)?;
    let digest = lambda_zip(&binary, &zip)?;
    Artifact::new(name, path, digest, &needs, &binary)
}

fn package_service(
    service: &Service,
    bin_dir: &Path,
    base: Option<&Base>,
    destination: Destination,
    out_dir: &Path,
) -> Result<(Artifact, Option<Image>), Error> {
    let binary = binary(service.binary, bin_dir)?;
    let needs = elf::needs(&binary)?;
    let is_static = needs.libc == Libc::Static;
    if !is_static && destination == Destination::Clouds {
        return Err(Error::Dynamic { path: binary });
    }
    let path = service.program();
    let copy = out_dir.join(&path);
    create_parent(&copy)?;
    // Copies the mode too, and a release binary is executable.
    fs::copy(&binary, &copy).map_err(failed("copy the binary to", &copy))?;
    let content = fs::read(&copy).map_err(failed("read", &copy))?;
    let image =
        if is_static { Some(Image::build(service, &content, needs.arch, base)?) } else { None };
    let digest = Digest::of(&content);
    let artifact = Artifact::new(service.binary, &path, digest, &needs, &binary)?;
    let image_digest = image.as_ref().map(|image| image.digest().to_owned());
    Ok((Artifact { image_digest, ..artifact }, image))
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
    move |cause| Error::Io { action, path, cause }
}
