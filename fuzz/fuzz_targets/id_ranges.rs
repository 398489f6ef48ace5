//! Any bytes are refused, or are written again just so; the set they are has sorted ranges that are
//! apart.

#![no_main]

use candle::IdRanges;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(ids) = IdRanges::from_bytes(bytes) else { return };
    assert_eq!(ids.to_bytes(), bytes);

    let ranges: Vec<_> = ids.ranges().collect();
    assert!(ranges.iter().all(|range| !range.is_empty() && ids.contains_range(range.clone())));
    assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));
    assert!(ids.gaps().all(|gap| !ids.contains(*gap.start()) && !ids.contains(*gap.end())));

    let backwards: IdRanges = ids.ranges().rev().collect();
    assert_eq!(backwards, ids);
    assert_eq!(backwards.count(), ids.count());
    let holes: IdRanges = ids.gaps().collect();
    assert_eq!(ids.difference(&holes), ids);
    assert!(ids.union(&holes).ranges().len() <= 1);
});
