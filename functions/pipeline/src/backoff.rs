//! Bounded retries with full jitter.

use std::sync::Mutex;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often to try, and how long to wait between tries: a random time up to `base * 2^n`, at most `cap`.
///
/// Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015) spreads the writers of one hot
/// candle best. The seed is the caller's, so a simulated run repeats exactly.
#[derive(Debug)]
pub struct Backoff {
    attempts: u32,
    base: Duration,
    cap: Duration,
    rng: Mutex<ChaCha8Rng>,
}

impl Backoff {
    /// `attempts` tries in all, at least one.
    #[must_use]
    pub fn new(attempts: u32, base: Duration, cap: Duration, seed: u64) -> Self {
        let rng = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        Self { attempts: attempts.max(1), base, cap, rng }
    }

    /// Tries in all.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Waits before the try that follows number `attempt` (from 0).
    pub async fn wait(&self, attempt: u32) {
        tokio::time::sleep(self.delay(attempt)).await;
    }

    /// The time to wait before the try that follows number `attempt` (from 0): another time with each call.
    #[must_use]
    pub fn delay(&self, attempt: u32) -> Duration {
        let ceiling = self.base.saturating_mul(2_u32.saturating_pow(attempt)).min(self.cap);
        let ceiling_us = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        // A poisoned lock only means that another task panicked between two draws; the generator is still good.
        let mut rng = self.rng.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Duration::from_micros(rng.random_range(0..=ceiling_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(seed: u64) -> Vec<Duration> {
        let backoff = Backoff::new(9, Duration::from_millis(5), Duration::from_millis(80), seed);
        (0..40).map(|attempt| backoff.delay(attempt)).collect()
    }

    #[test]
    fn delays_grow_to_the_cap_and_no_further() {
        let ceilings_ms = [5, 10, 20, 40, 80, 80, 80];
        for seed in 0..100 {
            for (delay, ceiling) in delays(seed).iter().zip(ceilings_ms) {
                assert!(delay.as_millis() <= ceiling, "{delay:?} is over {ceiling} ms");
            }
            assert!(delays(seed).iter().all(|delay| delay.as_millis() <= 80));
        }
    }

    #[test]
    fn a_seed_repeats_and_two_seeds_differ() {
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_is_as_long_as_the_delay() {
        let backoff = || Backoff::new(9, Duration::from_secs(1), Duration::from_mins(1), 7);
        let (waits, tells) = (backoff(), backoff());
        for attempt in 0..9 {
            let start = tokio::time::Instant::now();
            waits.wait(attempt).await;
            let more = start.elapsed().saturating_sub(tells.delay(attempt));
            assert!(more < Duration::from_millis(2), "the timer's resolution is 1 ms: {more:?}");
            assert!(start.elapsed() > Duration::ZERO, "attempt {attempt}");
        }
        assert_eq!(Backoff::new(0, Duration::ZERO, Duration::ZERO, 7).attempts(), 1);
    }
}
