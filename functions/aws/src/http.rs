//! The HTTP client of the SDKs: its trusted authorities, and its proxy.
//!
//! | variable | meaning |
//! |---|---|
//! | `HTTPS_PROXY`, else `ALL_PROXY` | an HTTP proxy for `https://`; in lower case too. `ALL_PROXY` of another kind, such as SOCKS, is ignored |
//! | `NO_PROXY` | hosts, domains and networks that are reached without it; loopback always is |
//! | `AWS_CA_BUNDLE` | a PEM file with the authorities to trust instead of all others, as with the AWS CLI |
//! | `SSL_CERT_FILE`, `SSL_CERT_DIR` | the authorities to trust instead of the system's |
//!
//! `HTTP_PROXY` is not read: AWS's endpoints are all `https://`, and any `http://` endpoint is an emulator, a gateway, or the
//! metadata server of a machine or task, which no proxy can reach.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// The authorities that issue the certificates of AWS's services, as listed by <https://www.amazontrust.com/repository/>.
const AMAZON_ROOTS: &str = include_str!("../roots/amazon-trust-services.pem");

/// Added to `NO_PROXY`.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The authorities to trust if the environment names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// AWS's authorities alone: reading all of the system's would take most of a function's cold start.
    Amazon,
    /// The system's authorities, to which a company adds its own, and AWS's, for a system that has none.
    System,
}

/// The client for an environment, in which `get` looks up a variable. An error in the environment becomes the error of each call:
/// a client is created long before a command could print it.
pub(crate) fn client(trust: Trust, get: impl Fn(&str) -> Option<String>) -> SharedHttpClient {
    let get = |names: &[&str]| {
        names
            .iter()
            .find_map(|name| Some((*name).to_owned()).zip(get(name).filter(|v| !v.is_empty())))
    };
    let settings = trusted(trust, &get).and_then(|roots| Ok((roots, proxy(&get)?)));
    match settings {
        Ok((roots, proxy)) => over(roots, proxy),
        Err(why) => {
            let plain = over(TrustStore::empty(), ProxyConfig::disabled());
            http_client_fn(move |settings, components| {
                let plain = plain.http_connector(settings, components);
                SharedHttpConnector::new(Unusable { why: why.clone(), plain })
            })
        }
    }
}

