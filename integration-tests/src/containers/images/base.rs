//! What images stand on: Debian with Python, by debootstrap, since there is none to pull.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;
use toolbox::{Cache, Env};

use super::INPUTS;
use crate::docker::DockerError;
use crate::run::interrupted;
use cli::Failure;
use cli::Progress;

/// A Debian, and what it has besides what is essential.
pub(super) struct Debian {
    suite: &'static str,
    packages: &'static str,
    /// Of its Python, by which packages are chosen.
    pub(super) python: &'static str,
}

/// Debian 12, whose glibc 2.36 is newer than the 2.34 that a function may ask for: the image [`NAME`], on which others stand.
pub(super) const BOOKWORM: Debian =
    Debian { suite: "bookworm", packages: "openjdk-17-jre-headless,python3", python: "3.11" };
/// Debian 13, for the Python that `LocalStack` wants.
pub(super) const TRIXIE: Debian =
    Debian { suite: "trixie", packages: "ca-certificates,python3", python: "3.13" };

/// The image of [`BOOKWORM`].
pub(super) const NAME: &str = "twincloud/base:bookworm";

/// Debian's keys, on Debian and where its package of that name is.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR: &str = "http://deb.debian.org/debian";
/// Paths that are of no use in a container.
const LEFT_OUT: [&str; 5] = [
    "./var/cache/apt",
    "./var/lib/apt/lists",
    "./usr/share/doc",
    "./usr/share/man",
    "./usr/share/locale",
];
/// debootstrap undoes its mounts on SIGTERM.
const GRACE: Duration = Duration::from_secs(15);
const TAIL_LINES: usize = 15;

impl Debian {
    /// A hash of all that it is made of, but the packages' versions.
    pub(super) fn inputs(&self) -> String {
        let parts = [&[self.suite, self.packages, std::env::consts::ARCH][..], &LEFT_OUT].concat();
        toolbox::verify::sha256(parts.join("\n").as_bytes())
    }

    /// Unpacks it into a folder, in a minute or two. `image` is what it is for.
    pub(super) async fn unpack(
        &self,
        root: &Root,
        image: &str,
        env: &Env,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let Some(debootstrap) = find_debootstrap(env) else {
            return Err(Failure::MissingPrerequisite(anyhow!(
                "no debootstrap, which makes what {image} stands on; on Debian and Ubuntu: sudo apt install debootstrap"
            )));
        };
        if !is_root() {
            return Err(Failure::MissingPrerequisite(anyhow!(
                "debootstrap needs root, to make {image}: run this command once with sudo --preserve-env=PATH,HOME; \
                 the images are then there for everybody who may use Docker"
            )));
        }
        let keyring = keyring(env)?;
        progress.now(format!("{image}: debootstrap of Debian {}, a minute or two", self.suite));
        // One stream for what it says and for what goes wrong.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(debootstrap);
        command.args(self.words(&keyring, &root.path, &mirror(env)));
        // The remains of a crash are never used, so dpkg need not wait for the disk after each file.
        command.env("DPKG_FORCE", "unsafe-io");
        run(command, image, progress).await
    }

    /// The arguments of debootstrap. The mirror speaks HTTP, so what comes is good only by Debian's signature: without being
    /// told so, debootstrap goes on unchecked where there are no keys.
    fn words(&self, keyring: &Path, root: &Path, mirror: &str) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--force-check-gpg".into(), "--keyring".into()];
        words.push(keyring.into());
        words.push("--variant=minbase".into());
        words.push(format!("--include={}", self.packages).into());
        words.extend([self.suite.into(), root.into(), mirror.into()]);
        words
    }
}

fn keyring(env: &Env) -> Result<PathBuf, Failure> {
    let keyring = env.system_path(KEYRING);
    if keyring.is_file() {
        return Ok(keyring);
    }
    Err(Failure::MissingPrerequisite(anyhow!(
        "no {}, by which packages of Debian are checked; on Debian and Ubuntu: sudo apt install debian-archive-keyring",
        keyring.display()
    )))
}

/// Makes the image of [`BOOKWORM`].
pub(super) async fn make(env: &Env, cache: &Cache, progress: &Progress) -> Result<(), Failure> {
    let root = Root::create(cache, &BOOKWORM)?;
    BOOKWORM.unpack(&root, NAME, env, progress).await?;
    progress.now(format!("{NAME}: handing it to Docker"));
    import(&root, NAME, &[format!("LABEL {INPUTS}={}", BOOKWORM.inputs())]).await?;
    Ok(())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|this_process| this_process.uid() == 0)
}

/// It is for root, and so is its folder, which others often don't search.
fn find_debootstrap(env: &Env) -> Option<PathBuf> {
    let usual = ["/usr/sbin/debootstrap", "/sbin/debootstrap"].map(PathBuf::from);
    env.which("debootstrap").or_else(|| usual.into_iter().find(|path| path.is_file()))
}

/// Debian mirror of this machine's own packages, if it is a Debian.
fn mirror(env: &Env) -> String {
    let files = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    let texts =
        files.map(|file| std::fs::read_to_string(env.system_path(file)).unwrap_or_default());
    let found = texts.iter().find_map(|text| debian_mirror(text));
    found.unwrap_or_else(|| MIRROR.to_owned())
}

/// The first URL of Debian itself in a list of sources, of either format.
fn debian_mirror(sources: &str) -> Option<String> {
    let words =
        sources.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| {
            let line = line.trim();
            let rest = line.strip_prefix("URIs:").or_else(|| line.strip_prefix("deb "));
            rest.unwrap_or_default().split_whitespace()
        });
    words
        .map(|word| word.trim_end_matches('/'))
        .find(|word| word.ends_with("/debian"))
        .map(str::to_owned)
}

