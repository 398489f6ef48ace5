//! Trades as Binance sends them: a combined WebSocket stream of several symbols, for as long as somebody listens.
//!
//! Binance ends a connection after 24 hours, and any connection may end at any time. The next one is made after a random
//! pause that doubles up to a bound. Trade ids are contiguous, so what came in between is known by its ids: it is fetched
//! over REST (`/api/v3/historicalTrades`, the only endpoint that gives single trades by id; `aggTrades` merges them)
//! before anything later goes on, or else told as ranges. Those are asked for again, beside the stream and ever more
//! seldom, for as long as somebody listens: the endpoint may be away, or behind the stream.

mod gap;
mod rest;
mod unfilled;

use std::collections::BTreeMap;
use std::time::Duration;

use candle::binance::{self, Frame};
use candle::{IdRanges, Symbol};
use futures::StreamExt as _;
use gap::LastIds;
use pipeline::Backoff;
use rest::Rest;
pub use rest::RestError;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};
use unfilled::Unfilled;

use crate::recording::SourceTrade;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Gaps that are asked for together. A request weighs 25 of the 6,000 a minute that Binance allows an address.
const AGAIN_GAPS: usize = 20;

/// How Binance is listened to.
#[derive(Clone, Debug)]
pub struct BinanceConfig {
    /// Such as `wss://stream.binance.com:9443`.
    pub stream_url: String,
    /// Such as `https://data-api.binance.vision`; `None`: gaps are only told.
    pub rest_url: Option<String>,
    /// What to listen to.
    pub symbols: Vec<Symbol>,
    /// The last trade of each symbol that an earlier producer has: what came since is a gap.
    pub last_ids: BTreeMap<Symbol, u64>,
    /// What an earlier producer passed over and could not fetch: it is asked for again.
    pub missing: BTreeMap<Symbol, IdRanges>,
    /// How long a connection or a request may take.
    pub connect_timeout: Duration,
    /// A connection on which nothing comes for so long, not even a ping, is given up. Binance pings every 20 s.
    pub silence: Duration,
    /// A connection is renewed after so long: before Binance ends it, which it does after 24 h.
    pub lifetime: Duration,
    /// The ceiling of the first pause before a new connection; it doubles each time.
    pub backoff_base: Duration,
    /// The ceiling of every pause. Binance bans who connects more than 300 times in 5 minutes.
    pub backoff_cap: Duration,
    /// The largest gap to fetch while the stream waits, in trades; a larger one is fetched beside it, in pieces of so many.
    pub gap_max_trades: u64,
    /// How long fetching a gap may take; the stream waits meanwhile.
    pub gap_timeout: Duration,
    /// The ceiling of the first pause before what is missing is asked for again; it doubles each time that nothing came.
    pub again_base: Duration,
    /// The ceiling of every such pause.
    pub again_cap: Duration,
    /// Where the pauses come from; should differ between producers.
    pub seed: u64,
}

/// Something that happened between the trades.
#[derive(Debug)]
pub enum BinanceEvent<'a> {
    /// A connection is there.
    Connected,
    /// It is gone, or could not be made; another one will be made.
    Disconnected {
        /// Why.
        why: String,
    },
    /// Trades that did not come with the stream were fetched.
    Filled {
        /// Of what.
        symbol: &'a Symbol,
        /// Which.
        ids: IdRanges,
    },
    /// Trades are missing; they are asked for again, if there is somebody to ask.
    Missing {
        /// Of what.
        symbol: &'a Symbol,
        /// Which.
        ids: IdRanges,
        /// Why they could not be fetched.
        why: String,
    },
    /// A frame that is none.
    Bad {
        /// What is wrong with it.
        why: String,
    },
}

/// Why a connection ended.
enum End {
    /// Nobody listens any more.
    Closed,
    /// Binance, the network, or the time.
    Lost(String),
}

/// Nobody listens any more.
struct Gone;

