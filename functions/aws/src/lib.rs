//! The pipeline's ports over SQS, `DynamoDB` and S3, and the Lambda functions that use them.
//!
//! The functions themselves are the thin mains in `src/bin`; [`function`] holds what they do with an event.

mod archive;
mod clients;
mod cursor;
mod error;
pub mod function;
mod item;
pub mod log;
mod queue;
mod register;
mod store;

pub use archive::S3Archive;
pub use clients::{Clients, config_loader, sdk_config, single_attempt_config};
pub use cursor::DynamoCursor;
pub use queue::SqsQueue;
pub use register::DynamoRegister;
pub use store::DynamoStore;
