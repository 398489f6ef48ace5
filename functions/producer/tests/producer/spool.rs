//! The spool: exact after any cut and any flipped byte, bounded, and right about every acknowledgement.

use std::path::{Path, PathBuf};
use std::time::Duration;

use producer::spool::{Cursor, Recovery, Spool, SpoolConfig, SpoolError, Sync};
use proptest::prelude::*;
use tempfile::TempDir;

pub(crate) fn config() -> SpoolConfig {
    SpoolConfig {
        sync: Sync::Never,
        max_bytes: 1 << 20,
        segment_bytes: 200,
        window: Duration::from_mins(1),
        targets: vec!["aws".to_owned(), "gcp".to_owned()],
    }
}

fn open(dir: &Path) -> (Spool, Recovery) {
    Spool::open(dir, config()).unwrap()
}

pub(crate) fn read_all(spool: &Spool) -> Vec<(u64, String)> {
    let mut cursor = Cursor::new();
    let next = || spool.read(&mut cursor).unwrap();
    std::iter::from_fn(next).map(|record| (record.sequence, record.body)).collect()
}

pub(crate) fn body(sequence: u64) -> String {
    format!("message {sequence} {}", "größe".repeat(usize::try_from(sequence % 4).unwrap()))
}

fn expected(sequences: impl IntoIterator<Item = u64>) -> Vec<(u64, String)> {
    sequences.into_iter().map(|sequence| (sequence, body(sequence))).collect()
}

fn append(spool: &mut Spool, count: u64, now_ms: u64) {
    for _ in 0..count {
        let sequence = spool.next_sequence();
        assert_eq!(spool.append(&body(sequence), now_ms).unwrap(), sequence);
    }
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> =
        entries.filter(|path| path.extension() == Some("spool1".as_ref())).collect();
    segments.sort();
    segments
}

/// A spool of `count` messages in several segments, and the bytes of each segment.
fn made(count: u64) -> (TempDir, Vec<(PathBuf, Vec<u8>)>) {
    let dir = tempfile::tempdir().unwrap();
    append(&mut open(dir.path()).0, count, 1);
    let segments = segments(dir.path()).into_iter();
    let segments: Vec<_> =
        segments.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    assert!(segments.len() >= 3, "{} segments", segments.len());
    (dir, segments)
}

/// For every byte of a segment, the first sequence number that is lost with that byte.
fn owners(first: u64, bytes: usize) -> Vec<u64> {
    let records = (first..).flat_map(|n| std::iter::repeat_n(n, 24 + body(n).len()));
    records.take(bytes).collect()
}

fn first(path: &Path) -> u64 {
    path.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

fn rebuild(segments: &[(PathBuf, Vec<u8>)], dir: &Path) {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).unwrap();
    for (path, bytes) in segments {
        std::fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
    }
}

#[test]
fn what_was_appended_is_there_after_opening_again_and_numbers_go_on() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let (mut spool, recovery) = open(dir.path());
        let (records, unaccepted) = (round * 7, round * 7);
        assert_eq!(recovery, Recovery { records, unaccepted, ..recovery.clone() });
        append(&mut spool, 7, 1);
        assert_eq!(read_all(&spool), expected(1..=(round + 1) * 7));
    }
}

#[test]
fn cut_at_any_byte_of_the_end_leaves_the_exact_prefix() {
    let (_made, mut all) = made(20);
    let (path, last) = all.pop().unwrap();
    let owners = owners(first(&path), last.len());
    let dir = tempfile::tempdir().unwrap();
    for length in 0..=last.len() {
        let cut = (path.clone(), last[..length].to_vec());
        rebuild(&[all.clone(), vec![cut]].concat(), dir.path());
        let (mut spool, recovery) = open(dir.path());
        // If the cut is between two records, the byte after it starts one.
        let end = owners.get(length).copied().unwrap_or(21);
        assert_eq!(read_all(&spool), expected(1..end), "cut at {length}");
        let whole = owners.iter().filter(|owner| **owner < end).count();
        assert_eq!(recovery.torn_bytes, (length - whole) as u64, "cut at {length}");
        assert_eq!(recovery.damaged, [], "cut at {length}");
        // Later appends continue from there, and the next opening finds nothing torn.
        append(&mut spool, 2, 1);
        drop(spool);
        let (spool, recovery) = open(dir.path());
        assert_eq!(read_all(&spool), expected(1..end + 2), "cut at {length}, then appended");
        assert_eq!(recovery.torn_bytes, 0, "cut at {length}, then appended");
    }
}

