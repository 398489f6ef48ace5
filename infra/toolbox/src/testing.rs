//! A fake machine in a temporary folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::{Env, Platform};

/// A temporary folder with a `bin` for programs, a `home`, and a `root` for system-wide installations.
pub(crate) struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let machine = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        for folder in ["bin", "home", "root"] {
            machine.folder(folder);
        }
        machine
    }

    pub(crate) fn env(&self) -> Env {
        Env::empty(Platform::Debian)
            .with("PATH", self.path("bin"))
            .with("HOME", self.path("home"))
            .with_root(self.path("root"))
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder is there").join(relative)
    }

    pub(crate) fn folder(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(&path).expect("create a folder");
        path
    }

    pub(crate) fn file(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().expect("it has a parent")).expect("create a folder");
        fs::write(&path, content).expect("write a file");
        path
    }

    /// An executable shell script. It must be of shell built-ins only: `PATH` holds nothing else.
    pub(crate) fn script(&self, relative: &str, body: &str) -> PathBuf {
        let path = self.file(relative, format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("make it executable");
        path
    }

    pub(crate) fn java(&self, relative: &str, version: &str) -> PathBuf {
        self.script(relative, &format!("echo 'openjdk version \"{version}\" 2025-04-15' >&2"))
    }

    pub(crate) fn python(&self, relative: &str, version: &str) -> PathBuf {
        self.script(relative, &format!("echo '{version}'"))
    }
}
