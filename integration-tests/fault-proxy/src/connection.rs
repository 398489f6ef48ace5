//! One client's connection.

use std::sync::Arc;

use crate::active::Active;
use crate::board::FaultRegistry;
use crate::fate::Fate;

/// One client's connection. All of it is done by one task, so dropping that leaves nothing.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) board: Arc<FaultRegistry>,
    pub(crate) fate: Arc<Fate>,
}

impl Connection {
    /// A new connection, which is the board's until it is dropped.
    pub(crate) fn enter(board: &Arc<FaultRegistry>, number: u64) -> Arc<Self> {
        let fate = Arc::new(Fate::new(number));
        let connection = Arc::new(Self { board: Arc::clone(board), fate });
        board.enter(&connection.fate);
        connection
    }

    /// Whether a fault of bytes strikes this connection; decided, counted and told once.
    pub(crate) fn struck_by(&self, fault: &Active, detail: impl FnOnce() -> String) -> bool {
        self.board.strikes(&self.fate, fault, detail)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.board.leave(self.fate.number);
    }
}
