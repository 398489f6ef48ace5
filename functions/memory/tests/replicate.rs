//! Replication between two clouds in memory: the code that runs in both clouds, with a crash between any two effects.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use candle::message::Batch;
use candle::{ArchiveObject, CandleKey, Interval, Price, Quantity, Symbol, Symbols, Trade};
use cloud_memory::{Effects, MemoryArchive, MemoryCursor, MemoryOverrideStore, MemoryStore};
use pipeline::ports::{Archive, CandleStore, Cursor as _, Fault, PortError, Put};
use pipeline::replicate::{Hours, Limits, Replicate, Report};
use pipeline::route::overrides::OverrideStore as _;
use pipeline::{Backoff, Fold};
use tokio::time::Instant;

/// 2024-08-08T23:54:15, the time of the first trade.
const START_MS: u64 = 1_723_161_255_342;
const HOUR_MS: u64 = 3_600_000;
/// An hour after the last of 100 trades.
const NOW_MS: u64 = START_MS + 1_000_000 + HOUR_MS;

#[derive(Clone, Default)]
struct Cloud {
    effects: Effects,
    archive: MemoryArchive,
    store: MemoryStore,
    cursor: MemoryCursor,
}

impl Cloud {
    fn new() -> Self {
        let effects = Effects::default();
        Self {
            archive: MemoryArchive::new(effects.clone()),
            store: MemoryStore::new(effects.clone()),
            cursor: MemoryCursor::new(effects.clone()),
            effects,
        }
    }

    fn fold(&self) -> Fold<MemoryStore> {
        let backoff = Backoff::new(20, Duration::from_millis(5), Duration::from_millis(200), 1);
        Fold::new(self.store.clone(), Interval::ALL.to_vec(), backoff)
    }

    /// Puts and folds as ingest does.
    async fn ingest(&self, batch: &Batch) {
        for object in ArchiveObject::split(batch) {
            self.put(&object.name().to_string(), object.encode().into()).await;
        }
        self.fold().batches(&[batch]).await.remove(0).unwrap();
    }

    async fn put(&self, name: &str, bytes: Bytes) {
        self.archive.put_if_absent(name, bytes).await.unwrap();
    }

    async fn pull<P: Archive>(&self, peer: P) -> Report {
        self.pull_with(peer, Limits::default(), NOW_MS, Duration::from_mins(1)).await
    }

    async fn pull_with<P: Archive>(
        &self,
        peer: P,
        limits: Limits,
        now_ms: u64,
        budget: Duration,
    ) -> Report {
        let (archive, cursor) = (self.archive.clone(), self.cursor.clone());
        let symbols = Symbols::new([symbol()]);
        let replicate = Replicate::new(archive, self.fold(), peer, cursor, &symbols, limits, 1);
        replicate.run(now_ms, Instant::now() + budget).await
    }

    async fn objects(&self) -> BTreeMap<String, Bytes> {
        let mut objects = BTreeMap::new();
        for name in self.archive.list("trades", None, usize::MAX).await.unwrap() {
            let bytes = self.archive.get(&name).await.unwrap().unwrap();
            objects.insert(name, bytes);
        }
        objects
    }

    async fn candles(&self) -> BTreeMap<CandleKey, String> {
        let mut candles = BTreeMap::new();
        for interval in Interval::ALL {
            for candle in self.store.scan(&symbol(), interval).await.unwrap() {
                candles.insert(candle.key().clone(), candle.canonical());
            }
        }
        candles
    }
}

/// A peer that misbehaves, and that must not be written to.
#[derive(Clone)]
struct Peer {
    archive: MemoryArchive,
    behaviour: Behaviour,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Well,
    /// Delays every answer.
    Slow(Duration),
    /// Answers nothing.
    Away,
    /// Every n-th get fails permanently.
    Drops(usize),
    /// Lists names, but has no such objects.
    OnlyLists,
    /// Every n-th answer is a temporary error.
    Flaky(usize),
    /// Lists names and fails each get.
    GivesNone(Fault),
    /// Refuses to list names with this prefix.
    RefusesToList(&'static str),
}

impl Peer {
    fn of(cloud: &Cloud, behaviour: Behaviour) -> Self {
        Self { archive: cloud.archive.clone(), behaviour, asked: Arc::default() }
    }

