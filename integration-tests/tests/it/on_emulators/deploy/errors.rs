//! What can be wrong, and what is said then.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::{Up, on_processes};
use crate::command::{Checkout, Ran};

/// An endpoint that refuses every caller, in the words in which AWS does.
fn refusing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
                        <Code>InvalidClientTokenId</Code><Message>The security token included in the request is \
                        invalid.</Message></Error></ErrorResponse>";
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    endpoint
}

/// A command on the target `cloud`, whose AWS is at `endpoint`.
fn on_cloud(checkout: &Checkout, endpoint: &str, words: &[&str]) -> Ran {
    let mut command = checkout.deploy_command(words);
    command.env("AWS_ENDPOINT_URL", endpoint);
    command.env("AWS_ACCESS_KEY_ID", "not").env("AWS_SECRET_ACCESS_KEY", "valid");
    Ran::of(&command.output().expect("run the deploy engine"))
}

#[test]
fn credentials_that_are_not_valid() {
    let checkout = Checkout::new();
    for words in [["plan", "aws"], ["drift", "aws"]] {
        let ran = on_cloud(&checkout, &refusing(), &words);
        ran.assert_code(1);
        assert!(
            ran.stderr
                .contains("sign in to AWS: The security token included in the request is invalid.")
                && ran.stderr.contains("aws sts get-caller-identity"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn no_network() {
    let checkout = Checkout::new();
    // Port 9 is `discard`, which nothing listens on.
    let ran = on_cloud(&checkout, "http://127.0.0.1:9", &["plan", "aws"]);
    ran.assert_code(1);
    assert!(ran.stderr.contains("check the network and the endpoint"), "{}", ran.stderr);
}

#[test]
fn no_local_clouds() {
    let checkout = Checkout::new();
    let ran = checkout.deploy(&on_processes(&["deploy", "aws", "--yes"]));
    ran.assert_code(3);
    assert!(ran.stderr.contains("cargo xtask up"), "{}", ran.stderr);
}

#[test]
fn a_setting_that_is_unknown_is_named_with_the_nearest() {
    let checkout = Checkout::new();
    let ran = checkout.deploy(&["plan", "aws", "--set", "aws.ingest.memroy_mb=512"]);
    ran.assert_code(2);
    assert!(ran.stderr.contains("memory_mb"), "{}", ran.stderr);
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_changes() {
    let up = Up::new();
    let ran = up.checkout.deploy(&on_processes(&["deploy", "aws"]));
    ran.assert_code(2);
    assert!(ran.stderr.contains("pass --yes"), "{}", ran.stderr);
    assert!(up.json(&["status"])["aws"]["stack"].is_null());

    let protected = ["destroy", "aws", "--yes", "--env", "prod"];
    let ran = up.checkout.deploy(&on_processes(&protected));
    ran.assert_code(2);
    assert!(ran.stderr.contains("--confirm blockchain-core-prod-prod"), "{}", ran.stderr);
    let ran = up.checkout.deploy(&on_processes(&[&protected[..], &["--confirm", "prod"]].concat()));
    ran.assert_code(2);
    assert!(ran.stderr.contains("nothing was changed"), "{}", ran.stderr);
}

#[test]
fn nothing_is_built_yet() {
    let up = Up::new();
    let empty = tempfile::tempdir().expect("a folder");
    let mut command = up.checkout.deploy_command(&on_processes(&["plan", "aws"]));
    command.env("TWINCLOUD_ARTIFACTS", empty.path());
    let ran = Ran::of(&command.output().expect("run the deploy engine"));
    ran.assert_code(3);
    assert!(ran.stderr.contains("manifest.json"), "{}", ran.stderr);
}
