//! A fake AWS for unit tests: it gives the answers of a test, and keeps a log of every call.

pub(crate) mod stacks;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_config::SdkConfig;
use infra::package::{Artifact, Manifest};
use infra::{Checkout, Settings};

use crate::aws::{aws_config, emulator_credentials};
use crate::commands::DeployContext;
use crate::local::LocalClouds;

/// A received call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// The service that it was signed for, such as `cloudformation`.
    pub(crate) service: String,
    /// The operation, such as `DescribeStacks`, or `GET /bucket?versions` for a service with REST paths.
    pub(crate) action: String,
    /// The body as text.
    pub(crate) body: String,
}

impl Call {
    /// A field of a form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| unescaped(value))
    }

    /// Service and operation, such as `cloudformation DescribeStacks`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.service, self.action)
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let code: Vec<u8> = rest.by_ref().take(2).collect();
                let code = String::from_utf8(code).expect("hex");
                bytes.push(u8::from_str_radix(&code, 16).expect("hex"));
            }
            b'+' => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    status: u16,
    body: String,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }

    pub(crate) fn no_content() -> Self {
        Self { status: 204, body: String::new() }
    }

    /// The answer to an operation of a service with the query protocol.
    pub(crate) fn result(action: &str, content: impl AsRef<str>) -> Self {
        let content = content.as_ref();
        Self::ok(format!(
            "<{action}Response><{action}Result>{content}</{action}Result></{action}Response>"
        ))
    }

    /// An error of a service with the query protocol.
    pub(crate) fn error(code: &str, message: &str) -> Self {
        let error = format!("<Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>");
        Self { status: 400, body: format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>") }
    }

    /// An error response of a service with a JSON protocol.
    pub(crate) fn json_error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"__type":"{code}","message":"of the test"}}"#);
        Self { status, body }
    }

    /// An error of S3.
    pub(crate) fn s3_error(status: u16, code: &str) -> Self {
        let body = format!("<Error><Code>{code}</Code><Message>of the test</Message></Error>");
        Self { status, body }
    }
}

/// A server on this machine that ends with the test.
pub(crate) struct FakeAws {
    endpoint: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl FakeAws {
    /// Answers each call in turn.
    pub(crate) fn start(answer: impl FnMut(&Call) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (Arc::clone(&calls), Arc::new(Mutex::new(answer)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { endpoint, calls }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("the log").clone()
    }

    /// The calls that change something.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.calls().iter().filter(|call| !reads(&call.action)).map(Call::name).collect()
    }

    pub(crate) async fn config(&self) -> SdkConfig {
        aws_config(Some(&self.endpoint), "us-east-1", Some(emulator_credentials())).await
    }

    /// A checkout in `folder` with the repository's settings and code to deploy, whose AWS is this server.
    pub(crate) fn site(&self, folder: &Path, environment: &str) -> DeployContext {
        let artifact = |name: &str| Artifact {
            name: name.to_owned(),
            path: format!("{name}.zip"),
            bytes: 0,
            sha256: "0".repeat(64),
            arch: "x86_64".to_owned(),
            glibc_max: None,
            uncompressed_bytes: 0,
            image_digest: None,
        };
        let artifacts = vec![artifact("aws-ingest"), artifact("aws-replicate")];
        let manifest = serde_json::to_vec(&Manifest { schema: 1, artifacts }).expect("JSON");
        fs::write(folder.join(Manifest::FILE), manifest).expect("write the manifest");
        let text = include_str!("../../../twincloud.toml");
        let settings = Settings::parse(folder, text, Some(environment), &[], std::iter::empty());
        let url = || self.endpoint.clone();
        DeployContext {
            checkout: Checkout { root: folder.to_owned(), artifacts: folder.to_owned() },
            settings: settings.expect("valid settings"),
            local: Some(LocalClouds {
                pid: std::process::id(),
                aws_endpoint: url(),
                pubsub_endpoint: url(),
                firestore_endpoint: url(),
                storage_endpoint: url(),
                run_endpoint: url(),
                enforces_policies: false,
            }),
            sets: Vec::new(),
        }
    }
}

fn reads(action: &str) -> bool {
    let words = ["Describe", "Simulate", "Detect", "Get", "GET ", "HEAD ", "List", "Query"];
    words.iter().any(|word| action.starts_with(word))
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Call>>, answer: &Mutex<impl FnMut(&Call) -> Answer>) {
    let mut reader = BufReader::new(stream);
    while let Some(call) = read(&mut reader) {
        log.lock().expect("the log").push(call.clone());
        let Answer { status, body } = (answer.lock().expect("one at a time"))(&call);
        let kind = if body.starts_with(['{', '[']) { "application/json" } else { "text/xml" };
        let written = write!(
            reader.get_mut(),
            "HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if written.is_err() {
            return;
        }
    }
}

/// The next request of a connection.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Call> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let header = |name: &str| {
        let mut headers = lines.iter().filter_map(|line| line.split_once(": "));
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let length = header("content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    // Credential=KEY/DATE/REGION/SERVICE/aws4_request
    let scope = header("authorization").unwrap_or_default().split('/').nth(3);
    let service = scope.unwrap_or_default().to_owned();
    let target = header("x-amz-target").and_then(|target| target.split('.').next_back());
    let line = lines.first()?.rsplit_once(' ').map_or("", |(line, _)| line).to_owned();
    let mut call = Call { service, action: String::new(), body };
    let action = target.map(str::to_owned).or_else(|| call.field("Action"));
    call.action = action.unwrap_or(line);
    Some(call)
}
