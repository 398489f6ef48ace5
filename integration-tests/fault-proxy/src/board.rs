//! The fault registry of a proxy: the faults in force, their firings, and the connections to wake when faults change.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use tokio::sync::watch;

use crate::active::Active;
use crate::event::{FaultEvent, FaultEventKind, OnEvent, micros, unix_us};
use crate::fate::Fate;
use crate::fault_id::FaultId;
use crate::http::call::Call;
use crate::level::Level;
use crate::spec::{AddError, Fault, TcpFault};

/// Adds and removes a proxy's faults; clones share the registry.
#[derive(Clone, Debug)]
pub struct Faults {
    pub(crate) board: Arc<FaultRegistry>,
}

impl Faults {
    /// Adds a fault. It affects open connections as well.
    pub fn add(&self, fault: Fault) -> Result<FaultId, AddError> {
        self.board.add(fault)
    }

    /// Removes a fault, and returns its number of firings; `None` if there is none of this id. It never fires
    /// afterwards.
    #[expect(clippy::must_use_candidate, reason = "most callers want it gone and no more")]
    pub fn remove(&self, id: FaultId) -> Option<u64> {
        let fault = self.board.take_out(|fault| fault.id == id).pop()?;
        Some(fault.fired())
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.board.take_out(|_| true);
    }

    /// The number of firings of a fault, in force or not.
    #[must_use]
    pub fn fired(&self, id: FaultId) -> u64 {
        let state = self.board.lock();
        state.all.iter().find(|fault| fault.id == id).map_or(0, |fault| fault.fired())
    }

    /// The faults that are in force.
    #[must_use]
    pub fn list(&self) -> Vec<FaultStatus> {
        let state = self.board.lock();
        let in_force = state.all.iter().filter(|fault| fault.is_in_force());
        in_force
            .map(|fault| FaultStatus {
                id: fault.id,
                fault: fault.spec.clone(),
                fired: fault.fired(),
            })
            .collect()
    }
}

/// A fault that is in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FaultStatus {
    /// Its id.
    pub id: FaultId,
    /// The fault.
    pub fault: Fault,
    /// Its number of firings so far.
    pub fired: u64,
}

/// The state shared by a proxy's connections.
#[derive(Debug)]
pub(crate) struct FaultRegistry {
    name: String,
    level: Level,
    on_event: OnEvent,
    started: Instant,
    state: Mutex<State>,
    /// Number of TCP faults in force: 0 is the fast path.
    tcp: AtomicUsize,
    /// Number of HTTP faults in force: 0 is the fast path.
    http: AtomicUsize,
    /// True if the port is to be closed.
    refusing: watch::Sender<bool>,
    requests: Mutex<Requests>,
}

/// Number of requests by service and operation.
pub(crate) type Requests = BTreeMap<(String, String), u64>;

#[derive(Debug)]
struct State {
    /// All faults ever added; the report of a run includes removed ones.
    all: Vec<Arc<Active>>,
    /// Open connections by number.
    connections: HashMap<u64, Arc<Fate>>,
    random: ChaCha8Rng,
}

