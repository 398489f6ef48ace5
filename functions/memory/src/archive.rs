//! The archive port over a map.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pipeline::ports::{Archive, Incoming, PortError, Put};

use crate::Effects;

/// Objects in memory; clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryArchive {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
    effects: Effects,
}

impl MemoryArchive {
    /// An empty archive whose effects are counted by `effects`.
    #[must_use]
    pub fn new(effects: Effects) -> Self {
        Self { objects: Arc::default(), effects }
    }

    /// The same objects with separate effects, as for one function among many.
    #[must_use]
    pub fn with_effects(&self, effects: Effects) -> Self {
        Self { objects: Arc::clone(&self.objects), effects }
    }

    fn with<T>(&self, f: impl FnOnce(&mut BTreeMap<String, Bytes>) -> T) -> T {
        f(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Archive for MemoryArchive {
    async fn put_if_absent(&self, name: &str, bytes: Bytes) -> Result<Put, PortError> {
        let put = || {
            self.with(|objects| {
                if objects.contains_key(name) {
                    return Put::Present;
                }
                objects.insert(name.to_owned(), bytes);
                Put::Created
            })
        };
        Ok(self.effects.around(put).await)
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let Some(object) = self.with(|objects| objects.get(name).cloned()) else { return Ok(None) };
        Incoming::new("memory archive", "get", Some(object.len() as u64))?;
        Ok(Some(object))
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        let folder = format!("{}/", prefix.trim_end_matches('/'));
        let start = match after {
            Some(after) if after > folder.as_str() => Bound::Excluded(after.to_owned()),
            _ => Bound::Included(folder.clone()),
        };
        Ok(self.with(|objects| {
            let names = objects.range((start, Bound::Unbounded)).map(|(name, _)| name);
            names.take_while(|name| name.starts_with(&folder)).take(limit).cloned().collect()
        }))
    }
}
