//! The pipeline's ports over Pub/Sub, Firestore and Cloud Storage, and the Cloud Run services that use them.
//!
//! The programs are in `functions/programs`; [`service`] holds the HTTP side, [`event`] the envelopes in which a
//! message comes.

mod archive;
mod clients;
mod cursor;
mod error;
pub mod event;
pub mod log;
mod override_store;
mod queue;
pub mod service;
mod store;

pub use archive::GcsArchive;
pub use clients::Endpoints;
pub use cursor::FirestoreCursor;
pub use override_store::FirestoreOverrideStore;
pub use queue::PubSubQueue;
pub use store::{FirestoreStore, FirestoreVersion};
