//! Messages on disk until a cloud has them; they survive a crash of the producer.
//!
//! A spool is a folder: segments of records, `acks` (the acknowledgements of each target) and `lock`. A message has a
//! sequence number, which is never reused. It is *accepted* once any target has acknowledged it.
//!
//! - A record counts only if it is complete and its checksum matches. A torn one at the end is cut off and counted.
//! - A crash may lose acknowledgements, never invent them: messages without one are published again, and a duplicate changes
//!   nothing.
//! - A target that was down may come back without its data, and a changed incarnation id shows that it did. The
//!   acknowledgements that it alone gave are then revoked (*doubted* in the file), and those messages are published again to
//!   the targets of the route.
//! - A segment is deleted when every target has all of it, or when all of it is accepted and older than the window that is
//!   published again on failover. An unaccepted message stays, however old.
//! - The size is bounded. A full spool refuses further messages with an error; it drops none.

mod acks;
mod cursor;
mod error;
mod mark;
mod record;
mod recover;
mod segment;

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acks::{Acks, Noted};
pub use cursor::Cursor;
pub use error::SpoolError;
pub use record::{BODY_BYTES_MAX, Record};
pub use recover::{Damage, Recovery};
use segment::Segment;

use crate::config::{ProducerConfig, SpoolSync};

/// The limits of a spool.
#[derive(Clone, Debug)]
pub struct SpoolConfig {
    /// The policy for syncing records to disk.
    pub sync: Sync,
    /// The most bytes of all segments together.
    pub max_bytes: u64,
    /// The size at which a segment is closed.
    pub segment_bytes: u64,
    /// The time for which an accepted message is kept for targets that have not acknowledged it.
    pub window: Duration,
    /// The targets: a segment that all of them have acknowledged is deleted at once.
    pub targets: Vec<String>,
}

impl SpoolConfig {
    /// The spool of a configuration.
    #[must_use]
    pub fn of(config: &ProducerConfig) -> Self {
        const MIB: u64 = 1 << 20;
        let spool = &config.producer.spool;
        Self {
            sync: match spool.sync {
                SpoolSync::Always => Sync::EveryRecord,
                SpoolSync::Interval => {
                    Sync::Interval(Duration::from_millis(spool.sync_interval_ms.into()))
                }
                SpoolSync::Never => Sync::Never,
            },
            max_bytes: u64::from(spool.max_mb) * MIB,
            segment_bytes: u64::from(spool.segment_mb) * MIB,
            window: Duration::from_secs(spool.window_s.into()),
            targets: config.route.targets.clone(),
        }
    }
}

/// When records are forced to disk.
///
/// With any policy, `kill -9` of the producer loses no message for which [`Spool::append`] has returned: the kernel has it.
/// The policies differ in what a loss of power, or a crash of the kernel, may lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before every append returns. A loss of power loses nothing; an append takes as long as the disk.
    EveryRecord,
    /// At the first append or checkpoint after this time. A loss of power loses the records since the last sync.
    Interval(Duration),
    /// Never; the kernel decides. A loss of power may lose the last half minute or more.
    Never,
}

/// An open spool. One process at a time; the lock ends with the process, however that ends.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    config: SpoolConfig,
    /// In order; the last one is being written if `active` is set.
    segments: VecDeque<Segment>,
    active: Option<File>,
    next: u64,
    acks: Acks,
    acks_changed: bool,
    synced_at: Instant,
    unsynced: bool,
    /// The failure after which nothing more can be written, if any.
    broken: Option<String>,
    _lock: File,
}

impl Spool {
    /// Opens or creates the spool in the folder `dir`, and reports what it recovered.
    pub fn open(dir: &Path, config: SpoolConfig) -> Result<(Self, Recovery), SpoolError> {
        std::fs::create_dir_all(dir).map_err(SpoolError::io("make", dir))?;
        let lock = lock(dir)?;
        let (acks, acks_unreadable) = Acks::load(dir)?;
        let (segments, next, mut recovery) = recover::segments(dir)?;
        recovery.acks_unreadable = acks_unreadable;
        let next = next.max(acks.next());
        let mut spool = Self {
            dir: dir.to_owned(),
            config,
            segments: segments.into(),
            active: None,
            next,
            acks,
            acks_changed: false,
            synced_at: Instant::now(),
            unsynced: false,
            broken: None,
            _lock: lock,
        };
        spool.checkpoint_acks(true)?;
        recover::remove_empty(&mut spool.segments)?;
        recovery.unaccepted = spool.unaccepted();
        Ok((spool, recovery))
    }

    /// Appends a message and returns its sequence number. `now_ms` is since the epoch.
    pub fn append(&mut self, body: &str, now_ms: u64) -> Result<u64, SpoolError> {
        let sequence = self.append_unsynced(body, now_ms)?;
        self.sync_if_due()?;
        Ok(sequence)
    }

