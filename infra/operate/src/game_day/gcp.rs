//! The switches of Google Cloud.

mod rights;

use std::fmt;

use anyhow::{Context as _, anyhow, ensure};
use args::Part;
use deploy::commands::DeployContext;
use deploy::google;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Outage;
use crate::commands::schedule::{self, Desired};
use crate::google::{Api, Refused};

/// Tries at a policy that is being changed by another caller.
const TRIES: u32 = 5;

/// A switch, with the former state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "switch", rename_all = "kebab-case")]
pub enum Switch {
    /// Nothing is pushed: messages wait in the subscription.
    PushConfig {
        /// `projects/P/subscriptions/S`.
        subscription: String,
        /// Its push configuration, as Pub/Sub returned it.
        before: Value,
    },
    /// The members of a role on the resource itself lose it.
    Bindings {
        /// The API of the resource.
        of: Service,
        /// Its full name, such as `projects/P/topics/T`.
        resource: String,
        /// The role.
        role: String,
        /// The bindings of the role, as the API returned them.
        before: Vec<Value>,
    },
    /// The job that starts the copying is paused.
    Job {
        /// Its name.
        job: String,
    },
}

/// An API that has policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Pub/Sub.
    PubSub,
    /// Cloud Run, in records of earlier versions.
    Run,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::PubSub => "Pub/Sub",
            Self::Run => "Cloud Run",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::PubSub => "v1",
            Self::Run => "v2",
        }
    }

    fn open(self, site: &DeployContext) -> anyhow::Result<Api> {
        match (self, &site.local) {
            (Self::PubSub, Some(local)) => Api::emulated(&local.pubsub_endpoint, self.name()),
            (Self::PubSub, None) => Api::new("https://pubsub.googleapis.com", self.name()),
            (Self::Run, _) => Api::new("https://run.googleapis.com", self.name()),
        }
    }
}

/// The switches for an outage, with the current state. Emulators have no roles: an outage of their functions has all other
/// switches, and an outage of a whole emulated cloud is refused.
pub(super) async fn plan(site: &DeployContext, outage: Outage) -> anyhow::Result<Vec<Switch>> {
    // Names come from the settings; this says whether anything has them.
    site.outputs(Part::Gcp).map_err(|failure| anyhow!("{failure}"))?;
    let gcp = &site.settings.gcp;
    let project = &gcp.project;
    let replicate = google::replicate_name(&site.settings);
    let mut switches = Vec::new();
    if outage == Outage::Cloud {
        ensure!(
            site.local.is_none(),
            "the Pub/Sub emulator knows no roles, so nobody can be kept from publishing; `--scenario functions-gcp` can be \
             rehearsed there"
        );
        let topic = format!("projects/{project}/topics/{}", gcp.pubsub.topic);
        let publishers = bindings(site, Service::PubSub, topic, "roles/pubsub.publisher").await;
        switches.push(publishers.context("name those that publish in gcp.pubsub.publishers")?);
    }
    switches.push(push_config(site, &gcp.pubsub.subscription).await?);
    switches.push(job(site, replicate).await?);
    // The right to call the services is kept: nothing calls them any more, and a restored right takes minutes to take effect
    // everywhere, during which every push would fail.
    if site.local.is_none() {
        rights::check(&switches, project, rights::Asked::open).await?;
    }
    Ok(switches)
}

async fn push_config(site: &DeployContext, subscription: &str) -> anyhow::Result<Switch> {
    let subscription =
        format!("projects/{}/subscriptions/{subscription}", site.settings.gcp.project);
    let api = Service::PubSub.open(site)?;
    let now = api.ask(Method::GET, &format!("/v1/{subscription}"), None).await?;
    let before = now["pushConfig"].clone();
    ensure!(
        !before["pushEndpoint"].as_str().unwrap_or_default().is_empty(),
        "{subscription} pushes nothing, so there is nothing to take away: `cargo xtask deploy gcp` sets it up again"
    );
    Ok(Switch::PushConfig { subscription, before })
}

async fn job(site: &DeployContext, job: String) -> anyhow::Result<Switch> {
    let now = schedule::gcp(site, None).await.map_err(|failure| anyhow!("{failure}"))?;
    ensure!(
        !now.paused,
        "the job {job} is paused already, so there is nothing to take away: `cargo xtask sync start` resumes it"
    );
    Ok(Switch::Job { job })
}

async fn bindings(
    site: &DeployContext,
    of: Service,
    resource: String,
    role: &str,
) -> anyhow::Result<Switch> {
    let policy = read_policy(&of.open(site)?, of, &resource).await?;
    let before: Vec<Value> = all(&policy).iter().filter(|b| b["role"] == role).cloned().collect();
    ensure!(
        !before.is_empty(),
        "nobody has {role} on {resource} itself: whoever comes in does so by a role on the project, which a game day leaves \
         alone"
    );
    Ok(Switch::Bindings { of, resource, role: role.to_owned(), before })
}

