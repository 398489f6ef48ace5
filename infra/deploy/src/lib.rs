//! The engines that apply what `infra` describes: `CloudFormation`, the artifact bucket, and
//! Google's topics and subscriptions. Against a cloud and its emulator they are the same code; only
//! the endpoint and the credentials differ.

pub mod artifact;
pub mod aws;
pub mod cloudformation;
pub mod google;
pub mod local;
pub mod plan;
