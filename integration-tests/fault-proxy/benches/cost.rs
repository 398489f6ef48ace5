//! Costs of the proxy without a fault: added latency of a small request and throughput of a large answer, compared
//! with a direct connection, haproxy in TCP mode (if it is on PATH) and noxious.
//!
//! `cargo xtask bench proxy`. The paths take turns within a run, so that load on the machine affects all of them.
//! `NOXIOUS_PROXY` names the program built of the folder `noxious`; a missing one is reported.

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fault_proxy::{Level, Proxy};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

const ROUNDS: usize = 7;
const REQUESTS: usize = 2000;
const REQUEST_BYTES: usize = 64;
const LARGE_BYTES: usize = 512 * 1024 * 1024;
const CHUNK_BYTES: usize = 256 * 1024;

fn main() {
    // `cargo test --benches` only checks that it starts.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [proxy, level, listen, upstream] = arguments.as_slice()
        && proxy == "proxy"
    {
        return be_a_proxy(level, listen, upstream);
    }
    let (bytes, web) = (byte_server(), web_server());
    let mut proxies = Proxies::default();
    let mut bytes_paths = vec![("direct", bytes)];
    let mut web_paths = vec![("direct", web)];
    for (name, start) in [
        ("fault-proxy, TCP", Proxies::tcp as Start),
        ("haproxy, TCP", Proxies::haproxy),
        ("noxious", Proxies::noxious),
    ] {
        let started = start(&mut proxies, bytes).zip(start(&mut proxies, web));
        if let Some((before_bytes, before_web)) = started {
            bytes_paths.push((name, before_bytes));
            web_paths.push((name, before_web));
        }
    }
    if let Some(before_web) = proxies.http(web) {
        web_paths.insert(2, ("fault-proxy, HTTP", before_web));
    }
    println!(
        "{REQUESTS} requests of {REQUEST_BYTES} bytes, {LARGE_BYTES} bytes; median of {ROUNDS} rounds"
    );
    table("bytes", &bytes_paths, byte_latency, byte_throughput);
    table("HTTP/1.1", &web_paths, web_latency, web_throughput);
}

/// Runs as a proxy: all proxies are processes with two threads of their own.
fn be_a_proxy(level: &str, listen: &str, upstream: &str) {
    let level = if level == "http" { Level::Http } else { Level::Tcp };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("a runtime").block_on(async {
        let builder = Proxy::before(upstream).expect("an address").level(level);
        let listen = listen.parse().expect("an address");
        let _proxy = builder.listen(listen).start().await.expect("a proxy");
        std::future::pending::<()>().await;
    });
}

type Path = (&'static str, SocketAddr);
type Start = fn(&mut Proxies, SocketAddr) -> Option<SocketAddr>;

fn table(
    title: &str,
    paths: &[Path],
    latency: fn(SocketAddr) -> u64,
    throughput: fn(SocketAddr) -> u64,
) {
    let mut measured = vec![(Vec::new(), Vec::new()); paths.len()];
    for _ in 0..ROUNDS {
        for ((_, address), (latencies, throughputs)) in paths.iter().zip(&mut measured) {
            latencies.push(latency(*address));
            throughputs.push(throughput(*address));
        }
    }
    let medians: Vec<(u64, u64)> =
        measured.into_iter().map(|(latency, through)| (median(latency), median(through))).collect();
    println!(
        "\n{title:<20} {:>12} {:>12} {:>10} {:>10} {:>10}",
        "p50 in us", "added in us", "of direct", "MB/s", "of direct"
    );
    for ((name, _), (p50_ns, mb_per_s)) in paths.iter().zip(&medians) {
        let added_ns = p50_ns.saturating_sub(medians[0].0);
        let (slower, through) =
            (p50_ns * 100 / medians[0].0.max(1), mb_per_s * 100 / medians[0].1.max(1));
        println!(
            "{name:<20} {:>10}.{} {:>10}.{} {slower:>8} % {mb_per_s:>10} {through:>8} %",
            p50_ns / 1000,
            p50_ns / 100 % 10,
            added_ns / 1000,
            added_ns / 100 % 10,
        );
    }
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values[values.len() / 2]
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn mb_per_s(bytes: usize, duration: Duration) -> u64 {
    (bytes as u64).saturating_mul(1000) / nanos(duration).max(1)
}

/// Echoes requests of a fixed size; a request that begins with `L` gets a large answer instead.
fn byte_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || answer_bytes(socket));
        }
    });
    address
}