/// Listens until `trades` is closed. Trades of a symbol come in the order of their ids, but for those that Binance sends
/// late, and those that could not be fetched at first.
pub async fn listen(
    config: &BinanceConfig,
    trades: mpsc::Sender<SourceTrade>,
    tell: impl Fn(BinanceEvent<'_>) + Send + Sync,
) -> Result<(), RestError> {
    let rest = config.rest_url.as_deref().map(|url| Rest::new(url, config.connect_timeout));
    let rest = rest.transpose()?;
    // Of a symbol that is no longer followed, the functions may want no trades.
    let mut missing = config.missing.clone();
    missing.retain(|symbol, ids| config.symbols.contains(symbol) && !ids.is_empty());
    for (symbol, ids) in &missing {
        let why = "an earlier producer could not fetch them".to_owned();
        tell(BinanceEvent::Missing { symbol, ids: ids.clone(), why });
    }
    let unfilled = Unfilled::new(missing);
    let last = LastIds::behind(config.last_ids.clone());
    let filler = Filler { config, rest, trades, tell, unfilled };
    let listener = Listener { config, filler: &filler, last };
    tokio::select! {
        () = listener.listen() => {}
        () = filler.ask_again() => {}
    }
    Ok(())
}

/// Follows the stream.
struct Listener<'a, T> {
    config: &'a BinanceConfig,
    filler: &'a Filler<'a, T>,
    last: LastIds,
}

impl<T: Fn(BinanceEvent<'_>) + Send + Sync> Listener<'_, T> {
    /// One connection after the other, until nobody listens any more.
    async fn listen(mut self) {
        let BinanceConfig { backoff_base, backoff_cap, seed, .. } = *self.config;
        let backoff = Backoff::new(u32::MAX, backoff_base, backoff_cap, seed);
        let mut failures = 0;
        loop {
            let (end, received) = self.session().await;
            let End::Lost(why) = end else { return };
            (self.filler.tell)(BinanceEvent::Disconnected { why });
            failures = if received > 0 { 0 } else { failures + 1 };
            tokio::select! {
                () = backoff.wait(failures) => {}
                () = self.filler.trades.closed() => return,
            }
        }
    }

    /// One connection, from its beginning to its end; also how many trades came.
    async fn session(&mut self) -> (End, u64) {
        let mut received = 0;
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(why) => return (End::Lost(why), received),
        };
        (self.filler.tell)(BinanceEvent::Connected);
        let renew_at = Instant::now() + self.config.lifetime;
        loop {
            let until = renew_at.min(Instant::now() + self.config.silence);
            let next = tokio::select! {
                next = timeout_at(until, socket.next()) => next,
                () = self.filler.trades.closed() => return (End::Closed, received),
            };
            let message = match next {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(error))) => return (End::Lost(format!("read: {error}")), received),
                Ok(None) => return (End::Lost("the connection was closed".to_owned()), received),
                Err(_) if Instant::now() >= renew_at => {
                    let why = format!("renewed after {:?}", self.config.lifetime);
                    return (End::Lost(why), received);
                }
                Err(_) => {
                    let why = format!("nothing came for {:?}", self.config.silence);
                    return (End::Lost(why), received);
                }
            };
            let frame = match &message {
                Message::Text(text) => text.as_bytes(),
                Message::Binary(bytes) => bytes,
                Message::Close(frame) => {
                    let why = frame.as_ref().map_or_else(String::new, |frame| {
                        format!(", code {}: {}", frame.code, frame.reason)
                    });
                    return (End::Lost(format!("closed by the other side{why}")), received);
                }
                // A ping is answered by the library with the next read.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            match binance::decode(frame) {
                Ok(Frame::Trade { symbol, trade }) => {
                    received += 1;
                    if let Some(end) = self.pass_on(SourceTrade { symbol, trade }).await {
                        return (end, received);
                    }
                }
                Ok(Frame::Other { .. }) => {}
                Err(error) => (self.filler.tell)(BinanceEvent::Bad { why: error.to_string() }),
            }
        }
    }

    async fn connect(&self) -> Result<Socket, String> {
        let symbols = self.config.symbols.iter();
        let streams: Vec<_> = symbols
            .map(|symbol| format!("{}@trade", symbol.as_str().to_ascii_lowercase()))
            .collect();
        let url = self.config.stream_url.trim_end_matches('/');
        let url = format!("{url}/stream?streams={}", streams.join("/"));
        let limits = WebSocketConfig::default()
            .max_message_size(Some(binance::MAX_BYTES))
            .max_frame_size(Some(binance::MAX_BYTES));
        let connected = connect_async_with_config(&url, Some(limits), true);
        match timeout(self.config.connect_timeout, connected).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(WsError::Http(answer))) => {
                Err(format!("connect to {url}: answered {}", answer.status()))
            }
            Ok(Err(error)) => Err(format!("connect to {url}: {error}")),
            Err(_) => {
                Err(format!("connect to {url}: no answer within {:?}", self.config.connect_timeout))
            }
        }
    }

    /// Gives a trade to who listens, and before it what is missing before it.
    async fn pass_on(&mut self, made: SourceTrade) -> Option<End> {
        if let Some(gap) = self.last.take(&made.symbol, made.trade.id)
            && let Some(end) = self.filler.fill(&made.symbol, gap).await
        {
            return Some(end);
        }
        self.filler.trades.send(made).await.is_err().then_some(End::Closed)
    }
}

