//! The limits that Binance sets an address, kept by all requests and connections together.
//!
//! An address that goes on after an answer of 429 is banned with 418, for two minutes at first and three days in the end; one
//! that connects more than 300 times in five minutes is cut off. So an answer that says to wait stops every request and every new
//! connection until the time is over, and both have budgets that stay well below what is allowed.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep_until};

/// The longest pause that an answer can ask for: Binance's longest ban, and a little more.
const PAUSE_MAX: Duration = Duration::from_hours(73);
/// The shortest one: an answer of `Retry-After: 0` is no leave to go on at once.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// A budget: how often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many times at most,
    pub most: usize,
    /// in any period of this length.
    pub window: Duration,
}

/// When something may be done next.
pub(super) struct Limits {
    /// The pauses of the two hosts, in the order of [`Host`].
    paused: Mutex<[Option<Pause>; 2]>,
    connects: Budget,
    requests: Budget,
}

/// The host that an answer is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// That of requests.
    Rest,
    /// That of connections.
    Stream,
}

/// A time in which nothing is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) until: Instant,
    pub(super) status: u16,
}

impl Limits {
    pub(super) fn new(connects: Rate, requests: Rate) -> Self {
        let [connects, requests] = [connects, requests].map(Budget::new);
        Self { paused: Mutex::default(), connects, requests }
    }

    /// Takes in that an answer refused to serve, if it did: nothing is asked for a time then. Gives that time. A limit is of the
    /// address, so it holds for both hosts; a firewall or a place that is not served is of the host that says so.
    pub(super) fn answered(
        &self,
        host: Host,
        status: u16,
        headers: &http::HeaderMap,
    ) -> Option<Duration> {
        let text =
            |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let told = text(http::header::RETRY_AFTER).and_then(|told| {
            let date =
                text(http::header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
            retry_after(told, date.unwrap_or_else(SystemTime::now))
        });
        let length = told.or_else(|| default_pause(status)).filter(|_| is_refusal(status))?;
        let length = length.clamp(PAUSE_MIN, PAUSE_MAX);
        let until = Instant::now() + length;
        let mut paused = lock(&self.paused);
        let is_of_address = matches!(status, 418 | 429);
        for other in [Host::Rest, Host::Stream] {
            let paused = &mut paused[other as usize];
            let is_longer = paused.as_ref().is_none_or(|pause| pause.until < until);
            if (is_of_address || other == host) && is_longer {
                *paused = Some(Pause { until, status });
            }
        }
        Some(length)
    }

    /// The pause of a host that is on, if one is.
    pub(super) fn paused(&self, host: Host) -> Option<Pause> {
        lock(&self.paused)[host as usize].clone().filter(|pause| pause.until > Instant::now())
    }

    /// Waits until no pause of a host is on.
    pub(super) async fn unpaused(&self, host: Host) {
        while let Some(pause) = self.paused(host) {
            sleep_until(pause.until).await;
        }
    }

    /// Waits until a connection may be made, and counts it.
    pub(super) async fn connect(&self) {
        self.unpaused(Host::Stream).await;
        self.connects.take().await;
        self.unpaused(Host::Stream).await;
    }

    /// Waits until a request fits into the budget, and counts it; none may be made while a pause is on.
    pub(super) async fn request(&self) -> Result<(), Pause> {
        if self.paused(Host::Rest).is_none() {
            self.requests.take().await;
        }
        self.paused(Host::Rest).map_or(Ok(()), Err)
    }
}

/// True if a status says that an address is to ask no more for now.
fn is_refusal(status: u16) -> bool {
    matches!(status, 403 | 418 | 429 | 451)
}

/// The pause where the answer does not say: a minute is the period of the request weights, two are the
/// shortest ban. 403 is the firewall's, and 451 is for places that Binance does not serve.
fn default_pause(status: u16) -> Option<Duration> {
    match status {
        429 => Some(Duration::from_mins(1)),
        418 | 403 => Some(Duration::from_mins(5)),
        451 => Some(Duration::from_hours(1)),
        _ => None,
    }
}

/// A `Retry-After`: seconds, or a date, which counts from the date of the answer.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time.
        return Some(text.parse().map_or(PAUSE_MAX, Duration::from_secs));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Counts what was done in the last period.
struct Budget {
    rate: Rate,
    taken: Mutex<VecDeque<Instant>>,
}

impl Budget {
    fn new(rate: Rate) -> Self {
        Self { rate, taken: Mutex::default() }
    }

