//! The upstream connection that belongs to a client's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures::task::AtomicWaker;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::body::ProxyBody;
use super::local::Local;
use super::{CONNECTION_WINDOW_BYTES, HEADERS_BYTES, STREAM_WINDOW_BYTES};
use crate::connection::Connection;
use crate::relay::connect;

/// The upstream that requests are sent to.
pub(crate) struct Upstream {
    address: SocketAddr,
    proxied: SocketAddr,
    pub(crate) connection: Arc<Connection>,
    local: Local,
    http1: Mutex<Option<http1::SendRequest<ProxyBody>>>,
    http2: Mutex<Option<http2::SendRequest<ProxyBody>>>,
    gone: Arc<Gone>,
}

/// Set once the upstream has closed its connection.
#[derive(Default)]
struct Gone {
    is: AtomicBool,
    waker: AtomicWaker,
}

/// The reason why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error("connect to the upstream")]
    Connect(#[from] std::io::Error),
    #[error("call the upstream")]
    Call(#[from] hyper::Error),
    #[error("reset the stream")]
    Stream(#[from] h2::Error),
}

impl Broken {
    /// True if one stream is broken and the connection is intact.
    pub(crate) fn is_of_a_stream(&self) -> bool {
        match self {
            Self::Connect(_) => false,
            Self::Stream(_) => true,
            Self::Call(error) => std::error::Error::source(error)
                .and_then(|source| source.downcast_ref::<h2::Error>())
                .is_some_and(h2::Error::is_reset),
        }
    }
}

impl Upstream {
    pub(crate) fn new(
        address: SocketAddr,
        proxied: SocketAddr,
        connection: Arc<Connection>,
        local: Local,
    ) -> Self {
        let (http1, http2) = (Mutex::default(), Mutex::default());
        Self { address, proxied, connection, local, http1, http2, gone: Arc::default() }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.is.load(Ordering::Acquire)
    }

    pub(crate) fn wake_when_gone(&self, waker: &Waker) {
        self.gone.waker.register(waker);
        if self.is_gone() {
            waker.wake_by_ref();
        }
    }

    /// Sends a request and returns its answer.
    pub(crate) async fn send(
        &self,
        request: Request<ProxyBody>,
    ) -> Result<Response<Incoming>, Broken> {
        let mut response = if request.version() == Version::HTTP_2 {
            let mut sender = self.http2().await?;
            sender.ready().await?;
            sender.send_request(request).await?
        } else {
            let mut slot = self.http1.lock().await;
            let sender = match &mut *slot {
                Some(sender) => sender,
                empty => empty.insert(self.connect_http1().await?),
            };
            sender.ready().await?;
            sender.send_request(request).await?
        };
        self.point_back(&mut response);
        Ok(response)
    }

    /// Rewrites a redirect to the upstream's own address into one to the proxy's.
    fn point_back(&self, response: &mut Response<Incoming>) {
        let Some(location) = response.headers().get(header::LOCATION) else { return };
        let own = format!("http://{}", self.address);
        let rest = location.to_str().ok().and_then(|location| location.strip_prefix(&own));
        let through = rest.map(|rest| format!("http://{}{rest}", self.proxied));
        if let Some(Ok(through)) = through.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::LOCATION, through);
        }
    }

    async fn connect_http1(&self) -> Result<http1::SendRequest<ProxyBody>, Broken> {
        let socket = TokioIo::new(connect(self.address, &self.connection).await?);
        let mut builder = http1::Builder::new();
        builder.preserve_header_case(true);
        let (sender, connection) = builder.handshake(socket).await?;
        self.drive(connection);
        Ok(sender)
    }

    async fn http2(&self) -> Result<http2::SendRequest<ProxyBody>, Broken> {
        let mut slot = self.http2.lock().await;
        if let Some(sender) = &*slot {
            return Ok(sender.clone());
        }
        let socket = TokioIo::new(connect(self.address, &self.connection).await?);
        let (sender, connection) = http2::Builder::new(self.local.clone())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(HEADERS_BYTES)
            .handshake(socket)
            .await?;
        self.drive(connection);
        *slot = Some(sender.clone());
        Ok(sender)
    }

    fn drive(&self, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
        let gone = Arc::clone(&self.gone);
        self.local.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the upstream's connection broke");
            }
            gone.is.store(true, Ordering::Release);
            gone.waker.wake();
        });
    }
}
