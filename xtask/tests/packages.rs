//! The packages that README names are those that the dev container installs, and those that `doctor` names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use toolbox::{DEV_CONTAINER, Env, Platform, Report, STATIC_LIBC};

type Packages = BTreeSet<String>;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// The words after `command`, without the options, up to the end of the line, a comment or another command.
fn after<'a>(line: &'a str, command: &str) -> Option<Packages> {
    let rest = line.trim().strip_prefix(command)?;
    let end = |word: &&'a str| !["#", "&&", "\\", "(or"].contains(word);
    let words = rest.split_whitespace().take_while(end).filter(|word| !word.starts_with('-'));
    Some(words.map(str::to_owned).collect())
}

/// The packages of the first line that installs with this program. `.ci/debian13` and `.ci/quick-start` read README so too.
fn of_readme(installer: &str) -> Packages {
    let command = format!("sudo {installer} install ");
    let readme = read("README.md");
    let packages = readme.lines().find_map(|line| after(line, &command));
    packages.unwrap_or_else(|| panic!("README.md has no line `{command}…`"))
}

/// The packages that `doctor` names for what compiles, and for what the emulators run on.
fn of_doctor(platform: Platform, installer: &str) -> Packages {
    let empty = tempfile::tempdir().expect("a folder");
    let env = Env::empty(platform).with("PATH", empty.path()).with("HOME", empty.path());
    let report = Report::collect(&env.with_root(empty.path()));
    let of = |name: &str| {
        let item = report.items.iter().find(|item| item.name == name).expect("a line of doctor");
        after(&item.how_to_get, &format!("sudo {installer} install ")).expect("packages")
    };
    ["C linker", "python3", STATIC_LIBC].into_iter().flat_map(of).collect()
}

#[test]
fn the_dev_container_installs_what_readme_names() {
    let dockerfile = read(".devcontainer/Dockerfile");
    let command = "RUN apt-get update && apt-get install ";
    let installed: Vec<Packages> =
        dockerfile.lines().filter_map(|line| after(line, command)).collect();
    let [packages, granted] = &installed[..] else { panic!("two lines install: {installed:?}") };
    assert_eq!(packages, &of_readme("apt"));
    let expected = ["ca-certificates", "curl", "git"].map(str::to_owned);
    assert_eq!(granted, &BTreeSet::from(expected), "what README takes for granted");
}

#[test]
fn the_dev_container_stands_on_a_pinned_image_and_a_pinned_rustup() {
    let dockerfile = read(".devcontainer/Dockerfile");
    let from: Vec<_> = dockerfile.lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    let [base] = from[..] else { panic!("one base: {from:?}") };
    let digest = base.split_once("@sha256:").expect("a digest").1;
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{base}");
    assert_eq!(dockerfile.matches(" sha256=").count(), 2, "one for each processor");
    assert!(dockerfile.contains("sha256sum --check"), "it is compared");
}

#[test]
fn doctor_names_what_readme_names() {
    // On Debian the static C library comes with the compiler's package.
    let mut debian = of_doctor(Platform::Debian, "apt");
    assert!(debian.remove("libc6-dev"), "{debian:?}");
    assert_eq!(debian, of_readme("apt"));
    assert_eq!(of_doctor(Platform::Fedora, "dnf"), of_readme("dnf"));
    assert_eq!(of_doctor(Platform::Suse, "zypper"), of_readme("zypper"));
}

#[test]
fn readme_and_doctor_name_one_command_for_the_dev_container_and_it_mounts_what_editors_mount() {
    for document in ["README.md", "docs/machines.md"] {
        assert!(read(document).contains(DEV_CONTAINER), "{document} lacks {DEV_CONTAINER}");
    }
    let container: Value =
        serde_json::from_str(&read(".devcontainer/devcontainer.json")).expect("JSON");
    assert_eq!(container["workspaceFolder"], "/src");
    assert_eq!(container["mounts"][0], "source=twincloud,target=/cache,type=volume");
    for mount in ["-v \"${PWD}:/src\"", "-v twincloud:/cache"] {
        assert!(DEV_CONTAINER.contains(mount), "{DEV_CONTAINER}");
    }
}
