//! A real process that appends, killed at any moment; and one whose file can't grow.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use producer::spool::{Spool, SpoolConfig, Sync};

use crate::spool::{body, config, read_all};

const DIR: &str = "PRODUCER_TEST_SPOOL";
const ROUNDS: u64 = 25;

fn kill_config() -> SpoolConfig {
    SpoolConfig {
        segment_bytes: 4_000,
        max_bytes: 1 << 24,
        sync: Sync::Interval(Duration::from_millis(1)),
        ..config()
    }
}

/// The child process: prints each append after it is done, and each acknowledgement before it is made.
#[test]
fn child_that_appends() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let (mut spool, _) = Spool::open(Path::new(&dir), kill_config()).unwrap();
    let mut out = std::io::stdout();
    loop {
        let sequence = spool.append(&body(spool.next_sequence()), 1).unwrap();
        writeln!(out, "appended {sequence}").unwrap();
        if sequence % 3 != 0 {
            writeln!(out, "acknowledging {sequence}").unwrap();
            spool.acknowledge("aws", sequence);
        }
        if sequence % 50 == 0 {
            spool.checkpoint(1).unwrap();
        }
    }
}

/// Starts this test binary again, with only the child's test.
fn child(dir: &Path, shell: &str) -> Child {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        &format!("{shell} exec \"$0\" --exact spool_killed::child_that_appends --nocapture"),
    ]);
    command.arg(std::env::current_exe().unwrap()).env(DIR, dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn killed_at_any_moment_loses_nothing_appended_and_makes_up_no_acknowledgement() {
    let dir = tempfile::tempdir().unwrap();
    let mut appended = BTreeSet::new();
    let mut acknowledging = BTreeSet::new();
    for round in 0..ROUNDS {
        let mut child = child(dir.path(), "");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        for line in lines {
            let line = line.unwrap();
            let Some((what, sequence)) = line.rsplit_once(' ') else { continue };
            match (what, sequence.parse::<u64>()) {
                // Each line is written by one call, so it is whole.
                ("appended", Ok(sequence)) => {
                    assert!(appended.insert(sequence), "{sequence} twice");
                }
                ("acknowledging", Ok(sequence)) => _ = acknowledging.insert(sequence),
                _ => continue,
            }
            seen += 1;
            // Reads some more lines, so that the kill hits any point of the loop; output left in the pipe is
            // read afterwards.
            if seen == 20 + round * 37 {
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(seen >= 20, "the child said too little and ended with {status}");
        let (spool, recovery) = Spool::open(dir.path(), kill_config()).unwrap();
        assert_eq!(recovery.damaged, []);
        let found: BTreeMap<_, _> = read_all(&spool).into_iter().collect();
        for (sequence, found) in &found {
            assert_eq!(*found, body(*sequence));
            assert!(
                !spool.is_accepted(*sequence) || acknowledging.contains(sequence),
                "{sequence}"
            );
        }
        let lost: Vec<_> =
            appended.iter().filter(|sequence| !found.contains_key(sequence)).collect();
        assert!(lost.is_empty(), "round {round} lost {lost:?}");
        assert!(found.keys().copied().eq(1..=found.len() as u64), "a prefix without a hole");
        appended.extend(found.into_keys());
    }
}

/// The kernel refuses to let the file grow in the middle of a record, as on a full disk.
#[test]
fn a_file_that_may_not_grow_is_a_clear_error_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // 512-byte blocks; the signal is ignored, so that the refusal shows as an error.
    let mut child = child(dir.path(), "trap '' XFSZ; ulimit -f 7;");
    let mut appended = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(sequence) = line.unwrap().strip_prefix("appended ") {
            appended = sequence.parse().unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("DiskFull"), "{text}");
    let (spool, recovery) = Spool::open(dir.path(), kill_config()).unwrap();
    assert_eq!(recovery.torn_bytes, 0, "the half record was cut off at once");
    assert_eq!(recovery.records, appended);
    assert_eq!(read_all(&spool).len() as u64, appended);
}
