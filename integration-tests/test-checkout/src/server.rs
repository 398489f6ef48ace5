//! A server of files on loopback that misbehaves as told.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A file, and the number of its bytes that are sent; all of them are announced.
type Files = BTreeMap<String, (Vec<u8>, usize)>;

/// A server of files, until the test ends.
pub struct FileServer {
    /// Its address, without a slash at the end.
    pub address: String,
    files: Arc<Mutex<Files>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    /// Starts it without a file.
    #[expect(clippy::new_without_default, reason = "it starts a thread")]
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (files, asked) = (Arc::<Mutex<Files>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let server = Self { address, files: Arc::clone(&files), asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                // A client that hangs up is no matter of the server's.
                let _ = answer(stream, &files, &asked);
            }
        });
        server
    }

    /// Serves a file under this path, which begins with a slash.
    pub fn put(&self, path: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        let sent = content.len();
        locked(&self.files).insert(path.to_owned(), (content, sent));
    }

    /// Ends the connection after so many bytes of a file.
    pub fn cut(&self, path: &str, sent: usize) {
        locked(&self.files).get_mut(path).expect("it is served").1 = sent;
    }

    /// Serves a file no longer.
    pub fn remove(&self, path: &str) {
        locked(&self.files).remove(path);
    }

    /// The content of a file.
    pub fn content(&self, path: &str) -> Vec<u8> {
        locked(&self.files).get(path).expect("it is served").0.clone()
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.asked).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(
    mut stream: TcpStream,
    files: &Mutex<Files>,
    asked: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = locked(files).get(&path).cloned();
    locked(asked).push(path);
    let (status, content, sent) =
        found.map_or(("404 Not Found", Vec::new(), 0), |(content, sent)| ("200 OK", content, sent));
    let bytes = content.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n")?;
    stream.write_all(&content[..sent])
}
