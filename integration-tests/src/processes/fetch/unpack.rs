//! Takes the jar out of the archive of the Pub/Sub emulator.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

const JAR_BYTES_MAX: u64 = 512 << 20;

/// Why there is no jar.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// A file operation failed.
    #[error("{doing} {}: {cause}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The I/O error.
        cause: io::Error,
    },
    /// It isn't a zip file that can be read.
    #[error("read {}: {cause}", path.display())]
    Zip {
        /// The archive.
        path: PathBuf,
        /// The archive's error.
        cause: zip::result::ZipError,
    },
    /// It holds another number of jars than one.
    #[error("{} holds {count} files named lib/*-all.jar, and should hold one", path.display())]
    NotOneJar {
        /// The archive.
        path: PathBuf,
        /// Number of matches.
        count: usize,
    },
    /// The jar is larger than any emulator.
    #[error("the jar in {} is larger than {JAR_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The archive.
        path: PathBuf,
    },
}

/// Writes the one `lib/*-all.jar` in `archive` to `jar`, all or nothing.
pub(super) fn jar(archive: &Path, jar: &Path) -> Result<(), UnpackError> {
    let zip_error = |cause| UnpackError::Zip { path: archive.to_owned(), cause };
    let file = File::open(archive).map_err(io_error("open", archive))?;
    let mut zip = ZipArchive::new(file).map_err(zip_error)?;
    let names = zip.file_names().map(|name| Ok(name.map_err(zip_error)?.into_owned()));
    let names = names.collect::<Result<Vec<String>, UnpackError>>()?;
    let jars: Vec<String> = names.into_iter().filter(|name| is_the_jar(name)).collect();
    let [name] = jars.as_slice() else {
        return Err(UnpackError::NotOneJar { path: archive.to_owned(), count: jars.len() });
    };
    let entry = zip.by_name(name).map_err(zip_error)?;
    let partial = jar.with_extension("jar.part");
    let mut out = File::create(&partial).map_err(io_error("create", &partial))?;
    let copied = io::copy(&mut entry.take(JAR_BYTES_MAX + 1), &mut out)
        .map_err(io_error("write", &partial))?;
    if copied > JAR_BYTES_MAX {
        return Err(UnpackError::TooLarge { path: archive.to_owned() });
    }
    out.sync_all().map_err(io_error("write", &partial))?;
    fs::rename(&partial, jar).map_err(io_error("create", jar))
}

fn is_the_jar(name: &str) -> bool {
    let mut parts = name.rsplit('/');
    parts.next().is_some_and(|file| file.ends_with("-all.jar")) && parts.next() == Some("lib")
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |cause| UnpackError::Io { doing, path, cause }
}

/// An archive of files that hold their own names.
#[cfg(test)]
pub(super) fn archive(folder: &Path, names: &[&str]) -> PathBuf {
    use std::io::Write as _;

    use zip::write::{SimpleFileOptions, ZipWriter};

    let path = folder.join("archive.zip");
    let mut zip = ZipWriter::new(File::create(&path).expect("create"));
    for name in names {
        zip.start_file(*name, SimpleFileOptions::default()).expect("start a file");
        zip.write_all(name.as_bytes()).expect("write");
    }
    zip.finish().expect("finish");
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_jar_is_taken_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = "pubsub-emulator/lib/cloud-pubsub-emulator-0.8.14-all.jar";
        let zip = archive(folder.path(), &["pubsub-emulator/bin/cloud-pubsub-emulator", inside]);
        let out = folder.path().join("out.jar");
        jar(&zip, &out).expect("it is there");
        assert_eq!(fs::read_to_string(out).expect("written"), inside);
        assert_eq!(fs::read_dir(folder.path()).expect("read").count(), 2, "nothing else is left");
    }

    #[test]
    fn an_archive_of_another_make_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let out = folder.path().join("out.jar");
        let none = archive(folder.path(), &["a/lib/x.jar", "-all.jar"]);
        assert!(matches!(jar(&none, &out), Err(UnpackError::NotOneJar { count: 0, .. })));
        let two = archive(folder.path(), &["a/lib/x-all.jar", "b/lib/y-all.jar"]);
        assert!(matches!(jar(&two, &out), Err(UnpackError::NotOneJar { count: 2, .. })));
        fs::write(&two, "no zip").expect("write");
        assert!(matches!(jar(&two, &out), Err(UnpackError::Zip { .. })));
        assert!(!out.exists());
    }
}
