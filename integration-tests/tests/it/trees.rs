//! Trees of processes that can be recognised, and looked for.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The harness that was built with these tests.
pub(crate) const HARNESS: &str = env!("CARGO_BIN_EXE_harness");

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number of seconds to sleep that no other process on the machine uses: it marks the processes of one test.
#[derive(Debug, Clone)]
pub(crate) struct Marker(pub(crate) String);

impl Marker {
    pub(crate) fn new() -> Self {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(format!("9{:07}.{count:03}", std::process::id()))
    }

    /// A script whose processes try to get away: in the background, in a session of its own, as a daemon whose parent
    /// has died, and deaf to SIGTERM.
    pub(crate) fn tree(&self) -> String {
        let sleep = format!("sleep {}", self.0);
        format!(
            "{sleep} & setsid {sleep} & (setsid sh -c '{sleep} & {sleep} & wait' &) ; \
             (trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM; {sleep}; {sleep}' &) ; wait"
        )
    }

    /// Number of sleepers in [`Self::tree`].
    pub(crate) const SLEEPERS: usize = 5;

    /// The processes of this test.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let entries = std::fs::read_dir("/proc").expect("read /proc").filter_map(Result::ok);
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| self.sleeps(*pid)).collect()
    }

    fn sleeps(&self, pid: u32) -> bool {
        let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let mut words = cmdline.split(|byte| *byte == 0);
        words.next() == Some(b"sleep") && words.next() == Some(self.0.as_bytes())
    }

    /// Waits until so many sleepers are there.
    pub(crate) fn assert_count(&self, count: usize) {
        let marker = self.clone();
        eventually(&format!("{count} sleepers"), move || {
            let pids = marker.pids();
            (pids.len() == count).then_some(()).ok_or(format!("{pids:?}"))
        });
    }
}

/// Polls until `check` is well, and shows what it saw last if it never is.
pub(crate) fn eventually<T>(what: &str, check: impl FnMut() -> Result<T, String>) -> T {
    eventually_within(Duration::from_secs(10), what, check)
}

/// The same, for what takes longer on a busy machine.
pub(crate) fn eventually_within<T>(
    limit: Duration,
    what: &str,
    mut check: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match check() {
            Ok(value) => return value,
            Err(seen) => {
                assert!(Instant::now() < deadline, "no {what} within {limit:?}; seen last: {seen}");
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A number that a script writes into a file.
pub(crate) fn number_in(path: &Path) -> u32 {
    eventually(&format!("number in {}", path.display()), || {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        text.trim().parse().map_err(|_| text)
    })
}

/// A field of `/proc/<pid>/stat`, counted from the state.
pub(crate) fn stat_field(pid: u32, field: usize) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(field).map(str::to_owned)
}
