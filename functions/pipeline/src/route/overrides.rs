//! Routing overrides, and the epoch that fences a late writer.
//!
//! # Where the epoch lives
//! In a register in **each** cloud: one item beside the candles, written by compare-and-set. An order
//! (`failover --to gcp`) is written to every register that can be reached, with an epoch above all that were read. A
//! producer reads all registers, follows the order with the highest epoch, and goes on publishing only as long as it
//! has read at least one register within the lease. A chunk is published under the epoch that its route was made
//! with; if a higher one is known by then, it is refused and routed anew.
//!
//! # What this is worth
//! With two registers and one of them gone there is no majority, and so no certainty: a producer that reaches only
//! cloud A does not hear of an order that reached only cloud B, and goes on writing to A until it can read B again.
//! That costs nothing but duplicates and a copy: whatever reached a queue is archived there, replicated to the other
//! cloud, and folded once. The epoch keeps producers from pulling in two directions; it is not what keeps trades
//! safe. When both can be reached again, the higher epoch wins; of two orders with one epoch, given on the two
//! sides of a partition, the one that is greater by target name and then by who gave it, everywhere.

use std::cmp::Ordering;
use std::future::Future;

use futures::future::join_all;

use crate::ports::PortError;

/// A routing override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingOverride {
    /// Grows with each order.
    pub epoch: u64,
    /// The primary from now on; `None`: choose by the policy.
    pub to: Option<String>,
    /// Who gave it.
    pub by: String,
    /// When, since the epoch of Unix; to be shown, not compared.
    pub at_ms: u64,
}

impl RoutingOverride {
    /// Whether this one is to be followed and not `other`.
    #[must_use]
    pub fn outranks(&self, other: &Self) -> bool {
        let order = self.epoch.cmp(&other.epoch).then_with(|| self.to.cmp(&other.to));
        order.then_with(|| self.by.cmp(&other.by)) == Ordering::Greater
    }
}

/// Where a cloud keeps the latest order.
pub trait OverrideStore: Send + Sync {
    /// The latest order, read with strong consistency; `None`: there was none yet.
    fn read(&self) -> impl Future<Output = Result<Option<RoutingOverride>, PortError>> + Send;

    /// Writes `order` if the stored one still is `expected`; `false`: it is not. After a fault of the kind
    /// `Unknown` the order may be there or not; reading tells.
    fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The mark that replication has left in this cloud, read with strong consistency. A cloud with another one than
    /// before, or with none any more, may have lost what it held.
    fn incarnation(&self) -> impl Future<Output = Result<Option<String>, PortError>> + Send;
}

/// An order that was given, and how far it got.
#[derive(Debug)]
pub struct Given {
    /// The order.
    pub order: RoutingOverride,
    /// The registers that have it.
    pub written: Vec<String>,
    /// Those that do not, and why. Producers that read only these do not know of it.
    pub missed: Vec<(String, String)>,
}

/// Why an order was not given.
#[derive(Debug, thiserror::Error)]
pub enum OverrideError {
    /// No register took it.
    #[error("no cloud's register took the order ({}): see to the network and the credentials, then try again", list(.0))]
    Nowhere(Vec<(String, String)>),
}

fn list(missed: &[(String, String)]) -> String {
    let missed: Vec<_> = missed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    missed.join("; ")
}

/// Gives an order: writes it, with an epoch above all that can be read, wherever it can be written.
pub async fn give<R: OverrideStore>(
    registers: &[(String, R)],
    to: Option<String>,
    by: &str,
    at_ms: u64,
) -> Result<Given, OverrideError> {
    let read = join_all(registers.iter().map(|(_, register)| register.read())).await;
    let highest = read.iter().flatten().flatten().map(|order| order.epoch).max().unwrap_or(0);
    let order = RoutingOverride { epoch: highest.saturating_add(1), to, by: by.to_owned(), at_ms };
    let mut given = Given { order, written: Vec::new(), missed: Vec::new() };
    for ((name, register), found) in registers.iter().zip(read) {
        let wrote = match found {
            Ok(found) => register.replace(found.as_ref(), &given.order).await,
            Err(error) => Err(error),
        };
        match wrote {
            Ok(true) => given.written.push(name.clone()),
            Ok(false) => {
                let why = "another order was given at the same time".to_owned();
                given.missed.push((name.clone(), why));
            }
            Err(error) => given.missed.push((name.clone(), error.to_string())),
        }
    }
    if given.written.is_empty() { Err(OverrideError::Nowhere(given.missed)) } else { Ok(given) }
}

/// The routing overrides that a producer has seen. Create one per process: the epoch must never decrease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence {
    order: Option<RoutingOverride>,
    lease_ms: u64,
    read_at_ms: u64,
}

/// Why nothing may be published under an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// A later order is known.
    #[error("epoch {mine} is over: an order with epoch {now} was given; route anew")]
    Over {
        /// The epoch of the publisher.
        mine: u64,
        /// That of the latest order.
        now: u64,
    },
    /// There may be a later order.
    #[error(
        "no cloud's register could be read for {ms} ms: there may be an order that is not known here"
    )]
    Stale {
        /// How long.
        ms: u64,
    },
}

impl Fence {
    /// Knows of no order; the lease runs from now.
    #[must_use]
    pub fn new(lease_ms: u64, now_ms: u64) -> Self {
        Self { order: None, lease_ms, read_at_ms: now_ms }
    }

    /// Takes in what a register said at `now_ms`, the time **before** it was asked; `true`: this is a new order.
    pub fn observe(&mut self, found: Option<RoutingOverride>, now_ms: u64) -> bool {
        self.read_at_ms = self.read_at_ms.max(now_ms);
        let Some(found) = found else { return false };
        let is_new = self.order.as_ref().is_none_or(|order| found.outranks(order));
        if is_new {
            self.order = Some(found);
        }
        is_new
    }

