//! A proxy: a listening port before an endpoint.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::board::{FaultRegistry, Faults};
use crate::connection::Connection;
use crate::event::OnEvent;
use crate::http;
use crate::level::Level;
use crate::relay::relay;

const BACKLOG: u32 = 1024;
/// The pause after a failed accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A listening port before an endpoint. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    level: Level,
    upstream: Arc<Mutex<SocketAddr>>,
    faults: Faults,
    accepting: JoinHandle<()>,
}

/// The reason why a proxy can't be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The endpoint is malformed.
    #[error("read endpoint {given}: {cause}; give HOST:PORT, with or without http:// before it")]
    Endpoint {
        /// The given endpoint.
        given: String,
        /// The error.
        cause: io::Error,
    },
    /// The endpoint uses TLS, which the proxy does not support.
    #[error(
        "read endpoint {given}: it speaks TLS, which can't be read; give an emulator's, of http://"
    )]
    Tls {
        /// The given endpoint.
        given: String,
    },
    /// The port can't be opened.
    #[error("listen on {address} before {upstream}: {cause}; take port 0 for one that is free")]
    Listen {
        /// The address of the port.
        address: SocketAddr,
        /// The address of the endpoint.
        upstream: SocketAddr,
        /// The system's error.
        cause: io::Error,
    },
}

impl Proxy {
    /// Builds a proxy before `endpoint`: `127.0.0.1:8085`, `http://127.0.0.1:8085`.
    pub fn before(endpoint: &str) -> Result<Builder, StartError> {
        Ok(Builder {
            upstream: address(endpoint)?,
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            level: Level::default(),
            name: None,
            seed: 0,
            on_event: OnEvent::ignore(),
        })
    }

    /// The URL for clients: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Its faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Directs new connections to another endpoint: an emulator was started again, on another port.
    pub fn set_upstream(&self, endpoint: &str) -> Result<(), StartError> {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = address(endpoint)?;
        Ok(())
    }

    /// Number of open client connections.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.faults.board.connections()
    }

    /// Number of client requests so far, by service and operation as [`Call`](crate::Call) names them, whatever their
    /// outcome: `("pubsub", "Publish")`. Empty at [`Level::Tcp`], which parses none.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<(String, String), u64> {
        self.faults.board.requests()
    }

    /// Closes the port and all connections, and waits until that is done.
    pub async fn stop(mut self) {
        self.accepting.abort();
        // An error only says that the task was aborted.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The settings of a proxy.
#[derive(Clone, Debug)]
pub struct Builder {
    upstream: SocketAddr,
    listen: SocketAddr,
    level: Level,
    name: Option<String>,
    seed: u64,
    on_event: OnEvent,
}

impl Builder {
    /// The level; by default [`Level::Tcp`].
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The address to listen on; by default a free port of 127.0.0.1.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The name in events; by default its address.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The seed of its random draws: probabilities and jitter.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The callback for every event.
    #[must_use]
    pub fn on_event(mut self, on_event: OnEvent) -> Self {
        self.on_event = on_event;
        self
    }

    /// Opens the port. The proxy runs in the tokio runtime of the caller.
    #[expect(clippy::unused_async, reason = "it needs a runtime, and says so")]
    pub async fn start(self) -> Result<Proxy, StartError> {
        let failed =
            |cause| StartError::Listen { address: self.listen, upstream: self.upstream, cause };
        let port = Port::reserve(self.listen).map_err(failed)?;
        let listener = port.listen().map_err(failed)?;
        let name = self.name.unwrap_or_else(|| port.address.to_string());
        let board = FaultRegistry::new(name, self.level, self.seed, self.on_event);
        let upstream = Arc::new(Mutex::new(self.upstream));
        let address = port.address;
        let acceptor = Acceptor {
            port,
            level: self.level,
            board: Arc::clone(&board),
            upstream: Arc::clone(&upstream),
            connections: JoinSet::new(),
            accepted: 0,
        };
        let accepting = tokio::spawn(acceptor.run(listener));
        Ok(Proxy { address, level: self.level, upstream, faults: Faults { board }, accepting })
    }
}

/// A port that stays reserved while it is closed: a socket that never listens is bound to it, beside the one that does.
/// Connecting is then refused, and no other process gets the port.
#[derive(Debug)]
struct Port {
    address: SocketAddr,
    _reserved: TcpSocket,
}

impl Port {
    fn reserve(address: SocketAddr) -> io::Result<Self> {
        let reserved = socket(address)?;
        Ok(Self { address: reserved.local_addr()?, _reserved: reserved })
    }

    fn listen(&self) -> io::Result<TcpListener> {
        socket(self.address)?.listen(BACKLOG)
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections and owns their tasks: dropping it drops them.
struct Acceptor {
    port: Port,
    level: Level,
    board: Arc<FaultRegistry>,
    upstream: Arc<Mutex<SocketAddr>>,
    connections: JoinSet<()>,
    accepted: u64,
}

impl Acceptor {
    async fn run(mut self, listener: TcpListener) {
        let mut refusing = self.board.refusing();
        let mut listener = Some(listener);
        loop {
            if *refusing.borrow_and_update() {
                listener = None;
            } else if listener.is_none() {
                match self.port.listen() {
                    Ok(opened) => listener = Some(opened),
                    Err(error) => {
                        tracing::warn!(address = %self.port.address, %error, "open the port again");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                accepted = accept(listener.as_ref()) => match accepted {
                    Ok(client) => self.serve(client),
                    Err(error) => {
                        tracing::warn!(address = %self.port.address, %error, "accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(ended) = self.connections.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a connection's task failed");
                    }
                }
                switched = wait(&mut refusing) => if !switched { return },
            }
        }
    }

    fn serve(&mut self, client: TcpStream) {
        // A failure here only costs speed.
        let _ = client.set_nodelay(true);
        self.accepted += 1;
        let connection = Connection::enter(&self.board, self.accepted);
        let upstream = *self.upstream.lock().unwrap_or_else(PoisonError::into_inner);
        match self.level {
            Level::Tcp => self.connections.spawn(relay(client, upstream, connection)),
            Level::Http => {
                let proxied = self.port.address;
                self.connections.spawn(http::serve(client, upstream, proxied, connection))
            }
        };
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        Some(listener) => listener.accept().await.map(|(client, _)| client),
        None => std::future::pending().await,
    }
}

async fn wait(refusing: &mut watch::Receiver<bool>) -> bool {
    refusing.changed().await.is_ok()
}

fn address(endpoint: &str) -> Result<SocketAddr, StartError> {
    if endpoint.starts_with("https://") {
        return Err(StartError::Tls { given: endpoint.to_owned() });
    }
    let host = endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/');
    let failed = |cause| StartError::Endpoint { given: endpoint.to_owned(), cause };
    let mut addresses = host.to_socket_addrs().map_err(failed)?;
    addresses
        .next()
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no address of this name")))
}
