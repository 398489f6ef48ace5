//! Each invariant, broken on purpose in evidence that is otherwise good.

use std::collections::BTreeMap;

use bytes::Bytes;
use candle::message::{self, Batch};
use candle::{ArchiveObject, Candle, Interval, Price, Quantity, Symbol, Trade};
use producer::{Generator, SourceTrade};

use super::{Evidence, Verdict, check};
use crate::evidence::About;
use crate::fault::{Fault, FaultKind};
use crate::history::{CloudId, Entry, Event, id_ranges};
use crate::recompute;
use crate::snapshot::Snapshot;

const POISON: &str = "poison 0: not JSON";

fn symbol() -> Symbol {
    "BTCUSDT".parse().unwrap()
}

fn made() -> Vec<SourceTrade> {
    Generator::new(symbol(), 500, 1).collect()
}

fn trades() -> Vec<Trade> {
    made().into_iter().map(|made| made.trade).collect()
}

fn candles(trades: &[Trade]) -> Vec<Candle> {
    candle::fold(&symbol(), trades, &Interval::ALL).into_values().collect()
}

fn archive(trades: &[Trade]) -> Vec<(String, Bytes)> {
    let batch = Batch { symbol: symbol(), trades: trades.to_vec() };
    let objects = ArchiveObject::split(&batch).into_iter();
    objects.map(|object| (object.name().to_string(), Bytes::from(object.encode()))).collect()
}

fn snapshot(trades: &[Trade]) -> Snapshot {
    Snapshot {
        candles: candles(trades),
        archive: archive(trades),
        dead_letters: vec![Bytes::from_static(POISON.as_bytes())],
    }
}

fn spooled(sequence: u64, ids: Vec<(u64, u64)>) -> Event {
    Event::Producer(producer::Event::Spooled { sequence, symbol: symbol(), ids, recovered: false })
}

/// Evidence in which everything holds.
pub(crate) fn good() -> Evidence {
    let frames: String = made().iter().map(|made| Generator::frame(made) + "\n").collect();
    let mut history = Vec::new();
    history.push(spooled(0, id_ranges(trades().iter().map(|trade| trade.id))));
    for cloud in [CloudId::Aws, CloudId::Gcp] {
        let (target, sequence, is_first) = (cloud.to_string(), 0, cloud == CloudId::Aws);
        let accepted = producer::Event::Accepted { target, sequence, is_first };
        history.push(Event::Producer(accepted));
        history.push(Event::PoisonAccepted { cloud, body: POISON.to_owned() });
    }
    let snapshots = [CloudId::Aws, CloudId::Gcp].map(|cloud| (cloud, snapshot(&trades())));
    Evidence {
        history: history.into_iter().map(|event| Entry { at_us: 0, event }).collect(),
        about: About::new(args::Target::Sim, 1),
        frames: frames.lines().count(),
        published: recompute::parse(&frames).unwrap(),
        intervals: Interval::ALL.to_vec(),
        snapshots: BTreeMap::from(snapshots),
    }
}

fn broken(evidence: &Evidence) -> Vec<&'static str> {
    let findings = check(evidence).into_iter();
    findings.filter(|f| f.verdict == Verdict::Broken).map(|finding| finding.name).collect()
}

fn gcp(evidence: &mut Evidence) -> &mut Snapshot {
    evidence.snapshots.get_mut(&CloudId::Gcp).unwrap()
}

#[test]
fn good_evidence_breaks_nothing() {
    assert_eq!(broken(&good()), [""; 0]);
}

#[test]
fn a_trade_missing_in_the_candles_of_one_cloud() {
    let mut evidence = good();
    gcp(&mut evidence).candles = candles(&trades()[1..]);
    let broken = broken(&evidence);
    assert_eq!(
        broken,
        ["nothing accepted is lost", "candles equal the recomputation", "clouds agree"]
    );
}

#[test]
fn a_trade_in_two_candles() {
    let mut evidence = good();
    let mut again = trades()[0];
    again.time_ms += 60_000;
    for snapshot in evidence.snapshots.values_mut() {
        let mut trades = trades();
        trades.push(again);
        let key = candle::CandleKey::at(&symbol(), Interval::M1, again.time_ms);
        snapshot.candles.retain(|candle| *candle.key() != key);
        let mine = trades
            .iter()
            .filter(|trade| Interval::M1.open_time_ms(trade.time_ms) == key.open_time_ms);
        let mine: Vec<_> = mine.copied().collect();
        snapshot.candles.extend(candle::fold(&symbol(), &mine, &[Interval::M1]).into_values());
    }
    assert_eq!(broken(&evidence), ["nothing counts twice", "candles equal the recomputation"]);
}