#[test]
fn a_changed_byte_anywhere_costs_that_segment_from_there_and_nothing_else() {
    let (_made, all) = made(20);
    let dir = tempfile::tempdir().unwrap();
    for (index, (path, bytes)) in all.iter().enumerate() {
        let owners = owners(first(path), bytes.len());
        for (at, owner) in owners.iter().enumerate() {
            let mut damaged = all.clone();
            damaged[index].1[at] ^= 1 << (at % 8);
            rebuild(&damaged, dir.path());
            let (spool, recovery) = open(dir.path());
            let next_segment = all.get(index + 1).map_or(21, |(path, _)| first(path));
            let good = (1..*owner).chain(next_segment..21);
            assert_eq!(read_all(&spool), expected(good), "{} byte {at}", path.display());
            let is_reported = recovery.torn_bytes > 0 || !recovery.damaged.is_empty();
            assert!(is_reported, "{} byte {at}: {recovery:?}", path.display());
            assert!(recovery.torn_bytes == 0 || index + 1 == all.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// With any operations between openings, and any cut of the last one's files, no accepted message is lost and
    /// none is called accepted that was not.
    #[test]
    fn acknowledgements_are_never_made_up(
        rounds in prop::collection::vec((1_u64..12, prop::collection::vec((any::<bool>(), 0_u64..60), 0..12), 0_usize..400, any::<bool>()), 1..6),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut told: Vec<(String, u64, String)> = Vec::new();
        let mut living: std::collections::BTreeMap<u64, String> = std::collections::BTreeMap::new();
        let mut serial = 0;
        for (appends, acks, cut, lose_acks) in rounds {
            let (mut spool, _) = open(dir.path());
            let found: std::collections::BTreeMap<_, _> = read_all(&spool).into_iter().collect();
            for (sequence, body) in &found {
                prop_assert_eq!(living.get(sequence), Some(body), "record {}", sequence);
                for target in ["aws", "gcp"] {
                    let was_told = told.iter().any(|(t, s, b)| t == target && s == sequence && b == body);
                    prop_assert!(was_told || !spool.is_acknowledged(target, *sequence),
                        "{} is said to have {} of {:?}", target, sequence, told);
                }
            }
            living = found;
            for _ in 0..appends {
                serial += 1;
                let body = format!("round message {serial}");
                let sequence = spool.append(&body, 1).unwrap();
                for target in ["aws", "gcp"] {
                    prop_assert!(!spool.is_acknowledged(target, sequence), "{} is new", sequence);
                }
                living.insert(sequence, body);
            }
            for (to_aws, nth) in acks {
                let target = if to_aws { "aws" } else { "gcp" };
                let nth = usize::try_from(nth).unwrap() % living.len().max(1);
                if let Some((sequence, body)) = living.iter().nth(nth) {
                    spool.acknowledge(target, *sequence);
                    told.push((target.to_owned(), *sequence, body.clone()));
                }
            }
            spool.checkpoint(2).unwrap();
            drop(spool);
            if lose_acks {
                let _ = std::fs::remove_file(dir.path().join("acks"));
            } else if let Some(last) = segments(dir.path()).pop() {
                let length = std::fs::metadata(&last).unwrap().len();
                let file = std::fs::OpenOptions::new().write(true).open(last).unwrap();
                file.set_len(length.saturating_sub(cut as u64)).unwrap();
            }
        }
    }
}

#[test]
fn a_number_that_was_acknowledged_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(dir.path());
    append(&mut spool, 3, 1);
    for sequence in 1..=3 {
        spool.acknowledge("aws", sequence);
    }
    drop(spool);
    // After a loss of power: the acknowledgements are on disk, the records are not.
    for segment in segments(dir.path()) {
        std::fs::remove_file(segment).unwrap();
    }
    let (mut spool, _) = open(dir.path());
    assert_eq!(spool.append("new", 1).unwrap(), 4);
    assert!(!spool.is_accepted(4));
}

#[test]
fn segments_go_once_all_have_them_or_the_window_has_passed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(dir.path());
    append(&mut spool, 20, 1_000);
    let last_segment = first(segments(dir.path()).last().unwrap());
    // One target has all messages: no segment is deleted before the window has passed.
    for sequence in 1..=20 {
        spool.acknowledge("aws", sequence);
    }
    spool.checkpoint(60_999).unwrap();
    assert_eq!(read_all(&spool).len(), 20);
    // The other target has the first ten: their segments are deleted.
    for sequence in 1..=10 {
        spool.acknowledge("gcp", sequence);
    }
    spool.checkpoint(60_999).unwrap();
    let kept = read_all(&spool);
    assert!(kept.first().unwrap().0 > 4 && kept.first().unwrap().0 <= 11, "{kept:?}");
    spool.checkpoint(61_000).unwrap();
    assert_eq!(read_all(&spool), expected(last_segment..=20), "all but what is being written");
}

#[test]
fn what_nobody_accepted_stays_whatever_its_age() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(dir.path());
    append(&mut spool, 20, 1);
    for sequence in (1..=20).filter(|sequence| *sequence != 7) {
        spool.acknowledge("aws", sequence);
        spool.acknowledge("gcp", sequence);
    }
    spool.checkpoint(u64::MAX).unwrap();
    assert!(read_all(&spool).iter().any(|(sequence, _)| *sequence == 7));
    drop(spool);
    let (spool, recovery) = open(dir.path());
    assert_eq!(recovery.unaccepted, 1);
    assert!(!spool.is_accepted(7) && spool.is_accepted(8));
}

