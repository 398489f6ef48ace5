//! The protocol level of a proxy.

/// The protocol that a proxy parses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// None: bytes pass.
    #[default]
    Tcp,
    /// HTTP/1.1, and HTTP/2 by prior knowledge, as gRPC clients use it with emulators; a client may use either.
    Http,
}
