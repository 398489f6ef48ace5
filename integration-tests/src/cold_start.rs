//! Size and cold start of the Lambda bootstrap, beside a hello-world bootstrap in the same run.
//!
//! Plays Lambda's Runtime API on loopback: a cold start is the time from starting the process to its first request
//! for an invocation, which is where Lambda's init phase ends.

use std::io::{Read, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What to measure, and how often.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A bootstrap that does nothing.
    #[arg(long)]
    hello: PathBuf,
    /// The bootstrap that is deployed.
    #[arg(long)]
    bootstrap: PathBuf,
    /// The zip that is deployed.
    #[arg(long)]
    zip: PathBuf,
    /// Starts of each bootstrap.
    #[arg(long, default_value_t = 101)]
    starts: usize,
}

/// Timeout of a start.
const LIMIT: Duration = Duration::from_secs(10);

/// Measures and prints.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let zip =
        std::fs::metadata(&args.zip).with_context(|| format!("look at {}", args.zip.display()))?;
    let programs = [&args.hello, &args.bootstrap];
    let mut samples = [Vec::new(), Vec::new()];
    // In turns, so that whatever else the machine does hits both alike.
    for _ in 0..args.starts {
        for (program, samples) in programs.into_iter().zip(&mut samples) {
            samples.push(cold_start(program)?);
        }
    }
    let [hello, ingest] = samples.map(|mut samples| {
        samples.sort();
        (samples[samples.len() / 2], samples[samples.len() * 9 / 10])
    });
    println!("zip of the ingest function   {}", megabytes(zip.len()));
    println!("cold start, {} starts each   p50        p90", args.starts);
    println!("  hello world                {:<10} {}", millis(hello.0), millis(hello.1));
    println!("  ingest                     {:<10} {}", millis(ingest.0), millis(ingest.1));
    println!("  ratio                      {}", ratio(ingest.0, hello.0));
    Ok(())
}

fn cold_start(program: &Path) -> anyhow::Result<Duration> {
    let api = TcpListener::bind("127.0.0.1:0").context("listen as the Runtime API")?;
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "bench".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "bench".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "bench".to_owned()),
        ("TWINCLOUD_SYMBOLS", "BTCUSDT".to_owned()),
        ("TWINCLOUD_INTERVALS", "1m,5m,15m,1h,1d".to_owned()),
        ("TWINCLOUD_TABLE", "bench".to_owned()),
        ("TWINCLOUD_BUCKET", "bench".to_owned()),
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let process = command.spawn().with_context(|| format!("start {}", program.display()))?;
    let process = KillOnDrop(process);
    let (mut connection, _) = api.accept().context("wait for the bootstrap")?;
    connection.set_read_timeout(Some(LIMIT))?;
    let mut request = [0; 4096];
    let read = connection.read(&mut request).context("read the bootstrap's first request")?;
    let took = begun.elapsed();
    let first = String::from_utf8_lossy(&request[..read]).into_owned();
    anyhow::ensure!(
        first.starts_with("GET /2018-06-01/runtime/invocation/next"),
        "it asked {first}"
    );
    let _ =
        connection.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n");
    drop(process);
    Ok(took)
}

struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In milliseconds with two decimals.
fn millis(duration: Duration) -> String {
    let hundredths = duration.as_micros() / 10;
    format!("{}.{:02} ms", hundredths / 100, hundredths % 100)
}

/// In megabytes with two decimals.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes / 10_000;
    format!("{}.{:02} MB", hundredths / 100, hundredths % 100)
}

/// With two decimals.
fn ratio(a: Duration, b: Duration) -> String {
    let hundredths = a.as_nanos() * 100 / b.as_nanos().max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
