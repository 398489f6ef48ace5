//! Trades as Binance sends them: a combined WebSocket stream of several symbols, until the receiver is dropped.
//!
//! Binance ends a connection after 24 hours, and any connection may end at any time. The next one is made after a random
//! pause that doubles up to a bound. Trade ids are contiguous, so what came in between is known by its ids: it is fetched
//! over REST (`/api/v3/historicalTrades`, the only endpoint that gives single trades by id; `aggTrades` merges them)
//! before anything later goes on, or else told as ranges. Those are asked for again, beside the stream and ever more
//! seldom: the endpoint may be away, or behind the stream. An id is *settled* once it is known that no trade comes of it:
//! the stream or the endpoint gave a row that is none, such as the placeholders of futures, or the endpoint has left it out
//! again and again. Settled ids are told, and asked for no more.

mod dial;
mod gap;
mod limits;
mod rest;
mod unfilled;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use candle::binance::{self, Frame};
use candle::{IdRanges, Symbol};
use dial::{DialError, Socket, dial};
use futures::StreamExt as _;
use gap::LastIds;
pub use limits::Rate;
use limits::{Host, Limits};
use outbound::Proxies;
use pipeline::Backoff;
pub use rest::RestError;
use rest::{Fetched, Rest, next_step};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use unfilled::{Gap, Outcome, Unfilled};

use producer::position::Settled;
use producer::recording::SourceTrade;

/// Gaps that are asked for together.
const AGAIN_GAPS: usize = 20;

/// Settings of the connection to Binance.
#[derive(Clone, Debug)]
pub struct BinanceConfig {
    /// Such as `wss://data-stream.binance.vision`.
    pub stream_url: String,
    /// Such as `https://data-api.binance.vision`; `None`: gaps are only told.
    pub rest_url: Option<String>,
    /// Symbols to subscribe to.
    pub symbols: Vec<Symbol>,
    /// The last trade of each symbol that an earlier producer has: what came since is a gap.
    pub last_ids: BTreeMap<Symbol, u64>,
    /// Trade ids that an earlier producer missed and could not fetch: they are requested again.
    pub missing: BTreeMap<Symbol, IdRanges>,
    /// Timeout of a connection attempt and of a request.
    pub connect_timeout: Duration,
    /// A connection on which nothing comes for so long, not even a ping, is given up. Binance pings every 20 s.
    pub silence: Duration,
    /// A stream that has brought no trade for so long, over however many connections, is reported as quiet; a connection
    /// whose pings come stays.
    pub quiet: Duration,
    /// A connection is renewed after so long: before Binance ends it, which it does after 24 h.
    pub lifetime: Duration,
    /// The ceiling of the first pause before a new connection; it doubles each time.
    pub backoff_base: Duration,
    /// The ceiling of every pause.
    pub backoff_cap: Duration,
    /// A connection that lived so long is a good one: the pauses after it begin anew.
    pub settled_after: Duration,
    /// Connections that are made at most. Binance cuts an address off that connects more than 300 times in 5 minutes.
    pub connects: Rate,
    /// Requests that are made at most. Each weighs 25 of the 6,000 a minute that Binance allows an address.
    pub requests: Rate,
    /// The proxies to reach Binance's stream through.
    pub proxies: Arc<Proxies>,
    /// The largest gap to fetch while the stream waits, in trades; a larger one is fetched beside it, in pieces of so many.
    pub gap_max_trades: u64,
    /// Timeout for fetching a gap; the stream waits meanwhile.
    pub gap_timeout: Duration,
    /// The ceiling of the first pause before what is missing is asked for again; it doubles each time that nothing came.
    pub again_base: Duration,
    /// The ceiling of every such pause.
    pub again_cap: Duration,
    /// Seed of the random pauses; should differ between producers.
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
    /// There is a connection, but no trade has come for this long, over this connection or those before it. Told once
    /// until a trade comes.
    Quiet {
        /// The time since the last trade, or since the start.
        lasting: Duration,
    },
    /// After `Quiet`, the stream has brought a trade.
    Trading,
    /// Trades that did not come with the stream were fetched.
    Filled {
        /// Of what.
        symbol: &'a Symbol,
        /// Which.
        ids: IdRanges,
    },
    /// Trades are missing; they are requested again, if there is a REST endpoint.
    Missing {
        /// Of what.
        symbol: &'a Symbol,
        /// Which.
        ids: IdRanges,
        /// Why they could not be fetched.
        why: String,
    },
    /// No trade comes of these ids: they are asked for no more.
    Settled {
        /// Of what.
        symbol: &'a Symbol,
        /// Which.
        ids: IdRanges,
        /// Why not.
        why: String,
    },
    /// A frame, or a row of an answer, that is none, and tells no id.
    Bad {
        /// The reason.
        why: String,
    },
}

