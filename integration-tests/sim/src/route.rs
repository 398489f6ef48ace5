//! The clouds to which the producer of a run sends.

use crate::history::CloudId;

/// The clouds that the producer sends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// Both clouds.
    Mirror,
    /// This one, as long as it works.
    Primary(CloudId),
}