    /// The latest order.
    #[must_use]
    pub fn order(&self) -> Option<&RoutingOverride> {
        self.order.as_ref()
    }

    /// Its epoch; 0 if there was none.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.order.as_ref().map_or(0, |order| order.epoch)
    }

    /// Whether something may be published under the epoch `mine`.
    pub fn check(&self, mine: u64, now_ms: u64) -> Result<(), Fenced> {
        let now = self.epoch();
        if mine < now {
            return Err(Fenced::Over { mine, now });
        }
        let ms = now_ms.saturating_sub(self.read_at_ms);
        if ms > self.lease_ms { Err(Fenced::Stale { ms }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::ports::Fault;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// A register in memory that can be cut off; clones share it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<(Option<RoutingOverride>, bool)>>);

    impl Shared {
        fn cut(&self, away: bool) {
            self.0.lock().unwrap().1 = away;
        }

        fn there(
            &self,
        ) -> Result<std::sync::MutexGuard<'_, (Option<RoutingOverride>, bool)>, PortError> {
            let state = self.0.lock().unwrap();
            if state.1 {
                let detail = "cut off".to_owned();
                let (service, operation) = ("register", "use");
                return Err(PortError { service, operation, fault: Fault::Unknown, detail });
            }
            Ok(state)
        }
    }

    impl OverrideStore for Shared {
        async fn read(&self) -> Result<Option<RoutingOverride>, PortError> {
            Ok(self.there()?.0.clone())
        }

        async fn replace(
            &self,
            expected: Option<&RoutingOverride>,
            order: &RoutingOverride,
        ) -> Result<bool, PortError> {
            let mut state = self.there()?;
            let is_expected = state.0.as_ref() == expected;
            if is_expected {
                state.0 = Some(order.clone());
            }
            Ok(is_expected)
        }

        async fn incarnation(&self) -> Result<Option<String>, PortError> {
            self.there().map(|_| None)
        }
    }

    fn registers() -> Vec<(String, Shared)> {
        ["aws", "gcp"].map(|name| (name.to_owned(), Shared::default())).into()
    }

    fn order(registers: &[(String, Shared)], to: &str, by: &str) -> Given {
        block_on(give(registers, Some(to.to_owned()), by, 0)).unwrap()
    }

    fn observe(fence: &mut Fence, registers: &[(String, Shared)], now_ms: u64) {
        for (_, register) in registers {
            if let Ok(found) = block_on(register.read()) {
                fence.observe(found, now_ms);
            }
        }
    }

    #[test]
    fn an_order_fences_both_producers_even_with_one_cloud_away() {
        let registers = registers();
        let mut producers = [Fence::new(1_000, 0), Fence::new(1_000, 0)];
        registers[0].1.cut(true);
        let given = order(&registers, "gcp", "me");
        assert_eq!((given.order.epoch, given.written.len(), given.missed.len()), (1, 1, 1));
        for fence in &mut producers {
            assert_eq!(fence.check(0, 10), Ok(()), "not read yet");
            observe(fence, &registers, 20);
            assert_eq!(fence.check(0, 30), Err(Fenced::Over { mine: 0, now: 1 }));
            assert_eq!(fence.check(1, 30), Ok(()));
        }
    }

    #[test]
    fn a_producer_that_reads_nothing_stops_when_the_lease_ends() {
        let registers = registers();
        let mut fence = Fence::new(1_000, 0);
        observe(&mut fence, &registers, 500);
        assert_eq!(fence.check(0, 1_500), Ok(()));
        assert_eq!(fence.check(0, 1_501), Err(Fenced::Stale { ms: 1_001 }));
        // A slow answer to an old question does not extend the lease beyond the question.
        observe(&mut fence, &registers, 400);
        assert_eq!(fence.check(0, 1_501), Err(Fenced::Stale { ms: 1_001 }));
    }

    /// What the module's text promises of a partition: late, not wrong, and one outcome everywhere.
    #[test]
    fn orders_on_two_sides_of_a_partition_end_as_one() {
        let registers = registers();
        registers[0].1.cut(true);
        order(&registers, "gcp", "west");
        registers[0].1.cut(false);
        registers[1].1.cut(true);
        order(&registers, "aws", "east");
        let mut late = Fence::new(1_000, 0);
        observe(&mut late, &registers, 1);
        assert_eq!(late.order().unwrap().to.as_deref(), Some("aws"), "the other side is not heard");
        registers[1].1.cut(false);
        let mut fences = [late, Fence::new(1_000, 0), Fence::new(1_000, 0)];
        observe(&mut fences[0], &registers, 2);
        observe(&mut fences[1], &registers, 2);
        let backwards: Vec<_> = registers.iter().rev().cloned().collect();
        observe(&mut fences[2], &backwards, 2);
        for fence in &fences {
            assert_eq!(fence.order().unwrap().to.as_deref(), Some("gcp"));
        }
        let last = order(&registers, "aws", "me");
        assert_eq!((last.order.epoch, last.written.len()), (2, 2), "the next order is above both");
    }

    #[test]
    fn an_older_order_changes_nothing_and_no_register_at_all_is_an_error() {
        let registers = registers();
        let first = order(&registers, "gcp", "me").order;
        let second = order(&registers, "aws", "me").order;
        let mut fence = Fence::new(1_000, 0);
        assert!(fence.observe(Some(second), 1));
        assert!(!fence.observe(Some(first), 2));
        assert_eq!(fence.epoch(), 2);
        for (_, register) in &registers {
            register.cut(true);
        }
        let error = block_on(give(&registers, None, "me", 0)).unwrap_err().to_string();
        assert!(error.contains("aws: register use: cut off; gcp: "), "{error}");
    }
}
