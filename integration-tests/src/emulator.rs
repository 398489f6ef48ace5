//! The emulators that two clouds are made of.

use std::fmt;

use crate::history::CloudId;

/// A part of a cloud; each is a process or a container of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Emulator {
    /// All of AWS.
    Aws,
    /// Google's Pub/Sub.
    PubSub,
    /// Google's Firestore.
    Firestore,
    /// Google's Cloud Storage.
    Storage,
}

impl Emulator {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Aws, Self::PubSub, Self::Firestore, Self::Storage];

    /// Those that make up a cloud.
    #[must_use]
    pub fn of(cloud: CloudId) -> &'static [Self] {
        match cloud {
            CloudId::Aws => &[Self::Aws],
            CloudId::Gcp => &[Self::PubSub, Self::Firestore, Self::Storage],
        }
    }

    /// Such as `pubsub`: the end of the container's name, and of the log's.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::PubSub => "pubsub",
            Self::Firestore => "firestore",
            Self::Storage => "storage",
        }
    }
}

impl fmt::Display for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
