//! A root: a folder of `.tf` files, with the values, the state and the credentials of one environment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use infra::{Settings, files};

use super::error::Error;
use super::pinned;

/// What is the program's own, or a user's, and not the root's.
const NOT_COPIED: [&str; 5] = [".terraform", ".twincloud", "tests", "README.md", pinned::FILE];

/// A root of Terraform, for one environment.
///
/// The program runs in `work`, a copy of `source`: the sources stay clean, environments can't get into each other's way,
/// and a person can go there and type `terraform` himself. So a root can't refer to files outside of it.
#[derive(Clone, Debug)]
pub struct Root {
    /// What it is called in plans and errors.
    pub name: String,
    /// The folder of its `.tf` files.
    pub source: PathBuf,
    /// Where it is run; for one environment.
    pub work: PathBuf,
    /// Where its state is, as a rendered file.
    pub backend_file: Option<PathBuf>,
    /// More of the same, key by key.
    pub backend: BTreeMap<String, String>,
    /// Values of its variables, as a rendered file.
    pub var_file: Option<PathBuf>,
    /// Variables of its environment, beside our own.
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

    /// The same on an emulator of AWS, its state too.
    #[must_use]
    pub fn on_aws_emulator(mut self, endpoint: &str) -> Self {
        let env = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ENDPOINT_URL_S3", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            // An own one would be sent along.
            ("AWS_SESSION_TOKEN", ""),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        self.env.extend(env.map(|(name, value)| (name.to_owned(), value.to_owned())));
        // There is no DNS name for each bucket.
        self.backend.insert("use_path_style".to_owned(), "true".to_owned());
        self
    }

    /// Makes the copy what the source is, with its lock file only if `pinned`. The program's own files in it stay.
    pub(super) fn stage(&self, pinned: bool) -> Result<(), Error> {
        let failed =
            |cause| Error::Files { action: "copy the root to", path: self.work.clone(), cause };
        // Plans hold secrets.
        let folder = self.runs();
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        copy(&self.source, &self.work).map_err(failed)?;
        if pinned {
            fs::copy(self.source.join(pinned::FILE), self.work.join(pinned::FILE))
                .map_err(failed)?;
        }
        Ok(())
    }

    /// What is left by runs, and what plans are kept.
    pub(super) fn runs(&self) -> PathBuf {
        self.work.join(".twincloud")
    }
}

/// Copies what differs, and deletes `.tf` files that are no longer in the source.
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
        // Another run may be reading it.
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