    /// Waits for its turn.
    async fn take(&self) {
        while let Err(free_at) = self.try_take() {
            sleep_until(free_at).await;
        }
    }

    /// Takes a turn, or says when to ask again.
    fn try_take(&self) -> Result<(), Instant> {
        let now = Instant::now();
        let mut taken = lock(&self.taken);
        while taken.front().is_some_and(|first| *first + self.rate.window <= now) {
            taken.pop_front();
        }
        match taken.front() {
            Some(first) if taken.len() >= self.rate.most => Err(*first + self.rate.window),
            _ => {
                taken.push_back(now);
                Ok(())
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let rate = Rate { most: 3, window: Duration::from_secs(10) };
        Limits::new(rate, rate)
    }

    /// Names and values.
    type Pairs<'a> = &'a [(&'static str, &'a str)];

    fn headers(pairs: Pairs<'_>) -> http::HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_says_how_long_nothing_is_asked_and_the_bounds_hold() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let max_s = PAUSE_MAX.as_secs();
        let cases: [(u16, Pairs<'_>, Option<u64>); 14] = [
            (200, &[("retry-after", "9")], None),
            (500, &[("retry-after", "9")], None),
            (429, &[("retry-after", "7")], Some(7)),
            (418, &[("retry-after", " 120 ")], Some(120)),
            (429, &[("retry-after", "0")], Some(1)),
            (429, &[("retry-after", "99999999999999999999999")], Some(max_s)),
            (418, &[("retry-after", "259200")], Some(259_200)),
            (429, &[("retry-after", "-5")], Some(60)),
            (429, &[("retry-after", "soon")], Some(60)),
            (429, &[], Some(60)),
            (418, &[], Some(300)),
            (451, &[], Some(3_600)),
            (429, &[date, ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], Some(30)),
            (429, &[date, ("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(1)),
        ];
        for (status, given, expected) in cases {
            let limits = limits();
            let paused =
                limits.answered(Host::Rest, status, &headers(given)).map(|length| length.as_secs());
            assert_eq!(paused, expected, "{status} {given:?}");
            assert_eq!(
                limits.paused(Host::Rest).is_some(),
                expected.is_some(),
                "{status} {given:?}"
            );
            let is_of_both = limits.paused(Host::Stream).is_some();
            assert_eq!(is_of_both, expected.is_some() && status != 451, "{status} {given:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_stops_requests_and_connections_and_a_shorter_one_does_not_end_it() {
        let limits = limits();
        let start = Instant::now();
        limits.answered(Host::Rest, 418, &headers(&[("retry-after", "100")]));
        limits.answered(Host::Stream, 429, &headers(&[("retry-after", "5")]));
        let refused = limits.request().await.unwrap_err();
        assert_eq!((refused.status, refused.until - start), (418, Duration::from_secs(100)));
        assert_eq!(start.elapsed(), Duration::ZERO, "a request is refused, not held");
        limits.connect().await;
        assert_eq!(start.elapsed().as_secs(), 100);
        assert_eq!(limits.request().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_period_has_more_than_the_budget() {
        let limits = limits();
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..8 {
            limits.connect().await;
            at.push(start.elapsed().as_secs());
        }
        assert_eq!(at, [0, 0, 0, 10, 10, 10, 20, 20]);
    }
}
