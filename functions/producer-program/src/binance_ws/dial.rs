//! A WebSocket connection, through the proxy that the environment names if it names one.
//!
//! Trusted are the system's certificates, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.

use http::Uri;
use outbound::{Proxies, Proxy, UnusableProxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The most bytes of a proxy's answer.
const ANSWER_BYTES: usize = 8 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0:?} is no URL of a stream")]
    Url(String),
    #[error("{0}")]
    UnusableProxy(UnusableProxy),
    #[error("connect to {to}: {cause}")]
    Tcp { to: String, cause: std::io::Error },
    #[error("ask the proxy {proxy:?} for {to}: {why}")]
    Proxy { proxy: Proxy, to: String, why: String },
    /// The server, or what is in its place, answered no.
    #[error("answered {status}")]
    Answered { status: u16, headers: Box<http::HeaderMap> },
    #[error("{0}")]
    Handshake(Box<WsError>),
}

pub(super) async fn dial(
    url: &str,
    limits: WebSocketConfig,
    proxies: &Proxies,
) -> Result<Socket, DialError> {
    let wrong = || DialError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let port = match (uri.port_u16(), uri.scheme_str()) {
        (Some(port), _) => port,
        (None, Some("wss")) => 443,
        (None, Some("ws")) => 80,
        (None, _) => return Err(wrong()),
    };
    let stream = match proxies.to(&uri).map_err(DialError::UnusableProxy)? {
        None => tcp(host.trim_start_matches('[').trim_end_matches(']'), port).await?,
        Some(proxy) => {
            let mut stream = tcp(&proxy.host, proxy.port).await?;
            let to = format!("{host}:{port}");
            if let Err(why) = tunnel(&mut stream, &proxy, &to).await {
                return Err(DialError::Proxy { proxy, to, why });
            }
            stream
        }
    };
    match client_async_tls_with_config(url, stream, Some(limits), None).await {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => Err(DialError::Answered {
            status: answer.status().as_u16(),
            headers: Box::new(answer.headers().clone()),
        }),
        Err(error) => Err(DialError::Handshake(Box::new(error))),
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let connected = TcpStream::connect((host, port)).await;
    let connected = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
    connected.map_err(|cause| DialError::Tcp { to: format!("{host}:{port}"), cause })
}

/// Has the proxy connect to `to`: what is written then goes there.
async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, to: &str) -> Result<(), String> {
    let mut request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n").into_bytes();
    if let Some(authorization) = &proxy.authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    // A byte at a time: what follows the answer is not the proxy's, and few bytes are.
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= ANSWER_BYTES {
            return Err(format!("an answer of more than {ANSWER_BYTES} bytes"));
        }
        let byte = stream.read_u8().await.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
            _ => error.to_string(),
        })?;
        answer.push(byte);
    }
    let head = String::from_utf8_lossy(&answer);
    let line = head.lines().next().unwrap_or_default();
    match line.split(' ').nth(1) {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        Some("407") => Err(format!(
            "{line:?}: it wants a user; HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT names one"
        )),
        _ => Err(format!("{line:?}")),
    }
}
