//! The override store over one value.

use std::sync::{Arc, Mutex, PoisonError};

use pipeline::ports::PortError;
use pipeline::route::overrides::{OverrideStore, RoutingOverride};

use crate::{Effects, MemoryCursor};

/// An override store in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryOverrideStore {
    order: Arc<Mutex<Option<RoutingOverride>>>,
    cursor: MemoryCursor,
    effects: Effects,
}

impl MemoryOverrideStore {
    /// A store without an override; effects are counted by `effects`.
    #[must_use]
    pub fn new(effects: Effects) -> Self {
        Self { effects, ..Self::default() }
    }

    /// A store in the same cloud as `cursor`.
    #[must_use]
    pub fn beside(cursor: &MemoryCursor) -> Self {
        Self { cursor: cursor.clone(), ..Self::default() }
    }
}

impl OverrideStore for MemoryOverrideStore {
    async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
        Ok(self.order.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> Result<bool, PortError> {
        let replace = || {
            let mut stored = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            let is_expected = stored.as_ref() == expected;
            if is_expected {
                *stored = Some(order.clone());
            }
            is_expected
        };
        Ok(self.effects.around(replace).await)
    }

    async fn incarnation(&self) -> Result<Option<String>, PortError> {
        Ok(self.cursor.incarnation())
    }
}
