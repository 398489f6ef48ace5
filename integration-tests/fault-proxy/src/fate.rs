//! How a client's connection is to end, and which faults strike it: what the board needs to reach a connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::fault_id::FaultId;
use crate::spec::Ending;

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// The fate of one connection. Its task parks here, and is woken when a fault is switched or the connection is to end.
#[derive(Debug)]
pub(crate) struct Fate {
    /// The connection's, from 1 on, in the order of arrival.
    pub(crate) number: u64,
    ending: AtomicU8,
    /// The decision for each fault: true if it strikes this connection.
    struck: Mutex<HashMap<FaultId, bool>>,
    /// The tasks that wait for a switch.
    parked: Mutex<Vec<Waker>>,
}

impl Fate {
    /// The fate of a connection that is open, and that no fault has struck.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            ending: AtomicU8::new(OPEN),
            struck: Mutex::default(),
            parked: Mutex::default(),
        }
    }

    /// True if a fault strikes this connection; `decide` is called once for each fault.
    pub(crate) fn struck(&self, fault: FaultId, decide: impl FnOnce() -> bool) -> bool {
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        *struck.entry(fault).or_insert_with(decide)
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

    /// The way in which it is to end; none while it is open.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self.ending.load(Ordering::Acquire) {
            CLOSED => Some(Ending::Close),
            RESET => Some(Ending::Reset),
            _ => None,
        }
    }

    /// Wakes the tasks that wait for a switch.
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