/// Why a connection ended.
enum End {
    /// The receiver was dropped.
    Closed,
    /// Binance, the network, or the time.
    Lost(String),
}

/// The receiver was dropped.
struct Gone;

/// Listens until `trades` is closed; adds to `settled` the ids that no trade comes of. Trades of a symbol come in the
/// order of their ids, but for those that Binance sends late, and those that could not be fetched at first.
pub async fn listen(
    config: &BinanceConfig,
    trades: mpsc::Sender<SourceTrade>,
    settled: Arc<Settled>,
    tell: impl Fn(BinanceEvent<'_>) + Send + Sync,
) -> Result<(), RestError> {
    let limits = Arc::new(Limits::new(config.connects, config.requests));
    let rest = config
        .rest_url
        .as_deref()
        .map(|url| Rest::new(url, config.connect_timeout, Arc::clone(&limits)));
    let rest = rest.transpose()?;
    // Of a symbol that is no longer followed, the functions may want no trades.
    let mut missing = config.missing.clone();
    missing.retain(|symbol, ids| config.symbols.contains(symbol) && !ids.is_empty());
    for (symbol, ids) in &missing {
        let why = "an earlier producer could not fetch them".to_owned();
        tell(BinanceEvent::Missing { symbol, ids: ids.clone(), why });
    }
    let unfilled = Unfilled::new(&missing);
    let again =
        Backoff::new(u32::MAX, config.again_base, config.again_cap, config.seed.wrapping_add(1));
    let last = LastIds::behind(config.last_ids.clone());
    let filler = Filler { config, rest, limits, trades, tell, unfilled, again, settled };
    let (traded_at, is_quiet) = (Instant::now(), false);
    let listener = Listener { config, filler: &filler, last, traded_at, is_quiet };
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
    /// When the stream last brought a trade, over any connection; at first, the start.
    traded_at: Instant,
    /// `Quiet` was told, and no trade has come since.
    is_quiet: bool,
}

impl<T: Fn(BinanceEvent<'_>) + Send + Sync> Listener<'_, T> {
    /// Opens one connection after the other, until the receiver is dropped.
    async fn listen(mut self) {
        let BinanceConfig { backoff_base, backoff_cap, seed, .. } = *self.config;
        let backoff = Backoff::new(u32::MAX, backoff_base, backoff_cap, seed);
        let mut failures = 0;
        loop {
            tokio::select! {
                () = self.filler.limits.connect() => {}
                () = self.filler.trades.closed() => return,
            }
            let began = Instant::now();
            let End::Lost(why) = self.session().await else { return };
            (self.filler.tell)(BinanceEvent::Disconnected { why });
            // Not by what came: a server may cut off each connection after one trade.
            let is_good = began.elapsed() >= self.config.settled_after;
            failures = if is_good { 0 } else { failures + 1 };
            tokio::select! {
                () = backoff.wait(failures) => {}
                () = self.filler.trades.closed() => return,
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn session(&mut self) -> End {
        let mut socket = match self.connect().await {
            Ok(socket) => socket,
            Err(why) => return End::Lost(why),
        };
        (self.filler.tell)(BinanceEvent::Connected);
        let renew_at = Instant::now() + self.config.lifetime;
        loop {
            let message = match self.next(&mut socket, renew_at).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            let frame = match &message {
                Message::Text(text) => text.as_bytes(),
                Message::Binary(bytes) => bytes,
                Message::Close(frame) => {
                    let why = frame.as_ref().map_or_else(String::new, |frame| {
                        format!(", code {}: {}", frame.code, frame.reason)
                    });
                    return End::Lost(format!("closed by the other side{why}"));
                }
                // A ping is answered by the library with the next read.
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            if let Some(end) = self.take(frame).await {
                return end;
            }
        }
    }

    /// The next message of the connection, or its end. Tells when no trade has come for too long.
    async fn next(&mut self, socket: &mut Socket, renew_at: Instant) -> Result<Message, End> {
        let ends_at = renew_at.min(Instant::now() + self.config.silence);
        loop {
            let quiet_at = self.traded_at + self.config.quiet;
            let until = if self.is_quiet { ends_at } else { ends_at.min(quiet_at) };
            let next = tokio::select! {
                next = timeout_at(until, socket.next()) => next,
                () = self.filler.trades.closed() => return Err(End::Closed),
            };
            let why = match next {
                Ok(Some(Ok(message))) => return Ok(message),
                Ok(Some(Err(error))) => format!("read: {error}"),
                Ok(None) => "the connection was closed".to_owned(),
                Err(_) if Instant::now() >= renew_at => {
                    format!("renewed after {:?}", self.config.lifetime)
                }
                Err(_) if Instant::now() >= ends_at => {
                    format!("nothing came for {:?}", self.config.silence)
                }
                Err(_) => {
                    self.is_quiet = true;
                    (self.filler.tell)(BinanceEvent::Quiet { lasting: self.traded_at.elapsed() });
                    continue;
                }
            };
            return Err(End::Lost(why));
        }
    }

    /// Takes in what came.
    async fn take(&mut self, frame: &[u8]) -> Option<End> {
        match binance::decode(frame) {
            Ok(Frame::Trade { symbol, trade }) => {
                if std::mem::take(&mut self.is_quiet) {
                    (self.filler.tell)(BinanceEvent::Trading);
                }
                let end = self.pass_on(SourceTrade { symbol, trade }).await;
                // After the wait for the receiver, in which nothing is read.
                self.traded_at = Instant::now();
                return end;
            }
            Ok(Frame::PassedOver { kind, trade: Some((symbol, id)) })
                if self.config.symbols.contains(&symbol) =>
            {
                // The exchange gave the id away, but there is no trade under it.
                let ids = [id..=id].into_iter().collect();
                self.filler.settle(&symbol, ids, kind.to_string());
            }
            Ok(Frame::PassedOver { .. }) => {}
            Err(error) => match Named::read(frame) {
                Some((symbol, id)) if self.config.symbols.contains(&symbol) => {
                    let ids = [id..=id].into_iter().collect();
                    self.filler.settle(&symbol, ids, error.to_string());
                }
                _ => (self.filler.tell)(BinanceEvent::Bad { why: error.to_string() }),
            },
        }
        None
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
        let dialed = dial(&url, limits, &self.config.proxies);
        match timeout(self.config.connect_timeout, dialed).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(DialError::Answered { status, headers })) => {
                let next =
                    next_step(status, self.filler.limits.answered(Host::Stream, status, &headers));
                Err(format!("connect to {url}: answered {status}: {next}"))
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

/// A frame that is no trade but has the symbol and the id of one.
#[derive(Deserialize)]
struct Named {
    s: Option<Symbol>,
    t: Option<u64>,
    data: Option<Box<Named>>,
}

impl Named {
    fn read(frame: &[u8]) -> Option<(Symbol, u64)> {
        let outer: Self = serde_json::from_slice(frame).ok()?;
        let named = outer.data.map_or(Self { data: None, ..outer }, |data| *data);
        named.s.zip(named.t)
    }
}

/// Gets what the stream left out.
struct Filler<'a, T> {
    config: &'a BinanceConfig,
    rest: Option<Rest>,
    limits: Arc<Limits>,
    trades: mpsc::Sender<SourceTrade>,
    tell: T,
    unfilled: Unfilled,
    /// The pauses of a gap.
    again: Backoff,
    settled: Arc<Settled>,
}

impl<T: Fn(BinanceEvent<'_>) + Send + Sync> Filler<'_, T> {
    /// Fetches what a gap lacks, or tells it.
    async fn fill(&self, symbol: &Symbol, gap: std::ops::RangeInclusive<u64>) -> Option<End> {
        let wanted: IdRanges = [gap].into_iter().collect();
        let wanted = wanted.difference(&self.settled.of(symbol));
        if wanted.is_empty() {
            return None;
        }
        let (fetched, failed) = self.fetch(symbol, &wanted).await;
        let Ok(ids) = self.take_in(symbol, fetched).await else { return Some(End::Closed) };
        let missing = wanted.difference(&ids);
        if !missing.is_empty() {
            let why = failed.unwrap_or_else(|| "the endpoint does not have them".to_owned());
            let due = Instant::now() + self.again.delay(0);
            let dropped = self.unfilled.add(symbol, &missing, due);
            (self.tell)(BinanceEvent::Missing { symbol, ids: missing, why });
            self.settle(symbol, dropped, "there are too many gaps to ask for all".to_owned());
        }
        None
    }

    /// Requests missing trades again and again, as long as this is polled and the receiver exists; at once for those
    /// that were missing before.
    async fn ask_again(&self) {
        loop {
            let gaps = self.unfilled.take_due(AGAIN_GAPS, self.config.gap_max_trades);
            let is_any = !gaps.is_empty();
            for gap in gaps {
                self.limits.unpaused(Host::Rest).await;
                if self.ask_for(&gap).await.is_err() {
                    return;
                }
            }
            let soon = Instant::now() + self.config.again_base;
            let due = self.unfilled.next_due().filter(|due| is_any || *due > Instant::now());
            sleep_until(due.map_or(soon, |due| due.min(soon))).await;
        }
    }

    async fn ask_for(&self, gap: &Gap) -> Result<(), Gone> {
        let (fetched, failed) = self.fetch(&gap.symbol, &gap.ids()).await;
        let left_out = fetched.left_out.clone();
        let settled = self.take_in(&gap.symbol, fetched).await?;
        let outcome = Outcome { settled, left_out, is_answer: failed.is_none() };
        let given_up = self.unfilled.asked(gap, &outcome, |times| self.again.delay(times));
        let why = "Binance does not have them: they were asked for often enough".to_owned();
        self.settle(&gap.symbol, given_up, why);
        Ok(())
    }

    /// No trade comes of these ids.
    fn settle(&self, symbol: &Symbol, ids: IdRanges, why: String) {
        if !ids.is_empty() {
            self.settled.add(symbol, &ids);
            self.unfilled.remove(symbol, &ids);
            (self.tell)(BinanceEvent::Settled { symbol, ids, why });
        }
    }

    /// Gives fetched trades to the receiver, and tells them. Returns the ids that are settled now, those of
    /// rows that are no trades too.
    async fn take_in(&self, symbol: &Symbol, fetched: Fetched) -> Result<IdRanges, Gone> {
        let Fetched { trades, odd, odd_why, .. } = fetched;
        let ids: IdRanges = trades.iter().map(|made| made.trade.id).collect();
        for made in trades {
            self.trades.send(made).await.map_err(|_| Gone)?;
        }
        if !ids.is_empty() {
            (self.tell)(BinanceEvent::Filled { symbol, ids: ids.clone() });
        }
        let why = odd_why.unwrap_or_default();
        if odd.is_empty() && !why.is_empty() {
            (self.tell)(BinanceEvent::Bad { why });
        } else {
            self.settle(symbol, odd.clone(), why);
        }
        Ok(ids.union(&odd))
    }

    /// The trades of a gap that can be had, and why not all of it was asked for, if so.
    async fn fetch(&self, symbol: &Symbol, wanted: &IdRanges) -> (Fetched, Option<String>) {
        let mut fetched = Fetched::default();
        let Some(rest) = &self.rest else {
            return (fetched, Some("no REST endpoint is set".to_owned()));
        };
        let most = self.config.gap_max_trades;
        if wanted.count() > most {
            let count = wanted.count();
            return (fetched, Some(format!("{count} trades, above gap_max_trades = {most}")));
        }
        let asked = rest.fetch(symbol, wanted, &mut fetched);
        let failed = match timeout(self.config.gap_timeout, asked).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(in_full(&error)),
            Err(_) => Some(format!("not fetched within {:?}", self.config.gap_timeout)),
        };
        (fetched, failed)
    }
}

/// An error with its causes.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
