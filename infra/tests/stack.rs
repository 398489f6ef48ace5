//! The templates and what is rendered for them must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use infra::Settings;
use infra::files::ResolvedOutputs;
use infra::render::{
    BOOTSTRAP_TEMPLATE, Code, CodeObject, STACK_TEMPLATE, bootstrap_parameters, stack_parameters,
};

const ACCOUNT: &str = "123456789012";

fn with(sets: &[&str]) -> Settings {
    let text = include_str!("../../twincloud.toml");
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Settings::parse(Path::new("twincloud.toml"), text, None, &sets, std::iter::empty())
        .expect("valid")
}

fn settings() -> Settings {
    with(&[])
}

fn code() -> Code {
    let object = |name: &str, letter: &str| CodeObject {
        key: format!("{name}/0.zip"),
        sha256_base64: format!("{}=", letter.repeat(43)),
    };
    Code {
        bucket: "artifacts".to_owned(),
        ingest: object("ingest", "A"),
        replicate: Some(object("replicate", "B")),
    }
}

fn parameters_of(settings: &Settings) -> BTreeMap<String, String> {
    stack_parameters(settings, &code(), &ResolvedOutputs::default())
}

fn parameters() -> BTreeMap<String, String> {
    parameters_of(&settings())
}

/// The keys right below a line, by indentation: all that is needed of YAML here.
fn keys_below(template: &'static str, headings: &[&str]) -> BTreeSet<&'static str> {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut lines = template.lines().peekable();
    for heading in headings {
        while lines.next_if(|line| line.trim_end() != *heading).is_some() {}
        assert!(lines.peek().is_some(), "`{heading}` isn't in the template");
    }
    let top = depth(lines.next().expect("the heading is in the template"));
    let below: Vec<&str> = lines
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .take_while(|line| depth(line) > top)
        .collect();
    let first = depth(below.first().expect("something below the heading"));
    below
        .into_iter()
        .filter(|line| depth(line) == first)
        .filter_map(|line| line.trim().split_once(':').map(|(key, _)| key))
        .collect()
}

/// Each template with what is rendered for it.
fn templates() -> [(&'static str, BTreeMap<String, String>); 2] {
    [(STACK_TEMPLATE, parameters()), (BOOTSTRAP_TEMPLATE, bootstrap_parameters(&settings()))]
}

#[test]
fn each_parameter_is_rendered_and_each_rendered_one_declared() {
    for (template, rendered) in templates() {
        let rendered: BTreeSet<&str> = rendered.keys().map(String::as_str).collect();
        assert_eq!(rendered, keys_below(template, &["Parameters:"]));
    }
}

#[test]
fn each_parameter_is_used() {
    for (template, _) in templates() {
        for parameter in keys_below(template, &["Parameters:"]) {
            let used = [format!("!Ref {parameter}"), format!("${{{parameter}}}")]
                .iter()
                .any(|usage| template.contains(usage));
            assert!(used, "`{parameter}` isn't used in the template");
        }
    }
}

#[test]
fn each_parameter_of_the_stack_is_in_a_group() {
    let resources = STACK_TEMPLATE.find("\nParameters:").expect("parameters");
    let words: BTreeSet<&str> =
        STACK_TEMPLATE[..resources].split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let ungrouped: Vec<_> = keys_below(STACK_TEMPLATE, &["Parameters:"])
        .into_iter()
        .filter(|name| !words.contains(name))
        .collect();
    assert!(ungrouped.is_empty(), "{ungrouped:?}");
}

#[test]
fn the_functions_have_the_environment_that_the_settings_say() {
    let (settings, known) = (settings(), ResolvedOutputs::default());
    for (function, env) in [
        ("  IngestFunction:", settings.aws_function_env(ACCOUNT)),
        ("  ReplicateFunction:", settings.aws_replicate_env(ACCOUNT, &known)),
    ] {
        let mut expected: BTreeSet<&str> = env.keys().map(String::as_str).collect();
        expected.insert("AWS_ENDPOINT_URL");
        assert_eq!(keys_below(STACK_TEMPLATE, &[function, "        Variables:"]), expected);
    }
}

#[test]
fn everything_that_can_have_a_tag_says_which_part_it_is_of() {
    // Types that CloudFormation can't tag.
    let bare = [
        "AWS::Lambda::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::Lambda::Version",
        "AWS::Logs::MetricFilter",
        "AWS::S3::BucketPolicy",
        "AWS::SQS::QueuePolicy",
    ];
    for template in [STACK_TEMPLATE, BOOTSTRAP_TEMPLATE] {
        let resources = template.split_once("\nResources:").expect("resources").1;
        let resources = resources.split_once("\nOutputs:").expect("outputs").0;
        for block in resources.split("\n\n") {
            let kind = block.lines().find_map(|line| line.strip_prefix("    Type: "));
            let Some(kind) = kind else { panic!("no type: {block}") };
            let tagged = block.contains("\n      Tags:\n        - { Key: component, Value: ");
            assert_ne!(tagged, bare.contains(&kind), "{block}");
        }
    }
}

/// The block of a resource.
fn block(template: &'static str, name: &str) -> &'static str {
    let begin = template.find(&format!("\n  {name}:\n")).unwrap_or_else(|| panic!("no {name}"));
    template[begin..].trim_start().split("\n\n").next().expect("a block")
}

#[test]
fn what_holds_data_or_messages_is_reached_by_tls_only() {
    let mut policies = 0;
    for template in [STACK_TEMPLATE, BOOTSTRAP_TEMPLATE] {
        for name in keys_below(template, &["Resources:"]) {
            let kind = block(template, name);
            if !kind.contains("Type: AWS::SQS::Queue\n")
                && !kind.contains("Type: AWS::S3::Bucket\n")
            {
                continue;
            }
            let policy = block(template, &format!("{name}Policy"));
            for part in
                ["Effect: Deny", "Principal: \"*\"", "Bool: { \"aws:SecureTransport\": \"false\" }"]
            {
                assert!(policy.contains(part), "{name}: {policy}");
            }
            assert!(
                policy.contains("Action: sqs:*") || policy.contains("Action: s3:*"),
                "{policy}"
            );
            assert!(policy.contains(&format!("!GetAtt {name}.Arn")), "{policy}");
            policies += 1;
        }
    }
    assert_eq!(policies, 5, "two queues and three buckets");
}

#[test]
fn no_lag_is_an_alarm_only_where_replicate_can_report_one() {
    let alarm = block(STACK_TEMPLATE, "ReplicationLagAlarm");
    assert!(alarm.contains("TreatMissingData: !If [Silent, notBreaching, breaching]"), "{alarm}");
    for condition in [
        "  NoWayIn: !And [!Equals [!Ref PeerAudience, \"\"], !Equals [!Ref PeerEndpoint, \"\"]]\n",
        "  Silent: !Or [!Condition Paused, !Condition NoWayIn]\n",
    ] {
        assert!(STACK_TEMPLATE.contains(condition), "{condition}");
    }
}

#[test]
fn the_templates_fit_into_a_request() {
    // CloudFormation's limit for a template that isn't in a bucket.
    for (template, _) in templates() {
        assert!(template.len() <= 51_200, "{} bytes", template.len());
    }
}

#[test]
fn a_revision_is_of_all_that_a_version_keeps_and_of_nothing_else() {
    let revision = |sets: &[&str]| parameters_of(&with(sets))["Revision"].clone();
    let base = revision(&[]);
    for same in
        ["aws.queue.max_receive_count=7", "aws.replicate.memory_mb=512", "alerts.email=a@b.c"]
    {
        assert_eq!(revision(&[same]), base, "{same}");
    }
    for other in [
        "aws.ingest.memory_mb=512",
        "aws.ingest.timeout_s=31",
        "aws.ingest.architecture=arm64",
        "functions.log=debug",
        "trading.symbols=ETHUSDT",
        "compare_and_set.attempts=13",
    ] {
        assert_ne!(revision(&[other]), base, "{other}");
    }
    let mut code = code();
    code.ingest.key = "elsewhere".to_owned();
    let moved = stack_parameters(&settings(), &code, &ResolvedOutputs::default());
    assert_eq!(moved["Revision"], base, "the same code in another place");
    code.ingest.sha256_base64 = format!("{}=", "C".repeat(43));
    let other = stack_parameters(&settings(), &code, &ResolvedOutputs::default());
    assert_ne!(other["Revision"], base, "other code");
}

#[test]
fn without_its_code_or_where_it_is_turned_off_nothing_replicates() {
    assert_eq!(parameters()["ReplicateEnabled"], "true");
    assert_eq!(parameters_of(&with(&["aws.replicate.enabled=false"]))["ReplicateEnabled"], "false");
    let without = Code { replicate: None, ..code() };
    let parameters = stack_parameters(&settings(), &without, &ResolvedOutputs::default());
    assert_eq!(parameters["ReplicateEnabled"], "false");
    assert_eq!(parameters["ReplicateArtifactKey"], "");
}

#[test]
fn a_schedule_in_eventbridges_words() {
    let schedule = |sets: &[&str]| {
        let parameters = parameters_of(&with(sets));
        (parameters["ReplicateSchedule"].clone(), parameters["ReplicateScheduleState"].clone())
    };
    assert_eq!(schedule(&[]), ("rate(1 minute)".to_owned(), "ENABLED".to_owned()));
    let sets = ["aws.replicate.schedule_minutes=5", "aws.replicate.paused=true"];
    assert_eq!(schedule(&sets), ("rate(5 minutes)".to_owned(), "DISABLED".to_owned()));
}

#[test]
fn a_state_bucket_that_is_there_already_is_not_made() {
    let given = with(&["aws.state.bucket=mine"]);
    assert_eq!(bootstrap_parameters(&given)["StateBucketBase"], "");
    assert_eq!(infra::names::aws_state_bucket(&given, ACCOUNT), "mine");
    let made = infra::names::aws_state_bucket(&settings(), ACCOUNT);
    let base = &bootstrap_parameters(&settings())["StateBucketBase"];
    assert_eq!(made, format!("{base}-{ACCOUNT}"));
    assert_eq!(infra::names::bootstrap_stack(&settings()), "blockchain-core-dev-bootstrap");
}

#[test]
fn values_and_environments() {
    let (settings, known) = (settings(), ResolvedOutputs::default());
    insta::assert_json_snapshot!("parameters", parameters());
    insta::assert_json_snapshot!("bootstrap_parameters", bootstrap_parameters(&settings));
    insta::assert_json_snapshot!("aws_function_env", settings.aws_function_env(ACCOUNT));
    insta::assert_json_snapshot!("aws_replicate_env", settings.aws_replicate_env(ACCOUNT, &known));
    insta::assert_json_snapshot!("gcp_function_env", settings.gcp_function_env());
    let known = ResolvedOutputs {
        aws_account: Some(ACCOUNT.to_owned()),
        google_reader_role_arn: Some(format!("arn:aws:iam::{ACCOUNT}:role/reader")),
        ..known
    };
    insta::assert_json_snapshot!("gcp_replicate_env", settings.gcp_replicate_env(&known));
}
