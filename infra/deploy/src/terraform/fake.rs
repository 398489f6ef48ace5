//! A fake Terraform program for tests: it runs snippets of shell, and records its calls.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Limits, Terraform};

/// An error as a line of JSON.
pub(crate) fn diagnostic(summary: &str, address: Option<&str>) -> String {
    serde_json::json!({
        "type": "diagnostic",
        "diagnostic": { "severity": "error", "summary": summary, "detail": "", "address": address },
    })
    .to_string()
}

/// The program with its snippets.
pub(crate) struct Fake {
    folder: PathBuf,
}

impl Fake {
    /// In `folder`, which must be empty.
    pub(crate) fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("create");
        let fake = Self { folder: folder.to_owned() };
        let script = format!(
            "#!/bin/sh\ncd '{}' || exit 9\ncommand=$1\n\
             count=$(( $(cat \"count-$command\" 2>/dev/null || echo 0) + 1 ))\necho $count >\"count-$command\"\n\
             [ \"$command\" = version ] || echo \"$*\" >>calls\n\
             for way in \"$command-$count\" \"$command\"; do\n\
             if [ -f \"$way\" ]; then . \"./$way\"; exit; fi\ndone\nexit 0\n",
            folder.display()
        );
        let program = fake.program();
        fs::write(&program, script).expect("write");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        fake.does("version", "echo '{\"terraform_version\":\"1.11.4\"}'");
        fake.does("output", "echo '{}'");
        fake.does("show", "echo '{\"applyable\":false}'");
        fake
    }

    /// The path of the program.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("terraform")
    }

    /// The engine with this program.
    pub(crate) fn terraform(&self) -> Terraform {
        Terraform {
            program: self.program(),
            version: "1.11.4".to_owned(),
            plugin_dir: None,
            limits: Limits::default(),
        }
    }

    /// Makes a command run this: `apply`, or with `apply-2` only its second call.
    pub(crate) fn does(&self, command: &str, shell: &str) {
        fs::write(self.folder.join(command), format!("{shell}\n")).expect("write");
    }

    /// Makes a command print this, and fail.
    pub(crate) fn fails(&self, command: &str, says: &str) {
        self.does(command, &format!("cat <<'END'\n{says}\nEND\nexit 1"));
    }

    /// The calls, without options except those that begin with one of `options`.
    pub(crate) fn calls(&self, options: &[&str]) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        let brief = |call: &str| {
            let words = call.split(' ').filter(|word| {
                !(word.starts_with('-') || word.starts_with('/'))
                    || options.iter().any(|option| word.starts_with(option))
            });
            words.collect::<Vec<_>>().join(" ")
        };
        calls.lines().map(brief).collect()
    }
}
