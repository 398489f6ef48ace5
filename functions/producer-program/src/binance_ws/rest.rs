//! Single trades by id, over REST.

use std::sync::Arc;
use std::time::Duration;

use candle::binance::{self, FrameError, RestRow};
use candle::{IdRanges, Symbol};
use tokio::time::Instant;

use super::limits::{Host, Limits, Pause};
use producer::recording::SourceTrade;

/// The most trades that one request gives.
const PAGE_TRADES: u64 = 1_000;

/// `historicalTrades` of one endpoint.
pub(super) struct Rest {
    http: reqwest::Client,
    url: String,
    limits: Arc<Limits>,
}

/// The knowledge about some wanted trades.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Those that were found, each symbol's in order.
    pub(super) trades: Vec<SourceTrade>,
    /// Rows of wanted ids that are no trades.
    pub(super) odd: IdRanges,
    /// The problem with the first of them, or with a row that has no id.
    pub(super) odd_why: Option<String>,
    /// Wanted ids that an answer left out although it had later ones.
    pub(super) left_out: IdRanges,
}

/// Why trades could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The request failed, or the answer is not what it should be.
    #[error("get {url}")]
    Http {
        /// The request's URL.
        url: String,
        /// The cause.
        #[source]
        cause: reqwest::Error,
    },
    /// The endpoint said no.
    #[error("get {url}: answered {status}: {next_step}")]
    Status {
        /// The URL that was asked.
        url: String,
        /// The status of its answer.
        status: u16,
        /// The next step, of the producer or of its user.
        next_step: String,
    },
    /// The answer is no list of trades.
    #[error("get {url}")]
    Answer {
        /// The request's URL.
        url: String,
        /// The parser's error.
        #[source]
        cause: FrameError,
    },
    /// Nothing is asked for now.
    #[error("nothing is asked for another {left_s} s, since Binance answered {status}")]
    Paused {
        /// The answer.
        status: u16,
        /// The time until requests go out again, in seconds.
        left_s: u64,
    },
}

impl Rest {
    pub(super) fn new(
        url: &str,
        timeout: Duration,
        limits: Arc<Limits>,
    ) -> Result<Self, RestError> {
        let url = url.trim_end_matches('/').to_owned();
        match outbound::client(&url, timeout) {
            Ok(http) => Ok(Self { http, url, limits }),
            Err(cause) => Err(RestError::Http { url, cause }),
        }
    }

    /// Adds what is known of the wanted trades to `fetched`; it stays there whatever goes wrong then.
    pub(super) async fn fetch(
        &self,
        symbol: &Symbol,
        wanted: &IdRanges,
        fetched: &mut Fetched,
    ) -> Result<(), RestError> {
        for range in wanted.ranges() {
            let (mut next, last) = range.into_inner();
            while next <= last {
                let count = (last - next).saturating_add(1).min(PAGE_TRADES);
                let rows = self.page(symbol, next, count).await?;
                // Nothing from here on: the endpoint has no more of them, or not yet.
                let Some(greatest) = fetched.take_in(symbol, next..=last, rows) else { break };
                let Some(after) = greatest.checked_add(1) else { break };
                next = after;
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        symbol: &Symbol,
        from: u64,
        count: u64,
    ) -> Result<Vec<RestRow>, RestError> {
        let query = format!("symbol={symbol}&fromId={from}&limit={count}");
        let url = format!("{}/api/v3/historicalTrades?{query}", self.url);
        self.limits.request().await.map_err(|pause| paused(&pause))?;
        let failed = |cause| RestError::Http { url: url.clone(), cause };
        let mut answer = self.http.get(&url).send().await.map_err(failed)?;
        let status = answer.status().as_u16();
        let pause = self.limits.answered(Host::Rest, status, answer.headers());
        if !answer.status().is_success() {
            let next_step = next_step(status, pause);
            return Err(RestError::Status { url, status, next_step });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > binance::MAX_BYTES {
                let cause = FrameError::TooLarge { len: body.len() };
                return Err(RestError::Answer { url, cause });
            }
        }
        binance::rest_rows(symbol, &body).map_err(|cause| RestError::Answer { url, cause })
    }
}

fn paused(pause: &Pause) -> RestError {
    let left = pause.until.saturating_duration_since(Instant::now());
    RestError::Paused { status: pause.status, left_s: left.as_secs() + 1 }
}

/// The consequence of an answer that is no success.
pub(super) fn next_step(status: u16, pause: Option<Duration>) -> String {
    let what = match status {
        429 => "too many requests",
        418 => "this address is banned for now",
        403 => "refused by the firewall",
        451 => {
            "not served at this place; data-stream.binance.vision and data-api.binance.vision have market data alone and \
             may be"
        }
        _ => "it is tried again later",
    };
    match pause {
        Some(pause) => format!("{what}; nothing is asked for {} s", pause.as_secs()),
        None => what.to_owned(),
    }
}

impl Fetched {
    /// Takes in the rows from `wanted`'s first id on; gives the greatest id up to which all is known now.
    fn take_in(
        &mut self,
        symbol: &Symbol,
        wanted: std::ops::RangeInclusive<u64>,
        rows: Vec<RestRow>,
    ) -> Option<u64> {
        let ids: IdRanges = rows.iter().filter_map(id_of).collect();
        let greatest = ids.last().filter(|id| id >= wanted.start()).map(|id| id.min(*wanted.end()));
        let mut trades = Vec::new();
        for row in rows {
            let (id, why) = match row {
                RestRow::Trade(trade) => {
                    trades.push(trade);
                    continue;
                }
                RestRow::PassedOver { id, kind } => (id, kind.to_string()),
                RestRow::Refused { id, why } => (id, why.to_string()),
            };
            match id {
                Some(id) if wanted.contains(&id) => {
                    self.odd.insert(id);
                    self.odd_why.get_or_insert(format!("trade {id}: {why}"));
                }
                Some(_) => {}
                None => {
                    self.odd_why.get_or_insert(format!("a row without an id: {why}"));
                }
            }
        }
        trades.retain(|trade| wanted.contains(&trade.id));
        trades.sort_unstable_by_key(|trade| trade.id);
        trades.dedup_by_key(|trade| trade.id);
        let trades = trades.into_iter();
        self.trades.extend(trades.map(|trade| SourceTrade { symbol: symbol.clone(), trade }));
        let known: IdRanges = [*wanted.start()..=greatest?].into_iter().collect();
        self.left_out = self.left_out.union(&known.difference(&ids));
        greatest
    }
}

fn id_of(row: &RestRow) -> Option<u64> {
    match row {
        RestRow::Trade(trade) => Some(trade.id),
        RestRow::PassedOver { id, .. } | RestRow::Refused { id, .. } => *id,
    }
}
