//! The rights that a destroy needs to delete a stack's resources: those that `CloudFormation` uses on the caller's behalf, and
//! those to remove protections.

use std::collections::BTreeSet;

use crate::cloudformation::Resource;
use crate::rights::Rights;

/// The partition, region and account of a stack, for the ARNs of its resources.
pub(super) struct Place<'p> {
    pub(super) partition: &'p str,
    pub(super) region: &'p str,
    pub(super) account: &'p str,
}

/// Types of resources whose ids contain no ARN: deleting one is an action on the resource that it is attached to.
const ATTACHED: [(&str, &str, &str); 4] = [
    (
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "lambda:DeleteFunctionEventInvokeConfig",
    ),
    ("AWS::Lambda::Permission", "AWS::Lambda::Function", "lambda:RemovePermission"),
    ("AWS::Logs::MetricFilter", "AWS::Logs::LogGroup", "logs:DeleteMetricFilter"),
    ("AWS::SQS::QueuePolicy", "AWS::SQS::Queue", "sqs:SetQueueAttributes"),
];

impl Place<'_> {
    /// The rights to delete all of these resources of a stack.
    pub(super) fn to_delete_all(&self, resources: &[Resource]) -> Vec<Rights> {
        let types: BTreeSet<&str> =
            resources.iter().map(|resource| resource.resource_type.as_str()).collect();
        let of = |resource: &Resource| {
            let mut rights = self.to_delete(resource)?;
            let attached = ATTACHED.into_iter().filter(|(attached, owner, _)| {
                types.contains(attached) && *owner == resource.resource_type
            });
            rights.actions.extend(attached.map(|(_, _, action)| action));
            Some(rights)
        };
        resources.iter().filter_map(of).collect()
    }

    /// The rights to delete a resource; none if it is attached to another one.
    fn to_delete(&self, resource: &Resource) -> Option<Rights> {
        let id = resource.physical_id.as_str();
        let name = id.rsplit('/').next().unwrap_or(id);
        let (actions, resource): (&'static [&'static str], String) =
            match resource.resource_type.as_str() {
                "AWS::CloudWatch::Alarm" => {
                    (&["cloudwatch:DeleteAlarms"], self.arn("cloudwatch", "alarm:", id))
                }
                "AWS::DynamoDB::Table" => (
                    &["dynamodb:DeleteTable", "dynamodb:UpdateTable"],
                    self.arn("dynamodb", "table/", id),
                ),
                "AWS::Events::Rule" => (
                    &["events:DeleteRule", "events:RemoveTargets"],
                    self.arn("events", "rule/", name),
                ),
                "AWS::IAM::Role" => (
                    &["iam:DeleteRole", "iam:DeleteRolePolicy"],
                    format!("arn:{}:iam::{}:role/{id}", self.partition, self.account),
                ),
                // The ids of both are the function's ARN with a suffix.
                "AWS::Lambda::Alias" => (&["lambda:DeleteAlias"], function_of(id)),
                "AWS::Lambda::Version" => (&["lambda:DeleteFunction"], id.to_owned()),
                "AWS::Lambda::EventSourceMapping" => (
                    &["lambda:DeleteEventSourceMapping"],
                    self.arn("lambda", "event-source-mapping:", id),
                ),
                "AWS::Lambda::Function" => {
                    (&["lambda:DeleteFunction"], self.arn("lambda", "function:", id))
                }
                "AWS::Logs::LogGroup" => {
                    (&["logs:DeleteLogGroup"], self.arn("logs", "log-group:", &format!("{id}:*")))
                }
                "AWS::S3::Bucket" => (&["s3:DeleteBucket"], self.bucket(id)),
                "AWS::S3::BucketPolicy" => (&["s3:DeleteBucketPolicy"], self.bucket(id)),
                // The id is the queue's URL.
                "AWS::SQS::Queue" => (&["sqs:DeleteQueue"], self.arn("sqs", "", name)),
                _ => return None,
            };
        Some(Rights { actions: actions.to_vec(), resource })
    }

    /// The ARN of a function.
    pub(super) fn function(&self, resource: &Resource) -> Option<String> {
        let is_function = resource.resource_type == "AWS::Lambda::Function";
        is_function.then(|| self.arn("lambda", "function:", &resource.physical_id))
    }

    fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        let Self { partition, region, account } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{kind}{name}")
    }

    fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{name}", self.partition)
    }
}

