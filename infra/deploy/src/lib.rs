//! Engines that apply the deployment described by `infra`: `CloudFormation`, Terraform, the artifact bucket, the
//! images' registry, and Google's topics and subscriptions. The code is the same for a cloud and its emulator;
//! only the endpoint and the credentials differ.

pub mod artifact;
pub mod aws;
pub mod bucket;
mod cloud_storage;
pub mod cloudformation;
pub mod commands;
#[cfg(test)]
mod fake_aws;
pub mod google;
pub mod images;
pub mod inventory;
pub mod local;
pub mod lock;
pub mod plan;
mod rights;
#[cfg(test)]
mod served;
pub mod smoke;
pub mod terraform;
pub mod versions;
