//! The way out for connections: HTTP clients, and the proxies that the environment names.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not, are read as curl reads them, with one
//! exception: **what listens on this machine is never reached through a proxy.** A proxy elsewhere has another loopback, and
//! emulators, stubs and the harness's own services are all there.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::proxy::matcher::{Builder, Matcher};

/// A client for `endpoint` and what lies below it, with a bound on each call. Every HTTP client of the workspace's programs
/// is made here, or made to use no proxy at all.
pub fn client(endpoint: &str, timeout: Duration) -> reqwest::Result<reqwest::Client> {
    let builder = reqwest::Client::builder().timeout(timeout);
    let builder = if is_loopback(endpoint) { builder.no_proxy() } else { builder };
    builder.build()
}

/// True if a URL, or an authority, is on this machine: `localhost` and below, 127.0.0.0/8, `::1`.
#[must_use]
pub fn is_loopback(endpoint: &str) -> bool {
    let uri = endpoint.parse::<Uri>().ok();
    uri.as_ref().and_then(Uri::host).is_some_and(host_is_loopback)
}

fn host_is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let name = host.to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The proxies that the environment names.
#[derive(Debug)]
pub struct Proxies(Matcher);

/// A proxy that is asked to `CONNECT`.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of `Proxy-Authorization`, if the URL has a user.
    pub authorization: Option<http::HeaderValue>,
}

/// A proxy of a kind that is not spoken.
#[derive(Debug, thiserror::Error)]
#[error(
    "the proxy {scheme}://{host} can't be used: only proxies at http:// are; set HTTPS_PROXY to one, or NO_PROXY"
)]
pub struct UnusableProxy {
    scheme: String,
    host: String,
}

impl Proxies {
    /// Those of this process's environment.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Matcher::from_env())
    }

    /// Those of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` with these values, which may be empty.
    #[must_use]
    pub fn new(http: &str, https: &str, no: &str) -> Self {
        let builder: Builder = Matcher::builder();
        Self(builder.http(http.to_owned()).https(https.to_owned()).no(no.to_owned()).build())
    }

    /// The proxy to reach a URL through; `ws` and `wss` count as `http` and `https`.
    pub fn to(&self, url: &Uri) -> Result<Option<Proxy>, UnusableProxy> {
        let Some(host) = url.host().filter(|host| !host_is_loopback(host)) else { return Ok(None) };
        let is_secure = matches!(url.scheme_str(), Some("https" | "wss"));
        let scheme = if is_secure { Scheme::HTTPS } else { Scheme::HTTP };
        let authority =
            url.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let like = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build();
        let Some(intercept) = like.ok().and_then(|like| self.0.intercept(&like)) else {
            return Ok(None);
        };
        let (uri, host) = (intercept.uri(), intercept.uri().host().unwrap_or_default());
        let scheme = uri.scheme_str().unwrap_or_default();
        if scheme != "http" {
            return Err(UnusableProxy { scheme: scheme.to_owned(), host: host.to_owned() });
        }
        Ok(Some(Proxy {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(80),
            authorization: intercept.basic_auth().cloned(),
        }))
    }
}

/// Without the password.
impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, authorization } = self;
        let user = if authorization.is_some() { "USER@" } else { "" };
        write!(f, "http://{user}{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_elsewhere() {
        for here in [
            "http://127.0.0.1:4443",
            "http://localhost:80/a",
            "ws://LOCALHOST.:1",
            "http://a.localhost",
            "https://[::1]:9/x",
            "http://127.9.9.9",
            "localhost:8080",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "https://storage.googleapis.com",
            "http://127.example.com",
            "http://10.0.0.1",
            "",
            "a b",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn a_url_has_the_proxy_of_its_scheme_unless_it_is_near() {
        let proxies =
            Proxies::new("http://plain:1", "http://user:a%40b@secure:2", "binance.us, 10.0.0.0/8");
        let to = |url: &str| format!("{:?}", proxies.to(&url.parse().unwrap()).unwrap());
        assert_eq!(to("wss://data-stream.binance.vision/stream"), "Some(http://USER@secure:2)");
        assert_eq!(to("https://sqs.eu-west-1.amazonaws.com"), "Some(http://USER@secure:2)");
        assert_eq!(to("ws://stream.example.com:9443"), "Some(http://plain:1)");
        for near in
            ["wss://stream.binance.us:9443", "http://10.1.2.3", "ws://127.0.0.1:1", "wss://[::1]"]
        {
            assert_eq!(to(near), "None", "{near}");
        }
        let proxy = proxies.to(&"wss://a.example".parse().unwrap()).unwrap().unwrap();
        assert_eq!(proxy.authorization.unwrap(), "Basic dXNlcjphQGI=");
        assert!(
            Proxies::new("", "", "").to(&"wss://a.example".parse().unwrap()).unwrap().is_none()
        );
    }

    #[test]
    fn a_proxy_that_is_not_spoken_is_named() {
        let proxies = Proxies::new("", "socks5://user:secret@far:1080", "");
        let error = proxies.to(&"wss://a.example".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("socks5://far") && !error.contains("secret"), "{error}");
    }
}
