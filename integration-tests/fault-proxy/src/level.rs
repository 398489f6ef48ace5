//! The level at which a proxy stands.

/// The layer that a proxy reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Nothing: bytes pass.
    #[default]
    Tcp,
    /// Requests, of HTTP/1.1 and of HTTP/2 by prior knowledge, as gRPC speaks it to emulators; a client may come with
    /// either.
    Http,
}