/// Gets what the stream left out.
struct Filler<'a, T> {
    config: &'a BinanceConfig,
    rest: Option<Rest>,
    trades: mpsc::Sender<SourceTrade>,
    tell: T,
    unfilled: Unfilled,
}

impl<T: Fn(BinanceEvent<'_>) + Send + Sync> Filler<'_, T> {
    /// Fetches what a gap lacks, or tells it.
    async fn fill(&self, symbol: &Symbol, gap: std::ops::RangeInclusive<u64>) -> Option<End> {
        let wanted: IdRanges = [gap].into_iter().collect();
        let (found, why) = self.fetch(symbol, &wanted).await;
        let Ok(ids) = self.send(symbol, found).await else { return Some(End::Closed) };
        let missing = wanted.difference(&ids);
        if !missing.is_empty() {
            self.unfilled.add(symbol, &missing);
            (self.tell)(BinanceEvent::Missing { symbol, ids: missing, why });
        }
        None
    }

    /// Asks for what is missing again and again, as long as this is polled and somebody listens; at once for what
    /// was missing before.
    async fn ask_again(&self) {
        let BinanceConfig { again_base, again_cap, seed, .. } = *self.config;
        let backoff = Backoff::new(u32::MAX, again_base, again_cap, seed.wrapping_add(1));
        let mut in_vain = 0;
        loop {
            let mut found_any = false;
            let asked = self.unfilled.next(AGAIN_GAPS, self.config.gap_max_trades);
            let nothing_lacks = asked.is_empty();
            for (symbol, wanted) in asked {
                let (found, _) = self.fetch(&symbol, &wanted).await;
                let Ok(ids) = self.send(&symbol, found).await else { return };
                self.unfilled.remove(&symbol, &ids);
                found_any |= !ids.is_empty();
            }
            in_vain = if found_any || nothing_lacks { 0 } else { in_vain + 1 };
            backoff.wait(in_vain).await;
        }
    }

    /// Gives fetched trades to who listens, if anybody does, and tells them.
    async fn send(&self, symbol: &Symbol, found: Vec<SourceTrade>) -> Result<IdRanges, Gone> {
        let ids: IdRanges = found.iter().map(|made| made.trade.id).collect();
        for made in found {
            self.trades.send(made).await.map_err(|_| Gone)?;
        }
        if !ids.is_empty() {
            (self.tell)(BinanceEvent::Filled { symbol, ids: ids.clone() });
        }
        Ok(ids)
    }

    /// What of a gap can be had, and why the rest can't.
    async fn fetch(&self, symbol: &Symbol, wanted: &IdRanges) -> (Vec<SourceTrade>, String) {
        let mut found = Vec::new();
        let Some(rest) = &self.rest else { return (found, "no REST endpoint is set".to_owned()) };
        let most = self.config.gap_max_trades;
        if wanted.count() > most {
            let count = wanted.count();
            return (found, format!("{count} trades, above gap_max_trades = {most}"));
        }
        let fetched = rest.fetch(symbol, wanted, &mut found);
        let why = match timeout(self.config.gap_timeout, fetched).await {
            Ok(Ok(())) => "the endpoint does not have them".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not fetched within {:?}", self.config.gap_timeout),
        };
        (found, why)
    }
}
