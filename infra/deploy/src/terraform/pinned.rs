//! The lock file of a root, with its providers' versions and hashes: the reviewed providers are the ones that run.

use std::fs;
use std::path::Path;

/// Its name.
pub(super) const FILE: &str = ".terraform.lock.hcl";

/// True if `program` must use the lock file of the root in `source`.
///
/// `OpenTofu` names the same providers by another registry, so the file does not apply to it. A file made from a mirror has
/// hashes of a single platform (`h1:`), while those from a registry (`zh:`) cover all platforms.
pub(super) fn holds(source: &Path, program: &Path) -> bool {
    let Ok(text) = fs::read_to_string(source.join(FILE)) else { return false };
    let is_tofu = [Some(program.to_owned()), fs::canonicalize(program).ok()]
        .into_iter()
        .flatten()
        .any(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("tofu")));
    let made_here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
    !is_tofu && (text.contains("\"zh:") || made_here)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::terraform::{Limits, Root, Terraform};

    #[tokio::test]
    async fn a_root_that_is_pinned_is_got_ready_with_its_lock_file_and_leaves_it_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let [source, work, calls] =
            ["source", "work", "calls"].map(|name| folder.path().join(name));
        let program = folder.path().join("terraform");
        fs::write(&program, format!("#!/bin/sh\necho \"$*\" >>'{}'\n", calls.display()))
            .expect("write");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("set");
        let (version, limits) = ("1.11.4".to_owned(), Limits::default());
        let terraform = Terraform { program, version, plugin_dir: None, limits };
        fs::create_dir(&source).expect("create");
        let root = Root::new("root", &source, &work);
        terraform.init(&root).await.expect("ready");
        assert!(!work.join(FILE).exists());
        // A lock file that an earlier run created is replaced.
        fs::write(work.join(FILE), "hashes = [\"zh:old\"]").expect("write");
        fs::write(source.join(FILE), "hashes = [\"zh:new\"]").expect("write");
        terraform.init(&root).await.expect("ready again");
        let locked = fs::read_to_string(work.join(FILE)).expect("copied");
        assert_eq!(locked, "hashes = [\"zh:new\"]");
        let calls = fs::read_to_string(calls).expect("called");
        let readonly: Vec<bool> =
            calls.lines().map(|call| call.contains(" -lockfile=readonly")).collect();
        assert_eq!(readonly, [false, true], "{calls}");
    }

    /// Checks the lock files of both roots.
    #[test]
    fn the_lock_files_are_tracked_and_have_hashes() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let is_checkout = checkout.join(".git").exists();
        let tracked = |root: &str| {
            let file = format!("{root}/{FILE}");
            let mut git = std::process::Command::new("git");
            git.args(["ls-files", "--error-unmatch", &file]).current_dir(&checkout);
            git.output().is_ok_and(|output| output.status.success())
        };
        for (root, provider) in [("terraform", "aws"), ("terraform-gcp", "google")] {
            let Ok(text) = fs::read_to_string(checkout.join(root).join(FILE)) else {
                // The workflow `providers` creates it where the registry can be reached.
                assert_eq!(root, "terraform-gcp", "terraform/ is locked");
                continue;
            };
            assert!(tracked(root) || !is_checkout, "{root}/{FILE} is not tracked");
            let of = format!("provider \"registry.terraform.io/hashicorp/{provider}\"");
            assert!(text.contains(&of), "{text}");
            assert!(text.contains("\"h1:") || text.contains("\"zh:"), "no hashes: {text}");
        }
    }

    #[test]
    fn a_lock_file_is_kept_to_where_it_says_something() {
        let folder = tempfile::tempdir().expect("a folder");
        let (source, terraform) = (folder.path(), Path::new("/usr/bin/terraform"));
        assert!(!holds(source, terraform), "there is none");
        fs::write(source.join(FILE), "hashes = [\"h1:a\", \"zh:b\"]").expect("write");
        assert!(holds(source, terraform));
        assert!(!holds(source, Path::new("/usr/bin/tofu")));
        let linked = source.join("terraform");
        fs::write(source.join("tofu-1.10"), "").expect("write");
        symlink(source.join("tofu-1.10"), &linked).expect("link");
        assert!(!holds(source, &linked), "by another name");
        fs::write(source.join(FILE), "hashes = [\"h1:a\"]").expect("write");
        let here = cfg!(all(target_os = "linux", target_arch = "x86_64"));
        assert_eq!(holds(source, terraform), here, "h1 is of one platform");
    }
}
