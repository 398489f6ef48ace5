//! The parts of the machine that a look-up may use: variables, the search path, and a file system root.

use std::collections::BTreeMap;
use std::env::consts::EXE_SUFFIX;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The platform for which `how_to_get` gives commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian, Ubuntu and what is derived from them: `apt`.
    Debian,
    /// Fedora, RHEL and what is derived from them: `dnf`.
    Fedora,
    /// openSUSE and SLES: `zypper`.
    Suse,
    /// Another Linux.
    OtherLinux,
    /// macOS: `brew`.
    MacOs,
    /// Windows.
    Windows,
    /// Anything else.
    Other,
}

impl Platform {
    /// True if the `processes` target can run on this platform.
    #[must_use]
    pub fn is_linux(self) -> bool {
        matches!(self, Self::Debian | Self::Fedora | Self::Suse | Self::OtherLinux)
    }
}

/// The environment of a look-up.
#[derive(Debug, Clone)]
pub struct Env {
    vars: BTreeMap<OsString, OsString>,
    platform: Platform,
    root: PathBuf,
}

impl Env {
    /// The environment of this process.
    #[must_use]
    pub fn from_process() -> Self {
        let root = PathBuf::from("/");
        let vars = std::env::vars_os().map(|(name, value)| (known_name(name), value)).collect();
        Self { vars, platform: platform_of(std::env::consts::OS, &root), root }
    }

    /// An empty environment, to be filled with [`Env::with`].
    #[must_use]
    pub fn empty(platform: Platform) -> Self {
        Self { vars: BTreeMap::new(), platform, root: PathBuf::from("/") }
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Unsets a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.vars.remove(OsStr::new(name));
        self
    }

    /// Looks for system-wide installations below `root` instead of `/`.
    #[must_use]
    pub fn with_root(mut self, root: impl Into<PathBuf>) -> Self {
        self.root = root.into();
        self
    }

    /// The platform.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.platform
    }

    /// The value of a variable, also when it is empty.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A variable that holds a path; an empty value counts as unset.
    #[must_use]
    pub fn path_var(&self, name: &str) -> Option<PathBuf> {
        self.var(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The user's home.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        let name = if self.platform == Platform::Windows { "USERPROFILE" } else { "HOME" };
        self.path_var(name)
    }

    /// A system-wide path, below the root of this environment.
    #[must_use]
    pub fn system_path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// The first executable file of that name on `PATH`.
    #[must_use]
    pub fn which(&self, program: &str) -> Option<PathBuf> {
        let path = self.var("PATH")?;
        std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(format!("{program}{EXE_SUFFIX}")))
            .find(|candidate| is_executable(candidate))
    }

    /// A command that gets exactly this environment.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars);
        command
    }
}

/// True if `path` is an executable file.
#[must_use]
pub(crate) fn is_executable(path: &Path) -> bool {
    let Ok(metadata) = path.metadata() else { return false };
    metadata.is_file() && has_execute_bit(&metadata)
}

#[cfg(unix)]
fn has_execute_bit(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn has_execute_bit(_: &std::fs::Metadata) -> bool {
    true
}

/// The name under which a variable is stored: in capitals if the system ignores case.
fn known_name(name: OsString) -> OsString {
    if cfg!(windows) { name.to_ascii_uppercase() } else { name }
}

/// The platform of a machine with this operating system, as [`std::env::consts::OS`] names it, and these files.
fn platform_of(os: &str, root: &Path) -> Platform {
    match os {
        "macos" => Platform::MacOs,
        "windows" => Platform::Windows,
        "linux" if root.join("etc/debian_version").exists() => Platform::Debian,
        "linux" => {
            let release = std::fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
            distribution(&release)
        }
        _ => Platform::Other,
    }
}

/// The distribution that `/etc/os-release` names, or says it is like.
fn distribution(release: &str) -> Platform {
    let values = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    let mut names = values.flat_map(|value| value.trim_matches(['"', '\'']).split_whitespace());
    let known = names.find_map(|name| match name {
        "debian" | "ubuntu" => Some(Platform::Debian),
        "fedora" | "rhel" | "centos" => Some(Platform::Fedora),
        name if name.contains("suse") || name == "sles" => Some(Platform::Suse),
        _ => None,
    });
    known.unwrap_or(Platform::OtherLinux)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Machine;

    #[test]
    fn which_takes_the_first_executable_file_and_skips_the_rest() {
        let machine = Machine::new();
        machine.file("one/tool", "not executable");
        machine.folder("two/tool");
        machine.script("three/tool", "exit 0");
        machine.script("four/tool", "exit 0");
        let path = ["one", "two", "three", "four"].map(|folder| machine.path(folder));
        let path = std::env::join_paths(path).expect("no colon in a temporary folder");
        let env = Env::empty(Platform::Debian).with("PATH", path);
        assert_eq!(env.which("tool"), Some(machine.path("three/tool")));
        assert_eq!(env.which("other"), None);
    }

    #[test]
    fn a_relative_entry_of_the_search_path_is_never_used() {
        let env = Env::empty(Platform::Debian).with("PATH", ".:src");
        assert_eq!(env.which("lib.rs"), None);
    }

    #[test]
    fn an_empty_variable_holds_no_path() {
        let env = Env::empty(Platform::Debian).with("TWINCLOUD_JAVA", "");
        assert_eq!(env.path_var("TWINCLOUD_JAVA"), None);
        assert!(env.var("TWINCLOUD_JAVA").is_some());
    }

    #[test]
    fn distributions_are_told_by_what_they_are_like() {
        for (release, platform) in [
            ("NAME=\"Fedora Linux\"\nID=fedora\nVERSION_ID=43\n", Platform::Fedora),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Platform::Fedora),
            ("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n", Platform::Suse),
            ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", Platform::Debian),
            ("ID=arch\nBUILD_ID=rolling\n", Platform::OtherLinux),
            ("", Platform::OtherLinux),
        ] {
            assert_eq!(distribution(release), platform, "{release}");
        }
    }

    #[test]
    fn a_platform_is_told_by_the_operating_system_and_on_linux_by_its_files() {
        let machine = Machine::new();
        let root = machine.path("root");
        for (os, platform) in [
            ("macos", Platform::MacOs),
            ("windows", Platform::Windows),
            ("freebsd", Platform::Other),
            ("linux", Platform::OtherLinux),
        ] {
            assert_eq!(platform_of(os, &root), platform, "{os}");
        }
        machine.file("root/etc/debian_version", "13.1\n");
        assert_eq!(platform_of("linux", &root), Platform::Debian);
        assert_eq!(platform_of("macos", &root), Platform::MacOs, "whatever files there are");
    }

    #[test]
    fn a_command_sees_only_its_environment() {
        let env = Env::empty(Platform::Debian).with("ONLY", "this");
        let output = env.command(Path::new("/usr/bin/env")).output().expect("env is there");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "ONLY=this\n");
    }
}
