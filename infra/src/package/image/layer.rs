//! The layer of a service: its binary, the trusted certificate authorities, and the mount point of its volume.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use super::{Digest, Error, Service, USER};

/// The path of the authorities, which is where Debian's programs look for them.
pub(super) const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// The compression level; a change changes the bytes.
const LEVEL: u32 = 6;
/// "Unknown" in a gzip header, so that the bytes are the same on any machine.
const UNKNOWN_SYSTEM: u8 = 255;
const PEM_LINE: usize = 64;

pub(super) struct Layer {
    pub(super) compressed: Vec<u8>,
    /// Digest of the uncompressed content.
    pub(super) diff_id: String,
}

pub(super) fn of(service: &Service, binary: &[u8]) -> Result<Layer, Error> {
    // In memory, so it doesn't fail.
    let failed =
        |cause| Error::Io { action: "write the layer of", path: service.name.into(), cause };
    let content = content(service, binary).map_err(failed)?;
    let diff_id = format!("sha256:{}", Digest::of(&content).sha256);
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .operating_system(UNKNOWN_SYSTEM)
        .write(Vec::new(), Compression::new(LEVEL));
    gzip.write_all(&content).map_err(failed)?;
    Ok(Layer { compressed: gzip.finish().map_err(failed)?, diff_id })
}

/// Entries are sorted by path, have no modification time, and belong to root, so that the program can't modify itself. Only the
/// mount point of the volume belongs to the image's user.
fn content(service: &Service, binary: &[u8]) -> io::Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for folder in ["etc/", "etc/ssl/", "etc/ssl/certs/"] {
        tar.append_data(&mut header(EntryType::Directory, 0o755, 0), folder, io::empty())?;
    }
    let mut file = |path: &str, mode: u32, content: &[u8]| {
        tar.append_data(&mut header(EntryType::Regular, mode, content.len()), path, content)
    };
    file(AUTHORITIES, 0o444, authorities().as_bytes())?;
    file(service.name, 0o555, binary)?;
    if let Some(volume) = service.volume {
        let mut header = header(EntryType::Directory, 0o700, 0);
        header.set_uid(USER.into());
        header.set_gid(USER.into());
        tar.append_data(&mut header, format!("{volume}/"), io::empty())?;
    }
    tar.into_inner()
}

fn header(kind: EntryType, mode: u32, bytes: usize) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(bytes as u64);
    header
}

/// Mozilla's authorities, from the crate pinned in `Cargo.lock`, never those of the build machine.
fn authorities() -> String {
    let mut pem = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(PEM_LINE) {
            pem.extend(line.iter().copied().map(char::from));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn sorted_timeless_and_owned_by_root() {
        let layer = of(&Service::PRODUCER, b"binary").expect("it is made");
        let mut content = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(layer.compressed.as_slice());
        gzip.read_to_end(&mut content).expect("inflate");
        assert_eq!(layer.diff_id, format!("sha256:{}", Digest::of(&content).sha256));
        let header = gzip.header().expect("a header");
        assert_eq!((header.mtime(), header.operating_system()), (0, UNKNOWN_SYSTEM));

        let mut archive = tar::Archive::new(content.as_slice());
        let mut listed = Vec::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").display().to_string();
            let header = entry.header().clone();
            let number = |number: io::Result<u64>| number.expect("a number");
            let owner = (number(header.uid()), number(header.gid()), number(header.mtime()));
            let user = if path == "spool/" { u64::from(USER) } else { 0 };
            assert_eq!(owner, (user, user, 0), "{path}");
            listed.push(format!("{:o} {path}", header.mode().expect("a mode")));
            if path == AUTHORITIES {
                let mut pem = String::new();
                entry.read_to_string(&mut pem).expect("text");
                assert!(pem.matches("BEGIN CERTIFICATE").count() > 100, "{pem}");
            }
        }
        assert_eq!(
            listed,
            [
                "755 etc/",
                "755 etc/ssl/",
                "755 etc/ssl/certs/",
                "444 etc/ssl/certs/ca-certificates.crt",
                "555 producer",
                "700 spool/",
            ]
        );
    }
}