    /// [`Spool::append`] for several messages in a row: they are on disk, as the sync policy says, once
    /// [`Spool::sync_if_due`] has returned.
    pub fn append_unsynced(&mut self, body: &str, now_ms: u64) -> Result<u64, SpoolError> {
        if let Some(why) = &self.broken {
            return Err(SpoolError::Broken { path: self.dir.clone(), why: why.clone() });
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(SpoolError::TooLarge { bytes: body.len() });
        }
        let record = record::encode(self.next, now_ms, body);
        self.make_room(record.len() as u64, now_ms)?;
        self.open_segment()?;
        self.write(&record)?;
        let sequence = self.next;
        self.next += 1;
        if let Some(segment) = self.segments.back_mut() {
            segment.grow(record.len() as u64, now_ms);
        }
        self.unsynced = true;
        Ok(sequence)
    }

    /// Records that `target` has acknowledged a message. Saved by the next [`Spool::checkpoint`].
    pub fn acknowledge(&mut self, target: &str, sequence: u64) {
        self.acks.add(target, sequence);
        self.acks_changed = true;
    }

    /// Revokes the acknowledgements that `target` alone gave: it is down, and may come back without its data. Those messages
    /// are unaccepted until a target acknowledges them again. Returns true if there are any.
    pub fn revoke_acks(&mut self, target: &str) -> bool {
        let is_any = self.acks.revoke_acks(target);
        self.acks_changed |= is_any;
        is_any
    }

    /// Records the incarnation id of a cloud; returns true if it differs from the recorded one.
    pub fn note_incarnation(&mut self, cloud: &str, mark: Option<&str>) -> bool {
        let noted = self.acks.note_incarnation(cloud, mark);
        self.acks_changed |= noted != Noted::Same;
        noted == Noted::Other
    }

    /// True if `target` has acknowledged a message.
    #[must_use]
    pub fn is_acknowledged(&self, target: &str, sequence: u64) -> bool {
        self.acks.has(target, sequence)
    }

    /// True if any target has acknowledged a message.
    #[must_use]
    pub fn is_accepted(&self, sequence: u64) -> bool {
        self.acks.is_accepted(sequence)
    }

    /// True if any target has ever acknowledged a message, even if that is revoked by now.
    #[must_use]
    pub fn was_accepted(&self, sequence: u64) -> bool {
        self.acks.was_accepted(sequence)
    }

    /// Saves acknowledgements, syncs records to disk if that is due, and deletes segments that are no longer needed. To be
    /// called every 100 ms or so.
    pub fn checkpoint(&mut self, now_ms: u64) -> Result<(), SpoolError> {
        self.sync_if_due()?;
        self.checkpoint_acks(false)?;
        self.reclaim(now_ms)
    }

    /// Syncs all records to disk.
    pub fn sync(&mut self) -> Result<(), SpoolError> {
        if self.unsynced
            && let (Some(file), Some(segment)) = (&self.active, self.segments.back())
            && let Err(cause) = file.sync_data()
        {
            // The kernel may have dropped the pages: a second sync could succeed without having written them.
            self.broken = Some(format!("sync {}: {cause}", segment.path.display()));
            return Err(SpoolError::io("sync", &segment.path)(cause));
        }
        self.unsynced = false;
        self.synced_at = Instant::now();
        Ok(())
    }

    /// Syncs all records, then saves `text` in place of the last one: so its claims about messages are true after a loss of
    /// power, too.
    pub fn mark(&mut self, text: &str) -> Result<(), SpoolError> {
        self.sync()?;
        mark::save(&self.dir, text)
    }

    /// The text saved last; `None` if there is none, or none that can be read.
    pub fn marked(&self) -> Result<Option<String>, SpoolError> {
        mark::load(&self.dir)
    }

    /// True if all records are synced to disk.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        !self.unsynced
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The sequence number of the next message.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The next message at or after the cursor, which moves behind it; `None` at the end.
    pub fn read(&self, cursor: &mut Cursor) -> Result<Option<Record>, SpoolError> {
        cursor.read(&self.segments)
    }

    /// Moves the cursor behind the messages that `target` has acknowledged, without reading them.
    pub fn skip_acknowledged(&self, cursor: &mut Cursor, target: &str) {
        cursor.skip(|sequence| self.acks.behind(target, sequence));
    }

    /// Moves the cursor behind the messages that any target has acknowledged, without reading them.
    pub fn skip_accepted(&self, cursor: &mut Cursor) {
        cursor.skip(|sequence| self.acks.behind_any(sequence));
    }

    /// Number of messages in the spool that no target has acknowledged.
    #[must_use]
    pub fn unaccepted(&self) -> u64 {
        let accepted = self.acks.accepted();
        let waiting = self
            .segments
            .iter()
            .map(|segment| segment.count - accepted.count_within(segment.first, segment.end()));
        waiting.sum()
    }

