//! Downloads from a real server on loopback, which misbehaves as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use toolbox::verify::sha256;

use super::*;
use crate::processes::fetch::Progress;

/// The server's treatment of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behaviour {
    Full,
    /// Announces all of it, and closes the connection after so many bytes.
    CutAfter(usize),
    IgnoreRange,
    /// Answers 206 with another range than the one that was asked for.
    WrongRange,
    Stall,
    Status(u16),
}

struct Server {
    address: SocketAddr,
    /// The `Range` of each request.
    ranges: Arc<Mutex<Vec<Option<u64>>>>,
}

impl Server {
    /// Serves `content`, one behaviour a request; the last one for all that follow.
    async fn start(content: Vec<u8>, behaviours: &[Behaviour]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let ranges = Arc::new(Mutex::new(Vec::new()));
        let (seen, behaviours) = (Arc::clone(&ranges), behaviours.to_vec());
        tokio::spawn(async move {
            for index in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let behaviour = behaviours[usize::min(index, behaviours.len() - 1)];
                // A client that hangs up is what some tests are about.
                let _ = answer(stream, &content, behaviour, &seen).await;
            }
        });
        Self { address, ranges }
    }

    fn ranges(&self) -> Vec<Option<u64>> {
        self.ranges.lock().expect("not poisoned").clone()
    }
}

async fn answer(
    mut stream: TcpStream,
    content: &[u8],
    behaviour: Behaviour,
    seen: &Mutex<Vec<Option<u64>>>,
) -> io::Result<()> {
    let range = read_range(&mut stream).await?;
    seen.lock().expect("not poisoned").push(range);
    let from = match behaviour {
        Behaviour::IgnoreRange => 0,
        _ => usize::try_from(range.unwrap_or(0)).expect("small"),
    };
    let body = &content[usize::min(from, content.len())..];
    let (status, first) = match behaviour {
        Behaviour::Status(code) => (format!("{code} Told So"), 0),
        Behaviour::WrongRange if from > 0 => ("206 Partial Content".to_owned(), from + 1),
        _ if from > 0 => ("206 Partial Content".to_owned(), from),
        _ => ("200 OK".to_owned(), 0),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {first}-{}/{}\r\nconnection: close\r\n\r\n",
        body.len(),
        content.len(),
        content.len()
    );
    stream.write_all(head.as_bytes()).await?;
    match behaviour {
        Behaviour::CutAfter(count) => {
            stream.write_all(&body[..usize::min(count, body.len())]).await?;
        }
        Behaviour::Stall => {
            stream.write_all(&body[..1]).await?;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        _ => stream.write_all(body).await?,
    }
    stream.shutdown().await
}

async fn read_range(stream: &mut TcpStream) -> io::Result<Option<u64>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request).to_ascii_lowercase();
    let range = request
        .lines()
        .find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    Ok(range)
}

struct Fixture {
    folder: tempfile::TempDir,
    server: Server,
    wanted: Wanted,
    limits: Limits,
}

impl Fixture {
    async fn new(behaviours: &[Behaviour]) -> Self {
        let content = content();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let server = Server::start(content.clone(), behaviours).await;
        let wanted = Wanted {
            url: format!("http://{}/emulator.jar", server.address),
            sha256: sha256(&content),
            bytes: content.len() as u64,
            to: folder.path().join("cache/emulator.jar"),
        };
        let limits = Limits {
            connect: Duration::from_secs(2),
            idle: Duration::from_millis(200),
            attempts_max: 3,
            backoff: Duration::from_millis(5),
        };
        Self { folder, server, wanted, limits }
    }

    fn partial(&self, content: &[u8]) {
        std::fs::create_dir_all(self.folder.path().join("cache")).expect("create");
        std::fs::write(part_of(&self.wanted.to), content).expect("write");
    }

    async fn run(&self) -> Result<(), DownloadError> {
        let client =
            Client::builder().no_proxy().read_timeout(self.limits.idle).build().expect("a client");
        download(&client, &self.wanted, &self.limits, &OnProgress::ignore()).await
    }

    async fn assert_succeeds(&self) {
        self.run().await.expect("it gets there");
        assert_eq!(std::fs::read(&self.wanted.to).expect("it is there"), content());
        assert!(!part_of(&self.wanted.to).exists());
    }
}

fn content() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_file_is_downloaded_once() {
    let fixture = Fixture::new(&[Behaviour::Full]).await;
    fixture.assert_succeeds().await;
    fixture.assert_succeeds().await;
    assert_eq!(fixture.server.ranges(), [None]);
}