    async fn answer(&self) -> Result<usize, PortError> {
        let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let error = |fault| PortError {
            service: "peer",
            operation: "any",
            fault,
            detail: "planted".to_owned(),
        };
        match self.behaviour {
            Behaviour::Slow(time) => tokio::time::sleep(time).await,
            Behaviour::Away => std::future::pending().await,
            Behaviour::Flaky(every) if n.is_multiple_of(every) => {
                return Err(error(Fault::Unknown));
            }
            _ => {}
        }
        Ok(n)
    }
}

impl Archive for Peer {
    async fn put_if_absent(&self, name: &str, _bytes: Bytes) -> Result<Put, PortError> {
        panic!("{name} was put into the peer, which is only to be read")
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>, PortError> {
        let n = self.answer().await?;
        match self.behaviour {
            Behaviour::OnlyLists => Ok(None),
            Behaviour::GivesNone(fault) => {
                let detail = "planted".to_owned();
                Err(PortError { service: "peer", operation: "get", fault, detail })
            }
            Behaviour::Drops(every) if n.is_multiple_of(every) => Ok(None),
            _ => self.archive.get(name).await,
        }
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, PortError> {
        self.answer().await?;
        match self.behaviour {
            Behaviour::RefusesToList(refused) if refused == prefix => {
                let detail = "access denied".to_owned();
                Err(PortError { service: "peer", operation: "list", fault: Fault::Refused, detail })
            }
            _ => self.archive.list(prefix, after, limit).await,
        }
    }
}

fn symbol() -> Symbol {
    "BTCUSDT".parse().unwrap()
}

fn trade(id: u64) -> Trade {
    Trade {
        id,
        time_ms: START_MS + id * 10_000,
        price: Price::from_units(6_183_763_000_000 + id % 7 * 1_000_000).unwrap(),
        quantity: Quantity::from_units(2_000_000 + id).unwrap(),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

fn batch(ids: impl IntoIterator<Item = u64>) -> Batch {
    Batch { symbol: symbol(), trades: ids.into_iter().map(trade).collect() }
}

fn expected(ids: impl IntoIterator<Item = u64>) -> BTreeMap<CandleKey, String> {
    let trades: Vec<_> = ids.into_iter().map(trade).collect();
    let candles = candle::fold(&symbol(), &trades, &Interval::ALL);
    candles.into_iter().map(|(key, candle)| (key, candle.canonical())).collect()
}

/// A cloud with the trades `ids`, ten to an object.
async fn cloud_with(ids: std::ops::Range<u64>) -> Cloud {
    let cloud = Cloud::new();
    for start in ids.clone().step_by(10) {
        cloud.ingest(&batch(start..(start + 10).min(ids.end))).await;
    }
    cloud
}

/// Runs on a paused clock, so that an hour of timeouts takes no time.
fn paused<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// Each has trades of its own, some in common, and some in other objects, as two clouds have after a partition.
#[tokio::test(start_paused = true)]
async fn two_clouds_that_pull_from_each_other_come_to_rest_and_are_equal() {
    let (aws, gcp) = (cloud_with(0..60).await, cloud_with(40..100).await);
    gcp.ingest(&batch(25..45)).await;
    let (of_aws, of_gcp) = (aws.objects().await, gcp.objects().await);
    let mut rounds = 0;
    loop {
        let into_aws = aws.pull(Peer::of(&gcp, Behaviour::Well)).await;
        let into_gcp = gcp.pull(Peer::of(&aws, Behaviour::Well)).await;
        assert!(into_aws.complete && into_gcp.complete, "{into_aws:?} {into_gcp:?}");
        rounds += 1;
        if into_aws.copied + into_gcp.copied == 0 {
            assert_eq!((into_aws.lag_s, into_gcp.lag_s), (0, 0));
            break;
        }
    }
    assert_eq!(rounds, 2, "one round to copy and one that finds nothing: no copy is copied again");
    let all: BTreeMap<_, _> = of_aws.into_iter().chain(of_gcp).collect();
    assert_eq!(aws.objects().await, all, "what both had, to the last byte, and nothing else");
    assert_eq!(gcp.objects().await, all);
    for cloud in [&aws, &gcp] {
        assert_eq!(cloud.candles().await, expected(0..100));
    }
}

/// The same objects in both directions concurrently, while ingest folds the same trades into the same candles.
#[tokio::test(start_paused = true)]
async fn both_directions_and_ingest_at_once_lose_nothing() {
    let (aws, gcp) = (cloud_with(0..50).await, cloud_with(50..100).await);
    let mixed = batch(30..70);
    tokio::join!(
        aws.pull(Peer::of(&gcp, Behaviour::Well)),
        gcp.pull(Peer::of(&aws, Behaviour::Well)),
        aws.ingest(&mixed),
        gcp.ingest(&mixed),
    );
    assert_eq!(aws.objects().await, gcp.objects().await);
    assert_eq!(aws.candles().await, expected(0..100));
    assert_eq!(gcp.candles().await, expected(0..100));
}

/// The central property: trades in the archive are in the candles, wherever the run before crashed.
#[test]
fn a_crash_between_any_two_effects_leaves_nothing_that_is_archived_and_not_folded() {
    let run = async |point: Option<u64>| {
        let (peer, cloud) = (cloud_with(0..100).await, cloud_with(0..30).await);
        let before = cloud.effects.passed();
        if let Some(point) = point {
            cloud.effects.crash_after(point);
        }
        let pull = cloud.pull(Peer::of(&peer, Behaviour::Well));
        let ended = cloud.effects.until_crash(pull).await;
        let points = cloud.effects.passed() - before;
        assert_eq!(ended.is_none(), point.is_some(), "crash at {point:?}");
        for (name, bytes) in cloud.objects().await {
            let object = ArchiveObject::decode(&name, &bytes).unwrap();
            let folded = candle::group(&symbol(), object.trades(), &Interval::ALL);
            for (key, trades) in folded {
                let stored = cloud.store.load(&key).await.unwrap();
                let (stored, _) = stored.unwrap_or_else(|| panic!("no {key}, crash at {point:?}"));
                for trade in trades {
                    assert!(stored.ids().contains(trade.id), "{}, crash at {point:?}", trade.id);
                }
            }
        }
        let again = cloud.pull(Peer::of(&peer, Behaviour::Well)).await;
        assert!(again.complete, "{again:?}, crash at {point:?}");
        assert_eq!(cloud.objects().await, peer.objects().await, "crash at {point:?}");
        assert_eq!(cloud.candles().await, expected(0..100), "crash at {point:?}");
        points
    };
    let points = paused(run(None));
    assert!(points > 50, "only {points} points to crash at");
    for point in 0..points {
        paused(run(Some(point)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_corrupted_object_is_named_and_never_written() {
    let good = cloud_with(0..50).await;
    let objects: Vec<_> = good.objects().await.into_iter().collect();
    let (peer, cloud) = (Cloud::new(), Cloud::new());
    // Another object's content, a flipped byte, half of it, nothing, more than any object has, and a valid one.
    let mut flipped = objects[1].1.to_vec();
    flipped[30] ^= 1;
    let contents = [
        objects[1].1.clone(),
        Bytes::from(flipped),
        objects[2].1.slice(..objects[2].1.len() / 2),
        Bytes::new(),
        Bytes::from(vec![0; 2 * candle::archive::MAX_BYTES]),
    ];
    for ((name, _), content) in objects.iter().zip(contents) {
        peer.put(name, content).await;
    }
    let right = objects.last().unwrap();
    peer.put(&right.0, right.1.clone()).await;
    peer.put("trades/v1/BTCUSDT/2024-08-08T23/no-name.gz", Bytes::new()).await;

    let report = cloud.pull(Peer::of(&peer, Behaviour::Well)).await;
    let bad = objects[..5].iter().map(|(name, _)| name.as_str());
    let mut bad: Vec<_> = bad.chain(["trades/v1/BTCUSDT/2024-08-08T23/no-name.gz"]).collect();
    bad.sort_unstable();
    let mut named: Vec<_> = report.corrupted.first.iter().map(String::as_str).collect();
    named.sort_unstable();
    assert_eq!(named, bad);
    assert_eq!((report.copied, report.corrupted.count, report.complete), (1, 6, false));
    assert_eq!(cloud.objects().await, BTreeMap::from([right.clone()]));
    assert_eq!(cloud.candles().await, expected(40..50), "not one trade of a corrupted object");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_lists_but_does_not_deliver_is_named_and_the_rest_is_copied_later() {
    let peer = cloud_with(0..100).await;
    let cloud = Cloud::new();
    let report = cloud.pull(Peer::of(&peer, Behaviour::OnlyLists)).await;
    assert!(report.failed.as_ref().unwrap().contains("lists but does not deliver"), "{report:?}");
    assert_eq!((report.undelivered.count, report.copied), (11, 0), "{report:?}");
    assert_eq!(report.lag_s, (NOW_MS - START_MS / HOUR_MS * HOUR_MS) / 1000, "of the hour");
    assert!(cloud.objects().await.is_empty() && cloud.candles().await.is_empty());

    let report = cloud.pull(Peer::of(&peer, Behaviour::Drops(5))).await;
    assert!(report.copied > 0 && report.undelivered.count > 0 && !report.complete, "{report:?}");
    let report = cloud.pull(Peer::of(&peer, Behaviour::Well)).await;
    assert!(report.complete, "{report:?}");
    assert_eq!(cloud.objects().await, peer.objects().await);
    assert_eq!(cloud.candles().await, expected(0..100));
}

#[tokio::test(start_paused = true)]
async fn errors_that_pass_are_waited_out() {
    let (peer, cloud) = (cloud_with(0..100).await, Cloud::new());
    let report = cloud.pull(Peer::of(&peer, Behaviour::Flaky(3))).await;
    assert!(report.complete, "{report:?}");
    assert_eq!(cloud.candles().await, expected(0..100));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_away_costs_bounded_time_and_is_reported() {
    let (peer, cloud) = (cloud_with(0..100).await, cloud_with(0..50).await);
    let before = cloud.objects().await;
    let start = Instant::now();
    let away = Peer::of(&peer, Behaviour::Away);
    let report = cloud.pull_with(away.clone(), Limits::default(), NOW_MS, Duration::from_mins(5));
    let report = report.await;
    assert!(report.failed.as_ref().unwrap().contains("the peer does not answer"), "{report:?}");
    assert!(!report.window_compared && !report.complete);
    assert_eq!(away.asked.load(Ordering::SeqCst), 4, "the tries of the first question");
    assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
    assert_eq!(cloud.objects().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_run_ends_before_its_deadline_and_the_next_goes_on() {
    let peer = cloud_with(0..1_000).await;
    let cloud = Cloud::new();
    let budget = Duration::from_secs(20);
    let now_ms = START_MS + 1_000 * 10_000;
    let mut copied = 0;
    for run in 0..40 {
        let start = Instant::now();
        let slow = Peer::of(&peer, Behaviour::Slow(Duration::from_secs(2)));
        let report = cloud.pull_with(slow, Limits::default(), now_ms, budget).await;
        assert!(start.elapsed() <= budget, "{:?}", start.elapsed());
        copied += report.copied;
        if report.complete {
            assert!(run > 0, "one run was enough: no budget was tested");
            assert_eq!(copied, peer.objects().await.len(), "no object is copied twice");
            assert_eq!(cloud.candles().await, expected(0..1_000));
            return;
        }
        assert!(report.out_of_time, "{report:?}");
    }
    panic!("not complete after 40 runs, {copied} copied");
}

/// A run starts no new work after four fifths of its time; work that has started is completed within the time.
#[tokio::test(start_paused = true)]
async fn the_last_fifth_of_the_time_is_left_to_what_is_under_way() {
    let peer = Cloud::new();
    for id in 0..600 {
        peer.ingest(&batch([id])).await;
    }
    let (start, budget) = (Instant::now(), Duration::from_secs(2));
    let slow = Peer::of(&peer, Behaviour::Slow(Duration::from_millis(50)));
    let report = Cloud::new().pull_with(slow, Limits::default(), NOW_MS, budget).await;
    assert!(report.out_of_time && !report.complete && report.failed.is_none(), "{report:?}");
    let took = start.elapsed();
    assert!(
        took >= Duration::from_millis(1_600) && took < Duration::from_millis(1_950),
        "{took:?}"
    );
    // Sixteen objects are copied in each 50 ms.
    assert!(report.copied >= 384, "{report:?}");
}

/// Years ago, far outside of the window, and in bounded steps.
#[tokio::test(start_paused = true)]
async fn the_deep_pass_finds_a_hole_of_any_age() {
    let peer = cloud_with(0..2_000).await;
    let objects: Vec<_> = peer.objects().await.into_iter().collect();
    let years_later_ms = START_MS + 3 * 365 * 24 * HOUR_MS;
    for hole in [0, objects.len() / 2, objects.len() - 1] {
        let cloud = Cloud::new();
        for (n, (name, bytes)) in objects.iter().enumerate() {
            let object = ArchiveObject::decode(name, bytes).unwrap();
            if n != hole {
                cloud.ingest(&object.into_batch()).await;
            }
        }
        let limits = Limits { deep_names_max: 40, ..Limits::default() };
        let mut runs = 0;
        loop {
            let peer = Peer::of(&peer, Behaviour::Well);
            let report = cloud.pull_with(peer, limits, years_later_ms, Duration::from_mins(1));
            let report = report.await;
            assert!(report.listed <= 40 + 36, "an hour has 36 objects here: {report:?}");
            runs += 1;
            if report.copied > 0 {
                assert_eq!(report.copied, 1);
                assert!(report.lag_s > 94_000_000, "three years old: {report:?}");
                break;
            }
            assert!(runs < 20, "the hole at {hole} is not found");
        }
        assert_eq!(cloud.objects().await, peer.objects().await);
        assert_eq!(cloud.candles().await, expected(0..2_000));
    }
}

/// The cursor only decides where the deep pass begins.
#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_lost_or_wrong_costs_time_only() {
    let peer = cloud_with(0..500).await;
    let years_later_ms = START_MS + 3 * 365 * 24 * HOUR_MS;
    for cursor in [
        "",
        "nonsense",
        "trades/v1/BTCUSDT/2999-01-01T00/",
        "trades/v1/BTCUSDT/1970-01-01T00/",
        "trades/v1/BTCUSDT/2024-08-09T00/",
        "trades/v1/ETHUSDT/2024-08-09T00/",
        "trades/v1/",
    ] {
        let cloud = Cloud::new();
        cloud.cursor.save(cursor).await.unwrap();
        let well = Peer::of(&peer, Behaviour::Well);
        let budget = Duration::from_mins(1);
        let report = cloud.pull_with(well, Limits::default(), years_later_ms, budget).await;
        assert!(report.complete && report.end_reached, "{cursor:?}: {report:?}");
        assert_eq!(report.listed, peer.objects().await.len(), "{cursor:?}: each name once");
        assert_eq!(cloud.objects().await, peer.objects().await, "{cursor:?}");
        assert_eq!(cloud.candles().await, expected(0..500), "{cursor:?}");
    }
}

/// The deep pass resumes in the middle of a symbol, at its cursor, and lists no name twice.
#[tokio::test(start_paused = true)]
async fn a_round_asks_for_each_part_of_each_symbol_once() {
    let peer = Cloud::new();
    let names = ["AAAUSDT", "BTCUSDT", "ZZZUSDT"].map(|name| name.parse::<Symbol>().unwrap());
    for symbol in &names {
        peer.ingest(&Batch { symbol: symbol.clone(), ..batch(0..400) }).await;
    }
    let (cursor, well) = (MemoryCursor::default(), Peer::of(&peer, Behaviour::Well));
    cursor.save("trades/v1/BTCUSDT/2024-08-08T23/").await.unwrap();
    let (fold, symbols) = (peer.fold(), Symbols::new(names));
    let (archive, limits) = (peer.archive.clone(), Limits::default());
    let replicate = Replicate::new(archive, fold, well.clone(), cursor, &symbols, limits, 1);
    let years_later_ms = START_MS + 3 * 365 * 24 * HOUR_MS;
    let report = replicate.run(years_later_ms, Instant::now() + Duration::from_mins(1)).await;
    assert!(report.complete && report.copied == 0, "{report:?}");
    assert_eq!(report.listed, peer.objects().await.len(), "each name once");
    // Four calls list the symbols, three the window of each symbol. The deep pass makes four: BTCUSDT from the cursor on,
    // ZZZUSDT, AAAUSDT, and BTCUSDT up to the cursor.
    assert_eq!(well.asked.load(Ordering::SeqCst), 4 + 3 + 4);
}

#[tokio::test(start_paused = true)]
async fn hours_that_the_peer_does_not_have_are_passed_over() {
    let (peer, cloud) = (Cloud::new(), cloud_with(0..1_000).await);
    for (name, bytes) in cloud.objects().await {
        if !name.contains("/2024-08-08T23/") {
            peer.put(&name, bytes).await;
        }
    }
    let report = cloud.pull(Peer::of(&peer, Behaviour::Well)).await;
    assert!(report.complete && report.listed > 0, "{report:?}");
    assert_eq!((report.copied, report.present, report.lag_s), (0, 0, 0), "nothing is missing");
    // In the opposite direction the missing hour is copied.
    let report = peer.pull(Peer::of(&cloud, Behaviour::Well)).await;
    let hour = cloud.objects().await.into_keys().filter(|name| name.contains("/2024-08-08T23/"));
    assert_eq!((report.copied, report.present), (hour.count(), 0), "{report:?}");
}

/// One listing returns at most a thousand names.
#[tokio::test(start_paused = true)]
async fn an_hour_has_all_of_its_names_however_many_there_are() {
    for count in [0, 1, 999, 1_000, 1_001, 2_000, 2_500] {
        let archive = MemoryArchive::default();
        let name = |n: usize| format!("trades/v1/BTCUSDT/2024-08-{:02}T23/{n:04}", 1 + n / 1_400);
        let names: Vec<String> = (0..count).map(name).collect();
        for name in &names {
            archive.put_if_absent(name, Bytes::new()).await.unwrap();
        }
        let mut hours = Hours::new("trades/v1/BTCUSDT/".to_owned(), None);
        let mut listed = Vec::new();
        while let Some(hour) = hours.next(&archive).await.unwrap() {
            assert!(hour.names.iter().all(|name| name.starts_with(&hour.folder)), "{count}");
            listed.push(hour.names);
        }
        assert_eq!(listed.len(), count.div_ceil(1_400), "hours of {count}");
        assert_eq!(listed.concat(), names, "{count}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_run_leaves_a_incarnation_where_there_is_none() {
    let (peer, cloud) = (Cloud::new(), Cloud::new());
    let mark = async || MemoryOverrideStore::beside(&cloud.cursor).incarnation().await.unwrap();
    assert_eq!(mark().await, None);
    cloud.pull(Peer::of(&peer, Behaviour::Away)).await;
    let first = mark().await;
    assert_eq!(first, Some(format!("{NOW_MS}-0000000000000001")));
    let budget = Duration::from_mins(1);
    let well = Peer::of(&peer, Behaviour::Well);
    cloud.pull_with(well, Limits::default(), NOW_MS + 1, budget).await;
    assert_eq!(mark().await, first, "the cloud keeps it");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_clock_changes_nothing_that_is_written() {
    let peer = cloud_with(0..100).await;
    let ten_minutes = 600_000;
    for now_ms in [NOW_MS, NOW_MS - ten_minutes, NOW_MS + ten_minutes, 0, u64::MAX] {
        let cloud = Cloud::new();
        let well = Peer::of(&peer, Behaviour::Well);
        let budget = Duration::from_mins(1);
        let report = cloud.pull_with(well, Limits::default(), now_ms, budget).await;
        assert!(report.complete, "{report:?}");
        assert_eq!(report.lag_s, now_ms.saturating_sub(START_MS) / 1000);
        assert_eq!(cloud.objects().await, peer.objects().await);
        assert_eq!(cloud.candles().await, expected(0..100));
    }
}

#[tokio::test(start_paused = true)]
async fn symbols_that_are_not_traded_here_are_named_and_not_copied() {
    let peer = cloud_with(0..10).await;
    for symbol in ["AAA", "ETHUSDT"] {
        let batch = Batch { symbol: symbol.parse().unwrap(), ..batch(0..10) };
        peer.ingest(&batch).await;
    }
    let cloud = Cloud::new();
    let report = cloud.pull(Peer::of(&peer, Behaviour::Well)).await;
    assert_eq!(report.other_symbols.first, ["AAA", "ETHUSDT"]);
    assert!(report.complete, "{report:?}");
    assert_eq!(report.copied, 1);
    assert!(cloud.objects().await.keys().all(|name| name.starts_with("trades/v1/BTCUSDT/")));
}

#[tokio::test(start_paused = true)]
async fn of_many_other_symbols_a_hundred_are_looked_for() {
    let peer = cloud_with(0..10).await;
    for n in 0..150 {
        peer.put(&format!("trades/v1/X{n:03}/2024-08-08T23/any"), Bytes::new()).await;
    }
    let report = Cloud::new().pull(Peer::of(&peer, Behaviour::Well)).await;
    assert_eq!(report.other_symbols.count, 100, "{report:?}");
    assert!(report.complete, "{report:?}");
}

/// A store that refuses the candles of a symbol, as for an item that is too large, until it is switched off.
#[derive(Clone)]
struct Refusing {
    store: MemoryStore,
    symbol: Option<Symbol>,
    fault: Fault,
}

impl CandleStore for Refusing {
    type Version = u64;

    async fn load(&self, key: &CandleKey) -> Result<Option<(candle::Candle, u64)>, PortError> {
        self.store.load(key).await
    }

    async fn store(
        &self,
        candle: &candle::Candle,
        expected: Option<&u64>,
    ) -> Result<pipeline::ports::Stored, PortError> {
        if self.symbol.as_ref() == Some(&candle.key().symbol)
            && candle.key().interval == Interval::D1
        {
            let detail = "Item size has exceeded the maximum allowed size".to_owned();
            let (service, operation) = ("dynamodb", "PutItem");
            return Err(PortError { service, operation, fault: self.fault, detail });
        }
        self.store.store(candle, expected).await
    }

    async fn scan(
        &self,
        symbol: &Symbol,
        interval: Interval,
    ) -> Result<Vec<candle::Candle>, PortError> {
        self.store.scan(symbol, interval).await
    }
}

/// One symbol in the middle is refused, by the store or by the peer: those before and after it are copied.
#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_hold_up_what_is_further_than_one_run_behind_it() {
    let (peer, cloud) = (Cloud::new(), Cloud::new());
    let names = ["AAAUSDT", "BTCUSDT", "ZZZUSDT"].map(|name| name.parse::<Symbol>().unwrap());
    for symbol in &names {
        for start in (0..100).step_by(10) {
            peer.ingest(&Batch { symbol: symbol.clone(), ..batch(start..start + 10) }).await;
        }
    }
    let held = async |symbol: &Symbol| {
        let prefix = format!("trades/v1/{symbol}/");
        cloud.archive.list(&prefix, None, usize::MAX).await.unwrap().len()
    };
    // Years later: the window is empty, and one run compares fewer names than a symbol has.
    let limits = Limits { deep_names_max: 5, ..Limits::default() };
    for _ in 0..8 {
        let (symbol, fault) = (Some(names[0].clone()), Fault::Refused);
        let store = Refusing { store: cloud.store.clone(), symbol, fault };
        let backoff = Backoff::new(3, Duration::from_millis(5), Duration::from_millis(20), 1);
        let fold = Fold::new(store, Interval::ALL.to_vec(), backoff);
        let (archive, cursor) = (cloud.archive.clone(), cloud.cursor.clone());
        let symbols = Symbols::new(names.clone());
        let peer = Peer::of(&peer, Behaviour::Well);
        let replicate = Replicate::new(archive, fold, peer, cursor, &symbols, limits, 1);
        let now_ms = START_MS + 3 * 365 * 24 * HOUR_MS;
        let report = replicate.run(now_ms, Instant::now() + Duration::from_mins(1)).await;
        assert!(!report.complete, "{report:?}");
    }
    assert_eq!(held(&names[0]).await, 0);
    assert_eq!((held(&names[1]).await, held(&names[2]).await), (11, 11));
}

/// Without the names of one symbol, the missing objects in the window are unknown, so the report does not call it compared.
#[tokio::test(start_paused = true)]
async fn a_symbol_that_can_not_be_listed_leaves_the_window_uncompared() {
    let peer = Cloud::new();
    let names = ["AAAUSDT", "BTCUSDT", "ZZZUSDT"].map(|name| name.parse::<Symbol>().unwrap());
    for symbol in &names {
        peer.ingest(&Batch { symbol: symbol.clone(), ..batch(0..10) }).await;
    }
    for refused in ["trades/v1/AAAUSDT/", "trades/v1/BTCUSDT/", "trades/v1/ZZZUSDT/"] {
        let cloud = Cloud::new();
        let (archive, cursor) = (cloud.archive.clone(), cloud.cursor.clone());
        let (symbols, limits) = (Symbols::new(names.clone()), Limits::default());
        let peer = Peer::of(&peer, Behaviour::RefusesToList(refused));
        let replicate = Replicate::new(archive, cloud.fold(), peer, cursor, &symbols, limits, 1);
        let report = replicate.run(NOW_MS, Instant::now() + Duration::from_mins(1)).await;
        assert!(!report.window_compared && !report.complete, "{report:?}");
        let symbol = refused.split('/').nth(2).unwrap();
        let why = "the peer does not answer: peer list: access denied; and 1 more refusals";
        assert_eq!(report.failed, Some(format!("{symbol}: {why}")));
        assert_eq!(cloud.objects().await.len(), 2, "the other two");
    }
}

/// An object counts as corrupted only if its bytes were read and are invalid; a failed read counts as undelivered.
#[tokio::test(start_paused = true)]
async fn an_object_that_is_not_given_is_not_one_that_is_corrupted() {
    let (peer, cloud) = (cloud_with(0..10).await, Cloud::new());
    for (fault, corrupted, undelivered) in
        [(Fault::Unknown, 0, 1), (Fault::Refused, 0, 1), (Fault::Corrupt, 1, 0)]
    {
        let report = cloud.pull(Peer::of(&peer, Behaviour::GivesNone(fault))).await;
        assert_eq!(report.corrupted.count, corrupted, "{report:?}");
        assert_eq!(report.undelivered.count, undelivered, "{report:?}");
        let why = "the peer lists but does not deliver: peer get: planted";
        let failed = report.failed.as_ref().is_some_and(|failed| failed.contains(why));
        assert_eq!(failed, undelivered > 0, "{report:?}");
        assert!(!report.complete && report.copied == 0, "{report:?}");
    }
}

/// An empty archive that gives the same answer to every put.
struct Puts(Result<Put, Fault>);

impl Archive for Puts {
    async fn put_if_absent(&self, _name: &str, _bytes: Bytes) -> Result<Put, PortError> {
        let detail = "planted".to_owned();
        self.0.map_err(|fault| PortError { service: "s3", operation: "PutObject", fault, detail })
    }

    async fn get(&self, _name: &str) -> Result<Option<Bytes>, PortError> {
        Ok(None)
    }

    async fn list(&self, _: &str, _: Option<&str>, _: usize) -> Result<Vec<String>, PortError> {
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_each_put_is_told() {
    let peer = cloud_with(0..10).await;
    let run = async |to_puts| {
        let (cloud, well) = (Cloud::new(), Peer::of(&peer, Behaviour::Well));
        let (symbols, limits) = (Symbols::new([symbol()]), Limits::default());
        let (here, cursor) = (Puts(to_puts), cloud.cursor.clone());
        let replicate = Replicate::new(here, cloud.fold(), well, cursor, &symbols, limits, 1);
        let report = replicate.run(NOW_MS, Instant::now() + Duration::from_mins(1)).await;
        (report.copied, report.present, report.window_compared, report.failed.unwrap_or_default())
    };
    // The object is copied twice: in the window and in the deep pass.
    assert_eq!(run(Ok(Put::Created)).await, (2, 0, true, String::new()));
    assert_eq!(run(Ok(Put::Present)).await, (0, 2, true, String::new()));
    let why = "here: s3 PutObject: planted";
    let refused = format!("BTCUSDT: {why}; and 1 more refusals");
    assert_eq!(run(Err(Fault::Refused)).await, (0, 0, true, refused));
    assert_eq!(run(Err(Fault::Unknown)).await, (0, 0, false, why.to_owned()), "the run ends");
}

#[tokio::test(start_paused = true)]
async fn a_single_refusal_is_told_with_its_object_and_its_cause() {
    let (peer, cloud) = (cloud_with(0..10).await, Cloud::new());
    let store =
        Refusing { store: cloud.store.clone(), symbol: Some(symbol()), fault: Fault::Refused };
    let backoff = Backoff::new(3, Duration::from_millis(5), Duration::from_millis(20), 1);
    let fold = Fold::new(store, Interval::ALL.to_vec(), backoff);
    let (archive, cursor) = (cloud.archive.clone(), cloud.cursor.clone());
    let (symbols, limits) = (Symbols::new([symbol()]), Limits::default());
    let object = peer.objects().await.into_keys().next().unwrap();
    let peer = Peer::of(&peer, Behaviour::Well);
    let replicate = Replicate::new(archive, fold, peer, cursor, &symbols, limits, 1);
    // Years later, the window is empty, so the only refusal is that of the deep pass.
    let now_ms = START_MS + 3 * 365 * 24 * HOUR_MS;
    let report = replicate.run(now_ms, Instant::now() + Duration::from_mins(1)).await;
    let why =
        "here: candle store: dynamodb PutItem: Item size has exceeded the maximum allowed size";
    assert_eq!(report.failed, Some(format!("{object}: {why}")));
}

#[tokio::test(start_paused = true)]
async fn a_refused_symbol_keeps_no_other_away() {
    let peer = Cloud::new();
    let names = ["AAAUSDT", "BTCUSDT", "ZZZUSDT"].map(|name| name.parse::<Symbol>().unwrap());
    for symbol in &names {
        for start in (0..100).step_by(10) {
            let batch = Batch { symbol: symbol.clone(), ..batch(start..start + 10) };
            peer.ingest(&batch).await;
        }
    }
    let cloud = Cloud::new();
    let limits = Limits { deep_names_max: 20_000, ..Limits::default() };
    let run = async |refused: Option<&Symbol>, fault, now_ms| {
        let store = Refusing { store: cloud.store.clone(), symbol: refused.cloned(), fault };
        let backoff = Backoff::new(3, Duration::from_millis(5), Duration::from_millis(20), 1);
        let fold = Fold::new(store, Interval::ALL.to_vec(), backoff);
        let (archive, cursor) = (cloud.archive.clone(), cloud.cursor.clone());
        let symbols = Symbols::new(names.clone());
        let peer = Peer::of(&peer, Behaviour::Well);
        let replicate = Replicate::new(archive, fold, peer, cursor, &symbols, limits, 1);
        replicate.run(now_ms, Instant::now() + Duration::from_mins(1)).await
    };
    let held = async |symbol: &Symbol| {
        let prefix = format!("trades/v1/{symbol}/");
        cloud.archive.list(&prefix, None, usize::MAX).await.unwrap().len()
    };
    // The service is unavailable: that ends the run, as it concerns all objects.
    let away = run(Some(&names[0]), Fault::Unknown, NOW_MS).await;
    assert!(away.failed.unwrap().contains("maximum allowed size"));
    assert_eq!(held(&names[2]).await, 0);

    // In the window, and years later in the deep pass.
    for now_ms in [NOW_MS, START_MS + 3 * 365 * 24 * HOUR_MS] {
        let report = run(Some(&names[1]), Fault::Refused, now_ms).await;
        let failed = report.failed.unwrap();
        assert!(failed.contains("trades/v1/BTCUSDT/"), "{failed}");
        assert!(failed.contains("maximum allowed size"), "{failed}");
        assert!(failed.contains("more refusals"), "{failed}");
        assert!(report.window_compared && !report.complete && !report.out_of_time);
        assert_eq!(held(&names[1]).await, 0, "what is not in the candles is not in the archive");
        for symbol in [&names[0], &names[2]] {
            assert_eq!(held(symbol).await, 11, "{symbol}");
        }
    }
    let mended = run(None, Fault::Refused, NOW_MS).await;
    assert!(mended.complete && mended.failed.is_none(), "{mended:?}");
    assert_eq!(cloud.objects().await, peer.objects().await);
    assert_eq!(cloud.candles().await, expected(0..100));
}