    fn make_room(&mut self, bytes: u64, now_ms: u64) -> Result<(), SpoolError> {
        if self.bytes() + bytes <= self.config.max_bytes {
            return Ok(());
        }
        self.sync()?;
        self.seal();
        self.checkpoint_acks(false)?;
        self.reclaim(now_ms)?;
        if self.bytes() + bytes <= self.config.max_bytes {
            return Ok(());
        }
        let (path, max_bytes) = (self.dir.clone(), self.config.max_bytes);
        Err(SpoolError::Full { path, bytes: self.bytes(), more: bytes, max_bytes })
    }

    /// Opens a segment to write to, unless one is open.
    fn open_segment(&mut self) -> Result<(), SpoolError> {
        let full = |segment: &Segment| segment.bytes >= self.config.segment_bytes;
        if self.active.is_some() && self.segments.back().is_some_and(full) {
            self.sync()?;
            self.seal();
        }
        if self.active.is_some() {
            return Ok(());
        }
        let segment = Segment::new(&self.dir, self.next);
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).open(&segment.path);
        let file = file.map_err(SpoolError::write(&segment.path, self.bytes()))?;
        if self.config.sync != Sync::Never {
            segment::sync_dir(&self.dir)?;
        }
        self.segments.push_back(segment);
        self.active = Some(file);
        Ok(())
    }

    /// Writes a whole record or none of it.
    fn write(&mut self, record: &[u8]) -> Result<(), SpoolError> {
        let bytes = self.bytes();
        let (Some(file), Some(segment)) = (&mut self.active, self.segments.back()) else {
            return Ok(());
        };
        let Err(cause) = file.write_all(record) else { return Ok(()) };
        if let Err(cut) = file.set_len(segment.bytes) {
            let path = segment.path.display();
            self.broken = Some(format!("cut a half-written record off {path}: {cut}"));
        }
        Err(SpoolError::write(&segment.path, bytes)(cause))
    }

    fn seal(&mut self) {
        self.active = None;
    }

    /// Syncs appended records to disk, if the policy says that it is time.
    pub fn sync_if_due(&mut self) -> Result<(), SpoolError> {
        match self.config.sync {
            Sync::EveryRecord => self.sync(),
            Sync::Interval(interval) if self.synced_at.elapsed() >= interval => self.sync(),
            Sync::Interval(_) | Sync::Never => Ok(()),
        }
    }

    fn checkpoint_acks(&mut self, always: bool) -> Result<(), SpoolError> {
        if self.acks_changed || always {
            self.acks.set_next(self.next);
            self.acks.save(&self.dir, self.config.sync == Sync::EveryRecord)?;
            self.acks_changed = false;
        }
        Ok(())
    }

    /// Deletes the segments that are no longer needed, except the one that is being written.
    fn reclaim(&mut self, now_ms: u64) -> Result<(), SpoolError> {
        let sealed = self.segments.len() - usize::from(self.active.is_some());
        let accepted = self.acks.accepted();
        let window_ms = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        let mut kept = VecDeque::with_capacity(self.segments.len());
        let mut failed = None;
        for (index, segment) in std::mem::take(&mut self.segments).into_iter().enumerate() {
            let records = segment.first..segment.end();
            let complete = self.acks.all_have(&self.config.targets, &records);
            let past =
                accepted.holds(&records) && segment.newest_ms.saturating_add(window_ms) <= now_ms;
            if index >= sealed || failed.is_some() || !(complete || past) {
                kept.push_back(segment);
                continue;
            }
            // Sequence numbers must never be reused, so `next` is saved before the segment is deleted.
            let removed = self.checkpoint_acks(false).and_then(|()| segment.remove());
            if let Err(error) = removed {
                failed = Some(error);
                kept.push_back(segment);
            }
        }
        self.segments = kept;
        let floor = self.segments.front().map_or(self.next, |segment| segment.first);
        self.acks.forget_below(floor);
        failed.map_or(Ok(()), Err)
    }
}

impl Drop for Spool {
    /// Saves what it can, so that the next producer repeats nothing; a failure here is as harmless as a crash.
    fn drop(&mut self) {
        let _ = self.sync();
        let _ = self.checkpoint_acks(false);
    }
}

/// Takes the lock of a spool; the error names the process that holds it.
fn lock(dir: &Path) -> Result<File, SpoolError> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = file.map_err(SpoolError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let holder = std::fs::read_to_string(&path).unwrap_or_default();
            return Err(SpoolError::Locked { path: dir.to_owned(), holder });
        }
        Err(std::fs::TryLockError::Error(cause)) => {
            return Err(SpoolError::io("lock", &path)(cause));
        }
    }
    file.set_len(0).map_err(SpoolError::io("write", &path))?;
    write!(file, "process {}", std::process::id()).map_err(SpoolError::io("write", &path))?;
    Ok(file)
}
