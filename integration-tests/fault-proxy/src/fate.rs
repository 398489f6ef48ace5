//! The end of a client's connection, and the faults that affect it: the registry's handle on the connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::fault_id::FaultId;
use crate::spec::Ending;

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// The registry's handle on one connection. The connection's task waits here, and is woken when faults change or the
/// connection must end.
#[derive(Debug)]
pub(crate) struct Fate {
    /// The connection's number, from 1, in the order of arrival.
    pub(crate) number: u64,
    ending: AtomicU8,
    /// The decision for each fault: true if it affects this connection.
    struck: Mutex<HashMap<FaultId, bool>>,
    /// Tasks that wait for a change.
    parked: Mutex<Vec<Waker>>,
}

impl Fate {
    /// The handle of an open connection that no fault has affected yet.
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            ending: AtomicU8::new(OPEN),
            struck: Mutex::default(),
            parked: Mutex::default(),
        }
    }

    /// True if a fault affects this connection; `decide` is called once for each fault.
    pub(crate) fn struck(&self, fault: FaultId, decide: impl FnOnce() -> bool) -> bool {
        let mut struck = self.struck.lock().unwrap_or_else(PoisonError::into_inner);
        *struck.entry(fault).or_insert_with(decide)
    }

    /// Ends the connection as soon as its task runs; the first ending counts.
    pub(crate) fn end(&self, how: Ending) {
        let ending = match how {
            Ending::Close => CLOSED,
            Ending::Reset => RESET,
        };
        let _ = self.ending.compare_exchange(OPEN, ending, Ordering::AcqRel, Ordering::Acquire);
        self.look_again();
    }

    /// The way in which the connection must end; `None` while it is open.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self.ending.load(Ordering::Acquire) {
            CLOSED => Some(Ending::Close),
            RESET => Some(Ending::Reset),
            _ => None,
        }
    }

    /// Wakes the tasks that wait for a change.
    pub(crate) fn look_again(&self) {
        let parked =
            std::mem::take(&mut *self.parked.lock().unwrap_or_else(PoisonError::into_inner));
        parked.into_iter().for_each(Waker::wake);
    }

    /// Wakes this task at the next change.
    pub(crate) fn park(&self, context: &Context<'_>) {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        if !parked.iter().any(|waker| waker.will_wake(context.waker())) {
            parked.push(context.waker().clone());
        }
    }

    /// Runs `work` until it is done or the connection must end.
    pub(crate) async fn until_ended<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            // Parked before the check, so that no ending is missed.
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
