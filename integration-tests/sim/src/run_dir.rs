//! The folder that a run leaves behind: `target/runs/<id>`, and `target/runs/latest` beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use time::OffsetDateTime;

/// A new folder; its id is unique on this machine.
#[derive(Clone, Debug)]
pub struct RunDir {
    /// The folder.
    pub path: PathBuf,
    /// Such as `e2e-20260102-030405-4711`.
    pub id: String,
}

impl RunDir {
    /// Makes the folder below `root`/target/runs and points `latest` to it.
    pub fn create(root: &Path, kind: &str) -> anyhow::Result<Self> {
        let runs = root.join("target/runs");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(seconds).context("read the clock")?;
        let (date, (hour, minute, second)) = (time.date(), time.to_hms());
        let id = format!(
            "{kind}-{}{:02}{:02}-{hour:02}{minute:02}{second:02}-{}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            std::process::id()
        );
        let path = runs.join(&id);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        point_latest(&runs, &id).with_context(|| format!("link {}/latest", runs.display()))?;
        Ok(Self { path, id })
    }
}

/// By rename, so that `latest` exists at any moment, whatever other run starts now.
#[cfg(unix)]
fn point_latest(runs: &Path, id: &str) -> io::Result<()> {
    let new = runs.join(format!(".latest-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(id, &new)?;
    fs::rename(new, runs.join("latest"))
}

/// By a junction, as a symbolic link takes rights there that few users have.
#[cfg(windows)]
fn point_latest(runs: &Path, id: &str) -> io::Result<()> {
    let latest = runs.join("latest");
    match fs::remove_dir(&latest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => junction::create(std::path::absolute(runs.join(id))?, latest),
    }
}
