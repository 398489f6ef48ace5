//! Single trades by id, over REST.

use std::time::Duration;

use candle::{IdRanges, Price, Quantity, Symbol, Trade};
use serde::Deserialize;

use crate::recording::SourceTrade;

/// The most trades that one request gives.
const PAGE_TRADES: u64 = 1_000;

/// `historicalTrades` of one endpoint.
pub(super) struct Rest {
    http: reqwest::Client,
    url: String,
}

/// A row of the answer; fields that are not needed are passed over.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    id: u64,
    price: String,
    qty: String,
    time: u64,
    is_buyer_maker: bool,
}

/// Why trades could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// The request failed, or the answer is not what it should be.
    #[error("get {url}: {cause}")]
    Http {
        /// What was asked.
        url: String,
        /// What went wrong.
        #[source]
        cause: reqwest::Error,
    },
    /// A trade that is none.
    #[error("get {url}: trade {id}: {why}")]
    Trade {
        /// What was asked.
        url: String,
        /// Its id.
        id: u64,
        /// What is wrong with it.
        why: String,
    },
}

impl Rest {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, RestError> {
        let url = url.trim_end_matches('/').to_owned();
        match reqwest::Client::builder().timeout(timeout).build() {
            Ok(http) => Ok(Self { http, url }),
            Err(cause) => Err(RestError::Http { url, cause }),
        }
    }

    /// Adds the wanted trades to `found`, in order; those that were there stay in it whatever goes wrong then.
    pub(super) async fn fetch(
        &self,
        symbol: &Symbol,
        wanted: &IdRanges,
        found: &mut Vec<SourceTrade>,
    ) -> Result<(), RestError> {
        for range in wanted.ranges() {
            let (mut next, last) = range.into_inner();
            while next <= last {
                let count = (last - next).saturating_add(1).min(PAGE_TRADES);
                let mut page = self.page(symbol, next, count).await?;
                page.retain(|trade| (next..=last).contains(&trade.id));
                page.sort_unstable_by_key(|trade| trade.id);
                page.dedup_by_key(|trade| trade.id);
                // Nothing from here on: the endpoint has no more of them, or not yet.
                let Some(greatest) = page.last().map(|trade| trade.id) else { break };
                let made = |trade| SourceTrade { symbol: symbol.clone(), trade };
                found.extend(page.into_iter().map(made));
                let Some(after) = greatest.checked_add(1) else { break };
                next = after;
            }
        }
        Ok(())
    }

    async fn page(&self, symbol: &Symbol, from: u64, count: u64) -> Result<Vec<Trade>, RestError> {
        let query = format!("symbol={symbol}&fromId={from}&limit={count}");
        let url = format!("{}/api/v3/historicalTrades?{query}", self.url);
        let failed = |cause| RestError::Http { url: url.clone(), cause };
        let answer = self.http.get(&url).send().await.map_err(failed)?;
        let answer = answer.error_for_status().map_err(failed)?;
        let rows: Vec<Row> = answer.json().await.map_err(failed)?;
        let trades = rows.into_iter().map(|row| {
            let id = row.id;
            row.trade().map_err(|why| RestError::Trade { url: url.clone(), id, why })
        });
        trades.collect()
    }
}

impl Row {
    fn trade(self) -> Result<Trade, String> {
        let price: Price = self.price.parse().map_err(|error| format!("price: {error}"))?;
        let quantity: Quantity = self.qty.parse().map_err(|error| format!("qty: {error}"))?;
        let (id, time_ms, buyer_is_maker) = (self.id, self.time, self.is_buyer_maker);
        Ok(Trade { id, time_ms, price, quantity, buyer_is_maker })
    }
}
