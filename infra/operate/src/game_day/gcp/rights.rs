//! The rights needed to apply and to undo the switches, checked before the first is applied: restoring a push subscription's
//! account needs more rights than removing it.

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Service, Switch};
use crate::google::Api;

/// An API that returns the caller's permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    PubSub,
    Run,
    /// IAM, of service accounts.
    Accounts,
    /// The Resource Manager: a job has only the rights that are given on its project.
    Project,
}

impl Asked {
    pub(super) fn open(self) -> anyhow::Result<Api> {
        match self {
            Self::PubSub => Api::new("https://pubsub.googleapis.com", "Pub/Sub"),
            Self::Run => Api::new("https://run.googleapis.com", "Cloud Run"),
            Self::Accounts => Api::new("https://iam.googleapis.com", "IAM"),
            Self::Project => {
                Api::new("https://cloudresourcemanager.googleapis.com", "the Resource Manager")
            }
        }
    }
}

/// Permissions on a resource.
#[derive(Debug, PartialEq, Eq)]
struct Needed {
    asked: Asked,
    /// The resource with the version of the API.
    resource: String,
    permissions: &'static [&'static str],
}

/// The permissions needed to apply and to undo these switches.
fn needed(switches: &[Switch], project: &str) -> Vec<Needed> {
    let mut all = Vec::new();
    let mut need = |asked, resource: String, permissions| {
        all.push(Needed { asked, resource, permissions });
    };
    for switch in switches {
        match switch {
            Switch::PushConfig { subscription, before } => {
                let resource = format!("v1/{subscription}");
                let own = &["pubsub.subscriptions.get", "pubsub.subscriptions.update"];
                need(Asked::PubSub, resource, own);
                if let Some(account) = before["oidcToken"]["serviceAccountEmail"].as_str() {
                    let resource = format!("v1/projects/-/serviceAccounts/{account}");
                    need(Asked::Accounts, resource, &["iam.serviceAccounts.actAs"]);
                }
            }
            Switch::Bindings { of: Service::PubSub, resource, .. } => {
                let own = &["pubsub.topics.getIamPolicy", "pubsub.topics.setIamPolicy"];
                need(Asked::PubSub, format!("v1/{resource}"), own);
            }
            Switch::Bindings { of: Service::Run, resource, .. } => {
                let own = &["run.services.getIamPolicy", "run.services.setIamPolicy"];
                need(Asked::Run, format!("v2/{resource}"), own);
            }
            Switch::Job { .. } => {
                let own = &[
                    "cloudscheduler.jobs.get",
                    "cloudscheduler.jobs.pause",
                    "cloudscheduler.jobs.enable",
                ];
                need(Asked::Project, format!("v3/projects/{project}"), own);
            }
        }
    }
    all
}

/// Fails if a permission is missing, naming all missing ones.
pub(super) async fn check(
    switches: &[Switch],
    project: &str,
    open: impl Fn(Asked) -> anyhow::Result<Api>,
) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for Needed { asked, resource, permissions } in needed(switches, project) {
        let path = format!("/{resource}:testIamPermissions");
        let body = json!({ "permissions": permissions });
        let answer = open(asked)?.ask(Method::POST, &path, Some(&body)).await;
        let answer = answer.context("ask whether all of it could be undone")?;
        let held = answer["permissions"].as_array().cloned().unwrap_or_default();
        let lacks = permissions.iter().filter(|p| !held.contains(&Value::from(**p)));
        missing.extend(lacks.map(|permission| {
            let name = resource.split_once('/').map_or(resource.as_str(), |(_, name)| name);
            format!("{permission} on {name}")
        }));
    }
    ensure!(
        missing.is_empty(),
        "nothing is thrown, as it could not all be undone: you lack {}; docs/game-days.md has the whole list",
        missing.join(", ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::super::tests::read;
    use super::*;

    const ACCOUNT: &str = "push@p.iam.gserviceaccount.com";

    fn switches() -> Vec<Switch> {
        let before = json!({
            "pushEndpoint": "https://service/",
            "oidcToken": { "serviceAccountEmail": ACCOUNT },
        });
        vec![
            Switch::Bindings {
                of: Service::PubSub,
                resource: "projects/p/topics/t".to_owned(),
                role: "roles/pubsub.publisher".to_owned(),
                before: Vec::new(),
            },
            Switch::PushConfig { subscription: "projects/p/subscriptions/s".to_owned(), before },
            Switch::Job { job: "copy".to_owned() },
        ]
    }

    /// A fake of all APIs, for a caller who lacks only `lacked`; also returns the requests' first lines.
    async fn google(lacked: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read(&mut stream).await;
                let (head, body) = request.split_once("\r\n\r\n").expect("a body");
                let line = head.lines().next().unwrap_or_default().to_owned();
                log.lock().expect("a lock").push(line);
                let asked: Value = serde_json::from_str(body).expect("JSON");
                let asked = asked["permissions"].as_array().cloned().unwrap_or_default();
                let has = |p: &Value| !lacked.contains(&p.as_str().unwrap_or_default());
                let held: Vec<Value> = asked.into_iter().filter(has).collect();
                // As the real APIs, it omits an empty list.
                let answer =
                    if held.is_empty() { json!({}) } else { json!({ "permissions": held }) };
                let answer = answer.to_string();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", answer.len());
                let answer = format!("{head}connection: close\r\n\r\n{answer}");
                stream.write_all(answer.as_bytes()).await.expect("answered");
            }
        });
        (base, seen)
    }

    #[tokio::test]
    async fn what_could_not_be_undone_is_not_thrown() {
        let (base, seen) =
            google(&["iam.serviceAccounts.actAs", "cloudscheduler.jobs.enable"]).await;
        let open = |_| Api::emulated(&base, "Google");
        let error = check(&switches(), "p", open).await.expect_err("it can't be undone");
        let text = error.to_string();
        assert!(
            text.contains(&format!(
                "you lack iam.serviceAccounts.actAs on projects/-/serviceAccounts/{ACCOUNT}, cloudscheduler.jobs.enable on \
                 projects/p;"
            )),
            "{text}"
        );
        let seen = seen.lock().expect("a lock").clone();
        assert_eq!(
            seen,
            [
                "POST /v1/projects/p/topics/t:testIamPermissions HTTP/1.1".to_owned(),
                "POST /v1/projects/p/subscriptions/s:testIamPermissions HTTP/1.1".to_owned(),
                format!(
                    "POST /v1/projects/-/serviceAccounts/{ACCOUNT}:testIamPermissions HTTP/1.1"
                ),
                "POST /v3/projects/p:testIamPermissions HTTP/1.1".to_owned(),
            ],
            "no call that changes anything"
        );
    }

    #[tokio::test]
    async fn one_who_has_every_right_may_begin() {
        let (base, _) = google(&[]).await;
        check(&switches(), "p", |_| Api::emulated(&base, "Google")).await.expect("all rights");
    }
}
