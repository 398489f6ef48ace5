//! Any pieces, with a list that says that they are right, are refused, or are a set of ids that is cut and read again as it
//! is. Any list is refused, or is written again just so.

#![no_main]

use std::collections::BTreeMap;

use candle::{IdRanges, PIECE_MAX_BYTES, PieceList};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|input: &[u8]| {
    if let Ok(list) = PieceList::from_bytes(input) {
        assert_eq!(list.to_bytes(), input);
    }

    // For each piece: how many windows of its own size are skipped, its bits, its length, and itself.
    let (mut bytes, mut pieces, mut lowest) = (Vec::new(), BTreeMap::new(), Some(0_u64));
    let mut rest = input;
    while let [skipped, bits, len, tail @ ..] = rest {
        let Some(least) = lowest else { break };
        let (piece, tail) = tail.split_at(usize::from(*len).min(tail.len()));
        let bits = bits % 64;
        let at = least.div_ceil(1 << bits).checked_add(u64::from(*skipped));
        let Some(first) = at.and_then(|at| at.checked_mul(1 << bits)) else { break };
        push(&mut bytes, first - least);
        bytes.push(bits);
        bytes.extend(&Sha256::digest(piece)[..16]);
        pieces.insert(first, piece);
        lowest = first.checked_add(1 << bits);
        rest = tail;
    }
    let list = PieceList::from_bytes(&bytes).expect("windows one behind the other");
    let Ok(ids) = IdRanges::from_pieces(&list, |first| pieces.get(&first).copied()) else {
        return;
    };
    let ranges: Vec<_> = ids.ranges().collect();
    assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));

    let again = ids.to_pieces();
    assert!(again.iter().all(|piece| piece.bytes().len() <= PIECE_MAX_BYTES));
    let list = PieceList::of(&again);
    let again: BTreeMap<_, _> = again.into_iter().map(|p| (p.first(), p.into_bytes())).collect();
    let read = IdRanges::from_pieces(&list, |first| again.get(&first).map(Vec::as_slice));
    assert_eq!(read, Ok(ids));
});

fn push(bytes: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        bytes.push((value % 128) as u8 | 0x80);
        value /= 128;
    }
    bytes.push(value as u8);
}
