//! A digest of names: equal if two archives hold the same objects.

use std::fmt;

use sha2::{Digest, Sha256};

/// Digest of names of archive objects in their order. As a name has the hash of its content in it, archives with
/// one digest hold the same trades in the same objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NamesDigest([u8; 32]);

impl NamesDigest {
    /// The digest of names in ascending order.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut hasher = NamesHasher::default();
        names.into_iter().for_each(|name| hasher.add(name));
        hasher.finish()
    }
}

/// Computes a [`NamesDigest`] incrementally, for more names than fit in memory.
#[derive(Debug, Clone, Default)]
pub struct NamesHasher(Sha256);

impl NamesHasher {
    /// Adds the next name; names ascend.
    pub fn add(&mut self, name: &str) {
        self.0.update(name.as_bytes());
        self.0.update(b"\n");
    }

    /// The digest of all names so far.
    #[must_use]
    pub fn finish(self) -> NamesDigest {
        NamesDigest(self.0.finalize().into())
    }
}

/// In lowercase hex, as `sha256sum` prints it for a list of the names, one a line.
impl fmt::Display for NamesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_that_of_the_list() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(NamesDigest::of([]).to_string(), empty);
        // printf 'a\nb\n' | sha256sum
        let two = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2";
        assert_eq!(NamesDigest::of(["a", "b"]).to_string(), two);
        assert_ne!(NamesDigest::of(["a", "b"]), NamesDigest::of(["ab"]));
    }
}
