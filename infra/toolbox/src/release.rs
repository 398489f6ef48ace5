//! Programs of a release, used instead of compiling them: if the checkout is that release without changes.
//!
//! A release has a list of sums, `SHA256SUMS`, and for each program and target a file `PROGRAM-TARGET.gz`. A program is used only
//! if its file has the hash in the list. GitHub attests the commit and the workflow of the list; that is checked if `gh` is
//! installed and signed in. Files are fetched by `curl`, so that this crate needs no HTTP client.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use flate2::read::GzDecoder;

use crate::cache::{CacheError, io_error};
use crate::process;
use crate::verify::{self, Stamp};
use crate::{Cache, Env};

/// The variable with the address of releases, as `https://HOST/PATH`, to which `/TAG/FILE` is added; `off`: none is used.
pub const VARIABLE: &str = "TWINCLOUD_RELEASES";
/// The targets that releases have programs for.
pub const TARGETS: [&str; 2] = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"];
/// The list of sums.
pub const SUMS: &str = "SHA256SUMS";
/// The workflow that makes releases, and attests their lists.
const WORKFLOW: &str = ".github/workflows/release.yml";

const GIT_LIMIT: Duration = Duration::from_secs(30);
const GH_LIMIT: Duration = Duration::from_mins(1);
const LIST_LIMIT: Duration = Duration::from_mins(1);
const FILE_LIMIT: Duration = Duration::from_mins(15);
const LOCK_LIMIT: Duration = Duration::from_mins(20);
const RUN_LIMIT: Duration = Duration::from_secs(20);
/// Limits for `curl`: the time for a connection, and the least speed.
const CONNECT_S: &str = "10";
const STALL_BYTES_A_SECOND: &str = "1000";
const STALL_S: &str = "30";
const FILE_BYTES_MAX: &str = "500000000";

/// The release that this checkout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its tag.
    pub tag: String,
    /// The commit that the tag names.
    commit: String,
    /// The address of its files, without the last slash.
    from: String,
    /// The repository on GitHub, as `OWNER/NAME`.
    repository: Option<String>,
}

/// The relation of a checkout to releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checkout {
    /// Not a release, or releases are switched off.
    NoRelease,
    /// A release with local changes.
    Changed {
        /// The release's tag.
        tag: String,
        /// A file that differs.
        example: String,
    },
    /// This release, unchanged.
    Unchanged(Release),
}

/// Fetched programs.
#[derive(Debug)]
pub struct Taken {
    /// The folder that holds them.
    pub folder: PathBuf,
    /// The address that they came from.
    pub from: String,
    /// The result of checking GitHub's attestation.
    pub attested: Attested,
}

/// The result of checking GitHub's attestation of a list of sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attested {
    /// The release's workflow made the list from the commit that is checked out.
    Yes,
    /// Not checked, for this reason.
    NotAsked(&'static str),
}

/// The reason why programs of a release are not used.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// `curl` is missing.
    #[error("no curl on PATH to fetch it with")]
    NoCurl,
    /// A file could not be fetched.
    #[error("fetch {url}: {why}")]
    Fetch {
        /// Its address.
        url: String,
        /// The reason that `curl` gave.
        why: String,
    },
    /// The list lacks a file, or has a malformed line.
    #[error("{SUMS} of {url} {what}")]
    List {
        /// The address of the release.
        url: String,
        /// The problem.
        what: String,
    },
    /// GitHub does not attest the list.
    #[error("gh finds no attestation of {SUMS} for this commit: {said}")]
    NotAttested {
        /// The first line that `gh` printed.
        said: String,
    },
    /// A file's hash differs from the list. The file has been deleted.
    #[error("{url} has the hash {actual}, and {SUMS} names {expected}; the file was deleted")]
    WrongHash {
        /// Its address.
        url: String,
        /// The hash in the list.
        expected: String,
        /// Its own hash.
        actual: String,
    },
    /// A program does not start on this machine.
    #[error("{name} does not run on this machine: {said}")]
    DoesNotRun {
        /// The program.
        name: String,
        /// The reason.
        said: String,
    },
    /// The cache can't be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// The relation of the checkout at `root` to releases. Asks git alone, and no network.
#[must_use]
pub fn of_checkout(env: &Env, root: &Path) -> Checkout {
    look(env, root).unwrap_or(Checkout::NoRelease)
}

