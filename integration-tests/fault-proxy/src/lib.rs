//! A fault proxy between a client and an emulator of a cloud: it breaks traffic as a network or the cloud would.
//!
//! It is independent of the pipeline. One [`Proxy`] stands before one endpoint, at one of two levels:
//!
//! - [`Level::Tcp`] passes bytes and parses nothing. It can refuse, cut, reset, freeze, delay, throttle.
//! - [`Level::Http`] reads HTTP/1.1 and HTTP/2 besides, so it can break single requests: errors in the wire format of
//!   each service of AWS and Google, an answer lost after its effect, a request sent twice or overtaken by the next.
//!
//! Faults are added and removed while traffic passes, with [`Proxy::faults`]. Each selects its calls ([`Match`]), has a
//! probability and a maximum of firings, and counts its firings; every firing, addition and removal is a
//! [`FaultEvent`].
//!
//! ```no_run
//! use fault_proxy::{AwsError, Fault, Level, Match, Proxy};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy = Proxy::before("http://127.0.0.1:4566")?.level(Level::Http).start().await?;
//! let throttle = Fault::aws(AwsError::Throttling)
//!     .on(Match::service("dynamodb").operation("PutItem"))
//!     .times(3);
//! let id = proxy.faults().add(throttle)?;
//! // … point a client at `proxy.endpoint()` …
//! assert_eq!(proxy.faults().fired(id), 3);
//! proxy.faults().clear();
//! # Ok(())
//! # }
//! ```

mod active;
mod board;
mod connection;
mod event;
mod fate;
mod fault_id;
mod http;
mod level;
mod proxy;
mod relay;
mod spec;
mod stream;

pub use board::{FaultStatus, Faults};
pub use event::{FaultEvent, FaultEventKind, OnEvent};
pub use fault_id::FaultId;
pub use http::call::{Call, Protocol};
pub use level::Level;
pub use proxy::{Builder, Proxy, StartError};
pub use spec::{
    AddError, AwsError, Direction, Ending, Fault, GoogleError, HttpFault, Kind, Loss, Match,
    TcpFault, Which,
};
