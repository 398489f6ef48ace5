//! Bounded retries with full jitter.

use std::sync::Mutex;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of tries, and the waits between them: a random time up to `base * 2^n`, at most `cap`.
///
/// Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015) spreads the writers of one hot
/// candle best. The caller gives the seed, so a simulated run repeats exactly.
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

    /// The time to wait before the try that follows number `attempt` (from 0); each call draws another one.
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
pub(crate) mod tests {
    use std::ops::Range;

    use tokio::time::Instant;

    use super::*;

    /// A backoff with the same delays at each call: 4 attempts, so 3 waits.
    pub(crate) fn backoff() -> Backoff {
        Backoff::new(4, Duration::from_secs(1), Duration::from_mins(1), 1)
    }

    /// Asserts that the time since `start` is the sum of the delays that `backoff` draws after these attempts.
    pub(crate) fn assert_waited(start: Instant, backoff: &Backoff, attempts: Range<u32>) {
        let most = Duration::from_millis(1 + attempts.len() as u64);
        let delays: Duration = attempts.map(|attempt| backoff.delay(attempt)).sum();
        let more = start.elapsed().checked_sub(delays).expect("no less than the delays");
        assert!(more < most, "the timer's resolution is 1 ms: {more:?}");
    }

    fn delays(seed: u64) -> Vec<Duration> {
        let backoff = Backoff::new(9, Duration::from_millis(5), Duration::from_millis(80), seed);
        (0..40).map(|attempt| backoff.delay(attempt)).collect()
    }

    #[test]
    fn delays_are_spread_from_zero_to_a_ceiling_that_doubles_up_to_the_cap() {
        let seeds: Vec<_> = (0..100).map(delays).collect();
        for attempt in 0..40 {
            let ceiling = Duration::from_millis([5, 10, 20, 40, 80][attempt.min(4)]);
            let least = seeds.iter().map(|delays| delays[attempt]).min().expect("a delay");
            let most = seeds.iter().map(|delays| delays[attempt]).max().expect("a delay");
            assert!(least < ceiling / 10, "attempt {attempt}: the least of 100 is {least:?}");
            let expected = ceiling * 9 / 10..=ceiling;
            assert!(expected.contains(&most), "attempt {attempt}: the most of 100 is {most:?}");
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
            let start = Instant::now();
            waits.wait(attempt).await;
            assert_waited(start, &tells, attempt..attempt + 1);
        }
        assert_eq!(Backoff::new(0, Duration::ZERO, Duration::ZERO, 7).attempts(), 1);
    }
}
