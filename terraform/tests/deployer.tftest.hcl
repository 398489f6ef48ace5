# GitHub's roles and the boundary: modules/deployer. No account is needed: the provider is mocked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/blockchain-core-dev-functions-boundary" }
  }
}

variables {
  name = "blockchain-core-dev"
  pipeline = {
    stack_name             = "blockchain-core-dev"
    bootstrap_stack_name   = "blockchain-core-dev-bootstrap"
    queue_name             = "blockchain-core-trade-data"
    queue_arn              = "arn:aws:sqs:us-east-1:123456789012:blockchain-core-trade-data"
    dead_letter_queue_name = "blockchain-core-trade-data-dlq"
    dead_letter_queue_arn  = "arn:aws:sqs:us-east-1:123456789012:blockchain-core-trade-data-dlq"
    table                  = "blockchain-core-ohlcv-data"
    table_arn              = "arn:aws:dynamodb:us-east-1:123456789012:table/blockchain-core-ohlcv-data"
    archive_arn            = "arn:aws:s3:::blockchain-core-raw-data-dev-123456789012"
    artifacts              = "blockchain-core-artifacts-dev-123456789012"
    artifacts_arn          = "arn:aws:s3:::blockchain-core-artifacts-dev-123456789012"
    functions              = ["blockchain-core-ingest", "blockchain-core-replicate"]
  }
  kms_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  alert_topic_arn = "arn:aws:sns:us-east-1:123456789012:blockchain-core-dev-alerts"

  github_repository    = "acme/twincloud"
  github_owner_id      = "123456"
  github_repository_id = "456789"
  github_environments  = ["dev"]
  state_bucket         = "blockchain-core-state-dev-123456789012"
}

run "github_trust_is_one_repository" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for trust in [aws_iam_role.deploy[0].assume_role_policy, aws_iam_role.plan[0].assume_role_policy] : alltrue([
        for statement in jsondecode(trust).Statement :
        statement.Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"
        && keys(statement.Condition) == ["StringEquals"]
        && alltrue([
          for subject in statement.Condition.StringEquals["token.actions.githubusercontent.com:sub"] :
          (startswith(subject, "repo:acme/twincloud:") || startswith(subject, "repo:acme@123456/twincloud@456789:")) && !strcontains(subject, "*")
        ])
      ])
    ])
    error_message = "GitHub's tokens must be matched whole: audience and subject of one repository, no pattern."
  }

  assert {
    condition = toset(jsondecode(aws_iam_role.deploy[0].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([
      "repo:acme/twincloud:environment:dev",
      "repo:acme@123456/twincloud@456789:environment:dev",
    ])
    error_message = "The deploy role must take the jobs of the named environments and no others, by names and by numbers."
  }

  assert {
    condition = toset(jsondecode(aws_iam_role.plan[0].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([
      "repo:acme/twincloud:environment:dev",
      "repo:acme@123456/twincloud@456789:environment:dev",
      "repo:acme/twincloud:pull_request",
      "repo:acme@123456/twincloud@456789:pull_request",
    ])
    error_message = "Pull requests must be able to plan, by names and by numbers."
  }
}

run "no_statement_of_deployer_is_wider_than_it_needs" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_role_policy.deploy[0].policy).Statement, jsondecode(aws_iam_policy.foundation[0].policy).Statement, jsondecode(aws_iam_policy.read[0].policy).Statement, jsondecode(aws_iam_role_policy.plan[0].policy).Statement, jsondecode(aws_iam_policy.functions_boundary.policy).Statement) :
      alltrue([for action in flatten([try(statement.Action, [])]) : !endswith(action, ":*") && action != "*"]) if statement.Effect == "Allow"
    ])
    error_message = "No role may have all actions of a service."
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_role_policy.deploy[0].policy).Statement, jsondecode(aws_iam_policy.foundation[0].policy).Statement, jsondecode(aws_iam_policy.read[0].policy).Statement, jsondecode(aws_iam_role_policy.plan[0].policy).Statement, jsondecode(aws_iam_policy.functions_boundary.policy).Statement) :
      contains(["ReadEverywhere", "ReadFoundationEverywhere", "MakeMappings", "Trace"], statement.Sid) || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Only actions that take no resource may name all resources; add the statement to this list with its reason beside it."
  }

  assert {
    condition     = alltrue([for policy in [aws_iam_policy.read[0], aws_iam_policy.foundation[0], aws_iam_policy.functions_boundary] : length(policy.policy) <= 6144]) && length(aws_iam_role_policy.deploy[0].policy) <= 10240
    error_message = "A managed policy has room for 6,144 characters, a role's inline policies for 10,240."
  }
}

