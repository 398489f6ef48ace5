//! Finds an installed Google Cloud SDK by its files: `gcloud info` would take seconds.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Env;

/// The variable that names the SDK's folder. If it is empty, no SDK is looked for.
pub const VARIABLE: &str = "TWINCLOUD_CLOUD_SDK";

const SYSTEM_FOLDERS: [&str; 8] = [
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/usr/lib64/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "/snap/google-cloud-sdk/current",
    "/opt/homebrew/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
];

/// An installed Cloud SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudSdk {
    /// Its folder.
    pub root: PathBuf,
    /// The content of its file `VERSION`.
    pub version: Option<String>,
    /// True if a variable named it, so that no other may be used instead.
    pub asked_for: bool,
}

impl CloudSdk {
    fn at(root: PathBuf, asked_for: bool) -> Self {
        let version =
            fs::read_to_string(root.join("VERSION")).ok().map(|text| text.trim().to_owned());
        Self { root, version, asked_for }
    }

    /// The newest jar of the Pub/Sub emulator, and its version.
    #[must_use]
    pub fn pubsub_jar(&self) -> Option<(PathBuf, String)> {
        let folder = self.root.join("platform/pubsub-emulator/lib");
        let jars = fs::read_dir(folder).ok()?.filter_map(Result::ok).filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version =
                name.strip_prefix("cloud-pubsub-emulator-")?.strip_suffix("-all.jar")?.to_owned();
            Some((entry.path(), version))
        });
        jars.max_by_key(|(_, version)| numbers(version))
    }

    /// The jar of the Firestore emulator, and the version of the SDK it came with.
    #[must_use]
    pub fn firestore_jar(&self) -> Option<(PathBuf, String)> {
        let jar = self.root.join("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar");
        let version = self.version.as_deref().unwrap_or("of unknown version");
        jar.is_file().then(|| (jar, format!("of Cloud SDK {version}")))
    }
}

/// `$TWINCLOUD_CLOUD_SDK`, else the first of the usual folders or the home of the `gcloud` on `PATH` that has an
/// emulator, else the first that exists.
#[must_use]
pub fn find(env: &Env) -> Option<CloudSdk> {
    if let Some(value) = env.var(VARIABLE) {
        return (!value.is_empty()).then(|| CloudSdk::at(PathBuf::from(value), true));
    }
    let candidates: Vec<CloudSdk> = candidates(env).map(|root| CloudSdk::at(root, false)).collect();
    let with_emulator =
        candidates.iter().find(|sdk| sdk.pubsub_jar().is_some() || sdk.firestore_jar().is_some());
    with_emulator.or(candidates.first()).cloned()
}

fn candidates(env: &Env) -> impl Iterator<Item = PathBuf> {
    let of_gcloud = env.which("gcloud").and_then(|gcloud| root_of(&gcloud));
    let system = SYSTEM_FOLDERS.iter().map(|folder| env.system_path(folder));
    let in_home = env.home().map(|home| home.join("google-cloud-sdk"));
    of_gcloud.into_iter().chain(system).chain(in_home).filter(|root| root.join("VERSION").is_file())
}

/// `<root>` of a `gcloud` that is, or is a link to, `<root>/bin/gcloud`.
fn root_of(gcloud: &Path) -> Option<PathBuf> {
    let program = gcloud.canonicalize().ok()?;
    let bin = program.parent()?;
    (bin.file_name()? == "bin").then(|| bin.parent().map(Path::to_owned))?
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    const PUBSUB_LIB: &str = "platform/pubsub-emulator/lib";

    #[test]
    fn the_newest_pubsub_jar_is_taken() {
        let machine = Machine::new();
        for version in ["0.8.9", "0.8.20", "0.8.3"] {
            machine.file(&format!("sdk/{PUBSUB_LIB}/cloud-pubsub-emulator-{version}-all.jar"), "");
        }
        let sdk = find(&machine.env().with(VARIABLE, machine.path("sdk"))).expect("asked for");
        assert_eq!(sdk.pubsub_jar().map(|(_, version)| version).as_deref(), Some("0.8.20"));
        assert_eq!(sdk.firestore_jar(), None);
    }

    #[test]
    fn a_folder_with_an_emulator_is_preferred() {
        let machine = Machine::new();
        machine.file("root/usr/lib/google-cloud-sdk/VERSION", "1.0\n");
        machine.file("home/google-cloud-sdk/VERSION", "2.0\n");
        assert_eq!(find(&machine.env()).and_then(|sdk| sdk.version).as_deref(), Some("1.0"));
        machine.file(
            "home/google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar",
            "",
        );
        let sdk = find(&machine.env()).expect("in the home");
        assert_eq!(
            sdk.firestore_jar().map(|(_, version)| version).as_deref(),
            Some("of Cloud SDK 2.0")
        );
    }

    #[test]
    fn gcloud_on_the_path_leads_through_its_links() {
        let machine = Machine::new();
        machine.file("elsewhere/sdk/VERSION", "3.0");
        let gcloud = machine.script("elsewhere/sdk/bin/gcloud", "exit 1");
        std::os::unix::fs::symlink(gcloud, machine.path("bin/gcloud")).expect("link");
        assert_eq!(find(&machine.env()).map(|sdk| sdk.root), Some(machine.path("elsewhere/sdk")));
    }

    #[test]
    fn an_empty_variable_forbids_to_look() {
        let machine = Machine::new();
        machine.file("root/usr/lib/google-cloud-sdk/VERSION", "1.0");
        assert_eq!(find(&machine.env().with(VARIABLE, "")), None);
    }
}
