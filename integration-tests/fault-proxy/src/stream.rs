//! A socket that applies TCP faults; without a fault in force it adds nothing to the socket.
//!
//! The client's socket applies all of them: bytes read from it go up, bytes written to it go down. The
//! upstream's socket only delays the bytes read from it: a delay applies where bytes enter the proxy.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::active::Active;
use crate::connection::Connection;
use crate::fault_id::FaultId;
use crate::spec::{Direction, Ending, TcpFault};

/// Bytes of one read while a fault is in force.
const CHUNK_BYTES: usize = 64 * 1024;
/// The most bytes in flight in one direction; beyond that the sender has to wait.
const IN_FLIGHT_BYTES: usize = 4 * 1024 * 1024;
/// The granularity of a bandwidth: the bytes that it allows in this time pass at once.
const TICKS_PER_S: u64 = 20;

/// The side that a socket connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Upstream,
}

#[derive(Debug)]
pub(crate) struct FaultyStream {
    socket: TcpStream,
    side: Side,
    connection: Arc<Connection>,
    /// Bytes that were read and are still in flight, with their arrival time; an empty chunk is the end.
    on_its_way: VecDeque<(Instant, Bytes)>,
    on_its_way_bytes: usize,
    ended: bool,
    reading: Lane,
    writing: Lane,
    closes_at: Option<Instant>,
    close: Timer,
}

impl FaultyStream {
    pub(crate) fn new(socket: TcpStream, side: Side, connection: Arc<Connection>) -> Self {
        let reading = if side == Side::Client { Direction::Up } else { Direction::Down };
        Self {
            socket,
            side,
            connection,
            on_its_way: VecDeque::new(),
            on_its_way_bytes: 0,
            ended: false,
            reading: Lane::new(reading),
            writing: Lane::new(Direction::Down),
            closes_at: None,
            close: Timer::default(),
        }
    }

    fn undisturbed(&self) -> bool {
        self.on_its_way.is_empty() && !self.ended && !self.connection.board.breaks_bytes()
    }

    fn poll_read_disturbed(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let faults = self.connection.board.in_force();
        let mut allowed = buffer.remaining();
        if self.side == Side::Client && freezes(&faults, self.reading.direction).next().is_some() {
            // Only bytes that can be read can be withheld.
            if self.on_its_way.is_empty() {
                let mut first = [0];
                ready!(self.socket.poll_peek(context, &mut ReadBuf::new(&mut first)))?;
            }
            if self.reading.frozen(&faults, &self.connection) {
                self.connection.fate.park(context);
                return Poll::Pending;
            }
        }
        ready!(self.fetch(&faults, context))?;
        let Some((arrives, _)) = self.on_its_way.front() else { return Poll::Pending };
        if *arrives > Instant::now() {
            let arrives = *arrives;
            ready!(self.reading.timer.poll(arrives, context));
        }
        if self.side == Side::Client && !self.front_is_end() {
            allowed = ready!(self.reading.allowed(&faults, &self.connection, allowed, context))?;
        }
        self.deliver(buffer, allowed);
        Poll::Ready(Ok(()))
    }

    fn front_is_end(&self) -> bool {
        self.on_its_way.front().is_some_and(|(_, bytes)| bytes.is_empty())
    }

    /// Reads from the socket, as long as there is room in flight. Ready once some bytes are in flight.
    fn fetch(&mut self, faults: &[Arc<Active>], context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.on_its_way_bytes < IN_FLIGHT_BYTES {
            let mut chunk = vec![0; CHUNK_BYTES];
            let mut buffer = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Ready(read) => read?,
                Poll::Pending if self.on_its_way.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
            let bytes = Bytes::copy_from_slice(buffer.filled());
            self.ended = bytes.is_empty();
            // The upstream's end is delayed where the client's socket is shut down.
            let closing = self.ended && self.side == Side::Client;
            let delay = if closing { self.close_delay(faults) } else { Duration::ZERO };
            let delay = delay + self.delay(faults);
            let last = self.on_its_way.back().map(|(arrives, _)| *arrives);
            let arrives = (Instant::now() + delay).max(last.unwrap_or_else(Instant::now));
            self.on_its_way_bytes += bytes.len();
            self.on_its_way.push_back((arrives, bytes));
        }
        Poll::Ready(Ok(()))
    }

    fn deliver(&mut self, buffer: &mut ReadBuf<'_>, allowed: usize) {
        let Some((_, bytes)) = self.on_its_way.front_mut() else { return };
        if bytes.is_empty() {
            // The end stays in the queue, so that later reads see it again.
            return;
        }
        let count = bytes.len().min(allowed);
        buffer.put_slice(&bytes[..count]);
        bytes.advance(count);
        self.on_its_way_bytes -= count;
        if bytes.is_empty() {
            self.on_its_way.pop_front();
        }
        if self.side == Side::Client {
            self.reading.passed(count);
        }
    }

    fn delay(&self, faults: &[Arc<Active>]) -> Duration {
        let mut sum = Duration::ZERO;
        for fault in faults {
            if let Some(TcpFault::Delay { delay_ms, jitter_ms, direction }) = fault.tcp()
                && direction.includes(self.reading.direction)
                && self.connection.struck_by(fault, || format!("{delay_ms} ms and more"))
            {
                sum += self.connection.board.jittered(*delay_ms, *jitter_ms);
            }
        }
        sum
    }

    fn close_delay(&self, faults: &[Arc<Active>]) -> Duration {
        let mut longest = Duration::ZERO;
        for fault in faults {
            if let Some(TcpFault::SlowClose { delay_ms }) = fault.tcp()
                && self.connection.struck_by(fault, || format!("{delay_ms} ms"))
            {
                longest = longest.max(Duration::from_millis(*delay_ms));
            }
        }
        longest
    }

