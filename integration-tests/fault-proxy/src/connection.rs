//! What a proxy knows of one client's connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::board::{Active, Board, FaultId};
use crate::spec::{Ending, TcpFault};

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// One client's connection. All of it is done by one task, so dropping that leaves nothing.
#[derive(Debug)]
pub(crate) struct Connection {
    /// From 1 on, in the order of arrival.
    pub(crate) number: u64,
    pub(crate) board: Arc<Board>,
    ending: AtomicU8,
    /// Whether a fault strikes this connection, once that is decided.
    struck: Mutex<HashMap<FaultId, bool>>,
    /// Who waits for a switch.
    parked: Mutex<Vec<Waker>>,
}

impl Connection {
    pub(crate) fn enter(board: &Arc<Board>, number: u64) -> Arc<Self> {
        let connection = Arc::new(Self {
            number,
            board: Arc::clone(board),
            ending: AtomicU8::new(OPEN),
            struck: Mutex::default(),
            parked: Mutex::default(),
        });
        board.enter(&connection);
        for fault in board.in_force() {
            connection.cut_by(&fault);
        }
        connection
    }

    /// Whether a fault of bytes strikes this connection; decided, counted and told once.
    pub(crate) fn struck_by(&self, fault: &Active, detail: impl FnOnce() -> String) -> bool {
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        *struck.entry(fault.id).or_insert_with(|| self.board.hit(fault, self.number, detail))
    }

    pub(crate) fn cut_by(&self, fault: &Active) {
        if let Some(TcpFault::Cut { how }) = fault.tcp()
            && self.ending().is_none()
            && self.struck_by(fault, || format!("{how:?}").to_lowercase())
        {
            self.end(*how);
        }
    }

    /// Ends it as soon as its task runs; the first ending counts.
    pub(crate) fn end(&self, how: Ending) {
        let ending = match how {
            Ending::Close => CLOSED,
            Ending::Reset => RESET,
        };
        let _ = self.ending.compare_exchange(OPEN, ending, Ordering::AcqRel, Ordering::Acquire);
        self.look_again();
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        match self.ending.load(Ordering::Acquire) {
            CLOSED => Some(Ending::Close),
            RESET => Some(Ending::Reset),
            _ => None,
        }
    }

    /// Wakes whoever waits for a switch.
    pub(crate) fn look_again(&self) {
        let parked =
            std::mem::take(&mut *self.parked.lock().unwrap_or_else(PoisonError::into_inner));
        parked.into_iter().for_each(Waker::wake);
    }

    /// Wakes this task at the next switch.
    pub(crate) fn park(&self, context: &Context<'_>) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if !parked.iter().any(|waker| waker.will_wake(context.waker())) {
            parked.push(context.waker().clone());
        }
    }

    /// Does `work` until it is done or the connection is to end.
    pub(crate) async fn until_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            // Parked before anybody looks, so that no ending is missed.
            self.park(context);
            if self.ending().is_some() {
                return Poll::Ready(None);
            }
            let worked = work.as_mut().poll(context);
            if self.ending().is_some() { Poll::Ready(None) } else { worked.map(Some) }
        })
        .await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.board.leave(self.number);
    }
}
