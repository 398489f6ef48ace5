//! The cursor port over a text.

use std::sync::{Arc, Mutex, PoisonError};

use pipeline::ports::{Cursor, PortError};

use crate::Effects;

/// A cursor in memory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryCursor {
    text: Arc<Mutex<Option<String>>>,
    incarnation: Arc<Mutex<Option<String>>>,
    effects: Effects,
}

impl MemoryCursor {
    /// No text yet; effects are counted by `effects`.
    #[must_use]
    pub fn new(effects: Effects) -> Self {
        Self { effects, ..Self::default() }
    }

    /// The incarnation id beside it.
    pub(crate) fn incarnation(&self) -> Option<String> {
        self.incarnation.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Cursor for MemoryCursor {
    async fn load(&self) -> Result<Option<String>, PortError> {
        Ok(self.text.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn save(&self, text: &str) -> Result<(), PortError> {
        let save = || {
            *self.text.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.to_owned());
        };
        self.effects.around(save).await;
        Ok(())
    }

    async fn ensure_incarnation(&self, mark: &str) -> Result<(), PortError> {
        let mut there = self.incarnation.lock().unwrap_or_else(PoisonError::into_inner);
        there.get_or_insert_with(|| mark.to_owned());
        Ok(())
    }
}