impl Switch {
    /// The API call that applies it, in Google's notation.
    #[must_use]
    pub fn call(&self) -> String {
        match self {
            Self::PushConfig { subscription, .. } => {
                format!("Pub/Sub ModifyPushConfig {subscription}: no endpoint")
            }
            Self::Bindings { of, resource, role, before } => {
                let members = members(before).join(", ");
                format!("{} SetIamPolicy {resource}: without {role} for {members}", of.name())
            }
            Self::Job { job } => format!("Cloud Scheduler PauseJob {job}"),
        }
    }

    /// The API call that undoes it.
    #[must_use]
    pub fn undo_call(&self) -> String {
        match self {
            Self::PushConfig { subscription, before } => {
                let endpoint = before["pushEndpoint"].as_str().unwrap_or_default();
                format!("Pub/Sub ModifyPushConfig {subscription}: {endpoint}")
            }
            Self::Bindings { of, resource, role, before } => {
                let members = members(before).join(", ");
                format!("{} SetIamPolicy {resource}: with {role} for {members}", of.name())
            }
            Self::Job { job } => format!("Cloud Scheduler ResumeJob {job}"),
        }
    }

    pub(super) async fn throw(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::PushConfig { subscription, .. } => push(site, subscription, &json!({})).await,
            Self::Bindings { of, resource, before, .. } => {
                change_policy(&of.open(site)?, *of, resource, |policy| without(policy, before))
                    .await
            }
            Self::Job { .. } => set_job(site, Desired::Paused).await,
        }
    }

    pub(super) async fn undo(&self, site: &DeployContext) -> anyhow::Result<()> {
        match self {
            Self::PushConfig { subscription, before } => push(site, subscription, before).await,
            Self::Bindings { of, resource, before, .. } => {
                change_policy(&of.open(site)?, *of, resource, |policy| with(policy, before)).await
            }
            Self::Job { .. } => set_job(site, Desired::Running).await,
        }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        match self {
            Self::PushConfig { subscription, .. } => {
                write!(f, "subscription {}", last(subscription))
            }
            Self::Bindings { resource, role, .. } => write!(f, "{role} of {}", last(resource)),
            Self::Job { job } => write!(f, "job {job}"),
        }
    }
}

async fn push(site: &DeployContext, subscription: &str, config: &Value) -> anyhow::Result<()> {
    let path = format!("/v1/{subscription}:modifyPushConfig");
    let body = json!({ "pushConfig": config });
    Service::PubSub.open(site)?.ask(Method::POST, &path, Some(&body)).await.map(drop)
}

async fn set_job(site: &DeployContext, wanted: Desired) -> anyhow::Result<()> {
    let set = schedule::gcp(site, Some(wanted)).await;
    set.map(drop).map_err(|failure| anyhow!("{failure}"))
}

async fn read_policy(api: &Api, of: Service, resource: &str) -> anyhow::Result<Value> {
    // Version 3: earlier ones omit conditions.
    let path =
        format!("/{}/{resource}:getIamPolicy?options.requestedPolicyVersion=3", of.version());
    api.ask(Method::GET, &path, None).await
}

/// Reads, changes and writes a policy; retries if its etag shows a concurrent change.
async fn change_policy(
    api: &Api,
    of: Service,
    resource: &str,
    change: impl Fn(&mut Value),
) -> anyhow::Result<()> {
    let path = format!("/{}/{resource}:setIamPolicy", of.version());
    for _ in 1..TRIES {
        let now = read_policy(api, of, resource).await?;
        let mut policy = now.clone();
        change(&mut policy);
        if policy == now {
            return Ok(());
        }
        match api.ask(Method::POST, &path, Some(&json!({ "policy": policy }))).await {
            Err(error) if is_conflict(&error) => {}
            answer => return answer.map(drop),
        }
    }
    Err(anyhow!("the policy of {resource} changes all the time; see who changes it"))
}

fn is_conflict(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| {
        matches!(refused.status, StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED)
    })
}

fn all(policy: &Value) -> &[Value] {
    policy["bindings"].as_array().map_or(&[], Vec::as_slice)
}

fn members(bindings: &[Value]) -> Vec<&str> {
    let lists = bindings.iter().filter_map(|binding| binding["members"].as_array());
    lists.flatten().filter_map(Value::as_str).collect()
}

/// True if both have the same role and condition.
fn is_like(a: &Value, b: &Value) -> bool {
    a["role"] == b["role"] && a["condition"] == b["condition"]
}

/// Removes the members of these bindings, and keeps all else.
fn without(policy: &mut Value, bindings: &[Value]) {
    let Some(all) = policy["bindings"].as_array_mut() else { return };
    for binding in all.iter_mut() {
        let Some(gone) = bindings.iter().find(|gone| is_like(gone, binding)) else { continue };
        let gone = members(std::slice::from_ref(gone));
        if let Some(left) = binding["members"].as_array_mut() {
            left.retain(|member| !member.as_str().is_some_and(|member| gone.contains(&member)));
        }
    }
    all.retain(|binding| binding["members"].as_array().is_some_and(|members| !members.is_empty()));
}