fn over(roots: TrustStore, proxy: ProxyConfig) -> SharedHttpClient {
    // Can't fail.
    let tls = TlsContext::builder().with_trust_store(roots).build().unwrap_or_default();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(tls.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

/// Returns the first of these variables that has a value, with its value.
type Get<'a> = &'a dyn Fn(&[&str]) -> Option<(String, String)>;

fn trusted(trust: Trust, get: Get<'_>) -> Result<TrustStore, String> {
    if let Some((name, path)) = get(&["AWS_CA_BUNDLE"]) {
        let wrong = |why: String| format!("read the certificates of {name}={path}: {why}");
        let pem = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        check(&pem).map_err(wrong)?;
        return Ok(TrustStore::empty().with_pem_certificate(pem));
    }
    let amazon = || TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    if get(&["SSL_CERT_FILE", "SSL_CERT_DIR"]).is_some() {
        return Ok(TrustStore::default());
    }
    Ok(match trust {
        Trust::Amazon => amazon(),
        Trust::System => amazon().with_native_roots(true),
    })
}

/// Checks the PEM, since the client panics on an unreadable one.
fn check(pem: &[u8]) -> Result<(), String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(|error| format!("not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    let mut roots = RootCertStore::empty();
    for (number, certificate) in (1..).zip(certificates) {
        roots.add(certificate).map_err(|error| format!("certificate {number}: {error}"))?;
    }
    Ok(())
}

fn proxy(get: Get<'_>) -> Result<ProxyConfig, String> {
    let found = get(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
    let Some((name, url)) = found else { return Ok(ProxyConfig::disabled()) };
    // Set for all programs of a desktop, often to a SOCKS proxy: calls are made without it.
    let is_for_all = name.eq_ignore_ascii_case("ALL_PROXY");
    if is_for_all
        && url.split_once("://").is_some_and(|(scheme, _)| scheme != "http" && scheme != "https")
    {
        return Ok(ProxyConfig::disabled());
    }
    // A proxy is often written as host:port.
    let whole = if url.contains("://") { url } else { format!("http://{url}") };
    let proxy = ProxyConfig::https(whole).map_err(|error| {
        format!("use the proxy of {name}: {error}; name one at http://HOST:PORT")
    })?;
    let given = get(&["NO_PROXY", "no_proxy"]).map_or_else(String::new, |(_, rules)| rules);
    Ok(proxy.no_proxy(format!("{given},{LOOPBACK}")))
}

/// A connector that connects to loopback only, which needs no settings of the environment.
#[derive(Debug)]
struct Unusable {
    why: String,
    plain: SharedHttpConnector,
}

impl HttpConnector for Unusable {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if is_near(request.uri()) {
            return self.plain.call(request);
        }
        HttpConnectorFuture::ready(Err(ConnectorError::user(self.why.clone().into())))
    }
}

/// True for `http://` to this machine, as of an emulator.
fn is_near(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && (is_loopback || host == "localhost")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::error::Error as _;
    use std::io::{Read as _, Write as _};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use aws_sdk_sqs::config::retry::RetryConfig;
    use aws_sdk_sqs::config::timeout::TimeoutConfig;
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that records the first line of each request, and refuses it.
    async fn logger() -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&lines);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                noted.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                let _ =
                    stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
            }
        });
        (address, lines)
    }

    /// A server with a certificate for `localhost` from its own authority, which refuses each request; returns its endpoint, and
    /// the authority's certificate in PEM.
    fn behind_tls() -> (String, String) {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = server.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream.unwrap());
                let mut request = [0; 4096];
                // A client that does not trust it ends the handshake.
                if stream.read(&mut request).is_ok_and(|read| read > 0) {
                    let refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
                    let _ = stream.write_all(refusal);
                }
            }
        });
        (format!("https://localhost:{port}"), pem)
    }

    /// Lists the queues with a client of this environment; returns the error.
    async fn call(endpoint: Option<&str>, environment: &[(&str, &str)]) -> String {
        let environment: BTreeMap<_, _> = environment.iter().copied().collect();
        let client = client(Trust::System, |name| environment.get(name).map(|v| (*v).to_owned()));
        let timeouts = TimeoutConfig::builder().operation_timeout(Duration::from_secs(20)).build();
        let mut config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(Credentials::new("a", "b", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(client);
        config.set_endpoint_url(endpoint.map(str::to_owned));
        let error = aws_sdk_sqs::Client::from_conf(config.build()).list_queues().send().await;
        let error = error.expect_err("every server here refuses");
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }

    #[tokio::test]
    async fn calls_go_through_the_proxy_but_none_to_loopback() {
        let (proxy, lines) = logger().await;
        let (near, near_lines) = logger().await;
        let connect = "CONNECT sqs.eu-west-1.amazonaws.com:443 HTTP/1.1".to_owned();
        for name in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            let failed = call(None, &[(name, &format!("http://{proxy}"))]).await;
            let seen = std::mem::take(&mut *lines.lock().unwrap());
            assert_eq!(seen, std::slice::from_ref(&connect), "{failed}");
        }
        call(None, &[("HTTPS_PROXY", &proxy)]).await;
        assert_eq!(std::mem::take(&mut *lines.lock().unwrap()), [connect], "without a scheme");
        let all = [("HTTPS_PROXY", proxy.as_str()), ("HTTP_PROXY", proxy.as_str())];
        call(Some(&format!("https://{near}")), &all).await;
        call(Some(&format!("https://{}", near.replace("127.0.0.1", "localhost"))), &all).await;
        call(Some(&format!("http://{near}")), &all).await;
        assert_eq!(*lines.lock().unwrap(), [""; 0]);
        assert_eq!(near_lines.lock().unwrap().len(), 3);
        let spared = [("HTTPS_PROXY", proxy.as_str()), ("NO_PROXY", "10.0.0.0/8,invalid")];
        call(Some("https://sqs.invalid"), &spared).await;
        assert_eq!(*lines.lock().unwrap(), [""; 0], "NO_PROXY counts");
    }

    #[tokio::test]
    async fn a_private_authority_is_trusted_where_the_environment_names_it() {
        let (endpoint, pem) = behind_tls();
        let folder = std::env::temp_dir().join(format!("twincloud-ca-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let (own, other) = (write("own.pem", &pem), write("other.pem", AMAZON_ROOTS));
        let answered = call(Some(&endpoint), &[("AWS_CA_BUNDLE", &own)]).await;
        assert!(answered.contains("service error"), "the server's answer: {answered}");
        for environment in [&[][..], &[("AWS_CA_BUNDLE", other.as_str())]] {
            let failed = call(Some(&endpoint), environment).await;
            assert!(failed.contains("UnknownIssuer"), "{environment:?}: {failed}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_environment_is_said_by_the_call() {
        let folder = std::env::temp_dir().join(format!("twincloud-bundle-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, content: &str| {
            let path = folder.join(name);
            std::fs::write(&path, content).unwrap();
            path.display().to_string()
        };
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (bundle, expected) in [
            (folder.join("absent").display().to_string(), "No such file"),
            (write("empty", ""), "no certificate in it"),
            (write("broken", broken), "certificate 1: "),
        ] {
            let failed = call(Some("https://127.0.0.1:9"), &[("AWS_CA_BUNDLE", &bundle)]).await;
            assert!(failed.contains(&bundle) && failed.contains(expected), "{failed}");
        }
        let good = write("good", AMAZON_ROOTS);
        let failed = call(Some("http://127.0.0.1:9"), &[("AWS_CA_BUNDLE", &good)]).await;
        assert!(!failed.contains("AWS_CA_BUNDLE"), "{failed}");
        std::fs::remove_dir_all(&folder).unwrap();
        let failed = call(None, &[("HTTPS_PROXY", "socks5://user:secret@proxy:1080")]).await;
        assert!(failed.contains("HTTPS_PROXY") && !failed.contains("secret"), "{failed}");
    }

    #[tokio::test]
    async fn no_environment_keeps_an_emulator_away() {
        let (emulator, lines) = logger().await;
        let endpoint = format!("http://{emulator}");
        let socks = "socks5://127.0.0.1:1";
        let absent = "/no/such/bundle";
        for set in [("HTTPS_PROXY", socks), ("ALL_PROXY", socks), ("AWS_CA_BUNDLE", absent)] {
            let failed = call(Some(&endpoint), &[set]).await;
            assert_eq!(std::mem::take(&mut *lines.lock().unwrap()).len(), 1, "{set:?}: {failed}");
        }
        assert!(is_near("http://localhost:1/") && is_near("http://[::1]:1/"));
        assert!(!is_near("https://127.0.0.1/") && !is_near("http://10.0.0.1/") && !is_near("/"));
    }

    #[test]
    fn the_roots_are_five_certificates_and_a_client_takes_them() {
        assert_eq!(AMAZON_ROOTS.matches("BEGIN CERTIFICATE").count(), 5);
        assert_eq!(check(AMAZON_ROOTS.as_bytes()), Ok(()));
    }
}
