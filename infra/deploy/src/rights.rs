//! Rights that the credentials lack, found by IAM's policy simulator before they are needed. It reads the policies and the
//! boundary of the caller's role or user; service control policies of an organization it may not know.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::aws::in_words;

/// IAM has one endpoint for all regions, with requests signed for this one.
const ENDPOINT: &str = "https://iam.amazonaws.com";
const REGION: &str = "us-east-1";
const TIMEOUT: Duration = Duration::from_secs(15);
const VERSION: &str = "2010-05-08";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Actions on a resource, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) actions: &'static [&'static str],
    pub(crate) resource: String,
}

/// An action that the caller may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    action: String,
    resource: String,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these credentials may not {} {}", self.action, self.resource)
    }
}

/// The simulator gave no decision.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Undecided(String);

/// Which of the actions the simulator denies to the caller.
pub(crate) async fn denied(
    config: &SdkConfig,
    wanted: &[Rights],
) -> Result<Vec<Denied>, Undecided> {
    let Some(principal) = principal(config).await? else { return Ok(Vec::new()) };
    let mut denied = Vec::new();
    for rights in wanted {
        let mut fields = vec![
            ("PolicySourceArn".to_owned(), principal.clone()),
            ("ResourceArns.member.1".to_owned(), rights.resource.clone()),
        ];
        let actions = rights.actions.iter().zip(1..);
        fields.extend(
            actions.map(|(action, n)| (format!("ActionNames.member.{n}"), (*action).to_owned())),
        );
        let simulated: Simulated = ask(config, "SimulatePrincipalPolicy", &fields).await?;
        let resource = &rights.resource;
        let denials = denials(simulated).into_iter();
        denied.extend(denials.map(|action| Denied { action, resource: resource.clone() }));
    }
    Ok(denied)
}

/// The ARN of the caller's role or user; none for the account itself, which may do everything.
async fn principal(config: &SdkConfig) -> Result<Option<String>, Undecided> {
    let identity = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let identity = identity.map_err(|error| Undecided(in_words(&error)))?;
    let arn = identity.arn().unwrap_or_default();
    let name = arn.splitn(6, ':').nth(5).unwrap_or_default();
    if name == "root" {
        return Ok(None);
    }
    if name.starts_with("user/") {
        return Ok(Some(arn.to_owned()));
    }
    let role = name.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
    let role = role.ok_or_else(|| Undecided(format!("`{arn}` is neither a role nor a user")))?;
    // An assumed role's ARN lacks the path of the role.
    let fields = [("RoleName".to_owned(), role.to_owned())];
    let answer: Role = ask(config, "GetRole", &fields).await?;
    Ok(Some(answer.result.role.arn))
}

/// The answer of IAM to a request of its query API. Its SDK would be as large as all else that signs in; two calls are asked.
async fn ask<T: DeserializeOwned>(
    config: &SdkConfig,
    action: &str,
    fields: &[(String, String)],
) -> Result<T, Undecided> {
    let failed = |why: &dyn fmt::Display| Undecided(format!("{action} of IAM: {why}"));
    let endpoint = config.endpoint_url().unwrap_or(ENDPOINT);
    let provider = config.credentials_provider().ok_or_else(|| failed(&"no credentials"))?;
    let credentials = provider.provide_credentials().await.map_err(|error| failed(&error))?;
    let identity = credentials.into();
    let fixed = [("Action", action), ("Version", VERSION)];
    let given = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fixed.into_iter().chain(given))
        .finish();
    let client = outbound::client(endpoint, TIMEOUT).map_err(|error| failed(&error))?;
    let mut request = client
        .post(endpoint)
        .header(CONTENT_TYPE, FORM)
        .body(body.clone())
        .build()
        .map_err(|error| failed(&error))?;

    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("iam")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(&error))?
        .into();
    let headers = [(CONTENT_TYPE.as_str(), FORM)].into_iter();
    let content = SignableBody::Bytes(body.as_bytes());
    let signable = SignableRequest::new("POST", request.url().as_str(), headers, content)
        .map_err(|error| failed(&error))?;
    let (signed, _) = sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
    for (name, value) in signed.headers() {
        let name = HeaderName::try_from(name).map_err(|error| failed(&error))?;
        let value = value.parse().map_err(|error| failed(&error))?;
        request.headers_mut().insert(name, value);
    }

    let answer = client.execute(request).await.map_err(|error| failed(&error))?;
    let status = answer.status();
    let text = answer.text().await.map_err(|error| failed(&error))?;
    if status.is_success() {
        return quick_xml::de::from_str(&text)
            .map_err(|error| failed(&format!("read its answer: {error}")));
    }
    let refused: Result<Refused, _> = quick_xml::de::from_str(&text);
    Err(match refused {
        Ok(Refused { error }) => failed(&format!("{} ({})", error.message, error.code)),
        Err(_) => failed(&format!("an answer {status} that is no error of IAM's")),
    })
}

/// The actions that the simulator denies. A denial for want of a condition's value does not count.
fn denials(simulated: Simulated) -> Vec<String> {
    let evaluations = simulated.result.results.members.into_iter();
    let is_denied = |evaluation: &Evaluation| {
        evaluation.decision != "allowed" && evaluation.missing.members.is_empty()
    };
    evaluations.filter(is_denied).map(|evaluation| evaluation.action).collect()
}

