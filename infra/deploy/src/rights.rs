//! Rights that the credentials lack, found by IAM's policy simulator before they are needed.
//!
//! The simulator reads the policies and the boundary of the caller's role or user. It does not know policies of resources and of
//! sessions, nor all values that conditions compare, so a denial is a finding that an operator may overrule.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use pipeline::Backoff;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::aws::identity;

const TIMEOUT: Duration = Duration::from_secs(15);
const VERSION: &str = "2010-05-08";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Actions on a resource, by its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) actions: Vec<&'static str>,
    pub(crate) resource: String,
}

/// Values that conditions of policies compare, by their keys, such as `aws:RequestedRegion`.
pub(crate) type Context = [(&'static str, String)];

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    name: String,
    resource: String,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, self.resource)
    }
}

/// The simulator's decisions.
#[derive(Debug, Default)]
pub(crate) struct Simulated {
    /// Actions that it denies to the caller.
    pub(crate) denied: Vec<Action>,
    /// The reasons why other denials, or the rest of the actions, are undecided.
    pub(crate) undecided: Vec<String>,
}

/// Simulates each of the actions.
pub(crate) async fn simulate(
    config: &SdkConfig,
    wanted: &[Rights],
    context: &Context,
) -> Simulated {
    let mut simulated = Simulated::default();
    if let Err(why) = simulate_into(&mut simulated, config, wanted, context).await {
        simulated.undecided.push(why.0);
    }
    simulated
}

async fn simulate_into(
    simulated: &mut Simulated,
    config: &SdkConfig,
    wanted: &[Rights],
    context: &Context,
) -> Result<(), Undecided> {
    let caller = identity(config).await.map_err(|error| Undecided(error.to_string()))?;
    let iam = Iam::open(config, &caller.arn)?;
    let Some(principal) = iam.principal(&caller.arn).await? else { return Ok(()) };
    for rights in wanted {
        let mut fields = vec![
            ("PolicySourceArn".to_owned(), principal.clone()),
            ("ResourceArns.member.1".to_owned(), rights.resource.clone()),
        ];
        for (n, action) in (1..).zip(&rights.actions) {
            fields.push((format!("ActionNames.member.{n}"), (*action).to_owned()));
        }
        for (n, (key, value)) in (1..).zip(context) {
            let entry = format!("ContextEntries.member.{n}");
            fields.push((format!("{entry}.ContextKeyName"), (*key).to_owned()));
            fields.push((format!("{entry}.ContextKeyType"), "string".to_owned()));
            fields.push((format!("{entry}.ContextKeyValues.member.1"), value.clone()));
        }
        let answer: SimulateAnswer = iam.ask("SimulatePrincipalPolicy", &fields).await?;
        for evaluation in answer.result.results.members {
            let (doubt, is_denied) = (evaluation.doubt(), evaluation.decision != "allowed");
            let action = Action { name: evaluation.action, resource: rights.resource.clone() };
            match doubt {
                _ if !is_denied => {}
                None => simulated.denied.push(action),
                Some(doubt) => simulated.undecided.push(format!("{action}: {doubt}")),
            }
        }
    }
    Ok(())
}

/// The reason why the simulator gave no decision.
#[derive(Debug)]
struct Undecided(String);

/// The query API of IAM. Its SDK would add a minute to each build, for two calls.
struct Iam<'c> {
    config: &'c SdkConfig,
    client: reqwest::Client,
    endpoint: String,
    /// The region that requests are signed for.
    region: &'static str,
}

