//! Finds the jars of Google's Pub/Sub and Firestore emulators.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cloud_sdk::{self, CloudSdk};
use crate::pins::{self, Download, KnownJar};
use crate::verify::Stamp;
use crate::{Cache, Env, Source};

/// One of Google's emulators that is a jar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Emulator {
    /// Pub/Sub.
    PubSub,
    /// Firestore.
    Firestore,
}

/// A usable jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jar {
    /// The file.
    pub path: PathBuf,
    /// Its version.
    pub version: String,
    /// The way by which it was found.
    pub source: Source,
}

/// The state of a jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JarStatus {
    /// Found.
    Found(Jar),
    /// The pinned download provides it.
    Fetchable(Download),
    /// The jar named by a variable can't be used.
    Unusable(String),
}

impl Emulator {
    /// Both.
    pub const ALL: [Self; 2] = [Self::PubSub, Self::Firestore];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PubSub => "Pub/Sub emulator",
            Self::Firestore => "Firestore emulator",
        }
    }

    /// The variable that names a jar to use.
    #[must_use]
    pub fn variable(self) -> &'static str {
        match self {
            Self::PubSub => "TWINCLOUD_PUBSUB_EMULATOR_JAR",
            Self::Firestore => "TWINCLOUD_FIRESTORE_EMULATOR_JAR",
        }
    }

    /// The package of the Cloud SDK, the same for `apt` (with `google-cloud-cli-` before it) and near enough for `gcloud`.
    pub(crate) fn apt_package(self) -> &'static str {
        match self {
            Self::PubSub => "google-cloud-cli-pubsub-emulator",
            Self::Firestore => "google-cloud-cli-firestore-emulator",
        }
    }

    /// The component of the Cloud SDK.
    pub(crate) fn component(self) -> &'static str {
        match self {
            Self::PubSub => "pubsub-emulator",
            Self::Firestore => "cloud-firestore-emulator",
        }
    }

    /// The pinned download.
    #[must_use]
    pub fn download(self) -> Download {
        match self {
            Self::PubSub => pins::PUBSUB,
            Self::Firestore => pins::FIRESTORE,
        }
    }

    /// The name in the cache of the jar from the pinned download.
    #[must_use]
    pub fn jar_file_name(self) -> String {
        match self {
            Self::PubSub => format!("cloud-pubsub-emulator-{}-all.jar", self.download().version),
            Self::Firestore => self.download().file_name.to_owned(),
        }
    }

    fn known(self) -> &'static [KnownJar] {
        match self {
            Self::PubSub => pins::PUBSUB_KNOWN,
            Self::Firestore => pins::FIRESTORE_KNOWN,
        }
    }

    fn version_of(self, sha256: &str) -> Option<&'static str> {
        let download = self.download();
        let known = self.known().iter().map(|jar| (jar.sha256, jar.version));
        std::iter::once((download.sha256, download.version))
            .chain(known)
            .find(|(pin, _)| *pin == sha256)
            .map(|(_, version)| version)
    }

    fn name_fits(self, name: &str) -> bool {
        let name = name.to_ascii_lowercase();
        let is_jar = Path::new(&name).extension().is_some_and(|extension| extension == "jar");
        is_jar
            && name.contains(match self {
                Self::PubSub => "pubsub-emulator",
                Self::Firestore => "firestore-emulator",
            })
    }

    /// The variable, else the cache, else an installed Cloud SDK, else the pinned download.
    #[must_use]
    pub fn find(self, env: &Env, cache: &Cache) -> JarStatus {
        if let Some(path) = env.path_var(self.variable()) {
            return self.asked_for(path);
        }
        match cloud_sdk::find(env) {
            Some(sdk) if sdk.asked_for => self.in_sdk(&sdk).map_or_else(
                || {
                    JarStatus::Unusable(format!(
                        "{} names {}, which has no {}",
                        cloud_sdk::VARIABLE,
                        sdk.root.display(),
                        self.name()
                    ))
                },
                JarStatus::Found,
            ),
            sdk => self
                .in_cache(cache)
                .or_else(|| self.in_sdk(&sdk?))
                .map_or_else(|| JarStatus::Fetchable(self.download()), JarStatus::Found),
        }
    }

    fn asked_for(self, path: PathBuf) -> JarStatus {
        if !path.is_file() {
            return JarStatus::Unusable(format!(
                "{} names {}, which is no file",
                self.variable(),
                path.display()
            ));
        }
        JarStatus::Found(Jar {
            path,
            version: "unchecked".to_owned(),
            source: Source::Variable(self.variable()),
        })
    }

    fn in_cache(self, cache: &Cache) -> Option<Jar> {
        let entries = fs::read_dir(cache.emulators()).ok()?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| self.name_fits(name)))
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        paths.into_iter().find_map(|path| {
            let stamp = Stamp::of(&path).ok()?;
            let version = self.version_of(&stamp.vouched_by_sha256)?.to_owned();
            Some(Jar { path, version, source: Source::Cache })
        })
    }

    fn in_sdk(self, sdk: &CloudSdk) -> Option<Jar> {
        let (path, version) = match self {
            Self::PubSub => sdk.pubsub_jar(),
            Self::Firestore => sdk.firestore_jar(),
        }?;
        Some(Jar { path, version, source: Source::CloudSdk })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    const JAR: &str = "root/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar";

    fn find(emulator: Emulator, env: &Env) -> JarStatus {
        emulator.find(env, &Cache::locate(env).expect("a cache"))
    }

    fn source(status: &JarStatus) -> Option<Source> {
        match status {
            JarStatus::Found(jar) => Some(jar.source),
            _ => None,
        }
    }

    #[test]
    fn with_nothing_there_it_can_be_fetched() {
        let machine = Machine::new();
        for emulator in Emulator::ALL {
            assert_eq!(find(emulator, &machine.env()), JarStatus::Fetchable(emulator.download()));
        }
    }

    #[test]
    fn a_jar_that_a_variable_names_must_be_there() {
        let machine = Machine::new();
        let env = machine.env().with("TWINCLOUD_PUBSUB_EMULATOR_JAR", machine.path("my.jar"));
        assert!(matches!(find(Emulator::PubSub, &env), JarStatus::Unusable(_)));
        machine.file("my.jar", "");
        assert_eq!(
            source(&find(Emulator::PubSub, &env)),
            Some(Source::Variable("TWINCLOUD_PUBSUB_EMULATOR_JAR"))
        );
    }

    #[test]
    fn an_installed_sdk_is_used_and_one_that_was_asked_for_is_not_replaced() {
        let machine = Machine::new();
        machine.file("root/usr/lib/google-cloud-sdk/VERSION", "1");
        machine.file(JAR, "");
        assert_eq!(source(&find(Emulator::Firestore, &machine.env())), Some(Source::CloudSdk));
        let asked = machine.env().with("TWINCLOUD_CLOUD_SDK", machine.folder("empty"));
        let JarStatus::Unusable(why) = find(Emulator::Firestore, &asked) else {
            panic!("no silent fallback")
        };
        assert!(why.ends_with("which has no Firestore emulator"), "{why}");
    }

    #[test]
    fn a_file_in_the_cache_is_taken_only_if_its_hash_is_pinned() {
        let machine = Machine::new();
        let jar = machine
            .file("home/.cache/twincloud/emulators/cloud-pubsub-emulator-0.8.14-all.jar", "not it");
        assert_eq!(find(Emulator::PubSub, &machine.env()), JarStatus::Fetchable(pins::PUBSUB));
        Stamp::make(&jar, Some(pins::PUBSUB.sha256)).expect("taken out of the pinned archive");
        let JarStatus::Found(found) = find(Emulator::PubSub, &machine.env()) else {
            panic!("it is vouched for")
        };
        assert_eq!(
            (found.path, found.version.as_str(), found.source),
            (jar, "0.8.14", Source::Cache)
        );
    }

    #[test]
    fn the_jar_of_one_emulator_is_never_taken_for_the_other() {
        assert!(Emulator::PubSub.name_fits("cloud-pubsub-emulator-0.8.20-all.jar"));
        assert!(!Emulator::PubSub.name_fits("cloud-firestore-emulator-v1.19.8.jar"));
        assert!(!Emulator::Firestore.name_fits("cloud-firestore-emulator-v1.19.8.jar.stamp"));
        assert!(Emulator::Firestore.name_fits(&Emulator::Firestore.jar_file_name()));
        assert!(Emulator::PubSub.name_fits(&Emulator::PubSub.jar_file_name()));
    }
}
