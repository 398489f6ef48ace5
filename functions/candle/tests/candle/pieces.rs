//! Large sets of ids in pieces, and the records of candles that have them.

use std::collections::{BTreeMap, BTreeSet};

use candle::record::{self, CHANGED_MAX_BYTES, CHANGED_MAX_PIECES, Stored, WHOLE_MAX_BYTES};
use candle::{
    Candle, CandleKey, Field, IdRanges, Interval, PIECE_MAX_BYTES, Piece, PieceError, PieceList,
    Price, Quantity, RecordError, Trade,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use sha2::{Digest as _, Sha256};

use crate::strategies::btcusdt;

/// The first id of the recording: not at a multiple of anything.
const FIRST_ID: u64 = 3_735_683_259;
/// The number of ids of a busy day.
const DAY: u64 = 8_640_000;

fn every_other() -> IdRanges {
    (FIRST_ID..FIRST_ID + DAY).step_by(2).collect()
}

/// Each id of a day with this chance of 256.
fn random(chance: u8, ids: u64) -> IdRanges {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut bytes = vec![0; usize::try_from(ids).unwrap()];
    rng.fill_bytes(&mut bytes);
    (FIRST_ID..).zip(bytes).filter(|(_, byte)| *byte < chance).map(|(id, _)| id).collect()
}

fn read(pieces: &[Piece]) -> Result<IdRanges, PieceError> {
    let list = PieceList::from_bytes(&PieceList::of(pieces).to_bytes())?;
    assert_eq!(list, PieceList::of(pieces));
    let by_first: BTreeMap<u64, &[u8]> =
        pieces.iter().map(|piece| (piece.first(), piece.bytes())).collect();
    IdRanges::from_pieces(&list, |first| by_first.get(&first).copied())
}

fn changed(before: &IdRanges, after: &IdRanges) -> usize {
    let list = PieceList::of(&before.to_pieces());
    after.to_pieces().iter().filter(|piece| !list.has(piece)).count()
}

#[test]
fn every_kind_of_hole_fits_and_is_read_again() {
    let thousandth = (FIRST_ID..).step_by(1_000).take(300_000).collect();
    let halves_apart: IdRanges =
        (0..60_u64).flat_map(|bit| (1 << bit..(1 << bit) + 20_000).step_by(2)).collect();
    let mut full_but_one = IdRanges::from_iter([0..=u64::MAX - 1]);
    full_but_one.insert(u64::MAX);
    for (kind, set, bytes_at_most) in [
        ("every other of a day", every_other(), 1_090_000),
        ("half of a day", random(128, DAY), 1_090_000),
        ("a tenth of a day is missing", random(230, DAY), 1_090_000),
        ("a tenth of a day is there", random(26, DAY), 1_090_000),
        ("one in a thousand", thousandth, 900_300),
        ("dense here and there", halves_apart, 200_000),
        ("all that there are", full_but_one, 12),
    ] {
        let pieces = set.to_pieces();
        let sizes: Vec<usize> = pieces.iter().map(|piece| piece.bytes().len()).collect();
        assert!(sizes.iter().all(|size| *size <= PIECE_MAX_BYTES), "{kind}: {sizes:?}");
        assert!(sizes.iter().sum::<usize>() <= bytes_at_most, "{kind}: {sizes:?}");
        let needed = sizes.iter().sum::<usize>().div_ceil(PIECE_MAX_BYTES);
        assert!(pieces.len() <= needed * 2 + 61, "{kind}: {sizes:?}");
        assert_eq!(read(&pieces).as_ref(), Ok(&set), "{kind}");
    }
    assert_eq!(IdRanges::new().to_pieces(), []);
    assert_eq!(read(&[]), Ok(IdRanges::new()));
}

/// The cost of a write.
#[test]
fn another_id_changes_the_piece_that_it_lies_in() {
    let half = random(128, DAY);
    assert_eq!(half.to_pieces().len(), 17);
    let missing: Vec<u64> = half.gaps().step_by(100_003).map(|gap| *gap.start()).collect();
    assert!(missing.len() > 20);
    for id in missing {
        let mut more = half.clone();
        more.insert(id);
        assert_eq!(changed(&half, &more), 1, "{id}");
    }
    let last = half.last().unwrap();
    let behind = half.union(&(last..last + 2_000).step_by(2).collect());
    assert_eq!(changed(&half, &behind), 1, "a batch of trades behind the others");
    assert_eq!(changed(&half, &half), 0);

    // From one end to the other, as a candle grows: now and then a piece is halved, and nothing more.
    let mut grown = IdRanges::new();
    let mut most = 0;
    for batch in half.ranges().collect::<Vec<_>>().chunks(50_000) {
        let more = grown.union(&batch.iter().cloned().collect());
        most = most.max(changed(&grown, &more));
        grown = more;
    }
    assert!(most <= 3, "{most}");
    assert_eq!(grown, half);
}

#[test]
fn a_piece_of_another_write_is_told_from_a_corrupt_one() {
    let (before, after) = (random(128, 1_500_000), random(129, 1_500_000));
    let (before, after) = (before.to_pieces(), after.to_pieces());
    assert!(before.len() > 2 && before.len() == after.len());
    let first = before[1].first();
    let list = PieceList::of(&before);
    let with = |changed: Option<&[u8]>| {
        let bytes = |asked: u64| {
            let at = before.iter().position(|piece| piece.first() == asked)?;
            if asked == first {
                changed.map(<[u8]>::to_vec)
            } else {
                Some(before[at].bytes().to_vec())
            }
        };
        let all: BTreeMap<u64, Vec<u8>> =
            list.firsts().filter_map(|first| Some((first, bytes(first)?))).collect();
        IdRanges::from_pieces(&list, |first| all.get(&first).map(Vec::as_slice))
    };
    assert!(with(Some(before[1].bytes())).is_ok());
    assert_eq!(with(Some(after[1].bytes())), Err(PieceError::Torn { first }));
    assert_eq!(with(None), Err(PieceError::Torn { first }));
    assert!(RecordError::from(PieceError::Torn { first }).is_torn());
    assert!(!RecordError::from(PieceError::Form { first }).is_torn());
    // The piece that the list names, and no ids.
    assert_eq!(claimed(0, 3, &[7]), Err(PieceError::Form { first: 0 }));
}

/// The result of reading one piece of these bytes, with a list that says that it is right.
fn claimed(first: u64, bits: u8, bytes: &[u8]) -> Result<IdRanges, PieceError> {
    let list = [varint(first), vec![bits], Sha256::digest(bytes)[..16].to_vec()].concat();
    IdRanges::from_pieces(&PieceList::from_bytes(&list)?, |_| Some(bytes))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(u8::try_from(value % 128).unwrap() | 0x80);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// Each set has one form: one that is longer than necessary, or leaves the window, is refused.
#[test]
fn other_forms_of_a_piece_are_refused() {
    let ids = |ids: &[u64]| Ok(ids.iter().copied().collect::<IdRanges>());
    let no = |first| Err(PieceError::Form { first });
    assert_eq!(claimed(8, 3, &[0, 1, 2]), ids(&[9, 10, 11]));
    assert_eq!(claimed(8, 3, &[1, 0, 0b0101_0101]), ids(&[8, 10, 12, 14]));
    assert_eq!(claimed(8, 3, &[0, 0, 0, 0, 0, 0, 0, 0, 0]), no(8), "shorter as bits");
    assert_eq!(claimed(8, 3, &[1, 0, 0b0000_1110]), no(8), "as short as ranges");
    assert_eq!(claimed(8, 3, &[0, 1, 7]), no(8), "out of the window");
    assert_eq!(claimed(8, 2, &[1, 0, 0b0101_0101]), no(8), "out of the window");
    assert_eq!(claimed(0, 4, &[1, 0, 0, 0b0101_0101]), no(0), "zeros before");
    assert_eq!(claimed(0, 4, &[1, 0, 0b0101_0101, 0]), no(0), "zeros behind");
    assert_eq!(claimed(0, 4, &[1, 1, 0b0101_0101]), ids(&[8, 10, 12, 14]));
    assert_eq!(claimed(0, 4, &[0, 0x81, 0, 2]), no(0), "a number in a long form");
    for bytes in [&[][..], &[0], &[1], &[1, 0], &[2, 0, 0], &[0, 1]] {
        assert_eq!(claimed(0, 4, bytes), no(0), "{bytes:?}");
    }
    let top = u64::MAX - 7;
    assert_eq!(claimed(top, 3, &[0, 0, 7]), Ok([top..=u64::MAX].into_iter().collect()));
    assert_eq!(claimed(top, 3, &[1, 0, 0b1011_0101]).unwrap().last(), Some(u64::MAX));

    let list = |bytes: &[u8]| PieceList::from_bytes(bytes).unwrap_err();
    let entry = |first: u64, bits| [varint(first), vec![bits], vec![0; 16]].concat();
    assert_eq!(list(&entry(4, 3)), PieceError::List { index: 0 }, "no window begins there");
    assert_eq!(list(&entry(0, 65)), PieceError::List { index: 0 }, "more than 64 bits");
    assert_eq!(list(&[entry(0, 64), entry(0, 0)].concat()), PieceError::List { index: 1 });
    assert_eq!(list(&[entry(0, 3), vec![0, 3, 1]].concat()), PieceError::List { index: 1 });
}

/// Groups of ids, some of them far apart.
fn groups() -> impl Strategy<Value = BTreeSet<u64>> {
    let group = (0..64_u32, any::<u64>(), vec(0..200_u64, 0..60));
    vec(group, 0..5).prop_map(|groups| {
        let ids = groups.into_iter().flat_map(|(shift, base, ids)| {
            ids.into_iter().map(move |id| (base >> shift).saturating_add(id))
        });
        ids.collect()
    })
}

proptest! {
    #[test]
    fn any_set_is_read_again(ids in groups()) {
        let set: IdRanges = ids.iter().copied().collect();
        let pieces = set.to_pieces();
        prop_assert!(pieces.len() <= 1);
        prop_assert_eq!(read(&pieces), Ok(set));
    }

    #[test]
    fn adding_all_is_adding_each(a in groups(), b in groups()) {
        let mut set: IdRanges = a.iter().copied().collect();
        set.add_all(&b.iter().copied().collect());
        let all: IdRanges = a.union(&b).copied().collect();
        prop_assert_eq!(set.count(), all.count());
        prop_assert_eq!(set, all);
    }

    #[test]
    fn bytes_that_are_read_as_a_piece_are_written_again(
        (first, bits) in (0..40_u64, 0..8_u8),
        form in 0..3_u8,
        mut bytes in vec(prop_oneof![Just(0_u8), 0..9_u8, any::<u8>()], 0..20),
    ) {
        bytes.insert(0, form);
        if let Ok(set) = claimed(first << bits, bits, &bytes) {
            let pieces = set.to_pieces();
            prop_assert_eq!(read(&pieces), Ok(set));
            // In its least window the piece may be shorter, by as much as its beginning.
            if pieces[0].first() == first << bits {
                prop_assert_eq!(pieces[0].bytes(), bytes);
            }
        }
    }

    #[test]
    fn any_list_is_refused_or_written_again(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(list) = PieceList::from_bytes(&bytes) {
            prop_assert_eq!(list.to_bytes(), bytes);
        }
    }
}

fn trade(id: u64) -> Trade {
    Trade {
        id,
        time_ms: 1_723_075_200_000 + id.wrapping_sub(FIRST_ID) % 86_400_000,
        price: Price::from_units(6_183_763_000_000 + id % 7 * 1_000_000).unwrap(),
        quantity: Quantity::from_units(2_000_000 + id % 11).unwrap(),
        buyer_is_maker: id.is_multiple_of(3),
    }
}

/// A candle of a day with these trades.
fn candle(mut ids: impl Iterator<Item = u64>) -> Candle {
    let key =
        CandleKey { symbol: btcusdt(), interval: Interval::D1, open_time_ms: 1_723_075_200_000 };
    let mut candle = Candle::new(key, &trade(ids.next().unwrap())).unwrap();
    let trades: Vec<Trade> = ids.map(trade).collect();
    assert_eq!(candle.apply_all(&trades).unwrap(), trades.len());
    candle
}

fn look(candle: &Candle) -> Result<Stored, RecordError> {
    let fields: BTreeMap<_, _> = candle.to_record().fields.into_iter().collect();
    record::read(|name| fields.get(name).cloned())
}

#[test]
fn a_candle_without_many_holes_is_one_record_as_ever() {
    // Two bytes a range, and four more for the first one.
    for (trades, is_whole) in
        [(1, true), (WHOLE_MAX_BYTES / 2 - 2, true), (WHOLE_MAX_BYTES / 2 - 1, false)]
    {
        let candle = candle((FIRST_ID..).step_by(2).take(trades));
        let record = candle.to_record();
        assert_eq!(candle.ids().to_bytes().len() <= WHOLE_MAX_BYTES, is_whole, "{trades}");
        assert_eq!(record.pieces.is_empty(), is_whole, "{trades}");
        assert_eq!(record.fields == candle.to_fields(), is_whole, "{trades}");
        assert_eq!(Candle::from_fields(|name| get(&candle.to_fields(), name)), Ok(candle));
    }
}

fn get(fields: &[(&'static str, Field)], name: &str) -> Option<Field> {
    Some(fields.iter().find(|field| field.0 == name)?.1.clone())
}

#[test]
fn a_candle_with_many_holes_is_a_record_and_pieces() {
    let half = random(128, 2_500_000);
    let candle = candle(half.ranges().flatten());
    let record = candle.to_record();
    assert_eq!(record.pieces.len(), 6);
    assert_eq!(get(&record.fields, "v"), Some(Field::Integer(2)));
    let Some(Field::Bytes(list)) = get(&record.fields, "ids") else { panic!("no list") };
    assert!(list.len() < 120, "{}", list.len());

    let Ok(Stored::InPieces(root)) = look(&candle) else { panic!("not in pieces") };
    assert_eq!(root.list(), &PieceList::of(&record.pieces));
    let pieces: BTreeMap<u64, &[u8]> =
        record.pieces.iter().map(|piece| (piece.first(), piece.bytes())).collect();
    let torn = root.clone().with(|first| pieces.get(&first).filter(|_| first % 3 == 0).copied());
    assert!(torn.unwrap_err().is_torn());
    let whole = root.clone().with(|first| pieces.get(&first).copied());
    assert_eq!(whole.as_ref(), Ok(&candle));
    let alone = Candle::from_fields(|name| get(&record.fields, name));
    assert_eq!(alone, Err(RecordError::InPieces), "not as a candle with other ids");

    // The ids must still be those of the summary.
    let mut other = candle.clone();
    other.apply(&trade(FIRST_ID + 3_000_000)).unwrap();
    let other = other.to_record();
    let fields = record.fields.iter().map(|field| match field.0 {
        "ids" => ("ids", Field::Bytes(PieceList::of(&other.pieces).to_bytes())),
        _ => field.clone(),
    });
    let fields: Vec<_> = fields.collect();
    let Ok(Stored::InPieces(root)) = record::read(|name| get(&fields, name)) else { panic!() };
    let pieces: BTreeMap<u64, &[u8]> =
        other.pieces.iter().map(|piece| (piece.first(), piece.bytes())).collect();
    let mixed = root.with(|first| pieces.get(&first).copied());
    assert!(matches!(mixed, Err(RecordError::Inconsistent { field: "trades", .. })), "{mixed:?}");
}

#[test]
fn a_write_is_what_changes_if_one_step_takes_it() {
    let half = random(128, 2_500_000);
    let candle = candle(half.ranges().flatten());
    let stored = PieceList::of(&candle.to_record().pieces);
    let record = candle.to_record();
    assert_eq!(record.changed(&PieceList::default()).map(|all| all.len()), Some(6));
    assert_eq!(record.changed(&stored), Some(Vec::new()));
    let mut more = candle.clone();
    more.apply(&trade(half.gaps().nth(9).unwrap().start().to_owned())).unwrap();
    assert_eq!(more.to_record().changed(&stored).map(|all| all.len()), Some(1));

    // A hundred pieces of small size, and sixty of full size.
    let mut small = candle.clone();
    let apart = (0..110_u64).map(|n| FIRST_ID + 5_000_000 + (n << 22));
    small
        .apply_all(
            &apart
                .flat_map(|first| (first..).step_by(2).take(20_000))
                .map(trade)
                .collect::<Vec<_>>(),
        )
        .unwrap();
    let record = small.to_record();
    assert!(record.pieces.len() > CHANGED_MAX_PIECES, "{}", record.pieces.len());
    assert_eq!(record.changed(&stored), None);
    let large = record::Record { fields: Vec::new(), pieces: random(128, 4 * DAY).to_pieces() };
    let bytes: usize = large.pieces.iter().map(|piece| piece.bytes().len()).sum();
    assert!(large.pieces.len() <= CHANGED_MAX_PIECES && bytes > CHANGED_MAX_BYTES, "{bytes}");
    assert_eq!(large.changed(&PieceList::default()), None);
}

/// Ids for which the greatest number of windows is halved: dense ids in a few windows of 2^20 ids, each too large for one piece,
/// and a single id in each neighbouring window.
fn crafted(windows: u64) -> Vec<u64> {
    let dense = |base: u64| (base..).step_by(16).take(PIECE_MAX_BYTES / 2 + 1);
    let beside = |base: u64| (20..61).map(move |bit| base | (1 << bit));
    let bases = || (0..windows).map(|window| window << 61);
    bases().flat_map(beside).chain(bases().flat_map(dense)).collect()
}

#[test]
fn one_trade_never_changes_more_than_a_write_takes_whatever_its_id() {
    let ids = crafted(4);
    let of_first = |count: usize| candle(ids[..count].iter().copied());
    let first_with = |is: &dyn Fn(Candle) -> bool| {
        let counts: Vec<usize> = (1..=ids.len()).collect();
        counts.partition_point(|count| !is(of_first(*count))) + 1
    };
    // A record that holds all of its ids.
    let count = first_with(&|candle| candle.ids().to_bytes().len() > WHOLE_MAX_BYTES);
    assert!(of_first(count - 1).to_record().pieces.is_empty());
    let first = of_first(count).to_record();
    let pieces = first.pieces.len();
    assert!(pieces > 80, "two windows are halved as often as can be, not into {pieces}");
    assert!(first.changed(&PieceList::default()).is_some(), "{pieces} pieces");

    // A piece that is full.
    let count = first_with(&|candle| candle.to_record().pieces.len() > pieces);
    let stored = PieceList::of(&of_first(count - 1).to_record().pieces);
    assert!(of_first(count).to_record().changed(&stored).is_some());
}

/// Beyond a number of ranges, trades are added together: in any order and with duplicates it is the same candle.
#[test]
fn many_ranges_change_nothing_but_the_time_it_takes() {
    let ids: Vec<u64> = (FIRST_ID..).step_by(2).take(30_000).collect();
    let holes: Vec<u64> = ids.iter().map(|id| id + 1).step_by(3).collect();
    let all: BTreeSet<u64> = ids.iter().chain(&holes).copied().collect();
    let expected = candle(all.into_iter());

    let mut candle = candle(ids.iter().copied());
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut shuffled: Vec<Trade> =
        holes.iter().chain(&ids[..500]).chain(&holes[..500]).map(|id| trade(*id)).collect();
    shuffled.sort_by_cached_key(|_| rng.next_u64());
    assert_eq!(candle.apply_all(&shuffled).unwrap(), holes.len());
    assert_eq!(candle, expected);
    assert_eq!(candle.apply_all(&shuffled).unwrap(), 0);
    // Of two trades with one id, the first counts.
    let last = *ids.last().unwrap() + 10;
    let cheap = Trade { price: Price::from_units(1).unwrap(), ..trade(last) };
    let mut other = candle.clone();
    assert_eq!(other.apply_all(&[trade(last), cheap]).unwrap(), 1);
    assert_eq!(other.low(), candle.low());
}