/// Runs debootstrap, which says a line for each package.
async fn run(mut command: Command, image: &str, progress: &Progress) -> Result<(), Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("run debootstrap")?;
    let mut lines = BufReader::new(child.stdout.take().context("read from debootstrap")?).lines();
    let mut last = Vec::new();
    let read = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if is_step(&line) {
                progress.now(format!("{image}: {}", line.trim_start_matches("I: ")));
            }
            last.push(line);
            last.drain(..last.len().saturating_sub(TAIL_LINES));
        }
        child.wait().await
    };
    let ended = tokio::select! {
        ended = read => Some(ended),
        told = interrupted() => { told?; None }
    };
    let Some(status) = ended else {
        if let Some(pid) = child.id() {
            let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM);
            let _ = timeout(GRACE, child.wait()).await;
        }
        return Err(Failure::Interrupted(String::new()));
    };
    let status = status.context("wait for debootstrap")?;
    if status.success() {
        return Ok(());
    }
    let said = last.join("\n");
    Err(Failure::MissingPrerequisite(anyhow!(
        "debootstrap failed ({status}); it said last:\n{said}"
    )))
}

/// True for debootstrap's lines about a step, and not about one of the hundreds of packages.
fn is_step(line: &str) -> bool {
    line.ends_with("...") && line.split(' ').count() > 3
}

/// Hands a folder to Docker, as an image of one layer. `changes` are lines of a Dockerfile.
pub(super) async fn import(root: &Root, name: &str, changes: &[String]) -> anyhow::Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--directory").arg(&root.path).args(["--create", "--one-file-system"]);
    tar.args(LEFT_OUT.map(|path| format!("--exclude={path}"))).arg(".");
    tar.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut tar = tar.spawn().context("run tar")?;
    let archive: Stdio = tar.stdout.take().context("read from tar")?.try_into()?;
    let mut docker = Command::new("docker");
    docker.arg("import");
    docker.args(changes.iter().flat_map(|line| ["--change", line]));
    docker.args(["-", name]);
    docker.stdin(archive).kill_on_drop(true);
    let output = docker.output().await.map_err(DockerError::NoEngine)?;
    let packed = tar.wait().await.context("wait for tar")?;
    anyhow::ensure!(packed.success(), "tar of {}: {packed}", root.path.display());
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "docker import {name}: {}", said.trim());
    Ok(())
}

/// The folder in which debootstrap works. Removed when it is dropped, unless something is still mounted below it.
pub(super) struct Root {
    pub(super) path: PathBuf,
}

impl Root {
    pub(super) fn create(cache: &Cache, debian: &Debian) -> Result<Self, Failure> {
        let name = format!("{}-{}", debian.suite, std::process::id());
        let path = cache.root().join("images").join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self { path })
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if let Some(mount) = mounted_below(&self.path, &mounts) {
            // Deleting would go on in what is mounted there, such as the machine's own devices.
            eprintln!("{mount} is still mounted: unmount it, and remove {}", self.path.display());
            return;
        }
        let mut rm = std::process::Command::new("rm");
        rm.args(["--recursive", "--force", "--one-file-system"]).arg(&self.path);
        if !rm.status().is_ok_and(|status| status.success()) {
            eprintln!("{} could not be removed; remove it by hand", self.path.display());
        }
    }
}

/// A place below `folder` on which something is mounted.
fn mounted_below<'a>(folder: &Path, mounts: &'a str) -> Option<&'a str> {
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    places.find(|place| Path::new(place).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_machines_own() {
        let deb822 = "Types: deb\n# URIs: http://old/debian\nURIs: http://m/debian/\nSuites: bookworm\n\n\
                      URIs: http://m/debian-security\n";
        assert_eq!(debian_mirror(deb822).as_deref(), Some("http://m/debian"));
        let one_line = "deb [signed-by=/x] http://m/debian bookworm main\n";
        assert_eq!(debian_mirror(one_line).as_deref(), Some("http://m/debian"));
        assert_eq!(debian_mirror("deb http://archive.ubuntu.com/ubuntu noble main"), None);
    }

    #[test]
    fn packages_are_taken_by_debians_signature_or_not_at_all() {
        let words = BOOKWORM.words(Path::new("/keys.gpg"), Path::new("/root-1"), "http://m/debian");
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(words[..3], ["--force-check-gpg", "--keyring", "/keys.gpg"]);
        assert_eq!(words[5..], ["bookworm", "/root-1", "http://m/debian"]);

        let folder = tempfile::tempdir().expect("a temporary folder");
        let env = Env::empty(toolbox::Platform::Debian).with_root(folder.path());
        let Err(Failure::MissingPrerequisite(why)) = keyring(&env) else {
            panic!("there are no keys")
        };
        assert!(why.to_string().contains("apt install debian-archive-keyring"), "{why}");
        let file = env.system_path(KEYRING);
        std::fs::create_dir_all(file.parent().expect("it has a parent")).expect("create");
        std::fs::write(&file, "keys").expect("write");
        assert!(keyring(&env).is_ok_and(|found| found == file));
    }

    #[test]
    fn steps_are_told_from_packages() {
        assert!(is_step("I: Unpacking the base system..."));
        assert!(!is_step("I: Configuring libc-bin..."));
        assert!(!is_step("I: Retrieving perl-base 5.36.0-7"));
    }

    #[test]
    fn what_is_mounted_below_is_seen() {
        let mounts = "proc /proc proc rw 0 0\nproc /w/base-1/proc proc rw 0 0\n";
        assert_eq!(mounted_below(Path::new("/w/base-1"), mounts), Some("/w/base-1/proc"));
        assert_eq!(mounted_below(Path::new("/w/base-2"), mounts), None);
        assert_eq!(mounted_below(Path::new("/w/base"), mounts), None);
    }
}
