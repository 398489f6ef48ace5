//! The pipeline's ports over SQS, `DynamoDB` and S3, and the Lambda functions that use them.
//!
//! The programs are in `functions/programs`; [`function`] handles an event.

mod archive;
mod clients;
mod clock;
mod cursor;
mod error;
pub mod function;
mod http;
mod item;
pub mod log;
mod override_store;
mod queue;
mod store;

pub use archive::S3Archive;
pub use clients::{Clients, config_loader, sdk_config, single_attempt_config, tool_http_client};
pub use clock::clock_is_off;
pub use cursor::DynamoCursor;
pub use override_store::DynamoOverrideStore;
pub use queue::SqsQueue;
pub use store::{DynamoStore, DynamoVersion};
