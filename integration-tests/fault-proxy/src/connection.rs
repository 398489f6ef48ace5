//! One client's connection.

use std::sync::Arc;

use crate::active::Active;
use crate::board::FaultRegistry;
use crate::fate::Fate;

/// One client's connection. A single task does all its work, so dropping that leaves nothing
/// behind.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) board: Arc<FaultRegistry>,
    pub(crate) fate: Arc<Fate>,
}

impl Connection {
    /// A new connection, which is registered until it is dropped.
    pub(crate) fn enter(board: &Arc<FaultRegistry>, number: u64) -> Arc<Self> {
        let fate = Arc::new(Fate::new(number));
        let connection = Arc::new(Self { board: Arc::clone(board), fate });
        board.enter(&connection.fate);
        connection
    }

    /// True if a TCP fault affects this connection; decided, counted and reported once.
    pub(crate) fn struck_by(&self, fault: &Active, detail: impl FnOnce() -> String) -> bool {
        self.board.strikes(&self.fate, fault, detail)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.board.leave(self.fate.number);
    }
}