fn answer_bytes(mut socket: TcpStream) {
    let _ = socket.set_nodelay(true);
    let mut request = [0; REQUEST_BYTES];
    let chunk = vec![7; CHUNK_BYTES];
    while socket.read_exact(&mut request).is_ok() {
        if request[0] == b'L' {
            for _ in 0..LARGE_BYTES / CHUNK_BYTES {
                if socket.write_all(&chunk).is_err() {
                    return;
                }
            }
        } else if socket.write_all(&request).is_err() {
            return;
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("it listens");
    socket.set_nodelay(true).expect("an option");
    socket
}

fn byte_latency(address: SocketAddr) -> u64 {
    let mut socket = connect(address);
    let mut request = [b's'; REQUEST_BYTES];
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let begun = Instant::now();
        socket.write_all(&request).expect("send");
        socket.read_exact(&mut request).expect("an answer");
        times.push(nanos(begun.elapsed()));
    }
    median(times)
}

fn byte_throughput(address: SocketAddr) -> u64 {
    let mut socket = connect(address);
    let mut buffer = vec![0; CHUNK_BYTES];
    let begun = Instant::now();
    socket.write_all(&[b'L'; REQUEST_BYTES]).expect("send");
    let mut left = LARGE_BYTES;
    while left > 0 {
        let read = socket.read(&mut buffer).expect("more");
        assert!(read > 0, "the connection ended early");
        left -= read;
    }
    mb_per_s(LARGE_BYTES, begun.elapsed())
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer_web(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let body = if request.uri().path() == "/large" {
        let chunk = Bytes::from(vec![7; CHUNK_BYTES]);
        let chunks = std::iter::repeat_n(chunk, LARGE_BYTES / CHUNK_BYTES);
        StreamBody::new(futures::stream::iter(chunks.map(|chunk| Ok(Frame::data(chunk))))).boxed()
    } else {
        Full::from(vec![7; REQUEST_BYTES]).boxed()
    };
    Ok(Response::new(body))
}

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    listener.set_nonblocking(true).expect("an option");
    std::thread::spawn(move || {
        current_thread().block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let server = hyper::server::conn::http1::Builder::new();
                let serving = server.serve_connection(TokioIo::new(socket), service_fn(answer_web));
                tokio::spawn(serving);
            }
        });
    });
    address
}

async fn client(address: SocketAddr) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
    let socket = tokio::net::TcpStream::connect(address).await.expect("it listens");
    socket.set_nodelay(true).expect("an option");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
    let (sender, connection) = handshake.expect("a connection");
    tokio::spawn(connection);
    sender
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("host", "localhost");
    request.body(Full::default()).expect("a request")
}

fn web_latency(address: SocketAddr) -> u64 {
    current_thread().block_on(async {
        let mut sender = client(address).await;
        let mut times = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let begun = Instant::now();
            sender.ready().await.expect("a connection");
            let response = sender.send_request(get("/small")).await.expect("an answer");
            response.into_body().collect().await.expect("all of it");
            times.push(nanos(begun.elapsed()));
        }
        median(times)
    })
}

fn web_throughput(address: SocketAddr) -> u64 {
    current_thread().block_on(async {
        let mut sender = client(address).await;
        let begun = Instant::now();
        let mut body = sender.send_request(get("/large")).await.expect("an answer").into_body();
        let mut read = 0;
        while !body.is_end_stream()
            && let Some(frame) = body.frame().await
        {
            read += frame.expect("more").data_ref().map_or(0, Bytes::len);
        }
        assert_eq!(read, LARGE_BYTES, "the connection ended early");
        mb_per_s(read, begun.elapsed())
    })
}

/// Child processes that are proxies; they end when this is dropped.
#[derive(Default)]
struct Proxies(Vec<Child>);

impl Proxies {
    fn tcp(&mut self, upstream: SocketAddr) -> Option<SocketAddr> {
        self.own("tcp", upstream)
    }

    fn http(&mut self, upstream: SocketAddr) -> Option<SocketAddr> {
        self.own("http", upstream)
    }

    /// Starts this program again, as a proxy.
    fn own(&mut self, level: &str, upstream: SocketAddr) -> Option<SocketAddr> {
        let listen = free()?;
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.arg("proxy").arg(level).arg(listen.to_string()).arg(upstream.to_string());
        self.start("fault-proxy", command, listen)
    }

    fn haproxy(&mut self, upstream: SocketAddr) -> Option<SocketAddr> {
        let listen = free()?;
        let config = format!(
            "global\n  maxconn 1000\n  nbthread 2\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  \
             timeout server 60s\nlisten cost\n  bind {listen}\n  server one {upstream}\n"
        );
        let file = std::env::temp_dir().join(format!("cost-haproxy-{}.cfg", listen.port()));
        std::fs::write(&file, config).ok()?;
        let mut command = Command::new("haproxy");
        command.arg("-q").arg("-db").arg("-f").arg(&file);
        let started = self.start("haproxy", command, listen);
        let _ = std::fs::remove_file(&file);
        started
    }

    fn noxious(&mut self, upstream: SocketAddr) -> Option<SocketAddr> {
        let Some(program) = std::env::var_os("NOXIOUS_PROXY") else {
            println!(
                "missing: noxious (NOXIOUS_PROXY is not set); `cargo xtask bench proxy` builds it"
            );
            return None;
        };
        let listen = free()?;
        let mut command = Command::new(program);
        command.arg(listen.to_string()).arg(upstream.to_string());
        self.start("noxious", command, listen)
    }

    fn start(
        &mut self,
        name: &str,
        mut command: Command,
        listen: SocketAddr,
    ) -> Option<SocketAddr> {
        match command.stdin(Stdio::null()).stdout(Stdio::null()).spawn() {
            Ok(child) => self.0.push(child),
            Err(error) => {
                println!("missing: {name} can't be started ({error}); have it on PATH");
                return None;
            }
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if TcpStream::connect(listen).is_ok() {
                return Some(listen);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        println!("missing: {name} does not listen on {listen}");
        None
    }
}

impl Drop for Proxies {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free() -> Option<SocketAddr> {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).ok()
}