fn look(env: &Env, root: &Path) -> Option<Checkout> {
    let given =
        env.var(VARIABLE).and_then(|value| value.to_str()).filter(|value| !value.is_empty());
    if given == Some("off") {
        return None;
    }
    let git = env.which("git")?;
    let ask = |words: &[&str]| {
        let mut command = env.command(&git);
        let output = process::run(command.arg("-C").arg(root).args(words), GIT_LIMIT).ok()?;
        output.success.then(|| output.stdout.trim_end().to_owned())
    };
    let tags = ask(&["tag", "--points-at", "HEAD", "--sort=-version:refname"])?;
    let tag = tags.lines().find(|tag| is_release(tag))?.to_owned();
    let repository = ask(&["remote", "get-url", "origin"]).and_then(|url| on_github(&url));
    let from = match (given, &repository) {
        (Some(from), _) => from.trim_end_matches('/').to_owned(),
        (None, Some(repository)) => format!("https://github.com/{repository}/releases/download"),
        (None, None) => return None,
    };
    // Including submodules and untracked files.
    let changes = ask(&["status", "--porcelain", "--untracked-files=all"])?;
    if let Some(line) = changes.lines().next() {
        let example = line.get(3..).unwrap_or(line).to_owned();
        return Some(Checkout::Changed { tag, example });
    }
    let commit = ask(&["rev-parse", "HEAD"])?;
    Some(Checkout::Unchanged(Release { from: format!("{from}/{tag}"), tag, commit, repository }))
}

/// True for a tag such as `v1.2.3`, or `v1.2.3-rc.1`. It becomes a part of a URL and of a path.
fn is_release(tag: &str) -> bool {
    let Some(version) = tag.strip_prefix('v') else { return false };
    let may = |c: char| c.is_ascii_alphanumeric() || ['.', '-'].contains(&c);
    version.starts_with(|c: char| c.is_ascii_digit()) && version.chars().all(may)
}

/// `OWNER/NAME` of a remote on github.com, over HTTPS or SSH.
fn on_github(url: &str) -> Option<String> {
    let begins = ["https://github.com/", "ssh://git@github.com/", "git@github.com:"];
    let path = begins.iter().find_map(|begin| url.strip_prefix(begin))?;
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    let may = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
    let is_name = |name: &str| !name.is_empty() && name.chars().all(may);
    (is_name(owner) && is_name(name)).then(|| path.to_owned())
}

impl Release {
    /// Gets programs for a target: from the cache if it has them with the hash in the list, else from the release. `is_tool`
    /// selects programs that print their help, so that one that does not start here is rejected. `progress` is called before a
    /// download.
    pub fn take(
        &self,
        env: &Env,
        cache: &Cache,
        target: &str,
        names: &[&str],
        is_tool: impl Fn(&str) -> bool,
        mut progress: impl FnMut(&str),
    ) -> Result<Taken, ReleaseError> {
        let release = cache.root().join("releases").join(format!("{}-{}", self.tag, self.commit));
        let folder = release.join(target);
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let waiting = || progress("waiting for another run that takes programs of the release");
        let _lock = cache.lock(&format!("release-{}", self.tag), LOCK_LIMIT, waiting)?;
        let (sums, attested) = self.sums(env, &release)?;
        for name in names {
            let file = format!("{name}-{target}.gz");
            let expected = sums.get(&file).ok_or_else(|| self.list(format!("names no {file}")))?;
            let program = folder.join(name);
            let is_there = program.is_file()
                && Stamp::of(&program).is_ok_and(|stamp| &stamp.vouched_by_sha256 == expected);
            if is_there {
                continue;
            }
            progress(&format!("fetching {file} of release {}", self.tag));
            self.fetch_program(env, &file, expected, &program)?;
            if is_tool(name)
                && let Err(said) = starts(env, &program)
            {
                let _ = fs::remove_file(&program);
                return Err(ReleaseError::DoesNotRun { name: (*name).to_owned(), said });
            }
        }
        Ok(Taken { folder, from: self.from.clone(), attested })
    }

    /// The hash of each file of the release.
    fn sums(
        &self,
        env: &Env,
        folder: &Path,
    ) -> Result<(BTreeMap<String, String>, Attested), ReleaseError> {
        let list = folder.join(SUMS);
        if !list.is_file() {
            let part = folder.join("SHA256SUMS.part");
            self.fetch(env, SUMS, &part, LIST_LIMIT)?;
            fs::rename(&part, &list).map_err(io_error("create", &list))?;
        }
        let read = self.read(&list).and_then(|sums| Ok((sums, self.attested(env, &list)?)));
        if read.is_err() {
            // The next run fetches it again.
            let _ = fs::remove_file(&list);
        }
        read
    }

    fn read(&self, list: &Path) -> Result<BTreeMap<String, String>, ReleaseError> {
        let text = fs::read_to_string(list).map_err(io_error("read", list))?;
        let sums = text.lines().map(|line| {
            let (sha256, name) = line.split_once("  ")?;
            let is_hash = sha256.len() == 64
                && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            is_hash.then(|| (name.to_owned(), sha256.to_owned()))
        });
        let sums: Option<BTreeMap<_, _>> = sums.collect();
        // A truncated one ends within a line.
        let sums = sums.filter(|_| text.ends_with('\n'));
        sums.ok_or_else(|| self.list("is no list of SHA-256 sums, or is not complete".to_owned()))
    }