run "plan_role_changes_nothing" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for action in flatten([for statement in concat(jsondecode(aws_iam_role_policy.plan[0].policy).Statement, jsondecode(aws_iam_policy.foundation[0].policy).Statement, jsondecode(aws_iam_policy.read[0].policy).Statement) : statement.Action]) :
      can(regex("^[a-z0-9]+:(Get|List|Describe|Detect|View|Validate|Filter|Query)", action))
      || contains(["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"], action)
    ])
    error_message = "The plan role may read, and make change sets that it can't execute."
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_policy.foundation[0].policy).Statement :
      "${statement.Action} ${statement.Resource}" if statement.Sid == "ReadState"
    ] == ["s3:GetObject arn:aws:s3:::blockchain-core-state-dev-123456789012/terraform/terraform.tfstate"]
    error_message = "The plan role reads the state; a plan takes no lock."
  }
}

run "function_roles_carry_the_boundary" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement :
      statement.Condition.StringEquals["iam:PermissionsBoundary"] == "arn:aws:iam::123456789012:policy/blockchain-core-dev-functions-boundary"
      if length(setintersection(flatten([try(statement.Action, [])]), ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:DetachRolePolicy", "iam:DeleteRolePolicy"])) > 0
    ])
    error_message = "The deploy role must not make a role without the boundary."
  }

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]),
      ["iam:CreatePolicyVersion", "iam:DeleteRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:CreateUser", "iam:CreateAccessKey", "iam:CreatePolicy"],
    )) == 0
    error_message = "The deploy role must not get around the boundary."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement :
      statement.Resource == "arn:aws:iam::123456789012:role/blockchain-core-dev-*" && length(statement.Condition.StringEquals["iam:PassedToService"]) > 0
      if contains(flatten([try(statement.Action, [])]), "iam:PassRole")
    ])
    error_message = "Roles may be passed only if they are the stack's, and only to the services that run it."
  }
}

run "deploy_lets_in_nothing_but_the_schedule" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : statement.Condition
      if contains(flatten([try(statement.Action, [])]), "lambda:AddPermission")
    ] == [{ StringEquals = { "lambda:Principal" = "events.amazonaws.com" } }]
    error_message = "The deploy role must not let another account call or change a function."
  }

  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]),
      ["lambda:CreateFunctionUrlConfig", "lambda:AddLayerVersionPermission", "dynamodb:PutResourcePolicy", "s3:PutBucketAcl", "s3:PutObjectAcl", "sqs:AddPermission", "sns:SetTopicAttributes", "kms:PutKeyPolicy", "kms:CreateGrant"],
    )) == 0
    error_message = "The deploy role must not open what the stack leaves closed."
  }
}

run "what_takes_no_resource_stands_alone" {
  module {
    source = "./modules/deployer"
  }

  # With a resource beside it, such an action is never allowed.
  assert {
    condition = toset(flatten([
      for statement in concat(
        jsondecode(aws_iam_role_policy.deploy[0].policy).Statement,
        jsondecode(aws_iam_policy.foundation[0].policy).Statement,
        jsondecode(aws_iam_policy.read[0].policy).Statement,
      ) : [for action in flatten([try(statement.Action, [])]) : action if contains(["kms:ListAliases", "sns:GetSubscriptionAttributes", "tag:GetResources"], action)]
      if try(statement.Resource == "*", false)
    ])) == toset(["kms:ListAliases", "sns:GetSubscriptionAttributes", "tag:GetResources"])
    error_message = "An action that takes no resource must be allowed on all of them."
  }
}

run "deploy_cant_change_the_foundation" {
  module {
    source = "./modules/deployer"
  }

  # The names of the stack's roles start with STACK-, and so do those of this root.
  assert {
    condition = anytrue([
      for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement :
      statement.Effect == "Deny"
      && try(statement.NotAction == ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"], false)
      && contains(flatten([statement.Resource]), "arn:aws:iam::123456789012:role/blockchain-core-dev-deploy")
      && contains(flatten([statement.Resource]), "arn:aws:iam::123456789012:role/blockchain-core-dev-google-reader")
    ])
    error_message = "The deploy role must not change the roles of this root."
  }
}

run "archive_cant_be_emptied" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition     = !contains(flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]), "s3:DeleteObject")
    error_message = "The deploy role may delete from the archive only where allow_destroy says so."
  }
}

