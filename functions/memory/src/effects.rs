//! Counts effects, and crashes a function at a chosen one.

use std::future::{Future, pending};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// The points at which a function can crash: before and after every effect of every port that shares this.
///
/// A crash means that the code does not go on: the effect's future never completes, and
/// [`Effects::until_crash`] drops the function there.
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

    /// Crashes, once, at the point that follows `points` further ones.
    pub fn crash_after(&self, points: u64) {
        self.inner.crash_at.store(self.passed() + points, Ordering::SeqCst);
    }

    /// Runs `function` until it ends or crashes; `None` if it crashed.
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
        // A real effect takes time, during which other tasks run.
        tokio::task::yield_now().await;
    }
}
