//! Settings of a closed network: proxies and private certificate authorities. Users set both by variables; they are
//! checked here, so that a mistake is reported before anything is downloaded.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use crate::Env;

/// The variables of a proxy for downloads, in order of precedence. All downloads use HTTPS.
const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
/// The schemes that both the harness and pip can use.
const SCHEMES: [&str; 2] = ["http", "https"];
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// The proxy that downloads go through: its variable, and its address without a password.
pub(crate) fn proxy(env: &Env) -> Option<(&'static str, Result<String, String>)> {
    let mut set = PROXIES.into_iter().filter_map(|name| Some((name, env.var(name)?)));
    let (name, value) = set.find(|(_, value)| !value.is_empty())?;
    Some((name, address(name, value)))
}

fn address(name: &str, value: &OsStr) -> Result<String, String> {
    let value = value.to_str().ok_or_else(|| format!("{name} is not UTF-8"))?;
    // Without a scheme, HTTP is assumed.
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let host = rest.rsplit('@').next().unwrap_or(rest).trim_end_matches('/');
    if host.is_empty() || host.contains(char::is_whitespace) {
        return Err(format!("{name} names no host"));
    }
    if !SCHEMES.contains(&scheme) {
        return Err(format!(
            "{name} is a {scheme} proxy, and only {} are used",
            SCHEMES.join(" and ")
        ));
    }
    Ok(format!("{scheme}://{host}"))
}

/// The certificates trusted instead of the system's: the variable, and their number or the error.
pub(crate) fn certificates(env: &Env) -> Vec<(&'static str, Result<String, String>)> {
    let file = env.path_var("SSL_CERT_FILE").map(|path| ("SSL_CERT_FILE", in_file(&path)));
    let folder = env.path_var("SSL_CERT_DIR").map(|path| ("SSL_CERT_DIR", in_folder(&path)));
    file.into_iter().chain(folder).collect()
}

fn in_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let text = fs::read(path).map_err(|error| format!("SSL_CERT_FILE: read {shown}: {error}"))?;
    match String::from_utf8_lossy(&text).matches(BEGIN).count() {
        0 => Err(format!("SSL_CERT_FILE: {shown} holds no certificate in PEM format")),
        count => Ok(format!("{count} of {shown}")),
    }
}

fn in_folder(path: &Path) -> Result<String, String> {
    // The variable may name several folders.
    let folders: Vec<_> = std::env::split_paths(path).collect();
    for folder in &folders {
        fs::read_dir(folder)
            .map_err(|error| format!("SSL_CERT_DIR: list {}: {error}", folder.display()))?;
    }
    Ok(format!("those of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Platform;
    use crate::testing::Machine;

    fn proxy_of(name: &str, value: &str) -> Option<(&'static str, Result<String, String>)> {
        proxy(&Env::empty(Platform::Debian).with(name, value))
    }

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        assert_eq!(proxy_of("HTTPS_PROXY", ""), None);
        assert_eq!(proxy_of("HTTP_PROXY", "http://p:1"), None, "nothing is fetched over HTTP");
        let found = proxy_of("https_proxy", "http://me:secret@proxy.example:3128/");
        assert_eq!(found, Some(("https_proxy", Ok("http://proxy.example:3128".to_owned()))));
        let found = proxy_of("ALL_PROXY", "proxy.example:3128");
        assert_eq!(found, Some(("ALL_PROXY", Ok("http://proxy.example:3128".to_owned()))));
    }

    #[test]
    fn a_proxy_that_can_not_be_used_is_named() {
        let (_, socks) = proxy_of("ALL_PROXY", "socks5h://me:secret@p:1080").expect("it is set");
        let why = socks.expect_err("no SOCKS");
        assert!(why.contains("ALL_PROXY is a socks5h proxy") && !why.contains("secret"), "{why}");
        let (_, nothing) = proxy_of("HTTPS_PROXY", "http://").expect("it is set");
        assert_eq!(nothing, Err("HTTPS_PROXY names no host".to_owned()));
    }

    #[test]
    fn certificates_are_read() {
        let machine = Machine::new();
        assert_eq!(certificates(&machine.env()), []);
        let file =
            machine.file("ca.pem", format!("{BEGIN}\nA\n-----END CERTIFICATE-----\n").repeat(2));
        let of = |path: &Path| certificates(&machine.env().with("SSL_CERT_FILE", path));
        assert_eq!(of(&file), [("SSL_CERT_FILE", Ok(format!("2 of {}", file.display())))]);
        let der = machine.file("ca.der", [0x30, 0x82]);
        let found = of(&der);
        assert!(
            found[0].1.as_ref().is_err_and(|why| why.contains("no certificate in PEM")),
            "{found:?}"
        );
        let found = of(&machine.path("absent.pem"));
        assert!(found[0].1.as_ref().is_err_and(|why| why.contains("absent.pem")), "{found:?}");
        let env = machine.env().with("SSL_CERT_DIR", machine.path("absent"));
        assert!(certificates(&env)[0].1.is_err());
    }
}
