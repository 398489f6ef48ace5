//! One file by HTTPS: resumed, bounded, and kept only if its hash is the pinned one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, Response, StatusCode};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt as _;
use toolbox::verify::sha256_file;

use super::OnProgress;

const USER_AGENT: &str = concat!("twincloud/", env!("CARGO_PKG_VERSION"));

/// A file to download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its source.
    pub url: String,
    /// Expected SHA-256.
    pub sha256: String,
    /// Expected size.
    pub bytes: u64,
    /// Its destination. Until it is verified it is beside that, with `.part` at the end of its name.
    pub to: PathBuf,
}

/// Timeouts and number of attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte.
    pub idle: Duration,
    /// Largest number of attempts.
    pub attempts_max: u32,
    /// Before the second attempt; it doubles.
    pub backoff: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            attempts_max: 5,
            backoff: Duration::from_millis(500),
        }
    }
}

/// Why the file isn't there.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The HTTP client can't be made, because of the certificates to trust for example.
    #[error("prepare the download: {}", causes(.0))]
    Client(reqwest::Error),
    /// The server can't be reached, or the connection broke, time and again.
    #[error("download {url}: no answer in {attempts} attempts; the last: {cause}")]
    Unreachable {
        /// From where.
        url: String,
        /// Number of attempts.
        attempts: u32,
        /// Error of the last attempt.
        cause: String,
    },
    /// The server says no.
    #[error("download {url}: the server answers {status}")]
    Status {
        /// From where.
        url: String,
        /// Status of its answer.
        status: StatusCode,
    },
    /// It is something else than what is pinned. It has been deleted.
    #[error("{url} is not what is pinned: expected {expected}, got {actual}; the file was deleted")]
    WrongHash {
        /// From where.
        url: String,
        /// The pinned hash.
        expected: String,
        /// The hash of what came.
        actual: String,
    },
    /// A file operation failed.
    #[error("{doing} {}: {cause}", path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The I/O error.
        cause: io::Error,
    },
}

/// Result of one attempt.
enum Attempt {
    /// The partial file is as large as it should be, or larger.
    Complete,
    /// The connection broke; what came is kept.
    Broken(String),
}

/// A client that trusts what the system trusts, or `SSL_CERT_FILE` and `SSL_CERT_DIR`, and uses the proxy of
/// `HTTPS_PROXY`.
pub fn client(limits: &Limits) -> Result<Client, DownloadError> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(limits.connect)
        .read_timeout(limits.idle);
    builder.build().map_err(DownloadError::Client)
}

/// Downloads `wanted`, unless it is there already. A partial file of an earlier run is resumed.
pub async fn download(
    client: &Client,
    wanted: &Wanted,
    limits: &Limits,
    on_progress: &OnProgress,
) -> Result<(), DownloadError> {
    if let Some(folder) = wanted.to.parent() {
        fs::create_dir_all(folder).await.map_err(io_error("create", folder))?;
    }
    if hash(&wanted.to).await?.as_ref() == Some(&wanted.sha256) {
        return Ok(());
    }
    let part = part_of(&wanted.to);
    let resumed = length(&part).await > 0;
    transfer(client, wanted, &part, limits, on_progress).await?;
    let mut checked = keep_if_right(wanted, &part).await;
    if resumed && matches!(checked, Err(DownloadError::WrongHash { .. })) {
        // The beginning may have been of another file. This time it is all of one.
        transfer(client, wanted, &part, limits, on_progress).await?;
        checked = keep_if_right(wanted, &part).await;
    }
    checked
}

async fn transfer(
    client: &Client,
    wanted: &Wanted,
    part: &Path,
    limits: &Limits,
    on_progress: &OnProgress,
) -> Result<(), DownloadError> {
    let mut backoff = limits.backoff;
    let mut cause = String::new();
    for attempt in 1..=limits.attempts_max {
        if attempt > 1 {
            on_progress.step(format!("{cause}; trying again"));
            tokio::time::sleep(backoff).await;
            backoff *= 2;
        }
        match try_once(client, wanted, part, on_progress).await? {
            Attempt::Complete => return Ok(()),
            Attempt::Broken(why) => cause = why,
        }
    }
    Err(DownloadError::Unreachable {
        url: wanted.url.clone(),
        attempts: limits.attempts_max,
        cause,
    })
}

