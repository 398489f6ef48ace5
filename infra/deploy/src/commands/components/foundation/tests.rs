//! A deploy of the foundation, with a fake Terraform program and fake AWS servers.

use std::path::Path;

use infra::{Checkout, Settings};
use serde_json::json;

use super::state::foundation_outputs;
use super::*;
use crate::fake_aws::FakeAws;
use crate::fake_aws::stacks::Stacks;
use crate::local::LocalClouds;
use crate::served::Served;
use crate::terraform::fake::Fake;

fn site(root: &Path, sets: &[String]) -> DeployContext {
    let text = include_str!("../../../../../../twincloud.toml");
    DeployContext {
        checkout: Checkout { root: root.to_owned(), artifacts: root.to_owned() },
        settings: Settings::parse(root, text, Some("dev"), sets, std::iter::empty())
            .expect("valid"),
        local: None,
        sets: sets.to_vec(),
    }
}

#[tokio::test]
async fn the_foundations_outputs_are_read_without_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = json!({
        "version": 4,
        "resources": [{ "type": "aws_sns_topic" }],
        "outputs": {
            "alert_topic_arn": { "value": "arn:topic", "type": "string" },
            "plan_role_arn": { "value": null, "type": "string" },
        },
    });
    let served = Served::start(move |line, _| match line {
        line if line.starts_with("GET /") => (200, state.to_string()),
        _ => (200, identity("222222222222")),
    })
    .await;
    let site = DeployContext { local: Some(clouds(&served.url)), ..site(folder.path(), &[]) };
    let aws = Aws::open(&site).await.map_err(|failure| failure.to_string()).expect("signed in");
    let outputs = foundation_outputs(&aws).await.map_err(|failure| failure.to_string());
    let expected = [("alert_topic_arn".to_owned(), "arn:topic".to_owned())];
    assert_eq!(outputs.expect("read"), Some(expected.into()));
}

#[tokio::test]
async fn with_another_account_nothing_but_the_account_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let served = Served::start(|_, _| (200, identity("222222222222"))).await;
    let set = ["aws.account=111111111111".to_owned()];
    let site = DeployContext { local: Some(clouds(&served.url)), ..site(folder.path(), &set) };
    let refused = deploy_foundation(&site, &deploy_args(), &Progress::default()).await;
    let Err(Failure::Usage(error)) = refused else { panic!("{:?}", refused.map(|_| ())) };
    let text = error.to_string();
    assert!(text.contains("111111111111") && text.contains("222222222222"), "{text}");
    let asked = served.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].contains("Action=GetCallerIdentity"), "{asked:?}");
}

/// Returns the stacks that a deploy of the foundation protects from deletion.
async fn protected(environment: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let fake = Fake::new(&folder.path().join("fake"));
    std::fs::create_dir_all(folder.path().join("terraform")).expect("create");
    let mut stacks = Stacks::default();
    let stub = FakeAws::start(move |call| stacks.answer(call));
    let mut site = stub.site(folder.path(), environment);
    site.settings.terraform.program = Some(fake.program().display().to_string());
    let (args, progress) = (deploy_args(), Progress::default());
    let deploy = Box::pin(deploy_foundation(&site, &args, &progress));
    deploy.await.map_err(|failure| failure.to_string()).expect("deployed");
    let calls = stub.calls().into_iter();
    let asked = calls.filter(|call| call.action == "UpdateTerminationProtection");
    asked.filter_map(|call| call.field("StackName")).collect()
}

/// A workflow's deploy role may not protect the bootstrap stack, so `deploy foundation` does.
#[tokio::test]
async fn who_makes_the_bootstrap_stack_protects_it() {
    assert_eq!(protected("prod").await, ["blockchain-core-prod-prod-bootstrap"]);
    assert_eq!(protected("dev").await, Vec::<String>::new());
}

fn deploy_args() -> args::Deploy {
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: args::Deploy,
    }
    Line::try_parse_from(["deploy", "foundation", "--yes"]).expect("arguments").args
}

fn identity(account: &str) -> String {
    format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

fn clouds(aws_endpoint: &str) -> LocalClouds {
    let none = || "http://127.0.0.1:1".to_owned();
    LocalClouds {
        pid: 0,
        aws_endpoint: aws_endpoint.to_owned(),
        pubsub_endpoint: none(),
        firestore_endpoint: none(),
        storage_endpoint: none(),
        run_endpoint: none(),
        enforces_policies: false,
    }
}
