//! An executor that runs everything within the task that polls it.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures::stream::{FuturesUnordered, StreamExt as _};

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Takes jobs from within [`Local::run`], and runs them there.
#[derive(Clone, Default)]
pub(crate) struct Local(Arc<Mutex<Vec<Job>>>);

impl Local {
    /// Runs `main` and, meanwhile, all jobs; ends with `main`, dropping the jobs.
    pub(crate) async fn run<T>(&self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        let mut jobs = FuturesUnordered::new();
        std::future::poll_fn(|context| {
            loop {
                if let Poll::Ready(done) = main.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                // After a job's progress `main` is polled first: it may have waited for that.
                jobs.extend(self.taken());
                while let Poll::Ready(Some(())) = jobs.poll_next_unpin(context) {}
                let new = self.taken();
                if new.is_empty() {
                    return Poll::Pending;
                }
                jobs.extend(new);
            }
        })
        .await
    }

    pub(crate) fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(job));
    }

    fn taken(&self) -> Vec<Job> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, job: F) {
        self.spawn(job);
    }
}