async fn try_once(
    client: &Client,
    wanted: &Wanted,
    part: &Path,
    on_progress: &OnProgress,
) -> Result<Attempt, DownloadError> {
    let have = length(part).await;
    if have >= wanted.bytes {
        return Ok(Attempt::Complete);
    }
    let mut request = client.get(&wanted.url);
    if have > 0 {
        request = request.header(RANGE, format!("bytes={have}-"));
    }
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => return Ok(Attempt::Broken(causes(&error))),
    };
    let status = response.status();
    if status.is_server_error() {
        return Ok(Attempt::Broken(format!("the server answers {status}")));
    }
    let from = match status {
        StatusCode::PARTIAL_CONTENT if starts_at(&response, have) => have,
        // A server that doesn't do ranges sends all of it.
        StatusCode::OK => 0,
        // The partial file can't be continued.
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            remove(part).await?;
            return Ok(Attempt::Broken("the partial file can't be continued".to_owned()));
        }
        _ => return Err(DownloadError::Status { url: wanted.url.clone(), status }),
    };
    receive(response, wanted, part, from, on_progress).await
}

async fn receive(
    mut response: Response,
    wanted: &Wanted,
    part: &Path,
    from: u64,
    on_progress: &OnProgress,
) -> Result<Attempt, DownloadError> {
    let mut file = open(part, from).await?;
    let mut done = from;
    let what = wanted.to.file_name().unwrap_or_default().to_string_lossy();
    // More than it should be is wrong already, and need not fill the disk.
    let outcome = loop {
        if done > wanted.bytes {
            break Attempt::Complete;
        }
        match response.chunk().await {
            Ok(Some(chunk)) => {
                file.write_all(&chunk).await.map_err(io_error("write", part))?;
                done += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                on_progress.bytes(&what, done, wanted.bytes);
            }
            Ok(None) if done < wanted.bytes => {
                break Attempt::Broken(format!("it ended after {done} of {} bytes", wanted.bytes));
            }
            Ok(None) => break Attempt::Complete,
            Err(error) => break Attempt::Broken(causes(&error)),
        }
    };
    file.flush().await.map_err(io_error("write", part))?;
    file.sync_all().await.map_err(io_error("write", part))?;
    Ok(outcome)
}

async fn keep_if_right(wanted: &Wanted, part: &Path) -> Result<(), DownloadError> {
    let actual = hash(part).await?.unwrap_or_default();
    if actual == wanted.sha256 {
        return fs::rename(part, &wanted.to).await.map_err(io_error("create", &wanted.to));
    }
    remove(part).await?;
    Err(DownloadError::WrongHash {
        url: wanted.url.clone(),
        expected: wanted.sha256.clone(),
        actual,
    })
}

/// True if a partial answer continues at the partial file's end, as `Content-Range: bytes 5-9/10` says.
fn starts_at(response: &Response, from: u64) -> bool {
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let first =
        range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    first == Some(from)
}

async fn open(part: &Path, from: u64) -> Result<File, DownloadError> {
    let mut options = OpenOptions::new();
    if from == 0 {
        options.write(true).create(true).truncate(true);
    } else {
        options.append(true);
    }
    options.open(part).await.map_err(io_error("open", part))
}

async fn length(path: &Path) -> u64 {
    fs::metadata(path).await.map_or(0, |metadata| metadata.len())
}

async fn remove(path: &Path) -> Result<(), DownloadError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// `None` if there is no such file.
async fn hash(path: &Path) -> Result<Option<String>, DownloadError> {
    let owned = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || sha256_file(&owned)).await;
    match hashed.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(hash) => Ok(Some(hash)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("hash", path)(error)),
    }
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    move |cause| DownloadError::Io { doing, path, cause }
}

/// An error with its causes: "error sending request" alone does not help.
fn causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        text.push_str(": ");
        text.push_str(&deeper.to_string());
        cause = deeper.source();
    }
    text
}

#[cfg(test)]
#[path = "download_tests.rs"]
mod tests;
