//! Routing overrides, and the epoch that fences a late writer.
//!
//! # Storage
//! The override store of **each** cloud keeps one item beside the candles, written by compare-and-set. A new
//! override (`failover --to gcp`) is written to every store that can be reached, with an epoch above all that were
//! read. A producer reads all stores, follows the override with the highest epoch, and publishes only as long as it
//! has read at least one store within the lease. A chunk is published under the epoch of its route; if a higher one
//! is known by then, the chunk is refused and routed again.
//!
//! # Guarantees
//! With two stores and one of them lost there is no majority, and so no certainty: a producer that reaches only
//! cloud A does not see an override that reached only cloud B, and publishes to A until it can read B again. That
//! costs only duplicates and a copy: whatever reached a queue is archived there, replicated to the other cloud, and
//! folded once. The epoch keeps producers from following different overrides; the safety of trades does not depend
//! on it. When both stores can be reached again, the higher epoch wins; of two overrides with the same epoch, set on
//! the two sides of a partition, every producer takes the one that is greater by target name and then by author.

use std::cmp::Ordering;
use std::future::Future;

use futures::future::join_all;

use crate::ports::PortError;

/// A routing override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoutingOverride {
    /// Grows with each override.
    pub epoch: u64,
    /// The primary from now on; `None`: choose by the policy.
    pub to: Option<String>,
    /// Its author.
    pub by: String,
    /// The time at which it was set, in milliseconds since the Unix epoch; for display only.
    pub at_ms: u64,
}

impl RoutingOverride {
    /// True if this one takes precedence over `other`.
    #[must_use]
    pub fn outranks(&self, other: &Self) -> bool {
        let order = self.epoch.cmp(&other.epoch).then_with(|| self.to.cmp(&other.to));
        order.then_with(|| self.by.cmp(&other.by)) == Ordering::Greater
    }
}

/// A cloud's storage of the latest routing override.
pub trait OverrideStore: Send + Sync {
    /// The latest override, read with strong consistency; `None` if none was ever set.
    fn read(&self) -> impl Future<Output = Result<Option<RoutingOverride>, PortError>> + Send;

    /// Writes `order` if the stored one still is `expected`; returns `false` if it is not. After a fault of the kind
    /// `Unknown` either may be stored; read to find out.
    fn replace(
        &self,
        expected: Option<&RoutingOverride>,
        order: &RoutingOverride,
    ) -> impl Future<Output = Result<bool, PortError>> + Send;

    /// The incarnation id that replication stored in this cloud, read with strong consistency. If it changed or is
    /// missing, the cloud may have lost its data.
    fn incarnation(&self) -> impl Future<Output = Result<Option<String>, PortError>> + Send;
}

/// A routing override that was set, and the stores that have it.
#[derive(Debug)]
pub struct Given {
    /// The override.
    pub order: RoutingOverride,
    /// Stores that have it.
    pub written: Vec<String>,
    /// Stores that lack it, with the reason. Producers that read only these do not see it.
    pub missed: Vec<(String, String)>,
}

/// The reason why an override was not set.
#[derive(Debug, thiserror::Error)]
pub enum OverrideError {
    /// No store accepted it.
    #[error("no cloud's register took the order ({}): see to the network and the credentials, then try again", list(.0))]
    Nowhere(Vec<(String, String)>),
}

fn list(missed: &[(String, String)]) -> String {
    let missed: Vec<_> = missed.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    missed.join("; ")
}

/// Sets a routing override: writes it to every store that can be reached, with an epoch above all that can be read.
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

/// The reason why a publisher's epoch is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fenced {
    /// A later override is known.
    #[error("epoch {mine} is over: an order with epoch {now} was given; route anew")]
    Over {
        /// The epoch of the publisher.
        mine: u64,
        /// The epoch of the latest override.
        now: u64,
    },
    /// There may be a later override.
    #[error(
        "no cloud's register could be read for {ms} ms: there may be an order that is not known here"
    )]
    Stale {
        /// Time since a store was last read.
        ms: u64,
    },
}

impl Fence {
    /// A fence without an override; the lease starts now.
    #[must_use]
    pub fn new(lease_ms: u64, now_ms: u64) -> Self {
        Self { order: None, lease_ms, read_at_ms: now_ms }
    }

    /// Records what a store returned to a request sent at `now_ms`; `true` if it is a new override.
    pub fn observe(&mut self, found: Option<RoutingOverride>, now_ms: u64) -> bool {
        self.read_at_ms = self.read_at_ms.max(now_ms);
        let Some(found) = found else { return false };
        let is_new = self.order.as_ref().is_none_or(|order| found.outranks(order));
        if is_new {
            self.order = Some(found);
        }
        is_new
    }

    /// The latest override.
    #[must_use]
    pub fn order(&self) -> Option<&RoutingOverride> {
        self.order.as_ref()
    }

    /// Its epoch; 0 if there is none.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.order.as_ref().map_or(0, |order| order.epoch)
    }

    /// Checks that messages may be published under the epoch `mine`.
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

    /// An override store in memory that can be disconnected; clones share it.
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
        // A slow answer extends the lease from the time of its request only.
        observe(&mut fence, &registers, 400);
        assert_eq!(fence.check(0, 1_501), Err(Fenced::Stale { ms: 1_001 }));
    }

    /// Holds the module's promise for a partition: producers follow late, never wrongly, and end with the same
    /// override.
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
