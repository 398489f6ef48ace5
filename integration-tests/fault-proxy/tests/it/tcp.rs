//! Faults of bytes and connections.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use fault_proxy::{AddError, AwsError, Direction, Ending, Fault, Level, Match, TcpFault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::servers::{connect, echo, hangs, proxy, round_trip, within};

#[tokio::test]
async fn a_refusing_port_is_closed_and_opens_again() {
    let server = echo().await;
    let (proxy, events) = proxy(&server, Level::Tcp).await;
    let mut before = connect(proxy.address()).await;
    assert_eq!(round_trip(&mut before, "one").await.unwrap(), "one");
    let id = proxy.faults().add(Fault::tcp(TcpFault::Refuse)).unwrap();
    // The proxy's own task closes the listener, so a moment later; a connection that it had not accepted then is
    // reset.
    within(async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    assert_eq!(round_trip(&mut before, "two").await.unwrap(), "two");
    assert_eq!(proxy.faults().remove(id), Some(1));
    let mut after = within(async {
        loop {
            match TcpStream::connect(proxy.address()).await {
                Ok(socket) => return socket,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
    assert_eq!(round_trip(&mut after, "three").await.unwrap(), "three");
    assert_eq!(events.fired(), ["the port is closed"]);
}

#[tokio::test]
async fn a_cut_ends_connections_that_are_there_and_new_ones() {
    for (how, expected) in
        [(Ending::Close, None), (Ending::Reset, Some(ErrorKind::ConnectionReset))]
    {
        let server = echo().await;
        let (proxy, events) = proxy(&server, Level::Tcp).await;
        let mut before = connect(proxy.address()).await;
        assert_eq!(round_trip(&mut before, "one").await.unwrap(), "one");
        proxy.faults().add(Fault::tcp(TcpFault::Cut { how })).unwrap();
        let end = |read: std::io::Result<usize>| read.map_err(|error| error.kind());
        let expected = expected.map_or(Ok(0), Err);
        assert_eq!(end(within(before.read(&mut [0; 8])).await), expected);
        // Either connecting or reading fails, depending on timing.
        if let Ok(mut new) = TcpStream::connect(proxy.address()).await {
            assert_eq!(end(within(new.read(&mut [0; 8])).await), expected);
        }
        assert_eq!(events.fired().len(), 2, "{:?}", events.fired());
        proxy.faults().clear();
        let mut after = connect(proxy.address()).await;
        assert_eq!(round_trip(&mut after, "two").await.unwrap(), "two");
    }
}

#[tokio::test]
async fn a_cut_of_one_connection_leaves_the_next_alone() {
    let server = echo().await;
    let (proxy, _events) = proxy(&server, Level::Tcp).await;
    let cut = Fault::tcp(TcpFault::Cut { how: Ending::Close }).times(1);
    let id = proxy.faults().add(cut).unwrap();
    let mut first = connect(proxy.address()).await;
    assert_eq!(within(first.read(&mut [0; 8])).await.unwrap(), 0);
    let mut second = connect(proxy.address()).await;
    assert_eq!(round_trip(&mut second, "on").await.unwrap(), "on");
    assert_eq!(proxy.faults().fired(id), 1);
}

#[tokio::test]
async fn a_reset_comes_after_so_many_bytes_and_no_earlier() {
    for direction in [Direction::Up, Direction::Down] {
        let server = echo().await;
        let (proxy, events) = proxy(&server, Level::Tcp).await;
        let fault = Fault::tcp(TcpFault::ResetAfter { bytes: 10, direction }).times(1);
        proxy.faults().add(fault).unwrap();
        let mut socket = connect(proxy.address()).await;
        assert_eq!(round_trip(&mut socket, "0123456789").await.unwrap(), "0123456789");
        assert!(events.fired().is_empty());
        let broken = round_trip(&mut socket, "x").await.expect_err("the eleventh byte");
        assert_eq!(broken.kind(), ErrorKind::ConnectionReset);
        assert_eq!(events.fired(), ["after 10 bytes"]);
        let mut next = connect(proxy.address()).await;
        assert_eq!(round_trip(&mut next, "0123456789abc").await.unwrap(), "0123456789abc");
    }
}

#[tokio::test]
async fn half_open_freezes_old_and_new_connections_and_loses_nothing() {
    let server = echo().await;
    let (proxy, events) = proxy(&server, Level::Tcp).await;
    let mut old = connect(proxy.address()).await;
    assert_eq!(round_trip(&mut old, "one").await.unwrap(), "one");
    let id = proxy.faults().add(Fault::tcp(TcpFault::HalfOpen)).unwrap();
    let mut new = connect(proxy.address()).await;
    old.write_all(b"two").await.unwrap();
    new.write_all(b"new").await.unwrap();
    let mut back = [0; 3];
    assert!(hangs(old.read_exact(&mut back)).await);
    assert!(hangs(new.read_exact(&mut back)).await);
    assert_eq!(proxy.faults().remove(id), Some(2));
    within(old.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"two");
    within(new.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"new");
    assert_eq!(events.fired(), ["frozen: Up", "frozen: Up"]);
}

#[tokio::test]
async fn one_direction_alone_can_be_lost() {
    let server = echo().await;
    let (proxy, events) = proxy(&server, Level::Tcp).await;
    let mut socket = connect(proxy.address()).await;
    for (direction, detail) in [(Direction::Down, "frozen: Down"), (Direction::Up, "frozen: Up")] {
        let id = proxy.faults().add(Fault::tcp(TcpFault::Blackhole { direction })).unwrap();
        socket.write_all(b"abc").await.unwrap();
        let mut back = [0; 3];
        assert!(hangs(socket.read_exact(&mut back)).await);
        assert_eq!(events.fired().last().map(String::as_str), Some(detail));
        proxy.faults().remove(id);
        within(socket.read_exact(&mut back)).await.unwrap();
        assert_eq!(&back, b"abc");
    }
}

#[tokio::test]
async fn delayed_bytes_arrive_late_and_in_order() {
    let server = echo().await;
    let (proxy, events) = proxy(&server, Level::Tcp).await;
    let delay = TcpFault::Delay { delay_ms: 200, jitter_ms: 100, direction: Direction::Both };
    proxy.faults().add(Fault::tcp(delay)).unwrap();
    let mut socket = connect(proxy.address()).await;
    let begun = Instant::now();
    for text in ["one ", "two ", "three "] {
        socket.write_all(text.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut back = [0; 14];
    within(socket.read_exact(&mut back)).await.unwrap();
    assert_eq!(&back, b"one two three ");
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!(events.fired(), ["200 ms and more"]);
}

#[tokio::test]
async fn bandwidth_is_kept_in_each_direction() {
    for direction in [Direction::Up, Direction::Down] {
        let server = echo().await;
        let (proxy, events) = proxy(&server, Level::Tcp).await;
        let bandwidth = TcpFault::Bandwidth { bytes_per_s: 100_000, direction };
        proxy.faults().add(Fault::tcp(bandwidth)).unwrap();
        let mut socket = connect(proxy.address()).await;
        let begun = Instant::now();
        let text = "x".repeat(50_000);
        assert_eq!(round_trip(&mut socket, &text).await.unwrap(), text);
        assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
        assert_eq!(events.fired(), ["100000 bytes/s"]);
    }
}

#[tokio::test]
async fn a_slow_close_delays_the_end_and_nothing_else() {
    let server = echo().await;
    let (proxy, _events) = proxy(&server, Level::Tcp).await;
    let id = proxy.faults().add(Fault::tcp(TcpFault::SlowClose { delay_ms: 400 })).unwrap();
    let mut socket = connect(proxy.address()).await;
    assert_eq!(round_trip(&mut socket, "abc").await.unwrap(), "abc");
    assert_eq!(proxy.faults().fired(id), 0);
    let begun = Instant::now();
    socket.shutdown().await.unwrap();
    assert_eq!(within(socket.read(&mut [0; 8])).await.unwrap(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!(proxy.faults().fired(id), 1);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_words() {
    let server = echo().await;
    let (proxy, events) = proxy(&server, Level::Tcp).await;
    let add = |fault| proxy.faults().add(fault).expect_err("refused").to_string();
    let refused = add(Fault::aws(AwsError::Throttling));
    assert!(refused.contains("Level::Http"), "{refused}");
    let on = Fault::tcp(TcpFault::HalfOpen).on(Match::service("sqs"));
    assert!(add(on).contains("connections"));
    assert!(add(Fault::tcp(TcpFault::HalfOpen).probability(1.5)).contains("1.5"));
    assert!(add(Fault::tcp(TcpFault::Refuse).times(1)).contains("cut"));
    let none = TcpFault::Bandwidth { bytes_per_s: 0, direction: Direction::Both };
    let error = proxy.faults().add(Fault::tcp(none)).expect_err("refused");
    assert_eq!(error, AddError::NoBandwidth { fault: "bandwidth" });
    assert!(events.all().is_empty());
}