#[test]
fn a_price_off_by_its_last_digit() {
    let mut evidence = good();
    let mut trades = trades();
    trades[0].price = Price::from_units(trades[0].price.units() + 1).unwrap();
    gcp(&mut evidence).candles = candles(&trades);
    assert_eq!(broken(&evidence), ["candles equal the recomputation", "clouds agree"]);
}

#[test]
fn an_archive_with_a_hole_a_foreigner_or_another_trade() {
    let mut other = trades();
    other[7].quantity = Quantity::from_units(1).unwrap();
    let mut foreign = trades();
    foreign.push(Trade { id: 1, ..foreign[0] });
    for archived in [trades()[1..].to_vec(), foreign, other] {
        let mut evidence = good();
        for snapshot in evidence.snapshots.values_mut() {
            snapshot.archive = archive(&archived);
        }
        assert_eq!(broken(&evidence), ["archives hold the trades"]);
    }
}

#[test]
fn an_object_that_is_not_what_its_name_says() {
    let mut evidence = good();
    for snapshot in evidence.snapshots.values_mut() {
        let content = archive(&trades()[1..]);
        snapshot.archive[0].1 = content[0].1.clone();
    }
    assert_eq!(broken(&evidence), ["archives hold the trades"]);
}

#[test]
fn one_object_more_in_one_cloud() {
    let mut evidence = good();
    let extra = archive(&trades()[..10]);
    gcp(&mut evidence).archive.extend(extra);
    assert_eq!(broken(&evidence), ["clouds agree"]);
}

#[test]
fn an_object_compressed_another_way_in_one_cloud() {
    let mut evidence = good();
    let object = &mut gcp(&mut evidence).archive[0].1;
    // The header's byte for the system: decompresses to the same, and is not the same.
    let mut bytes = object.to_vec();
    bytes[9] ^= 1;
    *object = bytes.into();
    assert_eq!(broken(&evidence), ["clouds agree"]);
}

#[test]
fn a_healthy_message_among_the_dead_letters_and_poison_that_is_none() {
    let mut evidence = good();
    let batch = Batch { symbol: symbol(), trades: trades() };
    gcp(&mut evidence).dead_letters.push(message::encode(&batch).into());
    assert_eq!(broken(&evidence), ["dead letters are the poison"]);
    let mut evidence = good();
    gcp(&mut evidence).dead_letters.clear();
    assert_eq!(broken(&evidence), ["dead letters are the poison"]);
}

#[test]
fn a_fault_that_did_not_fire() {
    let mut evidence = good();
    evidence.about.faults_asked = 1;
    assert_eq!(broken(&evidence), ["faults fired"]);
    let (cloud, fault, detail) =
        (CloudId::Aws, Fault::new(1, FaultKind::KillFunction), String::new());
    evidence.history.push(Entry { at_us: 1, event: Event::FaultFired { cloud, fault, detail } });
    assert_eq!(broken(&evidence), [""; 0]);
}

#[test]
fn a_fault_that_was_begun_and_hit_nothing() {
    let mut evidence = good();
    let (cloud, fault, detail) = (CloudId::Aws, Fault::new(1, FaultKind::CutPeer), String::new());
    evidence.history.push(Entry { at_us: 1, event: Event::FaultBegun { cloud, fault, detail } });
    assert_eq!(broken(&evidence), ["faults fired"]);
}

#[test]
fn a_cloud_away_and_nobody_who_takes_over() {
    let mut evidence = good();
    let (cloud, fault) = (CloudId::Aws, Fault::new(1, FaultKind::KillCloud));
    let events = [
        Event::FaultBegun { cloud, fault, detail: String::new() },
        Event::FaultFired { cloud, fault, detail: String::new() },
        spooled(1, vec![(1, 1)]),
        Event::FaultHealed { cloud, fault },
    ];
    let entries = (1..).zip(events).map(|(at_us, event)| Entry { at_us: at_us * 2_000_000, event });
    evidence.history.extend(entries);
    assert_eq!(broken(&evidence), ["the other cloud goes on"]);
}

#[test]
fn a_function_that_publishes() {
    let mut evidence = good();
    let calls = |operation: &str| Event::Requests {
        link: "aws-functions to aws".to_owned(),
        service: "sqs".to_owned(),
        operation: operation.to_owned(),
        count: 1,
    };
    let entry = |event| Entry { at_us: 1, event };
    evidence.history.push(entry(calls("DeleteMessage")));
    assert_eq!(broken(&evidence), [""; 0]);
    evidence.history.push(entry(calls("SendMessageBatch")));
    assert_eq!(broken(&evidence), ["no copy is sent again"]);
}

#[test]
fn functions_that_nobody_looked_at() {
    let mut evidence = good();
    evidence.about.target = "processes".to_owned();
    assert_eq!(broken(&evidence), ["no copy is sent again"]);
}
