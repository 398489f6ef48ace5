//! Both sides of the comparison make the same: Terraform's root has each resource of `stack.yaml`, by its name and in its
//! kind, and no other; and it is told by the same parameters.

use std::collections::BTreeSet;

use infra::render::STACK_TEMPLATE;

use super::report::resources;
use super::terraform::CONFIGURATION;

/// The Terraform types of each type of the template; some are split up.
const KINDS: [(&str, &[&str]); 16] = [
    ("AWS::SQS::Queue", &["aws_sqs_queue"]),
    ("AWS::SQS::QueuePolicy", &["aws_sqs_queue_policy"]),
    ("AWS::DynamoDB::Table", &["aws_dynamodb_table"]),
    (
        "AWS::S3::Bucket",
        &[
            "aws_s3_bucket",
            "aws_s3_bucket_lifecycle_configuration",
            "aws_s3_bucket_ownership_controls",
            "aws_s3_bucket_public_access_block",
            "aws_s3_bucket_server_side_encryption_configuration",
            "aws_s3_bucket_versioning",
        ],
    ),
    ("AWS::S3::BucketPolicy", &["aws_s3_bucket_policy"]),
    ("AWS::Logs::LogGroup", &["aws_cloudwatch_log_group"]),
    ("AWS::Logs::MetricFilter", &["aws_cloudwatch_log_metric_filter"]),
    ("AWS::IAM::Role", &["aws_iam_role", "aws_iam_role_policy"]),
    ("AWS::Lambda::Function", &["aws_lambda_function"]),
    // `publish = true` of its function makes it; a resource of its own there is none.
    ("AWS::Lambda::Version", &[]),
    ("AWS::Lambda::Alias", &["aws_lambda_alias"]),
    ("AWS::Lambda::EventSourceMapping", &["aws_lambda_event_source_mapping"]),
    ("AWS::Lambda::EventInvokeConfig", &["aws_lambda_function_event_invoke_config"]),
    ("AWS::Lambda::Permission", &["aws_lambda_permission"]),
    ("AWS::Events::Rule", &["aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"]),
    ("AWS::CloudWatch::Alarm", &["aws_cloudwatch_metric_alarm"]),
];

/// Parameters that Terraform's root doesn't read, and why the resources are the same nevertheless.
const UNREAD: [(&str, &str); 5] = [
    ("AlertTopicArn", "no topic is known on an emulator"),
    ("PermissionsBoundaryArn", "no boundary is known on an emulator"),
    ("MaximumConcurrency", "the template leaves it out on an emulator"),
    ("ReplicateEnabled", "[env.local] has replicate"),
    ("ReplicateReserveConcurrency", "[env.local] reserves none"),
];

/// `ReplicateLogs` as `replicate_logs`.
fn in_small_letters(name: &str) -> String {
    let mut small = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !small.is_empty() {
            small.push('_');
        }
        small.push(letter.to_ascii_lowercase());
    }
    small
}

fn terraform_resources() -> BTreeSet<String> {
    let headings = CONFIGURATION.lines().filter_map(|line| line.strip_prefix("resource "));
    let addresses = headings.map(|rest| {
        let words: Vec<&str> = rest.split('"').filter(|word| !word.trim().is_empty()).collect();
        format!("{}.{}", words[0], words[1])
    });
    addresses.collect()
}

#[test]
fn each_resource_of_the_stack_is_terraforms_too_and_there_is_no_other() {
    let mut expected = BTreeSet::new();
    for (name, kind) in resources(STACK_TEMPLATE) {
        let known = KINDS.iter().find(|(cloudformation, _)| *cloudformation == kind);
        let (_, kinds) = known.unwrap_or_else(|| panic!("{kind}: say what it is in Terraform"));
        expected.extend(kinds.iter().map(|kind| format!("{kind}.{}", in_small_letters(name))));
    }
    assert!(expected.len() > 25, "{expected:#?}");
    assert_eq!(terraform_resources(), expected);
}

#[test]
fn what_has_no_resource_of_its_own_is_published_with_its_function() {
    let versions = resources(STACK_TEMPLATE).into_iter();
    let versions = versions.filter(|(_, kind)| *kind == "AWS::Lambda::Version").count();
    let published = CONFIGURATION.lines().filter(|line| line.trim_start().starts_with("publish "));
    assert_eq!(published.count(), versions);
}

#[test]
fn both_are_told_by_the_same_parameters() {
    let parameters = STACK_TEMPLATE.split("\nParameters:\n").nth(1).expect("parameters");
    let parameters = parameters.split("\nConditions:").next().expect("what follows them");
    let names = parameters.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.strip_suffix(':')?;
        (!name.starts_with(' ')).then_some(name)
    });
    let names: BTreeSet<&str> = names.collect();
    let word = |text: &'static str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric());
        &text[..end.unwrap_or(text.len())]
    };
    let read: BTreeSet<&str> = CONFIGURATION.split("var.stack.").skip(1).map(word).collect();
    let unread: BTreeSet<&str> = UNREAD.iter().map(|(name, _)| *name).collect();
    assert!(read.is_disjoint(&unread), "it is read: {:?}", read.intersection(&unread));
    assert_eq!(read.union(&unread).copied().collect::<BTreeSet<_>>(), names);
}
