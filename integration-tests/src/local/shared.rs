//! The services and jobs that requests to the control plane act on.

use super::jobs::Jobs;
use super::services::Services;

/// The services and jobs of one control plane.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) services: Services,
    pub(super) jobs: Jobs,
}
