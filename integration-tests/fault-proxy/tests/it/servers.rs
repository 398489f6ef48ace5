//! Test servers, clients, and a recorder of events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fault_proxy::{FaultEvent, FaultEventKind, Level, OnEvent, Proxy};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A deadline that is never reached, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// The time to watch for what must not happen; a slow machine makes the test weaker, never red.
pub(crate) const SOON: Duration = Duration::from_millis(300);

/// A server; it ends when it is dropped.
pub(crate) struct Server {
    pub(crate) endpoint: String,
    /// Received requests: method, path, body.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A server that echoes.
pub(crate) async fn echo() -> Server {
    serve(|mut socket, _| async move {
        let (mut read, mut write) = socket.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
        let _ = write.shutdown().await;
    })
    .await
}

/// A server of HTTP/1.1 and HTTP/2. Answers `METHOD PATH BODY`, or as the path says.
pub(crate) async fn web() -> Server {
    serve(|socket, asked| async move {
        let service = service_fn(move |request| answer(request, Arc::clone(&asked)));
        let server = auto::Builder::new(TokioExecutor::new());
        let _ = server.serve_connection(TokioIo::new(socket), service).await;
    })
    .await
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    asked: Arc<Mutex<Vec<String>>>,
) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let body = body.collect().await?.to_bytes();
    let text = format!("{} {path} {}", head.method, String::from_utf8_lossy(&body));
    let answers = {
        let mut asked = asked.lock().unwrap();
        asked.push(text.clone());
        asked.len()
    };
    let is_grpc = head.headers.get("content-type").is_some_and(|kind| kind == "application/grpc");
    let mut response = if is_grpc {
        let status = if path.ends_with("/Fail") { "5" } else { "0" };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        let frames = [Ok(Frame::data(Bytes::from(text))), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures::stream::iter(frames));
        Response::builder().header("content-type", "application/grpc").body(body.boxed())
    } else {
        let status = if path.ends_with("/fail") { 409 } else { 200 };
        let body = if path.ends_with("/large") { "x".repeat(100_000) } else { text };
        Response::builder().status(status).body(Full::from(body).boxed())
    }
    .unwrap();
    response.headers_mut().insert("answer", answers.into());
    Ok(response)
}

/// A server that answers every request with these pieces, each a moment after the one before, and closes if one of
/// them says so. Requests are recorded byte for byte.
pub(crate) async fn scripted(pieces: Vec<&'static str>) -> Server {
    serve(move |mut socket, asked| {
        let pieces = pieces.clone();
        async move {
            while let Some(request) = raw_request(&mut socket, &pieces).await {
                asked.lock().unwrap().push(request);
                for piece in &pieces {
                    // No `100 Continue` once the whole request has come.
                    if !piece.contains(" 100 ") && socket.write_all(piece.as_bytes()).await.is_err()
                    {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                if pieces.iter().any(|piece| piece.contains("Connection: close")) {
                    return;
                }
            }
        }
    })
    .await
}

/// Reads one request of the announced length; sends `100 Continue` if there is a piece for that.
async fn raw_request(socket: &mut TcpStream, pieces: &[&str]) -> Option<String> {
    let mut bytes = Vec::new();
    let mut length = None;
    while length.is_none_or(|length| bytes.len() < length) {
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n")
            && length.is_none()
        {
            let lines = head.to_lowercase();
            let body = lines.lines().find_map(|line| line.strip_prefix("content-length: "));
            length = Some(head.len() + 4 + body.map_or(0, |body| body.parse().unwrap()));
            if let Some(go_on) = pieces.iter().find(|piece| piece.contains(" 100 ")) {
                socket.write_all(go_on.as_bytes()).await.ok()?;
            }
        }
    }
    Some(String::from_utf8(bytes).unwrap())
}

async fn serve<F>(each: impl Fn(TcpStream, Arc<Mutex<Vec<String>>>) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (mut tasks, for_each) = (JoinSet::new(), Arc::clone(&asked));
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            connections.spawn(each(socket, Arc::clone(&for_each)));
        }
    });
    Server { endpoint, asked, _task: tasks }
}

/// A proxy before `server`, and its events.
pub(crate) async fn proxy(server: &Server, level: Level) -> (Proxy, Events) {
    let events = Events::default();
    let ears = events.clone();
    let on_event = OnEvent::new(move |event| ears.0.lock().unwrap().push(event));
    let builder = Proxy::before(&server.endpoint).unwrap().level(level).name("test").seed(7);
    (builder.on_event(on_event).start().await.unwrap(), events)
}

/// Recorded events.
#[derive(Clone, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<FaultEvent>>>);

impl Events {
    pub(crate) fn all(&self) -> Vec<FaultEvent> {
        self.0.lock().unwrap().clone()
    }

    /// The details of firings, in order.
    pub(crate) fn fired(&self) -> Vec<String> {
        let details = self.all().into_iter().filter_map(|event| match event.happened {
            FaultEventKind::Fired { detail, .. } => Some(detail),
            _ => None,
        });
        details.collect()
    }
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Sends `text` and reads as many bytes back.
pub(crate) async fn round_trip(socket: &mut TcpStream, text: &str) -> std::io::Result<String> {
    socket.write_all(text.as_bytes()).await?;
    let mut back = vec![0; text.len()];
    within(socket.read_exact(&mut back)).await?;
    Ok(String::from_utf8(back).unwrap())
}

/// Runs `work` with a deadline.
pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LONG, work).await.expect("it takes too long")
}

/// True if `work` is still not done after a while.
pub(crate) async fn hangs<T>(work: impl Future<Output = T>) -> bool {
    tokio::time::timeout(SOON, work).await.is_err()
}

pub(crate) async fn http1(address: SocketAddr) -> http1::SendRequest<Full<Bytes>> {
    let (sender, connection) =
        http1::handshake(TokioIo::new(connect(address).await)).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn http2(address: SocketAddr) -> http2::SendRequest<Full<Bytes>> {
    let socket = TokioIo::new(connect(address).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request with headers.
pub(crate) fn request(
    method: &str,
    uri: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri).header("host", "test");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::from(body.to_owned())).unwrap()
}

/// A gRPC call.
pub(crate) fn grpc(method: &str) -> Request<Full<Bytes>> {
    let request = Request::post(format!("http://test/google.pubsub.v1.Publisher/{method}"));
    let request = request.version(http::Version::HTTP_2).header("content-type", "application/grpc");
    request.body(Full::from("call")).unwrap()
}

/// Status, headers and trailers, body.
pub(crate) async fn read(response: Response<Incoming>) -> (u16, HeaderMap, String) {
    let (head, body) = response.into_parts();
    let collected = within(body.collect()).await.unwrap();
    let mut headers = head.headers;
    headers.extend(collected.trailers().cloned().unwrap_or_default());
    let body = String::from_utf8(collected.to_bytes().to_vec()).unwrap();
    (head.status.as_u16(), headers, body)
}

/// The part of AWS's signature that the proxy reads.
pub(crate) fn signed(service: &str) -> String {
    let scope = format!("Credential=KEY/20260101/eu-west-1/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")
}
