//! Any object is refused, or is just what its trades give. The input is tried as compressed bytes,
//! and as content that is then compressed and named as the archive would.

#![no_main]

use std::io::Write;

use candle::ArchiveObject;
use flate2::{Compression, write::GzEncoder};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let name = "trades/v1/BTCUSDT/2024-08-08T23/3735683259-3735683260-0123456789abcdef.jsonl.gz";
    check(name, bytes);

    let hash: String =
        Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let ids: Vec<u64> = String::from_utf8_lossy(bytes).lines().filter_map(id).collect();
    let (first, last) = (ids.first().unwrap_or(&0), ids.last().unwrap_or(&0));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    if gzip.write_all(bytes).is_ok() {
        let compressed = gzip.finish().unwrap_or_default();
        check(
            &format!("trades/v1/BTCUSDT/2024-08-08T23/{first}-{last}-{hash}.jsonl.gz"),
            &compressed,
        );
    }
});

/// The id at the front of a row.
fn id(line: &str) -> Option<u64> {
    line.strip_prefix('[')?.split(',').next()?.parse().ok()
}

fn check(name: &str, bytes: &[u8]) {
    let Ok(object) = ArchiveObject::decode(name, bytes) else { return };
    assert_eq!(object.name().to_string(), name);
    assert_eq!(ArchiveObject::split(&object.clone().into_batch()), [object]);
}
