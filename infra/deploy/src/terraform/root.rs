//! A root: a folder of `.tf` files, with the values, the state and the credentials of one environment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use infra::{Settings, files};

use super::error::Error;
use super::pinned;

/// Files of the program itself or of a user, which are not copied.
const NOT_COPIED: [&str; 5] = [".terraform", ".twincloud", "tests", "README.md", pinned::FILE];

/// A root of Terraform, for one environment.
///
/// The program runs in `work`, a copy of `source`: the sources stay clean, environments are separate, and a person can
/// run `terraform` there. So a root can't refer to files outside of it.
#[derive(Clone, Debug)]
pub struct Root {
    /// Its name in plans and errors.
    pub name: String,
    /// The folder of its `.tf` files.
    pub source: PathBuf,
    /// The folder in which it is run, for one environment.
    pub work: PathBuf,
    /// A rendered file with the place of its state.
    pub backend_file: Option<PathBuf>,
    /// Further backend settings, by key.
    pub backend: BTreeMap<String, String>,
    /// A rendered file with the values of its variables.
    pub var_file: Option<PathBuf>,
    /// Environment variables in addition to those set here.
    pub env: BTreeMap<String, String>,
}

impl Root {
    /// A root with neither values nor state of its own.
    #[must_use]
    pub fn new(name: &str, source: &Path, work: &Path) -> Self {
        Self {
            name: name.to_owned(),
            source: source.to_owned(),
            work: work.to_owned(),
            backend_file: None,
            backend: BTreeMap::new(),
            var_file: None,
            env: BTreeMap::new(),
        }
    }

    /// `terraform/`, the AWS foundation, with the files that were rendered for it. `workspace` is an absolute path.
    #[must_use]
    pub fn aws(workspace: &Path, settings: &Settings) -> Self {
        Self::rendered(workspace, settings, "terraform", "aws.s3.tfbackend")
    }

    /// `terraform-gcp/`, all of Google, with the files that were rendered for it. `workspace` is an absolute path.
    #[must_use]
    pub fn google(workspace: &Path, settings: &Settings) -> Self {
        Self::rendered(workspace, settings, "terraform-gcp", "gcp.gcs.tfbackend")
    }

    fn rendered(workspace: &Path, settings: &Settings, name: &str, backend: &str) -> Self {
        let rendered = workspace.join(files::folder(settings));
        let work = workspace.join("outputs/work").join(&settings.project.environment).join(name);
        Self {
            backend_file: Some(rendered.join(backend)),
            var_file: Some(rendered.join(name).join("terraform.tfvars.json")),
            ..Self::new(name, &workspace.join(name), &work)
        }
    }

    /// The same root on an emulator of AWS, with its state there.
    #[must_use]
    pub fn on_aws_emulator(mut self, endpoint: &str) -> Self {
        let env = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ENDPOINT_URL_S3", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            // A token of the user's own environment would be sent along.
            ("AWS_SESSION_TOKEN", ""),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        self.env.extend(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // An emulator has no DNS name for each bucket.
        self.backend.insert("use_path_style".to_owned(), "true".to_owned());
        self
    }

    /// Updates the copy from the source, with the lock file only if `pinned`. The program's own files in it are kept.
    pub(super) fn stage(&self, pinned: bool) -> Result<(), Error> {
        let failed =
            |cause| Error::Files { action: "copy the root to", path: self.work.clone(), cause };
        // Plans contain secrets.
        let folder = self.runs();
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        copy(&self.source, &self.work).map_err(failed)?;
        if pinned {
            fs::copy(self.source.join(pinned::FILE), self.work.join(pinned::FILE))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// The folder of runs and kept plans.
    pub(super) fn runs(&self) -> PathBuf {
        self.work.join(".twincloud")
    }
}

/// Copies files that differ, and deletes `.tf` files that are no longer in the source.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let configuration = entry.path().extension().is_some_and(|extension| extension == "tf");
        if configuration && !from.join(entry.file_name()).exists() {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        if NOT_COPIED.contains(&&*text) || text.contains(".tfstate") || text.contains(".tfvars") {
            continue;
        }
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
            continue;
        }
        let content = fs::read(entry.path())?;
        // Unchanged files are not rewritten: another run may be reading them.
        if fs::read(&target).ok().as_ref() != Some(&content) {
            fs::write(&target, content)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_the_source_without_tests_values_and_states() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, work) = (folder.path().join("source"), folder.path().join("work"));
        for name in ["tests", "modules/queue"] {
            fs::create_dir_all(source.join(name)).expect("create");
        }
        for name in [
            "main.tf",
            "gone.tf",
            "terraform.tfvars.json",
            "terraform.tfstate",
            "tests/a.tftest.hcl",
            "modules/queue/main.tf",
        ] {
            fs::write(source.join(name), name).expect("write");
        }
        let root = Root::new("root", &source, &work);
        root.stage(false).expect("copy");
        fs::write(work.join(".terraform.lock.hcl"), "").expect("write");
        fs::remove_file(source.join("gone.tf")).expect("remove");
        fs::write(source.join("main.tf"), "changed").expect("write");
        root.stage(false).expect("copy again");

        let entries = fs::read_dir(&work).expect("read");
        let mut names: Vec<_> = entries.map(|entry| entry.expect("entry").file_name()).collect();
        names.sort();
        assert_eq!(names, [".terraform.lock.hcl", ".twincloud", "main.tf", "modules"]);
        assert_eq!(fs::read_to_string(work.join("main.tf")).expect("read"), "changed");
        assert!(work.join("modules/queue/main.tf").exists());
    }
}
