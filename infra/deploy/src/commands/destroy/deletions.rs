//! The rights that `CloudFormation` needs of the caller to delete a stack's resources.

use crate::cloudformation::Resource;
use crate::rights::Rights;

/// Where a stack is.
pub(super) struct Place<'p> {
    pub(super) partition: &'p str,
    pub(super) region: &'p str,
    pub(super) account: &'p str,
}

/// Types of resources whose deletion is not asked about, since their id tells no ARN. They go with another resource of the
/// stack: a function, a log group, a queue.
#[cfg(test)]
const NOT_ASKED: [&str; 4] = [
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::SQS::QueuePolicy",
];

impl Place<'_> {
    /// The rights to delete a resource; none if its type is not asked about.
    pub(super) fn to_delete(&self, resource: &Resource) -> Option<Rights> {
        let id = resource.physical_id.as_str();
        let name = id.rsplit('/').next().unwrap_or(id);
        let (actions, resource): (&'static [&'static str], String) =
            match resource.resource_type.as_str() {
                "AWS::CloudWatch::Alarm" => {
                    (&["cloudwatch:DeleteAlarms"], self.arn("cloudwatch", "alarm:", id))
                }
                "AWS::DynamoDB::Table" => {
                    (&["dynamodb:DeleteTable"], self.arn("dynamodb", "table/", id))
                }
                "AWS::Events::Rule" => (
                    &["events:DeleteRule", "events:RemoveTargets"],
                    self.arn("events", "rule/", name),
                ),
                "AWS::IAM::Role" => (
                    &["iam:DeleteRole", "iam:DeleteRolePolicy"],
                    format!("arn:{}:iam::{}:role/{id}", self.partition, self.account),
                ),
                // The ids of both are the function's ARN with what comes after it.
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
        Some(Rights { actions, resource })
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
    fn each_type_of_the_templates_is_asked_about_or_known_not_to_be() {
        for template in [infra::render::STACK_TEMPLATE, infra::render::BOOTSTRAP_TEMPLATE] {
            let parsed = Yaml::load_from_str(template).expect("YAML");
            let resources = parsed[0]["Resources"].as_mapping().expect("resources");
            assert!(!resources.is_empty());
            for (name, resource) in resources {
                let resource_type = resource["Type"].as_str().expect("a type");
                assert_ne!(
                    rights(resource_type, "id").is_some(),
                    NOT_ASKED.contains(&resource_type),
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
}
