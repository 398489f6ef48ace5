//! The trades of a run, written into a named pipe that the producer reads as its source.
//!
//! A scenario waits for events, such as the failback to a cloud that was started again, and how long those take depends on
//! the machine. So that the stream outlasts them, its last part is slow until the scenario has been played.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use nix::errno::Errno;
use nix::sys::stat::Mode;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::POLL;
use crate::workload::Workload;

/// The part of the trades, in per cent, that goes at the full rate whatever the scenario does.
pub(super) const FULL_RATE_PERCENT: usize = 80;
/// The slow part goes at the full rate divided by this: it lasts five times as long as the rest.
const SLOW_DOWN: u32 = 20;
/// Trades that are written at once where the producer keeps the pace.
const BLOCK: usize = 1_000;
/// The shortest pause between two writes that are paced here.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes the trades for one producer after the other; each gets them from the first one on.
#[derive(Debug)]
pub(super) struct Feed {
    path: PathBuf,
    workload: Arc<Workload>,
    rate: u32,
    /// Trades that any producer was given.
    written: Arc<AtomicUsize>,
    is_slow: watch::Sender<bool>,
    writer: Option<JoinHandle<io::Result<()>>>,
}

impl Feed {
    /// The pipe will be in `run_dir`; `rate` is the producer's, in trades a second.
    pub(super) fn new(run_dir: &Path, workload: Arc<Workload>, rate: u32) -> Self {
        Self {
            path: run_dir.join("trades.pipe"),
            workload,
            rate,
            written: Arc::default(),
            is_slow: watch::Sender::new(true),
            writer: None,
        }
    }

    /// The `--source` of the producer.
    pub(super) fn source(&self) -> String {
        self.path.display().to_string()
    }

    /// Makes the pipe for a producer that is about to start. It is removed from the folder once that one has opened it.
    pub(super) async fn start(&mut self) -> anyhow::Result<()> {
        if let Some(writer) = self.writer.take() {
            writer.abort();
            // Else it could open the new pipe, which has the name of the old one.
            let _ = writer.await;
        }
        self.stop();
        let path = self.path.display();
        nix::unistd::mkfifo(&self.path, Mode::S_IRUSR | Mode::S_IWUSR)
            .with_context(|| format!("make the pipe {path}"))?;
        let writer = Writer {
            path: self.path.clone(),
            workload: Arc::clone(&self.workload),
            rate: self.rate.max(1),
            written: Arc::clone(&self.written),
            is_slow: self.is_slow.subscribe(),
        };
        self.writer = Some(tokio::spawn(writer.write()));
        Ok(())
    }

    /// Waits for an error of the pipe, without which the producer would wait for trades for ever; if there is none, without
    /// end.
    pub(super) async fn failed(&mut self) -> anyhow::Error {
        if let Some(writer) = &mut self.writer {
            let written = writer.await;
            self.writer = None;
            match written {
                // A producer that was killed reads no more; the next one gets a pipe of its own.
                Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                    let path = self.path.display();
                    return anyhow::Error::new(error).context(format!("write trades to {path}"));
                }
                _ => {}
            }
        }
        std::future::pending().await
    }

    /// Ends the slow part: the trades that are left go at the full rate.
    pub(super) fn release(&self) {
        self.is_slow.send_replace(false);
    }

    /// Ends the source, wherever it is.
    pub(super) fn stop(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.abort();
        }
        // It is there only if no producer has opened it.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Writer {
    path: PathBuf,
    workload: Arc<Workload>,
    /// Trades a second.
    rate: u32,
    written: Arc<AtomicUsize>,
    is_slow: watch::Receiver<bool>,
}