fn function_of(arn: &str) -> String {
    arn.rsplit_once(':').map_or(arn, |(function, _)| function).to_owned()
}

#[cfg(test)]
mod tests {
    use saphyr::{LoadableYamlNode as _, Yaml};

    use super::*;

    const PLACE: Place<'_> =
        Place { partition: "aws", region: "us-east-1", account: "123456789012" };

    fn rights(resource_type: &str, physical_id: &str) -> Option<Rights> {
        PLACE.to_delete(&Resource {
            logical_id: "Any".to_owned(),
            resource_type: resource_type.to_owned(),
            physical_id: physical_id.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            is_compared: false,
        })
    }

    #[test]
    fn each_type_of_the_templates_is_asked_about_by_itself_or_with_another_one() {
        for template in [infra::render::STACK_TEMPLATE, infra::render::BOOTSTRAP_TEMPLATE] {
            let parsed = Yaml::load_from_str(template).expect("YAML");
            let resources = parsed[0]["Resources"].as_mapping().expect("resources");
            assert!(!resources.is_empty());
            for (name, resource) in resources {
                let resource_type = resource["Type"].as_str().expect("a type");
                assert_ne!(
                    rights(resource_type, "id").is_some(),
                    ATTACHED.iter().any(|(attached, ..)| *attached == resource_type),
                    "{name:?} {resource_type}"
                );
            }
        }
    }

    #[test]
    fn ids_become_the_arns_that_policies_name() {
        fn arn(resource_type: &str, id: &str) -> String {
            rights(resource_type, id).expect("it is asked about").resource
        }
        let lambda = "arn:aws:lambda:us-east-1:123456789012:function:ingest";
        assert_eq!(arn("AWS::Lambda::Alias", &format!("{lambda}:live")), lambda);
        assert_eq!(arn("AWS::Lambda::Version", &format!("{lambda}:7")), format!("{lambda}:7"));
        assert_eq!(arn("AWS::Lambda::Function", "ingest"), lambda);
        assert_eq!(
            arn("AWS::SQS::Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/trades"),
            "arn:aws:sqs:us-east-1:123456789012:trades"
        );
        assert_eq!(arn("AWS::S3::BucketPolicy", "archive"), "arn:aws:s3:::archive");
        assert_eq!(
            arn("AWS::Logs::LogGroup", "/aws/lambda/ingest"),
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/ingest:*"
        );
    }

    #[test]
    fn an_attached_resource_is_an_action_on_its_owner() {
        let resource = |resource_type: &str, id: &str| Resource {
            logical_id: "Any".to_owned(),
            resource_type: resource_type.to_owned(),
            physical_id: id.to_owned(),
            status: "CREATE_COMPLETE".to_owned(),
            is_compared: false,
        };
        let queue = resource("AWS::SQS::Queue", "https://sqs/1/trades");
        let actions = |resources: &[Resource]| PLACE.to_delete_all(resources)[0].actions.clone();
        assert_eq!(actions(std::slice::from_ref(&queue)), ["sqs:DeleteQueue"]);
        let with_policy = [queue, resource("AWS::SQS::QueuePolicy", "policy")];
        assert_eq!(actions(&with_policy), ["sqs:DeleteQueue", "sqs:SetQueueAttributes"]);
        assert_eq!(PLACE.to_delete_all(&with_policy).len(), 1);
    }
}
