//! The HTTP level: HTTP/1.1 and HTTP/2 are parsed and written again.
//!
//! A client's connection has one upstream connection of its own, opened for its first request. A single task does all
//! work of both and of every stream in them: dropping it leaves nothing behind.

mod apply;
mod aws;
mod body;
pub(crate) mod call;
mod google;
mod local;
mod s3;
mod upstream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;

use self::local::Local;
use self::upstream::Upstream;
use crate::connection::Connection;
use crate::spec::Ending;
use crate::stream::{FaultyStream, Side};

/// Windows of HTTP/2, on both sides: large enough to be no bottleneck on one machine.
pub(crate) const STREAM_WINDOW_BYTES: u32 = 8 * 1024 * 1024;
pub(crate) const CONNECTION_WINDOW_BYTES: u32 = 32 * 1024 * 1024;
pub(crate) const HEADERS_BYTES: u32 = 1024 * 1024;

/// Serves one client until either side is done.
pub(crate) async fn serve(
    client: TcpStream,
    upstream: SocketAddr,
    proxied: SocketAddr,
    connection: Arc<Connection>,
) {
    let client = FaultyStream::new(client, Side::Client, Arc::clone(&connection));
    let local = Local::default();
    let upstream =
        Arc::new(Upstream::new(upstream, proxied, Arc::clone(&connection), local.clone()));
    let server = server(local.clone());
    let service = service_fn(|request| apply::handle(Arc::clone(&upstream), request));
    let serving = server.serve_connection(TokioIo::new(client), service);
    let mut serving = std::pin::pin!(serving);
    let mut leaving = false;
    let serving = std::future::poll_fn(|context| {
        if !leaving && upstream.is_gone() {
            leaving = true;
            serving.as_mut().graceful_shutdown();
        }
        match serving.as_mut().poll(context) {
            Poll::Ready(served) => Poll::Ready(served),
            Poll::Pending => {
                upstream.wake_when_gone(context.waker());
                Poll::Pending
            }
        }
    });
    let work = async {
        if let Err(error) = local.run(serving).await {
            tracing::debug!(connection = connection.fate.number, %error, "a connection broke");
            connection.fate.end(Ending::Reset);
        }
    };
    connection.fate.until_ended(work).await;
}

fn server(local: Local) -> auto::Builder<Local> {
    let mut server = auto::Builder::new(local).preserve_header_case(true);
    server.http1().auto_date_header(false).header_read_timeout(None);
    server
        .http2()
        .auto_date_header(false)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(None)
        .max_header_list_size(HEADERS_BYTES);
    server
}
