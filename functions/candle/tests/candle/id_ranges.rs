//! Id ranges against a plain set.

use std::collections::BTreeSet;

use candle::IdRanges;
use proptest::collection::vec;
use proptest::prelude::*;

/// Single ids and short ranges, close together, at the bottom or at the top of what an id can be.
fn steps() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let near = |base: u64| {
        vec((0..60_u64, 0..6_u64), 0..40).prop_map(move |steps| {
            steps.into_iter().map(|(at, more)| (base + at, base + (at + more).min(63))).collect()
        })
    };
    prop_oneof![near(0), near(3_735_683_259), near(u64::MAX - 63)]
}

fn model(steps: &[(u64, u64)]) -> BTreeSet<u64> {
    steps.iter().flat_map(|&(first, last)| first..=last).collect()
}

fn ids(set: &IdRanges) -> Vec<u64> {
    set.ranges().flatten().collect()
}

proptest! {
    #[test]
    fn inserting_is_that_of_a_set(steps in steps()) {
        let (mut set, mut model) = (IdRanges::new(), BTreeSet::new());
        for (first, last) in steps {
            if first == last {
                prop_assert_eq!(set.insert(first), model.insert(first));
            } else {
                let added = (first..=last).filter(|id| model.insert(*id)).count();
                prop_assert_eq!(set.insert_range(first..=last), added as u64);
            }
            prop_assert_eq!(set.count(), model.len() as u64);
        }
        prop_assert_eq!(ids(&set), model.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(set.first(), model.first().copied());
        prop_assert_eq!(set.last(), model.last().copied());
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(&model.iter().rev().copied().collect::<IdRanges>(), &set);
        let ranges: Vec<_> = set.ranges().collect();
        prop_assert!(ranges.windows(2).all(|pair| *pair[0].end() + 1 < *pair[1].start()));
        let pairs: Vec<_> = ranges.iter().map(|range| (*range.start(), *range.end())).collect();
        prop_assert_eq!(set.pairs(), pairs);
    }

    #[test]
    fn what_is_there_and_what_is_missing(steps in steps(), (from, len) in (0..64_u64, 0..8_u64)) {
        let model = model(&steps);
        let set: IdRanges = steps.iter().map(|&(first, last)| first..=last).collect();
        let base = model.first().copied().unwrap_or_default();
        let range = base.saturating_add(from)..=base.saturating_add(from + len);
        prop_assert_eq!(set.contains(*range.start()), model.contains(range.start()));
        let are_all_there = range.clone().all(|id| model.contains(&id));
        prop_assert_eq!(set.contains_range(range), are_all_there);
        let gaps: Vec<u64> = set.gaps().flatten().collect();
        let missing: Vec<u64> = match (model.first(), model.last()) {
            (Some(&first), Some(&last)) => {
                (first..=last).filter(|id| !model.contains(id)).collect()
            }
            _ => Vec::new(),
        };
        prop_assert_eq!(gaps, missing);
    }

    #[test]
    fn two_sets_join_and_part(a in steps(), b in steps()) {
        let (x, y) = (model(&a), model(&b));
        let [set_x, set_y] = [&x, &y].map(|ids| ids.iter().copied().collect::<IdRanges>());
        prop_assert_eq!(ids(&set_x.union(&set_y)), Vec::from_iter(&x | &y));
        prop_assert_eq!(ids(&set_x.difference(&set_y)), Vec::from_iter(&x - &y));
    }

    #[test]
    fn both_forms_round_trip(steps in steps()) {
        let set: IdRanges = steps.iter().map(|&(first, last)| first..=last).collect();
        prop_assert_eq!(&IdRanges::from_bytes(&set.to_bytes()).unwrap(), &set);
        let json = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(&serde_json::from_str::<IdRanges>(&json).unwrap(), &set);
    }

    #[test]
    fn bytes_that_are_read_are_written_again(bytes in vec(any::<u8>(), 0..40)) {
        if let Ok(set) = IdRanges::from_bytes(&bytes) {
            prop_assert_eq!(set.to_bytes(), bytes);
        }
    }
}

#[test]
fn the_whole_range_is_counted_as_far_as_64_bits_go() {
    let mut set = IdRanges::new();
    assert_eq!(set.insert_range(0..=u64::MAX), u64::MAX);
    assert_eq!(set.insert_range(5..=9), 0);
    assert!(!set.insert(u64::MAX) && set.contains_range(0..=u64::MAX));
    assert_eq!(IdRanges::from_bytes(&set.to_bytes()), Ok(set.clone()));
    assert!(IdRanges::new().difference(&set).is_empty() && set.difference(&set).is_empty());
}
