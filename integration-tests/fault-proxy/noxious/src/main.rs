//! `noxious-proxy LISTEN UPSTREAM`: a proxy of noxious without toxics.

use noxious::proxy::{ProxyConfig, ProxyRunner, Runner as _, Toxics};
use noxious::signal::{Close, Stop};
use noxious::socket::TcpListener;

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: noxious-proxy LISTEN UPSTREAM");
        std::process::exit(2);
    };
    // As many threads as the others have.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let name = "cost".to_owned();
        let config = ProxyConfig { name, listen, upstream, enabled: true, rand_seed: None };
        let (listener, info) =
            ProxyRunner::initialize_proxy::<TcpListener>(config, Toxics::empty()).await?;
        // No events are sent, and it is never stopped; it runs as long as these channels exist.
        let (_events, receiver) = bmrng::channel(1);
        let (stop, _stopper) = Stop::new();
        let (_close, closer) = Close::new();
        ProxyRunner::run_proxy(listener, info, receiver, stop, closer).await
    })
}
