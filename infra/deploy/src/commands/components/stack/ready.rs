//! Checks that a destroy of AWS can be completed, before anything is changed.

use anyhow::anyhow;

use super::super::state;
use super::rights::Place;
use crate::aws::in_words;
use crate::commands::aws::Aws;
use crate::commands::site::DeployContext;
use crate::rights::{self, Rights, Simulated};
use crate::{bucket, cloudformation as cfn};
use cli::Failure;
use cli::Progress;

/// An error that names all obstacles of a destroy. Protection is none if the stack's name is given, which allows removing
/// it.
pub(super) async fn check(
    site: &DeployContext,
    is_named: bool,
    progress: &Progress,
) -> Result<(), Failure> {
    let aws = Aws::open(site).await?;
    progress.now("looking for what would stop it half-way");
    let mut obstacles = Vec::new();
    let mut deletions = Deletions::default();
    let mut stacks = vec![aws.stack()];
    // A bucket with Terraform's state is kept.
    if !state::has_state(&aws).await? {
        stacks.push(aws.bootstrap());
    }
    for stack in stacks {
        obstacles.extend(of_stack(&aws, &stack, is_named, &mut deletions).await?);
    }
    let Simulated { denied, undecided } =
        rights::simulate(&aws.config, &deletions.rights, &deletions.context).await;
    for action in denied {
        let found = format!("IAM's policy simulator denies these credentials {action}");
        if is_named {
            progress.note(format!("note: {found}"));
        } else {
            let stack = aws.stack();
            obstacles.push(format!(
                "{found}: ask for it, or pass --confirm {stack} to go on if the simulator is wrong"
            ));
        }
    }
    if let Some(first) = undecided.first() {
        progress.note(format!(
            "note: IAM's policy simulator does not decide whether these credentials may delete all of it; the first of {} reasons: {first}",
            undecided.len()
        ));
    }
    if obstacles.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = obstacles.iter().map(|obstacle| format!("\n  - {obstacle}")).collect();
    Err(Failure::Failed(anyhow!(
        "destroy would stop half-way; nothing was changed:{}",
        lines.concat()
    )))
}

/// The rights that a deletion needs, and the values that conditions compare.
#[derive(Default)]
struct Deletions {
    rights: Vec<Rights>,
    context: Vec<(&'static str, String)>,
}

/// The obstacles to the deletion of a stack; the rights that it takes are added to `deletions`.
async fn of_stack(
    aws: &Aws<'_>,
    stack: &str,
    is_named: bool,
    deletions: &mut Deletions,
) -> Result<Vec<String>, Failure> {
    let deployed = match cfn::deployed(&aws.client, stack).await {
        Ok(deployed) => deployed,
        Err(cfn::Error::NoStack { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let confirm = format!("pass --confirm {} to take it off", aws.stack());
    let mut obstacles = Vec::new();
    if deployed.is_protected && !is_named {
        obstacles.push(format!("stack {stack} has termination protection; {confirm}"));
    }
    let mut resources = cfn::resources(&aws.client, stack).await?;
    resources.retain(cfn::Resource::is_there);
    let mut arn = deployed.id.splitn(6, ':');
    let place = Place {
        partition: arn.nth(1).unwrap_or("aws"),
        region: &aws.site.settings.aws.region,
        account: &aws.account,
    };
    let mut actions = vec!["cloudformation:DeleteStack"];
    if deployed.is_protected {
        actions.push("cloudformation:UpdateTerminationProtection");
    }
    deletions.rights.push(Rights { actions, resource: deployed.id.clone() });
    deletions.rights.extend(place.to_delete_all(&resources));
    if deletions.context.is_empty() {
        deletions.context.push(("aws:RequestedRegion", place.region.to_owned()));
        let boundary = deployed.parameters.get("PermissionsBoundaryArn").cloned();
        let boundary = boundary.filter(|arn| !arn.is_empty());
        deletions.context.extend(boundary.map(|arn| ("iam:PermissionsBoundary", arn)));
        let function = resources.iter().find_map(|resource| place.function(resource));
        deletions.context.extend(function.map(|arn| ("lambda:FunctionArn", arn)));
    }
    for resource in resources {
        let name = &resource.physical_id;
        match resource.resource_type.as_str() {
            "AWS::DynamoDB::Table" if !is_named && is_table_protected(aws, name).await? => {
                obstacles.push(format!("table {name} has deletion protection; {confirm}"));
            }
            "AWS::S3::Bucket" => {
                if let Err(error) = bucket::can_be_emptied(&aws.config, name).await {
                    obstacles.push(format!(
                        "{error}; the deploy role of a workflow may do so with aws.foundation.allow_destroy"
                    ));
                }
            }
            _ => {}
        }
    }
    Ok(obstacles)
}

async fn is_table_protected(aws: &Aws<'_>, table: &str) -> Result<bool, Failure> {
    use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
    let client = aws_sdk_dynamodb::Client::new(&aws.config);
    match client.describe_table().table_name(table).send().await {
        Ok(answer) => {
            let table = answer.table();
            Ok(table.is_some_and(|table| table.deletion_protection_enabled() == Some(true)))
        }
        Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(false),
        // An emulator keeps the stack's parameter as text, which the SDK does not read as a boolean.
        Err(error) if error.raw_response().is_some_and(|raw| raw.status().is_success()) => {
            let body = error.raw_response().and_then(|raw| raw.body().bytes()).unwrap_or_default();
            Ok(is_said_protected(body))
        }
        Err(error) => Err(Failure::Failed(anyhow!("look at table {table}: {}", in_words(&error)))),
    }
}

/// Deletion protection in an answer of `DescribeTable`, whether it stands there as a boolean or as its text.
fn is_said_protected(body: &[u8]) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let said = &answer["Table"]["DeletionProtectionEnabled"];
    said.as_bool().unwrap_or(said.as_str() == Some("true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_is_read_as_a_boolean_and_as_its_text() {
        let said = |value: &str| {
            is_said_protected(
                format!(r#"{{"Table":{{"DeletionProtectionEnabled":{value}}}}}"#).as_bytes(),
            )
        };
        assert_eq!(
            ["true", r#""true""#, "false", r#""false""#].map(said),
            [true, true, false, false]
        );
        assert!(!is_said_protected(br#"{"Table":{}}"#));
    }
}
