//! The contract of every port, as checks over the port.
//!
//! Memory, AWS and Google run the same suite. A check panics with the observed result; the caller gives a unique
//! `scope` (letters and digits), so that checks can share one bucket, table or queue.

mod archive;
mod cursor;
mod holes;
mod override_store;
mod queue;
mod store;

pub use archive::archive;
pub use cursor::cursor;
pub use holes::holes;
pub use override_store::{incarnation, register};
pub use queue::queue;
pub use store::store;
