//! Programs that are found on `PATH` and never fetched.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::item::Need;
use crate::{Env, Platform, process};

const LIMIT: Duration = Duration::from_secs(10);

/// A program that the user installs.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// Names to look for, the preferred one first, each with the arguments that make it print its version; without arguments
    /// it isn't run.
    candidates: &'static [(&'static str, &'static [&'static str])],
    pub(crate) needed_for: &'static [Need],
    pub(crate) how_to_get: fn(Platform) -> String,
    /// The meaning of a version command that fails.
    when_it_fails: &'static str,
}

/// The container engine.
pub(crate) const DOCKER: &str = "docker";

const BROKEN: &str = "does not run";

pub(crate) const ALL: [Program; 9] = [
    Program {
        name: "C linker",
        candidates: &[("cc", &["--version"]), ("gcc", &["--version"]), ("clang", &["--version"])],
        needed_for: &[Need::Build],
        how_to_get: |platform| {
            match platform {
            Platform::Debian => "sudo apt install build-essential".to_owned(),
            Platform::Fedora => "sudo dnf install gcc".to_owned(),
            Platform::Suse => "sudo zypper install gcc".to_owned(),
            Platform::MacOs => "xcode-select --install".to_owned(),
            Platform::Windows => {
                "Build Tools for Visual Studio: https://rust-lang.github.io/rustup/installation/windows-msvc.html"
                    .to_owned()
            }
            _ => "your distribution's gcc or clang".to_owned(),
        }
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "cargo-nextest",
        candidates: &[("cargo-nextest", &["nextest", "--version"])],
        needed_for: &[Need::Test],
        how_to_get: |platform| {
            match platform {
            Platform::MacOs => "brew install cargo-nextest".to_owned(),
            _ => "cargo install cargo-nextest --locked (binaries: https://nexte.st/docs/installation/pre-built-binaries/)".to_owned(),
        }
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "docker-registry",
        candidates: &[("docker-registry", &["--version"])],
        needed_for: &[Need::Test],
        how_to_get: |platform| {
            match platform {
            Platform::Debian => "sudo apt install docker-registry".to_owned(),
            _ => "https://github.com/distribution/distribution/releases (its program `registry`, as `docker-registry`)".to_owned(),
        }
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "cargo-deny",
        candidates: &[("cargo-deny", &["--version"])],
        needed_for: &[Need::Check],
        how_to_get: |platform| match platform {
            Platform::MacOs => "brew install cargo-deny".to_owned(),
            _ => "cargo install cargo-deny --locked".to_owned(),
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "cfn-lint",
        candidates: &[("cfn-lint", &["--version"])],
        needed_for: &[Need::Check],
        how_to_get: |platform| match platform {
            Platform::MacOs => "brew install cfn-lint".to_owned(),
            _ => pinned("cfn-lint"),
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "checkov",
        // Without a version: printing it takes seconds, which every report would have to wait for.
        candidates: &[("checkov", &[])],
        needed_for: &[Need::Check],
        how_to_get: |platform| match platform {
            Platform::MacOs => "brew install checkov".to_owned(),
            _ => pinned("checkov"),
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "zizmor",
        candidates: &[("zizmor", &["--version"])],
        needed_for: &[Need::Check],
        how_to_get: |platform| match platform {
            Platform::MacOs => "brew install zizmor".to_owned(),
            _ => pinned("zizmor"),
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: "terraform or tofu",
        candidates: &[("terraform", &["version"]), ("tofu", &["version"])],
        needed_for: &[Need::Deploy],
        how_to_get: |platform| {
            match platform {
            Platform::MacOs => "brew tap hashicorp/tap && brew install hashicorp/tap/terraform".to_owned(),
            Platform::Debian => "https://developer.hashicorp.com/terraform/install (apt source), or https://opentofu.org/docs/intro/install/deb/".to_owned(),
            _ => "https://developer.hashicorp.com/terraform/install or https://opentofu.org/docs/intro/install/".to_owned(),
        }
        },
        when_it_fails: BROKEN,
    },
    Program {
        name: DOCKER,
        candidates: &[("docker", &["version", "--format", "{{.Server.Version}}"])],
        needed_for: &[Need::Containers],
        how_to_get: |platform| match platform {
            Platform::Debian => {
                "sudo apt install docker.io && sudo usermod --append --groups docker $USER"
                    .to_owned()
            }
            Platform::Fedora => {
                "sudo dnf install moby-engine && sudo usermod --append --groups docker $USER"
                    .to_owned()
            }
            Platform::Suse => {
                "sudo zypper install docker && sudo usermod --append --groups docker $USER"
                    .to_owned()
            }
            Platform::MacOs => "brew install --cask docker".to_owned(),
            Platform::Windows => {
                "https://docs.docker.com/desktop/setup/install/windows-install/".to_owned()
            }
            _ => "https://docs.docker.com/engine/install/".to_owned(),
        },
        when_it_fails: "is there, but its engine does not answer",
    },
];

impl Program {
    /// Its path and its version.
    pub(crate) fn find(&self, env: &Env) -> Result<(PathBuf, String), String> {
        let found = self.candidates.iter().find_map(|(name, args)| Some((env.which(name)?, args)));
        let Some((path, args)) = found else {
            let names: Vec<&str> = self.candidates.iter().map(|(name, _)| *name).collect();
            return Err(format!("no {} on PATH", names.join(" or ")));
        };
        if args.is_empty() {
            return Ok((path, "version not asked for".to_owned()));
        }
        let output = process::run(env.command(&path).args(*args), LIMIT)
            .map_err(|error| error.to_string())?;
        if output.success {
            Ok((path, version_in(output.first_line())))
        } else {
            Err(format!("{} {}: {}", path.display(), self.when_it_fails, output.first_line()))
        }
    }
}

/// The emulators for which `cargo xtask images build` has built an image on this machine, in order.
pub(crate) fn images_made_here(env: &Env, docker: &Path) -> Vec<String> {
    let label = "label=twincloud.image";
    let words = ["image", "ls", "--filter", label, "--format", "{{.Repository}}"];
    let Ok(listed) = process::run(env.command(docker).args(words), LIMIT) else {
        return Vec::new();
    };
    let names = listed.stdout.lines().filter_map(|line| line.trim().strip_prefix("twincloud/"));
    names.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The first word that looks like a version, else the whole line.
fn version_in(line: &str) -> String {
    let words = line
        .split_whitespace()
        .map(|word| word.trim_start_matches('v').trim_end_matches([',', ')']));
    let mut versions = words.filter(|word| {
        word.starts_with(|first: char| first.is_ascii_digit()) && word.contains('.')
    });
    versions.next().unwrap_or(line).to_owned()
}

/// The command for a checker of CI, in the version and with the hashes that the checkout pins.
fn pinned(name: &str) -> String {
    format!(".ci/checkers ~/.local {name}")
}

/// The command or address that installs a program on this platform; `None` for an unlisted program.
#[must_use]
pub fn how_to_get(name: &str, platform: Platform) -> Option<String> {
    let program = ALL.iter().find(|program| program.name == name);
    program.map(|program| (program.how_to_get)(platform))
}

/// The command that opens a shell in the dev container with this checkout. It is run in the checkout, in a shell of Linux,
/// macOS or Windows.
pub const DEV_CONTAINER: &str = "docker run --rm -it -v \"${PWD}:/src\" -v twincloud:/cache \"$(docker build -q .devcontainer)\"";

pub(crate) fn how_to_get_linux() -> String {
    format!("a Linux machine, or the dev container: {DEV_CONTAINER}")
}

pub(crate) fn how_to_get_python(platform: Platform) -> String {
    match platform {
        Platform::Debian => "sudo apt install python3 python3-venv".to_owned(),
        Platform::Fedora => "sudo dnf install python3".to_owned(),
        Platform::Suse => "sudo zypper install python313".to_owned(),
        Platform::MacOs => "brew install python".to_owned(),
        _ => "Python 3.10 or later: https://www.python.org/downloads/".to_owned(),
    }
}

pub(crate) fn how_to_get_java(platform: Platform) -> String {
    match platform {
        Platform::Debian => "sudo apt install default-jre-headless".to_owned(),
        Platform::Fedora => "sudo dnf install java-latest-openjdk-headless".to_owned(),
        Platform::Suse => "sudo zypper install java-21-openjdk-headless".to_owned(),
        Platform::MacOs => "brew install openjdk".to_owned(),
        _ => "Java 11 or later: https://adoptium.net/installation/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    fn find(name: &str, env: &Env) -> Result<(PathBuf, String), String> {
        ALL.iter().find(|program| program.name == name).expect("it is listed").find(env)
    }

    #[test]
    fn versions_are_read_out_of_what_programs_say() {
        assert_eq!(version_in("Terraform v1.11.4"), "1.11.4");
        assert_eq!(version_in("cc (Debian 12.2.0-14+deb12u1) 12.2.0"), "12.2.0-14+deb12u1");
        assert_eq!(version_in("cargo-nextest 0.9.100 (abc 2025-07-01)"), "0.9.100");
        assert_eq!(version_in("odd"), "odd");
    }

    #[test]
    fn a_second_name_will_do() {
        let machine = Machine::new();
        machine.script("bin/tofu", "echo 'OpenTofu v1.9.0'");
        assert_eq!(
            find("terraform or tofu", &machine.env()),
            Ok((machine.path("bin/tofu"), "1.9.0".to_owned()))
        );
    }

    #[test]
    fn a_docker_without_its_engine_is_missing() {
        let machine = Machine::new();
        assert_eq!(find("docker", &machine.env()), Err("no docker on PATH".to_owned()));
        machine.script("bin/docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1");
        let why = find("docker", &machine.env()).expect_err("no engine");
        assert!(
            why.ends_with("its engine does not answer: Cannot connect to the Docker daemon"),
            "{why}"
        );
    }

    #[test]
    fn every_program_says_how_to_get_it_on_every_platform() {
        for platform in [
            Platform::Debian,
            Platform::Fedora,
            Platform::Suse,
            Platform::OtherLinux,
            Platform::MacOs,
            Platform::Windows,
            Platform::Other,
        ] {
            assert!(ALL.iter().all(|program| !(program.how_to_get)(platform).is_empty()));
        }
    }
}