impl Writer {
    async fn write(mut self) -> io::Result<()> {
        let mut pipe = self.open().await?;
        std::fs::remove_file(&self.path)?;
        let workload = Arc::clone(&self.workload);
        let frames = &workload.frames;
        let full_rate = frames.len() * FULL_RATE_PERCENT / 100;
        let mut at = 0;
        // The producer keeps to its rate by the clock: after a slow part it would send all that it gets at once.
        let mut was_slow = false;
        while at < frames.len() {
            // Trades that an earlier producer was given are not slow again.
            let quick = full_rate.max(self.written.load(Ordering::Relaxed));
            let is_slow = at >= quick && *self.is_slow.borrow();
            was_slow |= is_slow;
            let count = if at < quick {
                BLOCK.min(quick - at)
            } else if was_slow {
                self.pause(if is_slow { SLOW_DOWN } else { 1 }).await
            } else {
                BLOCK
            };
            let end = frames.len().min(at + count);
            let lines = frames[at..end].join("\n") + "\n";
            pipe.write_all(lines.as_bytes()).await?;
            at = end;
            self.written.fetch_max(at, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Waits as long as a few trades take at the rate divided by `divisor`, or until the slow part ends, and gives their number.
    async fn pause(&mut self, divisor: u32) -> usize {
        let (trades, pause) = step(self.rate, divisor);
        if divisor > 1 {
            let released = self.is_slow.wait_for(|is_slow| !is_slow);
            let _ = tokio::time::timeout(pause, released).await;
        } else {
            sleep(pause).await;
        }
        trades
    }

    /// Waits until the producer has opened the pipe to read.
    async fn open(&self) -> io::Result<pipe::Sender> {
        loop {
            match pipe::OpenOptions::new().open_sender(&self.path) {
                Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => {
                    sleep(POLL).await;
                }
                opened => return opened,
            }
        }
    }
}

/// Trades of one write at `rate` trades a second divided by `divisor`, and the pause before it.
fn step(rate: u32, divisor: u32) -> (usize, Duration) {
    let trades = u64::from(rate) * u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX)
        / (1_000 * u64::from(divisor));
    let trades = trades.max(1);
    let pause = Duration::from_micros(trades * u64::from(divisor) * 1_000_000 / u64::from(rate));
    (usize::try_from(trades).unwrap_or(usize::MAX), pause)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead as _, BufReader};
    use std::time::Instant;

    use args::Trades;
    use producer::BatchLimits;

    use super::*;
    use crate::workload::Recipe;

    const TRADES: usize = 1_000;

    fn feed(dir: &Path) -> Feed {
        let workload = Workload::prepare(&Recipe {
            trades: Trades::Generate { count: TRADES as u64, seed: Some(1) },
            symbols: Vec::new(),
            default_symbol: "BTCUSDT".parse().unwrap(),
            limits: BatchLimits { max_trades: 100, max_bytes: 100_000 },
            poison: 0,
            seed: 5,
            start: None,
            is_strict: false,
        });
        // Slow, that is one trade every 100 ms.
        Feed::new(dir, Arc::new(workload.unwrap()), 200)
    }

    /// Reads so many lines, or all, as the producer would.
    fn read(source: String, lines: usize) -> JoinHandle<Vec<String>> {
        tokio::task::spawn_blocking(move || {
            let lines = BufReader::new(File::open(source).unwrap()).lines().take(lines);
            lines.map(Result::unwrap).collect()
        })
    }

    #[test]
    fn a_step_keeps_to_the_rate_whatever_it_is() {
        let ms = Duration::from_millis;
        assert_eq!(step(2_000, SLOW_DOWN), (10, ms(100)));
        assert_eq!(step(2_000, 1), (200, ms(100)));
        assert_eq!(step(100, SLOW_DOWN), (1, ms(200)));
        assert_eq!(step(10, SLOW_DOWN), (1, ms(2_000)));
        assert_eq!(step(1, 1), (1, ms(1_000)));
    }

    #[tokio::test]
    async fn the_last_part_is_slow_until_it_is_released() {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = feed(dir.path());
        feed.start().await.unwrap();
        let begun = Instant::now();
        let reader = read(feed.source(), usize::MAX);
        while feed.written.load(Ordering::Relaxed) < TRADES * FULL_RATE_PERCENT / 100 + 3 {
            sleep(POLL).await;
        }
        assert!(begun.elapsed() >= 2 * PAUSE, "{:?}", begun.elapsed());
        assert!(!reader.is_finished());
        feed.release();
        assert_eq!(reader.await.unwrap(), feed.workload.frames);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the pipe is gone");
    }

    #[tokio::test]
    async fn a_later_producer_gets_all_from_the_start_and_an_abandoned_pipe_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let mut feed = feed(dir.path());
        feed.start().await.unwrap();
        assert_eq!(read(feed.source(), 10).await.unwrap(), feed.workload.frames[..10]);
        feed.start().await.unwrap();
        let reader = read(feed.source(), usize::MAX);
        feed.release();
        assert_eq!(reader.await.unwrap(), feed.workload.frames);
        feed.start().await.unwrap();
        assert!(Path::new(&feed.source()).exists());
        drop(feed);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
