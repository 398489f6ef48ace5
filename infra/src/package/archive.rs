//! The zip of a Lambda function.

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;

use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime};

use super::{Digest, Error, failed};

/// Puts `bootstrap` into a new zip at `out`, under the name that Lambda starts, executable. Equal
/// input gives equal bytes: no timestamp, no user, one entry.
///
/// Best compression of some ten megabytes takes a second in an optimised build and a minute in an
/// unoptimised one.
pub fn lambda_zip(bootstrap: &Path, out: &Path) -> Result<Digest, Error> {
    let content = fs::read(bootstrap).map_err(failed("read", bootstrap))?;
    let zip = zip_of(&content).map_err(|cause| Error::Zip { path: out.to_owned(), cause })?;
    fs::write(out, &zip).map_err(failed("write", out))?;
    Ok(Digest::of(&zip))
}

fn zip_of(content: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o755);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", options)?;
    zip.write_all(content)?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn one_executable_entry_and_the_same_bytes_each_time() {
        let content = b"#!/bin/sh\nexit 0\n".repeat(100);
        let first = zip_of(&content).expect("zip");
        assert_eq!(first, zip_of(&content).expect("zip"));

        let mut archive = zip::ZipArchive::new(Cursor::new(first)).expect("read");
        assert_eq!(archive.len(), 1);
        let mut entry = archive.by_index(0).expect("entry");
        assert_eq!(entry.name().expect("UTF-8"), "bootstrap");
        assert_eq!(entry.unix_mode(), Some(0o100_755));
        assert_eq!(entry.last_modified(), Some(DateTime::default()));
        let mut back = Vec::new();
        entry.read_to_end(&mut back).expect("inflate");
        assert_eq!(back, content);
    }
}