impl FaultRegistry {
    pub(crate) fn new(name: String, level: Level, seed: u64, on_event: OnEvent) -> Arc<Self> {
        let state = State {
            all: Vec::new(),
            connections: HashMap::new(),
            random: ChaCha8Rng::seed_from_u64(seed),
        };
        Arc::new(Self {
            name,
            level,
            on_event,
            started: Instant::now(),
            state: Mutex::new(state),
            tcp: AtomicUsize::new(0),
            http: AtomicUsize::new(0),
            refusing: watch::Sender::new(false),
            requests: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, spec: Fault) -> Result<FaultId, AddError> {
        spec.check(self.level)?;
        let (fault, connections) = {
            let mut state = self.lock();
            let id = FaultId(state.all.len() as u64 + 1);
            let fault = Arc::new(Active::new(id, spec.clone()));
            state.all.push(Arc::clone(&fault));
            self.count(&state);
            self.tell(&fault, FaultEventKind::Added { spec });
            (fault, live(&state))
        };
        match fault.tcp() {
            Some(TcpFault::Refuse) => {
                self.hit(&fault, 0, || "the port is closed".to_owned());
                self.refusing.send_replace(true);
            }
            _ => {
                for connection in connections {
                    self.cut(&connection, &fault);
                    connection.look_again();
                }
            }
        }
        Ok(fault.id)
    }

    fn take_out(&self, which: impl Fn(&Active) -> bool) -> Vec<Arc<Active>> {
        let (gone, connections) = {
            let state = self.lock();
            let in_force = state.all.iter().filter(|fault| fault.is_in_force() && which(fault));
            let gone: Vec<_> = in_force.cloned().collect();
            for fault in &gone {
                fault.take_away();
                self.tell(fault, FaultEventKind::Removed { fired: fault.fired() });
            }
            self.count(&state);
            let refuses = |fault: &Arc<Active>| {
                fault.is_in_force() && matches!(fault.tcp(), Some(TcpFault::Refuse))
            };
            self.refusing.send_replace(state.all.iter().any(refuses));
            (gone, live(&state))
        };
        for connection in connections {
            connection.look_again();
        }
        gone
    }

    fn count(&self, state: &State) {
        let in_force = || state.all.iter().filter(|fault| fault.is_in_force());
        let tcp = in_force().filter(|fault| fault.tcp().is_some()).count();
        self.tcp.store(tcp, Ordering::Release);
        self.http.store(in_force().count() - tcp, Ordering::Release);
    }

    /// True if the fault fires now: it is in force, the random draw selects it, and `times` is not reached. A firing
    /// is counted and reported before it takes effect.
    pub(crate) fn hit(
        &self,
        fault: &Active,
        connection: u64,
        detail: impl FnOnce() -> String,
    ) -> bool {
        let mut state = self.lock();
        let spent = fault.spec.times.is_some_and(|times| fault.fired() >= times);
        if spent || !fault.is_in_force() || !self.roll(&mut state, fault.spec.probability) {
            return false;
        }
        let count = fault.count();
        self.tell(fault, FaultEventKind::Fired { count, connection, detail: detail() });
        true
    }

    /// True if a TCP fault affects this connection; decided, counted and recorded once.
    pub(crate) fn strikes(
        &self,
        connection: &Fate,
        fault: &Active,
        detail: impl FnOnce() -> String,
    ) -> bool {
        connection.struck(fault.id, || self.hit(fault, connection.number, detail))
    }

    /// Ends this connection if the fault is a cut that affects it.
    fn cut(&self, connection: &Fate, fault: &Active) {
        if let Some(TcpFault::Cut { how }) = fault.tcp()
            && connection.ending().is_none()
            && self.strikes(connection, fault, || format!("{how:?}").to_lowercase())
        {
            connection.end(*how);
        }
    }

    #[expect(clippy::unused_self, reason = "the dice belong to the board")]
    fn roll(&self, state: &mut State, probability: f64) -> bool {
        // No draw for a certainty, so that adding a fault does not change the draws of another one.
        probability >= 1.0 || state.random.random_bool(probability)
    }

    /// `base_ms`, plus up to `jitter_ms` at random.
    pub(crate) fn jittered(&self, base_ms: u64, jitter_ms: u64) -> Duration {
        let more = if jitter_ms == 0 { 0 } else { self.lock().random.random_range(0..=jitter_ms) };
        Duration::from_millis(base_ms.saturating_add(more))
    }

    /// Reports in order, since the lock on the state is held.
    fn tell(&self, fault: &Active, happened: FaultEventKind) {
        self.on_event.tell(FaultEvent {
            at_us: micros(self.started.elapsed()),
            unix_us: unix_us(),
            proxy: self.name.clone(),
            fault: fault.id,
            kind: fault.spec.kind.name().to_owned(),
            happened,
        });
    }

    pub(crate) fn count_request(&self, call: &Call) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((call.service.clone(), call.operation.clone())).or_default() += 1;
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn breaks_bytes(&self) -> bool {
        self.tcp.load(Ordering::Acquire) > 0
    }

    pub(crate) fn breaks_requests(&self) -> bool {
        self.http.load(Ordering::Acquire) > 0
    }

    /// The faults in force, in the order in which they were added.
    pub(crate) fn in_force(&self) -> Vec<Arc<Active>> {
        self.lock().all.iter().filter(|fault| fault.is_in_force()).cloned().collect()
    }

    pub(crate) fn refusing(&self) -> watch::Receiver<bool> {
        self.refusing.subscribe()
    }

    /// Registers a new connection; a cut that is in force ends it at once.
    pub(crate) fn enter(&self, connection: &Arc<Fate>) {
        self.lock().connections.insert(connection.number, Arc::clone(connection));
        for fault in self.in_force() {
            self.cut(connection, &fault);
        }
    }

    pub(crate) fn leave(&self, connection: u64) {
        self.lock().connections.remove(&connection);
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().connections.len()
    }
}

fn live(state: &State) -> Vec<Arc<Fate>> {
    state.connections.values().cloned().collect()
}