    /// The number of `wanted` bytes that may be written now.
    fn poll_room(&mut self, wanted: usize, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let faults = self.connection.board.in_force();
        if self.writing.frozen(&faults, &self.connection) {
            self.connection.fate.park(context);
            return Poll::Pending;
        }
        self.writing.allowed(&faults, &self.connection, wanted, context)
    }
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.undisturbed() {
            return Pin::new(&mut this.socket).poll_read(context, buffer);
        }
        this.poll_read_disturbed(context, buffer)
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.side == Side::Upstream || !this.connection.board.breaks_bytes() {
            return Pin::new(&mut this.socket).poll_write(context, bytes);
        }
        let room = ready!(this.poll_room(bytes.len(), context))?;
        let written = ready!(Pin::new(&mut this.socket).poll_write(context, &bytes[..room]))?;
        this.writing.passed(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.side == Side::Upstream || !self.connection.board.breaks_bytes() {
            return Pin::new(&mut self.get_mut().socket).poll_write_vectored(context, buffers);
        }
        let first = buffers.iter().find(|buffer| !buffer.is_empty());
        self.poll_write(context, first.map_or(&[], |buffer| buffer))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.side == Side::Client && this.connection.board.breaks_bytes() {
            let faults = this.connection.board.in_force();
            if this.writing.frozen(&faults, &this.connection) {
                this.connection.fate.park(context);
                return Poll::Pending;
            }
            if this.closes_at.is_none() {
                this.closes_at = Some(Instant::now() + this.close_delay(&faults));
            }
        }
        if let Some(closes_at) = this.closes_at {
            ready!(this.close.poll(closes_at, context));
        }
        Pin::new(&mut this.socket).poll_shutdown(context)
    }
}

impl Drop for FaultyStream {
    fn drop(&mut self) {
        if self.connection.fate.ending() == Some(Ending::Reset) {
            // Fails on a closed socket, which needs no reset.
            let _ = self.socket.set_zero_linger();
        }
    }
}

/// One direction of a client's socket.
#[derive(Debug)]
struct Lane {
    direction: Direction,
    timer: Timer,
    bytes_per_s: Option<u64>,
    /// The time at which the bandwidth lets the next bytes pass.
    free_at: Option<Instant>,
    /// Bytes that passed since a `reset_after` was first seen.
    passed: Vec<(FaultId, u64)>,
}

impl Lane {
    fn new(direction: Direction) -> Self {
        Self {
            direction,
            timer: Timer::default(),
            bytes_per_s: None,
            free_at: None,
            passed: Vec::new(),
        }
    }

    fn frozen(&self, faults: &[Arc<Active>], connection: &Connection) -> bool {
        let direction = self.direction;
        freezes(faults, direction)
            .any(|fault| connection.struck_by(fault, || format!("frozen: {direction:?}")))
    }

    /// The number of `wanted` bytes that may pass now.
    fn allowed(
        &mut self,
        faults: &[Arc<Active>],
        connection: &Connection,
        wanted: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut allowed = wanted;
        self.bytes_per_s = None;
        self.passed.retain(|(id, _)| faults.iter().any(|fault| fault.id == *id));
        for fault in faults {
            match fault.tcp() {
                Some(TcpFault::ResetAfter { bytes, direction })
                    if direction.includes(self.direction) && wanted > 0 =>
                {
                    let left = bytes.saturating_sub(self.passed_since(fault.id));
                    if left > 0 {
                        allowed = allowed.min(usize::try_from(left).unwrap_or(usize::MAX));
                    } else if connection.struck_by(fault, || format!("after {bytes} bytes")) {
                        connection.fate.end(Ending::Reset);
                        return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                    }
                }
                Some(TcpFault::Bandwidth { bytes_per_s, direction })
                    if direction.includes(self.direction)
                        && wanted > 0
                        && connection.struck_by(fault, || format!("{bytes_per_s} bytes/s")) =>
                {
                    if let Some(free_at) = self.free_at {
                        ready!(self.timer.poll(free_at, context));
                    }
                    let tick = usize::try_from((bytes_per_s / TICKS_PER_S).max(1));
                    allowed = allowed.min(tick.unwrap_or(usize::MAX));
                    self.bytes_per_s = Some(*bytes_per_s);
                }
                _ => {}
            }
        }
        Poll::Ready(Ok(allowed))
    }

    fn passed_since(&mut self, id: FaultId) -> u64 {
        if let Some((_, passed)) = self.passed.iter().find(|(seen, _)| *seen == id) {
            return *passed;
        }
        self.passed.push((id, 0));
        0
    }

    fn passed(&mut self, count: usize) {
        self.passed.iter_mut().for_each(|(_, passed)| *passed += count as u64);
        if let Some(bytes_per_s) = self.bytes_per_s {
            let us = (count as u64).saturating_mul(1_000_000) / bytes_per_s;
            self.free_at = Some(Instant::now() + Duration::from_micros(us));
        }
    }
}

fn freezes(faults: &[Arc<Active>], direction: Direction) -> impl Iterator<Item = &Arc<Active>> {
    faults.iter().filter(move |fault| match fault.tcp() {
        Some(TcpFault::HalfOpen) => true,
        Some(TcpFault::Blackhole { direction: of }) => of.includes(direction),
        _ => false,
    })
}

/// A sleep that is created at its first use.
#[derive(Debug, Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    fn poll(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        if until <= Instant::now() {
            return Poll::Ready(());
        }
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(context)
    }
}