impl<'c> Iam<'c> {
    /// The endpoint for the partition in `arn`.
    fn open(config: &'c SdkConfig, arn: &str) -> Result<Self, Undecided> {
        // IAM has one endpoint in a partition.
        let (endpoint, region) = match arn.split(':').nth(1).unwrap_or_default() {
            "aws-cn" => ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            "aws-us-gov" => ("https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
            _ => ("https://iam.amazonaws.com", "us-east-1"),
        };
        let endpoint = config.endpoint_url().unwrap_or(endpoint).to_owned();
        let client = outbound::client(&endpoint, TIMEOUT)
            .map_err(|error| Undecided(format!("call {endpoint}: {error}")))?;
        Ok(Self { config, client, endpoint, region })
    }

    /// The ARN of the caller's role or user; `None` for the account itself, which has all rights.
    async fn principal(&self, caller: &str) -> Result<Option<String>, Undecided> {
        let name = caller.splitn(6, ':').nth(5).unwrap_or_default();
        if name == "root" {
            return Ok(None);
        }
        if name.starts_with("user/") {
            return Ok(Some(caller.to_owned()));
        }
        let role = name.strip_prefix("assumed-role/").and_then(|rest| rest.split('/').next());
        let role =
            role.ok_or_else(|| Undecided(format!("`{caller}` is neither a role nor a user")))?;
        // An assumed role's ARN lacks the path of the role.
        let fields = [("RoleName".to_owned(), role.to_owned())];
        let answer: RoleAnswer = self.ask("GetRole", &fields).await?;
        Ok(Some(answer.result.role.arn))
    }

    /// The answer to an operation, which is retried while IAM is busy.
    async fn ask<T: DeserializeOwned>(
        &self,
        action: &str,
        fields: &[(String, String)],
    ) -> Result<T, Undecided> {
        let failed = |why: String| Undecided(format!("{action} of IAM: {why}"));
        let backoff = Backoff::new(4, Duration::from_millis(500), Duration::from_secs(5), 1);
        let mut attempt = 0;
        let (status, text) = loop {
            let (status, text) = self.send(action, fields).await.map_err(failed)?;
            let is_busy = status.is_server_error() || text.contains("Throttling");
            attempt += 1;
            if !is_busy || attempt == backoff.attempts() {
                break (status, text);
            }
            backoff.wait(attempt - 1).await;
        };
        if status.is_success() {
            return quick_xml::de::from_str(&text)
                .map_err(|error| failed(format!("read its answer: {error}")));
        }
        let refused: Result<Refused, _> = quick_xml::de::from_str(&text);
        Err(failed(match refused {
            Ok(Refused { error }) => format!("{} ({})", error.message, error.code),
            Err(_) => format!("an answer {status} that is no error of IAM's"),
        }))
    }

    async fn send(
        &self,
        action: &str,
        fields: &[(String, String)],
    ) -> Result<(StatusCode, String), String> {
        let fixed = [("Action", action), ("Version", VERSION)];
        let given = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fixed.into_iter().chain(given))
            .finish();
        let request = self.client.post(&self.endpoint).header(CONTENT_TYPE, FORM);
        let mut request = request.body(body.clone()).build().map_err(|e| e.to_string())?;

        let provider = self.config.credentials_provider().ok_or("no credentials")?;
        let credentials = provider.provide_credentials().await.map_err(|e| e.to_string())?;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name("iam")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|e| e.to_string())?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), FORM)].into_iter();
        let content = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", request.url().as_str(), headers, content)
            .map_err(|e| e.to_string())?;
        let (signed, _) = sign(signable, &params).map_err(|e| e.to_string())?.into_parts();
        for (name, value) in signed.headers() {
            let name = HeaderName::try_from(name).map_err(|e| e.to_string())?;
            request.headers_mut().insert(name, value.parse().map_err(|_| "a header's value")?);
        }

        let answer = self.client.execute(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        Ok((status, answer.text().await.map_err(|e| e.to_string())?))
    }
}

#[derive(Deserialize)]
struct SimulateAnswer {
    #[serde(rename = "SimulatePrincipalPolicyResult")]
    result: Evaluations,
}

#[derive(Deserialize)]
struct Evaluations {
    #[serde(rename = "EvaluationResults", default)]
    results: Members<Evaluation>,
}

#[derive(Deserialize)]
struct Evaluation {
    #[serde(rename = "EvalActionName")]
    action: String,
    #[serde(rename = "EvalDecision")]
    decision: String,
    /// Keys of conditions whose values the simulator did not get. They may be here or below the resource's own result, and may
    /// be of statements for other actions.
    #[serde(rename = "MissingContextValues", default)]
    missing: Members<String>,
    #[serde(rename = "ResourceSpecificResults", default)]
    by_resource: Members<ByResource>,
    #[serde(rename = "OrganizationsDecisionDetail")]
    organization: Option<Organization>,
}

impl Evaluation {
    /// The reason why a denial is doubtful.
    fn doubt(&self) -> Option<String> {
        let organization = self.organization.as_ref();
        if organization.is_some_and(|organization| !organization.allows) {
            return Some(
                "a policy of the organization, whose conditions are not simulated".to_owned(),
            );
        }
        let below = self.by_resource.members.iter().flat_map(|result| &result.missing.members);
        let mut keys: Vec<&str> =
            self.missing.members.iter().chain(below).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        (!keys.is_empty()).then(|| format!("it depends on {}", keys.join(", ")))
    }
}

#[derive(Deserialize)]
struct ByResource {
    #[serde(rename = "MissingContextValues", default)]
    missing: Members<String>,
}

#[derive(Deserialize)]
struct Organization {
    #[serde(rename = "AllowedByOrganizations")]
    allows: bool,
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
struct RoleAnswer {
    #[serde(rename = "GetRoleResult")]
    result: RoleResult,
}

#[derive(Deserialize)]
struct RoleResult {
    #[serde(rename = "Role")]
    role: Role,
}

#[derive(Deserialize)]
struct Role {
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

    const USER: &str = "arn:aws:iam::123456789012:user/somebody";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:q&1";

