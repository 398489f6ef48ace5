//! A lock for an environment's stacks: only one command of a checkout works on them at a time, the others wait. It is a
//! lock of the kernel and ends with the process that holds it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The longest wait: a deploy and a destroy of two stacks at their own bounds.
pub const LIMIT: Duration = Duration::from_mins(90);
const POLL: Duration = Duration::from_millis(200);

/// The reason why the lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be made or locked.
    #[error("lock {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another command held it for too long.
    #[error(
        "{} is still held by {holder} after {seconds} s; let that command end, or end it, then run the same command again",
        path.display()
    )]
    Held {
        /// The file.
        path: PathBuf,
        /// The command that holds it, as it describes itself.
        holder: String,
        /// The waiting time, in seconds.
        seconds: u64,
    },
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// The lock file of an environment in a checkout.
    #[must_use]
    pub fn file(root: &Path, environment: &str) -> PathBuf {
        root.join("target/locks").join(format!("{environment}.lock"))
    }

    /// Acquires the lock, or waits for it for at most `limit`. `told` is called with the holder, once.
    pub async fn take(
        path: &Path,
        deed: &str,
        limit: Duration,
        told: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let mut file = open(path).map_err(failed)?;
        let begun = Instant::now();
        let mut waiting = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            if !waiting {
                waiting = true;
                told(&holder(path));
            }
            if begun.elapsed() >= limit {
                return Err(Error::Held {
                    path: path.to_owned(),
                    holder: holder(path),
                    seconds: limit.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
        // Only informs waiting commands; the lock works without it.
        let _ = write_holder(&mut file, deed);
        Ok(Self { _file: file })
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Never deleted: waiting commands have this file open.
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn write_holder(file: &mut File, deed: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{deed} (process {})", std::process::id())
}

fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    match read {
        Ok(_) if !text.is_empty() => text,
        _ => "another command".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::mpsc;

    use super::*;

    async fn take(path: &Path, limit: Duration) -> (Result<Lock, Error>, Vec<String>) {
        let mut told = Vec::new();
        let lock =
            Lock::take(path, "a test", limit, &mut |holder| told.push(holder.to_owned())).await;
        (lock, told)
    }

    #[tokio::test]
    async fn one_waits_for_the_other_and_says_for_which() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Lock::file(folder.path(), "dev");
        let (first, told) = take(&path, LIMIT).await;
        assert!(told.is_empty(), "{told:?}");
        let (refused, told) = take(&path, Duration::ZERO).await;
        let mine = format!("a test (process {})", std::process::id());
        assert_eq!(told, std::slice::from_ref(&mine));
        let error = refused.expect_err("it is held").to_string();
        assert!(error.contains(&mine) && error.contains("run the same command again"), "{error}");
        // It acquires the lock once the first one has released it, and not before.
        let (waits, began) = mpsc::channel();
        let second = tokio::spawn(async move {
            Lock::take(&path, "a test", LIMIT, &mut |_| waits.send(()).expect("heard")).await
        });
        tokio::task::spawn_blocking(move || began.recv().expect("it waits")).await.expect("heard");
        assert!(!second.is_finished());
        drop(first);
        drop(second.await.expect("it ends").expect("the lock"));
        let (_, told) = take(&Lock::file(folder.path(), "prod"), Duration::ZERO).await;
        assert!(told.is_empty(), "another environment has a lock of its own");
    }

    #[tokio::test]
    async fn it_dies_with_its_holder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Lock::file(folder.path(), "dev");
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        // The same lock, held by another program; `exec` makes the killed process the one that holds it.
        let mut holder = Command::new("sh");
        holder.args(["-c", "exec 9>\"$0\" && flock 9 && echo held && exec sleep 600"]);
        let holder = holder.arg(&path).stdout(Stdio::piped()).spawn();
        let mut holder = holder.expect("start a shell");
        let mut said = [0; 5];
        let mut stdout = holder.stdout.take().expect("a pipe");
        if stdout.read_exact(&mut said).is_err() {
            holder.wait().expect("it ended");
            println!("skipped: there is no `flock` here");
            return;
        }
        let (refused, _) = take(&path, Duration::ZERO).await;
        assert!(matches!(refused, Err(Error::Held { .. })), "{refused:?}");
        holder.kill().expect("kill -9");
        holder.wait().expect("it ended");
        let (taken, _) = take(&path, Duration::ZERO).await;
        drop(taken.expect("free"));
    }
}
