//! A port that stays while what is behind it is replaced.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Connections at once; more wait.
const CONNECTIONS_MAX: usize = 256;

/// Takes connections on a port of its own, and passes them on to another. Dropping it closes all of them.
#[derive(Debug)]
pub(crate) struct Forward {
    port: u16,
    target: watch::Sender<u16>,
    accepting: JoinHandle<()>,
}

impl Forward {
    /// From a port on loopback.
    pub(super) async fn to(target: u16) -> std::io::Result<Self> {
        Self::on(Ipv4Addr::LOCALHOST.into(), target).await
    }

    /// From a port of this address of the machine.
    pub(crate) async fn on(address: IpAddr, target: u16) -> std::io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let port = listener.local_addr()?.port();
        let (target, targets) = watch::channel(target);
        Ok(Self { port, target, accepting: tokio::spawn(accept(listener, targets)) })
    }

    /// The port on which it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The port to which it passes on.
    pub(crate) fn target(&self) -> u16 {
        *self.target.borrow()
    }

    /// Its URL on loopback.
    pub(super) fn uri(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// New connections go there; those that are open stay where they are.
    pub(super) fn point_to(&self, target: u16) {
        self.target.send_replace(target);
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, targets: watch::Receiver<u16>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // Goes with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let mut from = match listener.accept().await {
            Ok((from, _)) => from,
            Err(error) => {
                // Such as too many open files: others may close some.
                tracing::warn!(%error, "a connection could not be taken");
                tokio::task::yield_now().await;
                continue;
            }
        };
        let target = *targets.borrow();
        connections.spawn(async move {
            // A service that is being restarted refuses, and so does this: the caller tries again.
            if let Ok(mut to) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await {
                let _ = copy_bidirectional(&mut from, &mut to).await;
            }
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}