#[tokio::test]
async fn progress_is_told_up_to_the_end() {
    let fixture = Fixture::new(&[Behaviour::Full]).await;
    let last = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&last);
    let on_progress =
        OnProgress::new(move |progress| *seen.lock().expect("not poisoned") = Some(progress));
    let client = Client::builder().no_proxy().build().expect("a client");
    download(&client, &fixture.wanted, &fixture.limits, &on_progress).await.expect("it gets there");
    let total = fixture.wanted.bytes;
    let expected = Progress::Bytes { what: "emulator.jar".to_owned(), done: total, total };
    assert_eq!(*last.lock().expect("not poisoned"), Some(expected));
}

#[tokio::test]
async fn a_connection_that_breaks_is_resumed_where_it_broke() {
    let fixture = Fixture::new(&[Behaviour::CutAfter(1_000), Behaviour::Full]).await;
    fixture.assert_succeeds().await;
    assert_eq!(fixture.server.ranges(), [None, Some(1_000)]);
}

#[tokio::test]
async fn a_partial_file_of_an_earlier_run_is_resumed() {
    let fixture = Fixture::new(&[Behaviour::Full]).await;
    fixture.partial(&content()[..70_000]);
    fixture.assert_succeeds().await;
    assert_eq!(fixture.server.ranges(), [Some(70_000)]);
}

#[tokio::test]
async fn a_server_that_ignores_the_range_is_understood() {
    let fixture = Fixture::new(&[Behaviour::IgnoreRange]).await;
    fixture.partial(&content()[..70_000]);
    fixture.assert_succeeds().await;
}

#[tokio::test]
async fn an_answer_of_another_range_is_not_appended() {
    let fixture = Fixture::new(&[Behaviour::WrongRange, Behaviour::Full]).await;
    fixture.partial(&content()[..70_000]);
    fixture.assert_succeeds().await;
    assert_eq!(fixture.server.ranges(), [Some(70_000), None]);
}

#[tokio::test]
async fn a_partial_file_of_something_else_is_given_up_and_fetched_anew() {
    let fixture = Fixture::new(&[Behaviour::Full]).await;
    fixture.partial(&vec![7; 70_000]);
    fixture.assert_succeeds().await;
    assert_eq!(fixture.server.ranges(), [Some(70_000), None]);
}

#[tokio::test]
async fn wrong_content_is_deleted_and_both_hashes_are_named() {
    let mut fixture = Fixture::new(&[Behaviour::Full]).await;
    fixture.wanted.sha256 = sha256(b"what is pinned");
    let error = fixture.run().await.expect_err("it is not what is pinned");
    let text = error.to_string();
    assert!(matches!(error, DownloadError::WrongHash { .. }), "{text}");
    for part in [fixture.wanted.url.clone(), fixture.wanted.sha256.clone(), sha256(&content())] {
        assert!(text.contains(&part), "{text}");
    }
    assert!(!fixture.wanted.to.exists() && !part_of(&fixture.wanted.to).exists());
}

#[tokio::test]
async fn more_than_was_promised_is_not_read_to_the_end() {
    let mut fixture = Fixture::new(&[Behaviour::Full]).await;
    fixture.wanted.bytes = 10;
    let error = fixture.run().await.expect_err("it is too large");
    assert!(matches!(error, DownloadError::WrongHash { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let fixture = Fixture::new(&[Behaviour::Stall]).await;
    let begun = Instant::now();
    let error = fixture.run().await.expect_err("it stalls");
    assert!(matches!(error, DownloadError::Unreachable { attempts: 3, .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_server_that_refuses_is_named_with_the_cause() {
    let mut fixture = Fixture::new(&[Behaviour::Full]).await;
    let port = crate::processes::ports::free().expect("a port");
    fixture.wanted.url = format!("http://127.0.0.1:{port}/emulator.jar");
    let text = fixture.run().await.expect_err("nobody listens").to_string();
    assert!(text.contains(&fixture.wanted.url) && text.contains("Connection refused"), "{text}");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_one_that_says_no_is_not() {
    let fixture = Fixture::new(&[Behaviour::Status(503), Behaviour::Full]).await;
    fixture.assert_succeeds().await;
    let fixture = Fixture::new(&[Behaviour::Status(403)]).await;
    let error = fixture.run().await.expect_err("it says no");
    assert!(matches!(error, DownloadError::Status { .. }), "{error}");
    assert_eq!(fixture.server.ranges().len(), 1);
}
