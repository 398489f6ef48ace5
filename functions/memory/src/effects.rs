//! Counts effects, and crashes the function that causes them at a chosen one.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The points at which a function can die: before and after every effect of every port that shares this.
///
/// A crash is what it is in life: the code simply does not go on. The effect's future never completes; whoever
/// runs it with [`Effects::until_crash`] drops it there.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    passed: AtomicU64,
    crash_at: AtomicU64,
    crashed: Notify,
}

impl Default for Inner {
    fn default() -> Self {
        Self {
            passed: AtomicU64::new(0),
            crash_at: AtomicU64::new(u64::MAX),
            crashed: Notify::new(),
        }
    }
}

impl Effects {
    /// Points passed so far: two for every effect.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.inner.passed.load(Ordering::SeqCst)
    }

    /// Crashes at the point that comes after `points` more have been passed; one crash only.
    pub fn crash_after(&self, points: u64) {
        self.inner.crash_at.store(self.passed() + points, Ordering::SeqCst);
    }

    /// Runs `function` until it ends or crashes; `None`: it crashed, and is gone.
    pub async fn until_crash<T>(&self, function: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = function => Some(done),
            () = self.inner.crashed.notified() => None,
        }
    }

    /// Performs `effect` between two points.
    pub(crate) async fn around<T>(&self, effect: impl FnOnce() -> T) -> T {
        self.point().await;
        let result = effect();
        self.point().await;
        result
    }

    async fn point(&self) {
        let here = self.inner.passed.fetch_add(1, Ordering::SeqCst);
        if here == self.inner.crash_at.load(Ordering::SeqCst) {
            self.inner.crash_at.store(u64::MAX, Ordering::SeqCst);
            self.inner.crashed.notify_one();
            pending::<()>().await;
        }
        // A real effect takes time, and others run meanwhile.
        tokio::task::yield_now().await;
    }
}