    /// Checks with `gh` that the release's workflow made the list from the checked-out commit.
    fn attested(&self, env: &Env, list: &Path) -> Result<Attested, ReleaseError> {
        let Some(repository) = &self.repository else {
            return Ok(Attested::NotAsked("the checkout's origin is not on GitHub"));
        };
        let Some(gh) = env.which("gh") else { return Ok(Attested::NotAsked("no gh on PATH")) };
        let marker = list.with_extension("attested");
        let hash = verify::sha256_file(list).map_err(io_error("read", list))?;
        if fs::read_to_string(&marker).is_ok_and(|attested| attested == hash) {
            return Ok(Attested::Yes);
        }
        let is_signed_in = process::run(env.command(&gh).args(["auth", "token"]), GH_LIMIT);
        if !is_signed_in.is_ok_and(|output| output.success) {
            return Ok(Attested::NotAsked("gh is not signed in"));
        }
        let mut verify = env.command(&gh);
        verify.args(["attestation", "verify"]).arg(list).args(["--repo", repository]);
        verify.args(["--source-digest", &self.commit]);
        verify.arg("--signer-workflow").arg(format!("{repository}/{WORKFLOW}"));
        let not_attested = |said: String| ReleaseError::NotAttested { said };
        let output =
            process::run(&mut verify, GH_LIMIT).map_err(|error| not_attested(error.to_string()))?;
        if !output.success {
            let said = output.stderr.lines().chain(output.stdout.lines());
            let said = said.map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
            return Err(not_attested(said.to_owned()));
        }
        fs::write(&marker, hash).map_err(io_error("write", &marker))?;
        Ok(Attested::Yes)
    }

    /// Fetches a packed program, checks its hash, and unpacks it.
    fn fetch_program(
        &self,
        env: &Env,
        file: &str,
        expected: &str,
        program: &Path,
    ) -> Result<(), ReleaseError> {
        let part = program.with_extension("gz.part");
        self.fetch(env, file, &part, FILE_LIMIT)?;
        let actual = verify::sha256_file(&part).map_err(io_error("hash", &part))?;
        if actual != expected {
            let _ = fs::remove_file(&part);
            let (url, expected) = (self.url(file), expected.to_owned());
            return Err(ReleaseError::WrongHash { url, expected, actual });
        }
        let unpacked = program.with_extension("new");
        unpack(&part, &unpacked).map_err(io_error("unpack", &part))?;
        fs::rename(&unpacked, program).map_err(io_error("create", program))?;
        Stamp::make(program, Some(expected)).map_err(io_error("hash", program))?;
        fs::remove_file(&part).map_err(io_error("remove", &part))?;
        Ok(())
    }

    fn fetch(&self, env: &Env, file: &str, to: &Path, limit: Duration) -> Result<(), ReleaseError> {
        let curl = env.which("curl").ok_or(ReleaseError::NoCurl)?;
        let url = self.url(file);
        let mut command = env.command(&curl);
        // First, so that the user's configuration file does not change the options that follow.
        command.arg("--disable");
        command.args(["--fail", "--silent", "--show-error", "--location", "--retry", "1"]);
        command.args(["--connect-timeout", CONNECT_S, "--max-filesize", FILE_BYTES_MAX]);
        command.args(["--speed-limit", STALL_BYTES_A_SECOND, "--speed-time", STALL_S]);
        // An HTTPS address must not redirect to an unencrypted one.
        let schemes = if url.starts_with("https://") { "=https" } else { "=http,https" };
        command.args(["--proto", schemes, "--proto-redir", schemes]);
        command.arg("--output").arg(to).arg(&url);
        let failed = |why: String| {
            let _ = fs::remove_file(to);
            ReleaseError::Fetch { url: url.clone(), why }
        };
        let output =
            process::run(&mut command, limit).map_err(|error| failed(error.to_string()))?;
        if output.success { Ok(()) } else { Err(failed(output.first_line().to_owned())) }
    }

    fn url(&self, file: &str) -> String {
        format!("{}/{file}", self.from)
    }

    fn list(&self, what: String) -> ReleaseError {
        ReleaseError::List { url: self.from.clone(), what }
    }
}

/// Writes what is packed in `from` to `to`, as a program.
fn unpack(from: &Path, to: &Path) -> io::Result<()> {
    let mut out = File::create(to)?;
    io::copy(&mut GzDecoder::new(File::open(from)?), &mut out)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        out.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    out.sync_all()
}

/// Makes a program print its help, which fails if it was linked with a newer C library.
fn starts(env: &Env, program: &Path) -> Result<(), String> {
    let mut command: Command = env.command(program);
    let output =
        process::run(command.arg("--help"), RUN_LIMIT).map_err(|error| error.to_string())?;
    if output.success { Ok(()) } else { Err(output.first_line().to_owned()) }
}

#[cfg(test)]
#[path = "release_tests.rs"]
mod tests;
