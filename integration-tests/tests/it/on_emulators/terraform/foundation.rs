//! `terraform/` itself: applied, changed manually, killed in the middle, destroyed.

use std::time::{Duration, Instant};

use deploy::plan::Action;
use deploy::terraform::{Error, Phase, Progress, Purpose, Root};
use infra::files::{self, ResolvedOutputs};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{BUCKET, Fixture, planned, running, words};
use crate::command::workspace;

/// Settings with which it makes every optional resource.
const ALL: [&str; 2] = ["github.repository=acme/twincloud", "github.environments=dev"];

/// The root, ready; none where its provider can't be had.
async fn foundation(name: &str, sets: &[&str]) -> Option<(Fixture, Root)> {
    let prefix = format!("t-{name}-{}", std::process::id());
    let mut all = vec![
        format!("project.prefix={prefix}"),
        format!("aws.state.bucket={BUCKET}"),
        "aws.foundation.key_deletion_window_days=7".to_owned(),
    ];
    all.extend(sets.iter().map(|&set| set.to_owned()));
    let fixture = Fixture::new(&all).await?;
    let known = ResolvedOutputs {
        google_replicate_subject: Some("123456789012345678901".to_owned()),
        ..ResolvedOutputs::default()
    };
    let rendered = files::render(&fixture.settings, &known).expect("the files render");
    let folder = fixture.path(files::folder(&fixture.settings).to_str().expect("a text"));
    files::write(&rendered, &folder).expect("write the files");
    let root = Root::aws(fixture.folder.path(), &fixture.settings);
    let root = Root { source: workspace().join("terraform"), ..root };
    let root = root.on_aws_emulator(&fixture.endpoint);
    match fixture.terraform.init(&root).await {
        Ok(()) => Some((fixture, root)),
        Err(error @ Error::NoProvider { .. }) => {
            eprintln!("skipped: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn is_planned_applied_changed_by_hand_put_back_and_destroyed() {
    let Some((fixture, root)) = foundation("life", &ALL).await else { return };
    let terraform = &fixture.terraform;
    let took = |what: &str, since: Instant| println!("{what}: {} ms", since.elapsed().as_millis());

    let began = Instant::now();
    let plan = terraform.plan(&root, Purpose::Deploy, &mut |_| ()).await.expect("plan");
    took("plan", began);
    println!("{plan}");
    assert!(plan.changes.iter().all(|change| change.action == Action::Add));
    for address in [
        "module.key.aws_kms_key.main",
        "module.observability.aws_sns_topic.alerts",
        "module.deployer.aws_iam_role.deploy[0]",
    ] {
        assert!(plan.changes.iter().any(|change| change.address == address), "no {address}");
    }

    let mut done = Vec::new();
    let began = Instant::now();
    let mut note = |progress: Progress<'_>| {
        println!("{}", words(&progress));
        if let Progress::Event(event) = progress
            && event.phase == Phase::Done
        {
            done.push(event.address.clone());
        }
    };
    terraform.apply(&root, &plan, &mut note).await.expect("apply");
    took(&format!("apply of {} resources", plan.changes.len()), began);
    done.sort();
    let mut planned: Vec<_> = plan.changes.iter().map(|change| change.address.clone()).collect();
    planned.sort();
    assert_eq!(done, planned, "each is reported once");
    let outputs = terraform.outputs(&root).await.expect("outputs");
    assert_eq!(outputs["account_id"], "000000000000");
    let topic = outputs["alert_topic_arn"].as_str().expect("a text");

    let again = terraform.plan(&root, Purpose::Deploy, &mut |_| ()).await.expect("plan");
    assert!(again.is_empty() && again.changes.is_empty(), "{again}");
    assert_eq!(again.drift, [], "nobody changed anything");

    let query = format!(
        "Action=SetTopicAttributes&TopicArn={topic}&AttributeName=DisplayName&AttributeValue=by-hand"
    );
    fixture.ask("sns", &query).await;
    let drift = terraform.drift(&root, &mut |_| ()).await.expect("drift");
    let text: String = drift.iter().map(ToString::to_string).collect();
    let name = infra::names::stack(&fixture.settings);
    let expected = format!(
        "  ~ module.observability.aws_sns_topic.alerts (aws_sns_topic)\n      display_name: {name} alerts -> by-hand\n"
    );
    assert_eq!(text, expected);

    let began = Instant::now();
    let gone = terraform.destroy(&root, &mut |_| ()).await.expect("destroy");
    took("destroy", began);
    assert_eq!(gone.changes.len(), planned.len());
    assert_eq!(terraform.resources(&root).await.expect("list"), [""; 0]);
    nothing_is_left(&fixture, &name).await;
}

/// But a key that waits for its deletion.
async fn nothing_is_left(fixture: &Fixture, name: &str) {
    for (service, query) in [
        ("iam", "Action=ListRoles&Version=2010-05-08"),
        ("iam", "Action=ListPolicies&Scope=Local&Version=2010-05-08"),
        ("iam", "Action=ListOpenIDConnectProviders&Version=2010-05-08"),
        ("sns", "Action=ListTopics&Version=2010-03-31"),
        ("monitoring", "Action=ListDashboards&Version=2010-08-01"),
    ] {
        let answer = fixture.ask(service, query).await;
        assert!(!answer.contains(name), "{query}: {answer}");
        assert!(!answer.contains("token.actions"), "{query}: {answer}");
    }
}

#[tokio::test]
async fn killed_in_the_middle_the_same_again_goes_on() {
    let Some((fixture, root)) = foundation("kill", &["aws.budget.monthly_usd=0"]).await else {
        return;
    };
    let terraform = &fixture.terraform;
    let plan = terraform.plan(&root, Purpose::Deploy, &mut |_| ()).await.expect("plan");
    let mut made = Vec::new();
    let mut note = |progress: Progress<'_>| {
        let Progress::Event(event) = &progress else { return };
        match event.phase {
            Phase::Done => made.push(event.address.clone()),
            // The key takes 12 s, and all else that can be made without it is there by now.
            Phase::Running => {
                let group = running(&root).expect("it runs");
                killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
            }
            Phase::Started | Phase::Failed => {}
        }
    };
    let applied = terraform.apply(&root, &plan, &mut note).await;
    let error = applied.expect_err("it was killed");
    assert!(matches!(error, Error::Killed { signal: 9, .. }), "{error}");
    println!("made: {made:?}");

    let began = Instant::now();
    let (plan, said) = planned(terraform, &root).await;
    println!("taken up in {} ms: {said:#?}\n{plan}", began.elapsed().as_millis());
    assert!(began.elapsed() < Duration::from_mins(1), "the lock was waited for");
    let mut expected = vec!["unlocked".to_owned()];
    made.sort();
    expected.extend(made.iter().map(|address| format!("adopted {address}")));
    expected.push("uncertain module.key.aws_kms_key.main".to_owned());
    assert_eq!(said, expected);
    terraform.apply(&root, &plan, &mut |_| ()).await.expect("apply");
    let plan = terraform.plan(&root, Purpose::Deploy, &mut |_| ()).await.expect("plan");
    assert!(plan.is_empty(), "{plan}");
}