/// Adds the members of these bindings that are missing.
fn with(policy: &mut Value, bindings: &[Value]) {
    if !policy["bindings"].is_array() {
        policy["bindings"] = json!([]);
    }
    let Some(all) = policy["bindings"].as_array_mut() else { return };
    for binding in bindings {
        let Some(there) = all.iter_mut().find(|there| is_like(there, binding)) else {
            all.push(binding.clone());
            continue;
        };
        let Some(there) = there["members"].as_array_mut() else { continue };
        for member in binding["members"].as_array().into_iter().flatten() {
            if !there.contains(member) {
                there.push(member.clone());
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    const TOPIC: &str = "projects/p/topics/t";

    fn policy() -> Value {
        json!({
            "etag": "one",
            "version": 3,
            "bindings": [
                { "role": "roles/pubsub.publisher", "members": ["serviceAccount:a", "user:b"] },
                { "role": "roles/pubsub.publisher", "members": ["user:c"], "condition": { "title": "by day" } },
                { "role": "roles/pubsub.viewer", "members": ["user:b"] },
            ],
        })
    }

    fn publishers() -> Vec<Value> {
        all(&policy()).iter().filter(|b| b["role"] == "roles/pubsub.publisher").cloned().collect()
    }

    #[test]
    fn members_are_taken_out_and_put_in_again() {
        let mut now = policy();
        without(&mut now, &publishers());
        assert_eq!(members(all(&now)), ["user:b"], "who only looks goes on to look");
        // Another member is added meanwhile.
        all_mut(&mut now).push(json!({ "role": "roles/pubsub.publisher", "members": ["user:d"] }));
        with(&mut now, &publishers());
        let mut found = members(all(&now));
        found.sort_unstable();
        assert_eq!(found, ["serviceAccount:a", "user:b", "user:b", "user:c", "user:d"]);
        let again = now.clone();
        with(&mut now, &publishers());
        assert_eq!(now, again, "twice is once");
    }

    fn all_mut(policy: &mut Value) -> &mut Vec<Value> {
        policy["bindings"].as_array_mut().expect("a list")
    }

    /// A fake API with the policy of a topic. A policy written with an outdated etag is refused, as the first write is if
    /// another caller is `quicker`.
    async fn server(quicker: bool) -> (Api, Arc<Mutex<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let policy = Arc::new(Mutex::new(policy()));
        let held = Arc::clone(&policy);
        tokio::spawn(async move {
            let mut quicker = quicker;
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                let mut policy = held.lock().expect("a lock").clone();
                let mut status = "200 OK";
                if request.starts_with("POST /v1/projects/p/topics/t:setIamPolicy ") {
                    let body = request.split_once("\r\n\r\n").expect("a body").1;
                    let asked: Value = serde_json::from_str(body).expect("JSON");
                    if std::mem::take(&mut quicker) {
                        policy["etag"] = json!("two");
                        all_mut(&mut policy)
                            .push(json!({ "role": "r", "members": ["user:quick"] }));
                    }
                    if asked["policy"]["etag"] == policy["etag"] {
                        policy = asked["policy"].clone();
                        policy["etag"] = json!("three");
                    } else {
                        status = "409 Conflict";
                    }
                    *held.lock().expect("a lock") = policy.clone();
                } else {
                    let read = "GET /v1/projects/p/topics/t:getIamPolicy?options.requestedPolicyVersion=3 ";
                    assert!(request.starts_with(read), "{request}");
                }
                let body = policy.to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.expect("answered");
            }
        });
        (Api::emulated(&base, "Pub/Sub").expect("a client"), policy)
    }

    /// A whole request: its head, and a body of the announced length.
    pub(super) async fn read(stream: &mut tokio::net::TcpStream) -> String {
        let mut request = Vec::new();
        loop {
            let mut part = vec![0; 4096];
            let count = stream.read(&mut part).await.expect("a request");
            request.extend_from_slice(&part[..count]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().expect("a number")) {
                return text;
            }
        }
    }

    #[tokio::test]
    async fn a_policy_that_somebody_else_changes_is_read_again() {
        for quicker in [false, true] {
            let (api, held) = server(quicker).await;
            change_policy(&api, Service::PubSub, TOPIC, |policy| without(policy, &publishers()))
                .await
                .expect("changed");
            let text = held.lock().expect("a lock").to_string();
            assert!(!text.contains("publisher") && text.contains("viewer"), "{text}");
            assert_eq!(text.contains("user:quick"), quicker, "{text}");
            change_policy(&api, Service::PubSub, TOPIC, |policy| with(policy, &publishers()))
                .await
                .expect("changed back");
            let now = held.lock().expect("a lock").clone();
            let back: Vec<&Value> =
                all(&now).iter().filter(|b| b["role"] == "roles/pubsub.publisher").collect();
            assert_eq!(back, publishers().iter().collect::<Vec<_>>());
        }
    }
}