run "archive_can_be_emptied_where_allowed" {
  module {
    source = "./modules/deployer"
  }

  variables {
    allow_destroy = true
  }

  assert {
    condition     = contains(flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]), "s3:DeleteObjectVersion")
    error_message = "allow_destroy must let the deploy role empty the archive."
  }
}

run "github_is_let_in_only_if_it_is_named" {
  module {
    source = "./modules/deployer"
  }

  variables {
    github_repository    = null
    github_owner_id      = null
    github_repository_id = null
    github_environments  = []
  }

  assert {
    condition     = length(aws_iam_role.deploy) + length(aws_iam_role.plan) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Nothing outside may get in unless a variable names it."
  }

  assert {
    condition     = output.deploy_role_arn == null && output.plan_role_arn == null
    error_message = "Outputs of what isn't there must be null."
  }
}

run "provider_that_is_there_already" {
  module {
    source = "./modules/deployer"
  }

  variables {
    github_owner_id             = null
    github_repository_id        = null
    github_environments         = []
    github_repository           = "acme/twincloud"
    github_branches             = ["main"]
    github_pull_requests        = false
    create_github_oidc_provider = false
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.deploy) == 1
    error_message = "The roles must do with a provider made elsewhere."
  }

  assert {
    condition     = jsondecode(aws_iam_role.plan[0].assume_role_policy) == jsondecode(aws_iam_role.deploy[0].assume_role_policy)
    error_message = "Without pull requests, those who deploy plan."
  }
}

run "plan_by_pull_request_only" {
  module {
    source = "./modules/deployer"
  }

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_environments  = []
    github_repository    = "acme/twincloud"
  }

  assert {
    condition     = length(aws_iam_role.deploy) == 0 && length(aws_iam_role.plan) == 1
    error_message = "With neither environments nor branches nobody may deploy."
  }
}

run "names_alone" {
  module {
    source = "./modules/deployer"
  }

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_repository    = "acme/twincloud"
    github_environments  = ["prod"]
    github_branches      = ["main"]
  }

  assert {
    condition = toset(jsondecode(aws_iam_role.plan[0].assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"]) == toset([
      "repo:acme/twincloud:environment:prod",
      "repo:acme/twincloud:ref:refs/heads/main",
      "repo:acme/twincloud:pull_request",
    ])
    error_message = "Without GitHub's numbers the names are all there is."
  }
}

run "numbers_in_letters" {
  module {
    source = "./modules/deployer"
  }

  command = plan

  variables {
    github_environments  = []
    github_repository    = "acme/twincloud"
    github_owner_id      = "acme"
    github_repository_id = "456789"
  }
  expect_failures = [var.github_owner_id]
}

run "one_number_of_two" {
  module {
    source = "./modules/deployer"
  }

  command = plan

  variables {
    github_owner_id      = null
    github_environments  = []
    github_repository    = "acme/twincloud"
    github_repository_id = "456789"
  }
  expect_failures = [var.github_repository_id]
}

run "wildcard_repository" {
  module {
    source = "./modules/deployer"
  }

  command = plan

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_environments  = []
    github_repository    = "acme/*"
  }
  expect_failures = [var.github_repository]
}

run "wildcard_environment" {
  module {
    source = "./modules/deployer"
  }

  command = plan

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_repository    = "acme/twincloud"
    github_environments  = ["*"]
  }
  expect_failures = [var.github_environments]
}

run "wildcard_branch" {
  module {
    source = "./modules/deployer"
  }

  command = plan

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_environments  = []
    github_repository    = "acme/twincloud"
    github_branches      = ["release/*"]
  }
  expect_failures = [var.github_branches]
}

run "a_pattern_in_the_place_of_a_queue" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    pipeline = {
      stack_name            = "blockchain-core-dev"
      bootstrap_stack_name  = "blockchain-core-dev-bootstrap"
      queue_arn             = "arn:aws:sqs:us-east-1:123456789012:*"
      dead_letter_queue_arn = "arn:aws:sqs:us-east-1:123456789012:blockchain-core-trade-data-dlq"
      table_arn             = "arn:aws:dynamodb:us-east-1:123456789012:table/blockchain-core-ohlcv-data"
      archive_arn           = "arn:aws:s3:::blockchain-core-raw-data-dev-123456789012"
      artifacts_arn         = "arn:aws:s3:::blockchain-core-artifacts-dev-123456789012"
      functions             = ["blockchain-core-ingest"]
    }
  }
  expect_failures = [var.pipeline]
}
