//! The exchange of identities, against a server on loopback that answers as the endpoints' documentation says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use federation::{AwsIdentity, google_credentials};
use google_cloud_auth::credentials::CacheableResource;
use serde_json::{Value, json};
use tokio::net::TcpListener;

const AUDIENCE: &str =
    "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/aws";
const ROLE: &str = "arn:aws:iam::111122223333:role/blockchain-core-dev-google-reader";

/// One request as it came.
#[derive(Clone, Debug)]
struct Asked {
    uri: Uri,
    headers: HeaderMap,
    body: String,
}

impl Asked {
    /// A field of the form.
    fn field(&self, name: &str) -> Option<String> {
        let form = reqwest::Url::parse(&format!("http://form/?{}", self.body)).unwrap();
        form.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// Gives the answers in their order, the last of them for ever.
#[derive(Clone)]
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

type Answer = (StatusCode, &'static str, String);

impl Server {
    async fn start(answers: Vec<Answer>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
        let state = (Arc::clone(&asked), Arc::new(answers));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(state);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

type Shared = (Arc<Mutex<Vec<Asked>>>, Arc<Vec<Answer>>);

async fn answer(
    State((asked, answers)): State<Shared>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(header::HeaderName, &'static str); 1], String) {
    let mut asked = asked.lock().unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    asked.push(Asked { uri, headers, body });
    let (status, kind, text) = answers[(asked.len() - 1).min(answers.len() - 1)].clone();
    (status, [(header::CONTENT_TYPE, kind)], text)
}

fn google_token(token: &str, expires_in_s: u64) -> Answer {
    let answer = json!({
        "access_token": token, "expires_in": expires_in_s, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    (StatusCode::OK, "application/json", answer.to_string())
}

/// Runs [`ask_google`] in a process of its own, with the environment of a Lambda function.
async fn lambda(server: &Server, times: u32) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ask_google", "--ignored", "--nocapture"]);
    child.envs([
        ("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_SESSION_TOKEN", "session"),
        ("AWS_REGION", "eu-central-1"),
        ("TEST_STS", &format!("{}/v1/token", server.url)),
        ("TEST_TIMES", &times.to_string()),
    ]);
    tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap()
}

#[tokio::test]
#[ignore = "is run by other tests, in an environment of its own"]
async fn ask_google() {
    let (Ok(sts), Ok(times)) = (std::env::var("TEST_STS"), std::env::var("TEST_TIMES")) else {
        return;
    };
    let credentials = google_credentials(AUDIENCE, &sts).unwrap();
    for _ in 0..times.parse().unwrap() {
        match credentials.headers(http::Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => {
                println!("TOKEN {}", data["authorization"].to_str().unwrap());
            }
            Ok(CacheableResource::NotModified) => println!("TOKEN not modified"),
            Err(error) => println!("ERROR {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn lines<'o>(output: &'o Output, kind: &str) -> Vec<&'o str> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_once(kind).map(|(_, rest)| rest)).collect()
}

#[tokio::test]
async fn aws_to_google_signs_a_caller_identity_that_google_can_send() {
    let server = Server::start(vec![google_token("from-google", 3600)]).await;
    let output = lambda(&server, 3).await;
    assert_eq!(lines(&output, "TOKEN "), ["Bearer from-google"; 3], "{output:?}");
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "an hour's token is asked for once");
    let asked = &asked[0];
    assert_eq!(asked.uri.path(), "/v1/token");
    assert_eq!(asked.headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    for (field, value) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("audience", AUDIENCE),
        ("scope", "https://www.googleapis.com/auth/devstorage.read_only"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("subject_token_type", "urn:ietf:params:aws:token-type:aws4_request"),
    ] {
        assert_eq!(asked.field(field).as_deref(), Some(value), "{field}");
    }
    // The envelope: a request, percent-encoded JSON.
    let subject = asked.field("subject_token").unwrap();
    let decoded = reqwest::Url::parse(&format!("http://x/?e={subject}")).unwrap();
    let envelope = decoded.query_pairs().next().unwrap().1.into_owned();
    let envelope: Value = serde_json::from_str(&envelope).unwrap();
    assert_eq!(envelope["method"], "POST");
    let url = "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!(envelope["url"], url);
    let header = |name: &str| {
        let headers = envelope["headers"].as_array().unwrap();
        let header = headers.iter().find(|header| header["key"] == name);
        header.map(|header| header["value"].as_str().unwrap().to_owned())
    };
    assert_eq!(header("host").as_deref(), Some("sts.eu-central-1.amazonaws.com"));
    assert_eq!(header("x-amz-security-token").as_deref(), Some("session"));
    assert_eq!(header("x-goog-cloud-target-resource").as_deref(), Some(AUDIENCE));
    assert_eq!(header("x-amz-date").unwrap().len(), "20240808T235415Z".len());
    let authorization = header("Authorization").unwrap();
    assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/"));
    assert!(
        authorization.contains("/eu-central-1/sts/aws4_request")
            && authorization.contains(
                "SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource"
            ),
        "{authorization}"
    );
}

#[tokio::test]
async fn a_google_token_is_asked_for_again_before_it_expires() {
    let tokens = vec![google_token("first", 1), google_token("second", 3600)];
    let server = Server::start(tokens).await;
    let output = lambda(&server, 40).await;
    let tokens = lines(&output, "TOKEN ");
    assert!(tokens.len() == 40 && tokens.last() == Some(&"Bearer second"), "{output:?}");
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn what_google_refuses_is_said() {
    let refusal =
        json!({"error": "invalid_grant", "error_description": "the condition rejected the role"});
    let server =
        Server::start(vec![(StatusCode::BAD_REQUEST, "application/json", refusal.to_string())]);
    let server = server.await;
    let output = lambda(&server, 1).await;
    let errors = lines(&output, "ERROR ");
    assert!(
        errors.len() == 1 && errors[0].contains("the condition rejected the role"),
        "{output:?}"
    );
}

/// An answer of `AssumeRoleWithWebIdentity`, as its reference shows it.
fn assumed(key: &str, expires: SystemTime) -> Answer {
    let expires = aws_sdk_sts::primitives::DateTime::from(expires);
    let expires = expires.fmt(aws_sdk_sts::primitives::DateTimeFormat::DateTime).unwrap();
    let answer = format!(
        r#"<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>session</SessionToken>
<SecretAccessKey>secret</SecretAccessKey><Expiration>{expires}</Expiration><AccessKeyId>{key}</AccessKeyId>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"#
    );
    (StatusCode::OK, "text/xml", answer)
}

/// A token with these claims and no valid signature, which this side does not check.
fn identity_token(expires: SystemTime) -> Answer {
    use std::fmt::Write as _;
    let since = expires.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"aud": "twincloud", "sub": "1", "iss": "https://accounts.google.com", "exp": since, "iat": 1});
    let token = [json!({"alg": "RS256", "typ": "JWT", "kid": "1"}), claims].iter().fold(
        String::new(),
        |mut token, part| {
            let _ = write!(token, "{}.", base64url(part.to_string().as_bytes()));
            token
        },
    );
    (StatusCode::OK, "text/html", format!("{token}c2lnbmF0dXJl"))
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

async fn aws_identity(metadata: &Server, sts: &Server) -> AwsIdentity {
    let config = cloud_aws::config_loader()
        .region(aws_config::Region::new("eu-west-1"))
        .endpoint_url(&sts.url)
        .no_credentials();
    let config = config.load().await;
    AwsIdentity::new("twincloud", ROLE, &config, Some(&metadata.url)).unwrap()
}

#[tokio::test]
async fn google_to_aws_shows_the_service_accounts_token_to_the_role() {
    let later = SystemTime::now() + Duration::from_hours(1);
    let metadata = Server::start(vec![identity_token(later)]).await;
    let sts = Server::start(vec![assumed("ASIA1", later), assumed("ASIA2", later)]).await;
    let identity = aws_identity(&metadata, &sts).await;
    let credentials = identity.provide_credentials().await.unwrap();
    assert_eq!(credentials.access_key_id(), "ASIA1");
    assert_eq!(credentials.session_token(), Some("session"));
    let left = credentials.expiry().unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > Duration::from_mins(55), "{left:?}");

    let asked = &metadata.asked()[0];
    assert_eq!(asked.headers["metadata-flavor"], "Google");
    assert_eq!(asked.uri.path(), "/computeMetadata/v1/instance/service-accounts/default/identity");
    assert!(asked.uri.query().unwrap().contains("audience=twincloud"), "{}", asked.uri);
    let asked = &sts.asked()[0];
    assert!(!asked.headers.contains_key("authorization"), "the token is all there is to show");
    for (field, value) in [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("RoleArn", ROLE),
        ("RoleSessionName", "twincloud"),
    ] {
        assert_eq!(asked.field(field).as_deref(), Some(value), "{field}");
    }
    assert_eq!(asked.field("WebIdentityToken"), Some(identity_token(later).2));
    // When they expire, the SDK asks again: the identity token is still good, the credentials are new.
    let again = identity.provide_credentials().await.unwrap();
    assert_eq!((again.access_key_id(), metadata.asked().len()), ("ASIA2", 1));
}

#[tokio::test]
async fn what_aws_or_the_metadata_server_refuses_is_said() {
    let later = SystemTime::now() + Duration::from_hours(1);
    let denied = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>
<RequestId>1</RequestId></ErrorResponse>"#;
    let metadata = Server::start(vec![identity_token(later)]).await;
    let sts = Server::start(vec![(StatusCode::FORBIDDEN, "text/xml", denied.to_owned())]).await;
    let error = aws_identity(&metadata, &sts).await.provide_credentials().await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains(ROLE) && text.contains("Not authorized to perform"), "{text}");

    let gone = Server::start(vec![(StatusCode::NOT_FOUND, "text/plain", "no account".to_owned())]);
    let error = aws_identity(&gone.await, &sts).await.provide_credentials().await.unwrap_err();
    assert!(format!("{error:?}").contains("metadata server"), "{error:?}");
}
