//! The cache folder of fetched tools. It is outside of the build folder, so `cargo clean` spares it.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Env;

const LOCK_POLL_MS: u64 = 50;

/// The cache folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    root: PathBuf,
}

/// The reason why the cache can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// No variable names the folder.
    #[error("no place for the cache: set TWINCLOUD_CACHE, XDG_CACHE_HOME or HOME")]
    NoPlace,
    /// A file operation failed.
    #[error("{doing} {path}: {cause}")]
    Io {
        /// The operation.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// The system's error.
        cause: io::Error,
    },
    /// Another run held the lock for too long.
    #[error("{path} is held by another run since {waited_s} s: end that run, or try again later")]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// The waiting time, in seconds.
        waited_s: u64,
    },
}

impl Cache {
    /// `$TWINCLOUD_CACHE`, else `$XDG_CACHE_HOME/twincloud`, else `$HOME/.cache/twincloud`.
    pub fn locate(env: &Env) -> Result<Self, CacheError> {
        let root = env
            .path_var("TWINCLOUD_CACHE")
            .or_else(|| {
                env.path_var("XDG_CACHE_HOME")
                    .filter(|path| path.is_absolute())
                    .map(|path| path.join("twincloud"))
            })
            .or_else(|| env.home().map(|home| home.join(".cache/twincloud")))
            .ok_or(CacheError::NoPlace)?;
        let root = std::path::absolute(&root).map_err(io_error("resolve", &root))?;
        Ok(Self { root })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The jars and archives of Google's emulators. A file that a user puts here is used if its hash is pinned.
    #[must_use]
    pub fn emulators(&self) -> PathBuf {
        self.root.join("emulators")
    }

    /// The Python virtual environments, one for each tool.
    #[must_use]
    pub fn venvs(&self) -> PathBuf {
        self.root.join("venvs")
    }

    /// Takes the lock `name`, so that concurrent runs fetch a tool once. It is released when dropped, even by a
    /// crash. `waiting` is called once if another run holds it.
    pub fn lock(
        &self,
        name: &str,
        limit: Duration,
        waiting: impl FnOnce(),
    ) -> Result<File, CacheError> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder).map_err(io_error("create", &folder))?;
        let path = folder.join(name);
        let file = File::create(&path).map_err(io_error("create", &path))?;
        let begun = Instant::now();
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(io_error("lock", &path)(source)),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= limit => {
                    return Err(CacheError::Busy { path, waited_s: limit.as_secs() });
                }
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    std::thread::sleep(Duration::from_millis(LOCK_POLL_MS));
                }
            }
        }
    }
}

/// Wraps a system error with its operation and path.
pub(crate) fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CacheError {
    let path = path.to_owned();
    move |cause| CacheError::Io { doing, path, cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;
    use crate::testing::Machine;

    #[test]
    fn the_first_variable_that_is_set_decides() {
        let env = Env::empty(Platform::Debian);
        assert!(matches!(Cache::locate(&env), Err(CacheError::NoPlace)));
        let env = env.with("HOME", "/h");
        assert_eq!(Cache::locate(&env).expect("by HOME").root(), Path::new("/h/.cache/twincloud"));
        let env = env.with("XDG_CACHE_HOME", "/x");
        assert_eq!(
            Cache::locate(&env).expect("by XDG_CACHE_HOME").root(),
            Path::new("/x/twincloud")
        );
        let env = env.with("TWINCLOUD_CACHE", "/t");
        assert_eq!(Cache::locate(&env).expect("by TWINCLOUD_CACHE").root(), Path::new("/t"));
    }

    #[test]
    fn a_lock_is_exclusive_bounded_and_released() {
        let machine = Machine::new();
        let cache = Cache::locate(&machine.env()).expect("a cache");
        let first = cache.lock("x", Duration::ZERO, || ()).expect("nobody holds it");
        let mut waited = false;
        let error =
            cache.lock("x", Duration::from_millis(120), || waited = true).expect_err("it is held");
        assert!(matches!(error, CacheError::Busy { .. }), "{error}");
        assert!(waited);
        drop(first);
        cache.lock("x", Duration::ZERO, || ()).expect("released");
    }
}