    /// An account whose caller is `caller`. The simulator fails without `results`, and throttles the first call.
    fn account(caller: &'static str, results: &'static str) -> FakeAws {
        let mut simulations = 0;
        FakeAws::start(move |call| match call.name().as_str() {
            "sts GetCallerIdentity" => Answer::result(
                "GetCallerIdentity",
                format!("<Arn>{caller}</Arn><Account>123456789012</Account>"),
            ),
            "iam GetRole" => {
                let name = call.field("RoleName").expect("a role");
                let arn = format!("arn:aws:iam::123456789012:role/team/{name}");
                Answer::result(
                    "GetRole",
                    format!("<Role><Path>/team/</Path><Arn>{arn}</Arn></Role>"),
                )
            }
            "iam SimulatePrincipalPolicy" => {
                simulations += 1;
                match (simulations, results) {
                    (1, _) => Answer::error("Throttling", "Rate exceeded"),
                    (_, "") => Answer::error("AccessDenied", "may not simulate"),
                    _ => Answer::result(
                        "SimulatePrincipalPolicy",
                        format!("<EvaluationResults>{results}</EvaluationResults>"),
                    ),
                }
            }
            other => panic!("not expected: {other}"),
        })
    }

    fn evaluation(action: &str, decision: &str, more: &str) -> &'static str {
        let text = format!(
            "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>{more}</member>"
        );
        text.leak()
    }

    async fn simulated(aws: &FakeAws) -> Simulated {
        let actions = vec!["sqs:DeleteQueue", "sqs:SetQueueAttributes"];
        let wanted = [Rights { actions, resource: QUEUE.to_owned() }];
        let context = [("aws:RequestedRegion", "us-east-1".to_owned())];
        simulate(&aws.config().await, &wanted, &context).await
    }

    #[tokio::test]
    async fn what_the_simulator_denies_to_the_callers_role_is_named() {
        let results = [
            evaluation("sqs:DeleteQueue", "implicitDeny", "<MissingContextValues/>"),
            evaluation("sqs:SetQueueAttributes", "allowed", ""),
        ];
        let aws = account(
            "arn:aws:sts::123456789012:assumed-role/deployer/session",
            results.concat().leak(),
        );
        let Simulated { denied, undecided } = simulated(&aws).await;
        let denied: Vec<String> = denied.iter().map(ToString::to_string).collect();
        assert_eq!(denied, [format!("sqs:DeleteQueue on {QUEUE}")]);
        assert_eq!(undecided, [""; 0]);

        let calls = aws.calls();
        let call = calls.last().expect("a call");
        let field = |name: &str| call.field(name).expect("the field is given");
        assert_eq!(field("PolicySourceArn"), "arn:aws:iam::123456789012:role/team/deployer");
        assert_eq!(field("ResourceArns.member.1"), QUEUE);
        assert_eq!(field("ActionNames.member.2"), "sqs:SetQueueAttributes");
        assert_eq!(field("ContextEntries.member.1.ContextKeyName"), "aws:RequestedRegion");
        assert_eq!(field("ContextEntries.member.1.ContextKeyValues.member.1"), "us-east-1");
    }

    #[tokio::test]
    async fn a_denial_that_may_not_be_one_is_not_decided() {
        let key = "<MissingContextValues><member>aws:MultiFactorAuthPresent</member></MissingContextValues>";
        let of_resource =
            format!("<ResourceSpecificResults><member>{key}</member></ResourceSpecificResults>");
        let organization = "<MissingContextValues/><OrganizationsDecisionDetail>\
            <AllowedByOrganizations>false</AllowedByOrganizations></OrganizationsDecisionDetail>";
        for (more, doubt) in [
            (key, "it depends on aws:MultiFactorAuthPresent"),
            (&of_resource, "it depends on aws:MultiFactorAuthPresent"),
            (organization, "a policy of the organization, whose conditions are not simulated"),
        ] {
            let aws = account(USER, evaluation("sqs:DeleteQueue", "explicitDeny", more));
            let Simulated { denied, undecided } = simulated(&aws).await;
            assert_eq!(denied, []);
            assert_eq!(undecided, [format!("sqs:DeleteQueue on {QUEUE}: {doubt}")]);
            let aws = account(USER, evaluation("sqs:DeleteQueue", "allowed", more));
            assert_eq!(simulated(&aws).await.undecided, [""; 0]);
        }
    }

    #[tokio::test]
    async fn the_account_itself_is_not_asked_about_and_no_decision_has_its_reason() {
        let denied = evaluation("sqs:DeleteQueue", "implicitDeny", "");
        let root = account("arn:aws:iam::123456789012:root", denied);
        let Simulated { denied: none, undecided } = simulated(&root).await;
        assert_eq!((none, undecided), (Vec::new(), Vec::new()));
        assert_eq!(simulated(&account(USER, denied)).await.denied.len(), 1);

        let federated = "arn:aws:sts::123456789012:federated-user/somebody";
        for (caller, results, reason) in [
            (USER, "", "SimulatePrincipalPolicy of IAM: may not simulate (AccessDenied)"),
            (federated, denied, "`arn:aws:sts::123456789012:federated-user/somebody` is neither"),
            (USER, "<member>", "SimulatePrincipalPolicy of IAM: read its answer: "),
        ] {
            let Simulated { denied, undecided } = simulated(&account(caller, results)).await;
            assert!(denied.is_empty() && undecided.len() == 1, "{undecided:?}");
            assert!(undecided[0].starts_with(reason), "{undecided:?}");
        }
    }
}
