//! A fake server of a cloud's API for tests, which records its requests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The server.
pub(crate) struct Served {
    /// Its URL.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Served {
    /// Answers each request by `answer`, which gets the request's first line without its version, and its body; it returns the
    /// status and body of the answer.
    pub(crate) async fn start(
        answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let request = read(&mut stream).await;
                    let (head, body) = request.split_once("\r\n\r\n").unwrap_or((&request, ""));
                    let line = head.lines().next().unwrap_or_default();
                    let line = line.trim_end_matches(" HTTP/1.1");
                    log.lock().expect("a lock").push(format!("{line} {body}").trim().to_owned());
                    let (status, body) = answer(line, body);
                    let head = format!(
                        "HTTP/1.1 {status} Stub\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    // The client may have disconnected.
                    let _ = stream.write_all((head + &body).as_bytes()).await;
                });
            }
        });
        Self { url, asked }
    }

    /// The requests received so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a lock").clone()
    }
}

/// A whole request: its head, and a body of the announced length.
async fn read(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let mut part = vec![0; 4096];
        let count = stream.read(&mut part).await.unwrap_or_default();
        request.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            if count == 0 {
                return text;
            }
            continue;
        };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        if count == 0 || body.len() >= length.unwrap_or_default() {
            return text;
        }
    }
}