#[test]
fn what_only_a_lost_target_had_is_accepted_by_nobody_until_somebody_has_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(dir.path());
    append(&mut spool, 20, 1);
    for sequence in 1..=12 {
        spool.acknowledge("aws", sequence);
    }
    for sequence in 10..=14 {
        spool.acknowledge("gcp", sequence);
    }
    assert!(spool.revoke_acks("aws"));
    assert!(!spool.revoke_acks("aws"), "there is nothing left to doubt");
    spool.checkpoint(u64::MAX).unwrap();
    assert_eq!(read_all(&spool), expected(1..=20), "the window has passed, and still all is kept");

    let check = |spool: &Spool| {
        assert_eq!(spool.unaccepted(), 9 + 6);
        for sequence in 1..=9 {
            assert!(!spool.is_accepted(sequence) && spool.was_accepted(sequence), "{sequence}");
        }
        for sequence in 10..=12 {
            assert!(spool.is_acknowledged("aws", sequence), "the other one has {sequence}, too");
        }
        assert!(!spool.was_accepted(15));
    };
    check(&spool);
    drop(spool);
    let (mut spool, recovery) = open(dir.path());
    assert!(!recovery.acks_unreadable);
    check(&spool);

    for sequence in 1..=9 {
        spool.acknowledge("aws", sequence);
    }
    assert_eq!(spool.unaccepted(), 6);
}

#[test]
fn a_full_spool_says_so_and_takes_more_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let config = SpoolConfig { max_bytes: 500, ..config() };
    let (mut spool, _) = Spool::open(dir.path(), config).unwrap();
    let mut count = 0;
    let error = loop {
        match spool.append("0123456789", 1) {
            Ok(sequence) => count = sequence,
            Err(error) => break error,
        }
    };
    assert_eq!(count, 500 / 34);
    assert!(error.is_full());
    let text = error.to_string();
    for part in [&dir.path().display().to_string(), "476 bytes", "34 more", "max_bytes = 500"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(read_all(&spool).len(), 14, "nothing was dropped");
    for sequence in 1..=count {
        spool.acknowledge("aws", sequence);
        spool.acknowledge("gcp", sequence);
    }
    assert_eq!(spool.append("0123456789", 1).unwrap(), count + 1);
    assert_eq!(read_all(&spool), [(count + 1, "0123456789".to_owned())]);
}

#[test]
fn two_producers_cannot_have_one_spool() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let error = Spool::open(dir.path(), config()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, SpoolError::Locked { .. }), "{text}");
    assert!(text.contains(&format!("process {} has it open", std::process::id())), "{text}");
    drop(first);
    open(dir.path());
}

#[test]
fn a_cursor_survives_deletion_before_it_and_growth_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut spool, _) = open(dir.path());
    append(&mut spool, 3, 1);
    let mut cursor = Cursor::new();
    assert_eq!(spool.read(&mut cursor).unwrap().unwrap().sequence, 1);
    append(&mut spool, 17, 1);
    for sequence in 1..=10 {
        spool.acknowledge("aws", sequence);
        spool.acknowledge("gcp", sequence);
    }
    spool.checkpoint(1).unwrap();
    let next = spool.read(&mut cursor).unwrap().unwrap().sequence;
    assert!(next > 4 && next <= 11, "{next}: what all have is gone");
    let rest = std::iter::from_fn(|| spool.read(&mut cursor).unwrap());
    assert!(rest.map(|record| record.sequence).eq(next + 1..=20));
    append(&mut spool, 1, 1);
    assert_eq!(spool.read(&mut cursor).unwrap().unwrap().sequence, 21);
}
