use std::fmt::Debug;

use bytes::Bytes;
use candle::archive::MAX_BYTES;
use futures::future::join_all;
use pipeline::ports::{Archive, Fault, Put};

/// Checks an archive against its contract, below the prefix `conformance/<scope>`.
///
/// # Panics
/// With the observed result, if the archive breaks the contract.
pub async fn archive<A: Archive>(archive: &A, scope: &str) {
    writes_once(archive, scope).await;
    reads_no_more_than_an_object_may_have(archive, scope).await;
    lets_one_of_many_create(archive, scope).await;
    lists_in_pages(archive, scope).await;
}

async fn writes_once<A: Archive>(archive: &A, scope: &str) {
    let name = format!("conformance/{scope}/once/a.gz");
    assert_eq!(ok(archive.get(&name).await), None, "an object that was never put");
    assert_eq!(ok(archive.put_if_absent(&name, Bytes::from_static(b"first")).await), Put::Created);
    assert_eq!(ok(archive.put_if_absent(&name, Bytes::from_static(b"second")).await), Put::Present);
    let stored = ok(archive.get(&name).await);
    assert_eq!(stored.as_deref(), Some(&b"first"[..]), "a second put must not touch the object");

    let binary: Bytes = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let name = format!("conformance/{scope}/once/binary=1.gz");
    assert_eq!(ok(archive.put_if_absent(&name, binary.clone()).await), Put::Created);
    assert_eq!(
        ok(archive.get(&name).await),
        Some(binary),
        "800 kB of binary come back as they were"
    );
}

async fn reads_no_more_than_an_object_may_have<A: Archive>(archive: &A, scope: &str) {
    let largest = Bytes::from(vec![b'x'; MAX_BYTES]);
    let name = format!("conformance/{scope}/large/largest.gz");
    assert_eq!(ok(archive.put_if_absent(&name, largest.clone()).await), Put::Created);
    let read = ok(archive.get(&name).await);
    assert!(read == Some(largest), "the largest object there can be comes back as it was");

    let name = format!("conformance/{scope}/large/larger.gz");
    let larger = Bytes::from(vec![b'x'; MAX_BYTES + 1]);
    assert_eq!(ok(archive.put_if_absent(&name, larger).await), Put::Created);
    let read = archive.get(&name).await;
    let read = read.map(|object| object.map(|bytes| bytes.len())).map_err(|error| error.fault);
    assert_eq!(read, Err(Fault::Corrupt), "a byte more than any object has");
}

async fn lets_one_of_many_create<A: Archive>(archive: &A, scope: &str) {
    let name = format!("conformance/{scope}/race/a.gz");
    let puts =
        join_all((0..8).map(|_| archive.put_if_absent(&name, Bytes::from_static(b"x")))).await;
    let created = puts.into_iter().map(ok).filter(|put| *put == Put::Created).count();
    assert_eq!(created, 1, "of 8 concurrent puts exactly one creates");
}

async fn lists_in_pages<A: Archive>(archive: &A, scope: &str) {
    let prefix = format!("conformance/{scope}/list");
    let names: Vec<String> = (0..7).map(|n| format!("{prefix}/{}/{n:03}.gz", n % 2)).collect();
    for name in &names {
        ok(archive.put_if_absent(name, Bytes::from_static(b"x")).await);
    }
    // A sibling whose name begins alike is outside of the prefix: prefixes are whole segments.
    let sibling = format!("{prefix}-sibling/000.gz");
    ok(archive.put_if_absent(&sibling, Bytes::from_static(b"x")).await);

    let mut expected = names;
    expected.sort();
    assert_eq!(ok(archive.list(&prefix, None, 100).await), expected, "all names, in byte order");

    let mut paged: Vec<String> = Vec::new();
    loop {
        let page = ok(archive.list(&prefix, paged.last().map(String::as_str), 3).await);
        assert!(page.len() <= 3, "a page of {} names, 3 were asked for", page.len());
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, expected, "pages of 3 are the whole list");
    // `after` need not be an existing name.
    let behind = format!("{prefix}/0/~");
    let rest = ok(archive.list(&prefix, Some(&behind), 100).await);
    let expected: Vec<_> = expected.into_iter().filter(|name| *name > behind).collect();
    assert_eq!(rest, expected, "the names that sort behind one that is not there");
    let nothing = ok(archive.list(&format!("conformance/{scope}/nothing"), None, 10).await);
    assert_eq!(nothing, Vec::<String>::new(), "a prefix without objects");
}

#[track_caller]
fn ok<T, E: Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("the archive failed: {error:?}"))
}