#[derive(Deserialize)]
struct Simulated {
    #[serde(rename = "SimulatePrincipalPolicyResult")]
    result: Simulation,
}

#[derive(Deserialize)]
struct Simulation {
    #[serde(rename = "EvaluationResults", default)]
    results: Members<Evaluation>,
}

#[derive(Deserialize)]
struct Evaluation {
    #[serde(rename = "EvalActionName")]
    action: String,
    #[serde(rename = "EvalDecision")]
    decision: String,
    #[serde(rename = "MissingContextValues", default)]
    missing: Members<String>,
}

#[derive(Deserialize)]
struct Members<T> {
    #[serde(rename = "member", default = "Vec::new")]
    members: Vec<T>,
}

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self { members: Vec::new() }
    }
}

#[derive(Deserialize)]
struct Role {
    #[serde(rename = "GetRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
struct RoleResult {
    #[serde(rename = "Role")]
    role: RoleArn,
}

#[derive(Deserialize)]
struct RoleArn {
    #[serde(rename = "Arn")]
    arn: String,
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "Error")]
    error: ErrorText,
}

#[derive(Deserialize)]
struct ErrorText {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_aws::{Answer, FakeAws};

    /// An account whose caller is `caller`; the simulator's results are `results`.
    fn account(caller: &'static str, results: &'static str) -> FakeAws {
        FakeAws::start(move |call| match call.name().as_str() {
            "sts GetCallerIdentity" => Answer::result(
                "GetCallerIdentity",
                format!("<Arn>{caller}</Arn><Account>123456789012</Account>"),
            ),
            "iam GetRole" => Answer::result(
                "GetRole",
                format!(
                    "<Role><Path>/team/</Path><Arn>arn:aws:iam::123456789012:role/team/{}</Arn></Role>",
                    call.field("RoleName").expect("a role")
                ),
            ),
            "iam SimulatePrincipalPolicy" if results.is_empty() => {
                Answer::error("AccessDenied", "may not simulate")
            }
            "iam SimulatePrincipalPolicy" => {
                let results = format!("<EvaluationResults>{results}</EvaluationResults>");
                Answer::result("SimulatePrincipalPolicy", results)
            }
            other => panic!("not expected: {other}"),
        })
    }

    fn wanted() -> [Rights; 1] {
        let actions = &["sqs:DeleteQueue", "sqs:SetQueueAttributes"];
        [Rights { actions, resource: "arn:aws:sqs:us-east-1:123456789012:q&1".to_owned() }]
    }

    const RESULTS: &str = "<member><EvalActionName>sqs:DeleteQueue</EvalActionName><EvalDecision>implicitDeny</EvalDecision>\
        <MissingContextValues/></member>\
        <member><EvalActionName>sqs:SetQueueAttributes</EvalActionName><EvalDecision>allowed</EvalDecision></member>\
        <member><EvalActionName>sqs:X</EvalActionName><EvalDecision>implicitDeny</EvalDecision>\
        <MissingContextValues><member>aws:ResourceTag/a</member></MissingContextValues></member>";

    #[tokio::test]
    async fn what_the_simulator_denies_to_the_callers_role_is_named() {
        let aws = account("arn:aws:sts::123456789012:assumed-role/deployer/session", RESULTS);
        let denied = denied(&aws.config().await, &wanted()).await.expect("decided");
        let text: Vec<String> = denied.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            ["these credentials may not sqs:DeleteQueue arn:aws:sqs:us-east-1:123456789012:q&1"]
        );
        let calls = aws.calls();
        let call = calls.last().expect("a call");
        let field = |name: &str| call.field(name).expect("the field is given");
        assert_eq!(field("PolicySourceArn"), "arn:aws:iam::123456789012:role/team/deployer");
        assert_eq!(field("ResourceArns.member.1"), wanted()[0].resource);
        assert_eq!(field("ActionNames.member.2"), "sqs:SetQueueAttributes");
    }

    #[tokio::test]
    async fn the_account_itself_is_not_asked_for_and_what_can_not_be_told_says_why() {
        let root = account("arn:aws:iam::123456789012:root", RESULTS);
        assert_eq!(denied(&root.config().await, &wanted()).await.expect("decided"), []);
        let user = account("arn:aws:iam::123456789012:user/somebody", RESULTS);
        assert_eq!(denied(&user.config().await, &wanted()).await.expect("decided").len(), 1);

        let why = async |caller, results| {
            let aws = account(caller, results);
            denied(&aws.config().await, &wanted()).await.expect_err("undecided").to_string()
        };
        assert_eq!(
            why("arn:aws:iam::123456789012:user/somebody", "").await,
            "SimulatePrincipalPolicy of IAM: may not simulate (AccessDenied)"
        );
        assert_eq!(
            why("arn:aws:sts::123456789012:federated-user/somebody", RESULTS).await,
            "`arn:aws:sts::123456789012:federated-user/somebody` is neither a role nor a user"
        );
        let unreadable = why("arn:aws:iam::123456789012:user/somebody", "<member>").await;
        assert!(unreadable.starts_with("SimulatePrincipalPolicy of IAM: read its answer: "));
    }
}
