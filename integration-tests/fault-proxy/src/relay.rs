//! The TCP level: bytes pass unparsed.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::spec::Ending;
use crate::stream::{FaultyStream, Side};

/// The size of a buffer for each direction: large enough for a fast sender, small enough for a hundred
/// connections.
const BUFFER_BYTES: usize = 256 * 1024;

/// Passes bytes in both directions until both sides are done.
pub(crate) async fn relay(client: TcpStream, upstream: SocketAddr, connection: Arc<Connection>) {
    let mut client = FaultyStream::new(client, Side::Client, Arc::clone(&connection));
    let passing = async {
        let broken = match connect(upstream, &connection).await {
            Ok(mut upstream) => {
                let (up, down) = (BUFFER_BYTES, BUFFER_BYTES);
                let copied =
                    copy_bidirectional_with_sizes(&mut client, &mut upstream, up, down).await;
                // While both sockets are open: the other side's connection ends in the same way.
                copied.inspect_err(|_| connection.fate.end(Ending::Reset)).err()
            }
            Err(error) => Some(error),
        };
        if let Some(error) = broken {
            tracing::debug!(connection = connection.fate.number, %error, "a connection broke");
            connection.fate.end(Ending::Reset);
        }
    };
    connection.fate.until_ended(passing).await;
}

/// Connects to the upstream.
pub(crate) async fn connect(
    upstream: SocketAddr,
    connection: &Arc<Connection>,
) -> std::io::Result<FaultyStream> {
    let socket = TcpStream::connect(upstream).await?;
    socket.set_nodelay(true)?;
    Ok(FaultyStream::new(socket, Side::Upstream, Arc::clone(connection)))
}
