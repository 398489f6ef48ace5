# What must hold whatever the variables say. No account is needed: the provider is mocked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_kms_key" {
    defaults = {
      arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
      key_id = "00000000-0000-0000-0000-000000000000"
    }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:blockchain-core-dev-alerts" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/mock" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/blockchain-core-dev-functions-boundary" }
  }
}

variables {
  region                 = "us-east-1"
  prefix                 = "blockchain-core"
  environment            = "dev"
  queue_name             = "blockchain-core-trade-data"
  dead_letter_queue_name = "blockchain-core-trade-data-dlq"
  table                  = "blockchain-core-ohlcv-data"
  bucket_base            = "blockchain-core-raw-data-dev"
  artifact_bucket_base   = "blockchain-core-artifacts-dev"
  ingest_name            = "blockchain-core-ingest"
  replicate_name         = "blockchain-core-replicate"

  github_repository        = "acme/twincloud"
  github_owner_id          = "123456"
  github_repository_id     = "456789"
  github_environments      = ["dev"]
  google_replicate_subject = "123456789012345678901"
  state_bucket             = "blockchain-core-state-dev-123456789012"
}

run "github_trust_is_one_repository" {
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

run "no_statement_is_wider_than_it_needs" {
  assert {
    condition = alltrue([
      for statement in concat(
        jsondecode(aws_iam_role_policy.deploy[0].policy).Statement,
        jsondecode(aws_iam_policy.foundation[0].policy).Statement,
        jsondecode(aws_iam_policy.read[0].policy).Statement,
        jsondecode(aws_iam_role_policy.plan[0].policy).Statement,
        jsondecode(aws_iam_role_policy.google_reader[0].policy).Statement,
        jsondecode(aws_iam_policy.functions_boundary.policy).Statement,
        jsondecode(aws_iam_policy.producer.policy).Statement,
        jsondecode(aws_iam_policy.operator.policy).Statement,
        jsondecode(aws_iam_policy.game_day.policy).Statement,
      ) : alltrue([for action in flatten([try(statement.Action, [])]) : !endswith(action, ":*") && action != "*"]) if statement.Effect == "Allow"
    ])
    error_message = "No role may have all actions of a service."
  }

  assert {
    condition = alltrue([
      for statement in concat(
        jsondecode(aws_iam_role_policy.deploy[0].policy).Statement,
        jsondecode(aws_iam_policy.foundation[0].policy).Statement,
        jsondecode(aws_iam_policy.read[0].policy).Statement,
        jsondecode(aws_iam_role_policy.plan[0].policy).Statement,
        jsondecode(aws_iam_role_policy.google_reader[0].policy).Statement,
        jsondecode(aws_iam_policy.functions_boundary.policy).Statement,
        jsondecode(aws_iam_policy.producer.policy).Statement,
        jsondecode(aws_iam_policy.operator.policy).Statement,
        jsondecode(aws_iam_policy.game_day.policy).Statement,
      ) : contains(["ReadEverywhere", "ReadFoundationEverywhere", "MakeMappings", "Trace"], statement.Sid) || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Only actions that take no resource may name all resources; add the statement to this list with its reason beside it."
  }

  assert {
    condition = alltrue([
      for policy in [aws_iam_policy.read[0], aws_iam_policy.foundation[0], aws_iam_policy.functions_boundary, aws_iam_policy.operator, aws_iam_policy.game_day] : length(policy.policy) <= 6144
    ]) && length(aws_iam_role_policy.deploy[0].policy) <= 10240
    error_message = "A managed policy has room for 6,144 characters, a role's inline policies for 10,240."
  }
}

run "plan_role_changes_nothing" {
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

run "a_producer_sends_to_one_queue_and_reads_no_candle" {
  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.producer.policy).Statement :
      statement.Sid != "SendTrades" || statement.Resource == ["arn:aws:sqs:us-east-1:123456789012:${var.queue_name}"]
    ])
    error_message = "A producer sends to the queue of trades, and to no other."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.producer.policy).Statement :
      statement.Sid != "ReadOrders" || try(statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"], []) == ["failover-order", "birth"]
    ])
    error_message = "A producer reads orders and the incarnation id, and no candle."
  }
}

run "an_operator_lets_nothing_in_and_deletes_nothing" {
  assert {
    condition = length(setintersection(
      flatten([for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Action]),
      ["sqs:SetQueueAttributes", "sqs:AddPermission", "s3:DeleteObject", "s3:PutBucketPolicy", "dynamodb:DeleteItem", "lambda:AddPermission"]
    )) == 0
    error_message = "The operator's policy repairs what is there; it opens nothing and deletes nothing but dead letters."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.operator.policy).Statement :
      statement.Resource == "arn:aws:sqs:us-east-1:123456789012:${var.dead_letter_queue_name}" if statement.Sid == "TakeDeadLetters"
    ])
    error_message = "An operator takes messages off the dead-letter queue, and off no other."
  }
}

run "function_roles_carry_the_boundary" {
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
  assert {
    condition     = !contains(flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]), "s3:DeleteObject")
    error_message = "The deploy role may delete from the archive only where allow_destroy says so."
  }
}

run "archive_can_be_emptied_where_allowed" {
  variables {
    allow_destroy = true
  }

  assert {
    condition     = contains(flatten([for statement in jsondecode(aws_iam_role_policy.deploy[0].policy).Statement : try(statement.Action, [])]), "s3:DeleteObjectVersion")
    error_message = "allow_destroy must let the deploy role empty the archive."
  }
}

run "google_reads_trades_only" {
  assert {
    condition = jsondecode(aws_iam_role.google_reader[0].assume_role_policy).Statement[0].Condition.StringEquals == {
      "accounts.google.com:aud"  = "123456789012345678901"
      "accounts.google.com:oaud" = "sts.amazonaws.com"
      "accounts.google.com:sub"  = "123456789012345678901"
    }
    error_message = "One service account may assume the role, with a token made for it."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.google_reader[0].policy).Statement : statement.Action => statement.Resource
      } == {
      "s3:GetObject"  = "arn:aws:s3:::blockchain-core-raw-data-dev-123456789012/trades/*"
      "s3:ListBucket" = "arn:aws:s3:::blockchain-core-raw-data-dev-123456789012"
    }
    error_message = "The Google side reads trades/, and no more."
  }
}

run "key_is_kept_tight" {
  assert {
    condition     = aws_kms_key.main.enable_key_rotation
    error_message = "The key must rotate."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.main.policy).Statement :
      !contains(flatten([try(statement.Action, [])]), "kms:*") && statement.Principal != "*" && !contains(flatten(values(statement.Principal)), "*")
    ])
    error_message = "Nobody may do everything with the key, and not everybody may do something."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_kms_key.main.policy).Statement :
      length(statement.Condition) > 0 if length(setintersection(flatten([try(statement.Action, [])]), ["kms:Decrypt", "kms:GenerateDataKey"])) > 0
    ])
    error_message = "Use of the key must be bound to a service and to this account."
  }
}

run "alerts_are_encrypted_and_closed" {
  assert {
    condition     = aws_sns_topic.alerts.kms_master_key_id == aws_kms_key.main.arn
    error_message = "The alert topic must be encrypted with the key."
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_sns_topic_policy.alerts.policy).Statement :
      statement.Condition.StringEquals["aws:SourceAccount"] == "123456789012" if statement.Effect == "Allow"
    ])
    error_message = "Only services that act for this account may publish."
  }
}

run "dashboard_shows_what_matters" {
  assert {
    condition = length(setsubtract(
      [
        "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage",
        "Invocations", "Errors", "Duration", "Throttles",
        "ReadThrottleEvents", "WriteThrottleEvents", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits",
      ],
      flatten([for widget in jsondecode(aws_cloudwatch_dashboard.main.dashboard_body).widgets : [for metric in widget.properties.metrics : metric[1]]]),
    )) == 0
    error_message = "The dashboard lacks a metric."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.main.dashboard_body, "blockchain-core-trade-data-dlq") && strcontains(aws_cloudwatch_dashboard.main.dashboard_body, "blockchain-core-replicate")
    error_message = "The dashboard must show the dead letters and both functions."
  }
}

run "a_producer_sends_to_the_regions_that_are_named" {
  variables {
    producer_regions = [{ region = "eu-west-1", queue = "trades-eu", table = "candles-eu" }]
  }

  assert {
    condition = flatten([for statement in jsondecode(aws_iam_policy.producer.policy).Statement : statement.Resource]) == [
      "arn:aws:sqs:us-east-1:123456789012:${var.queue_name}",
      "arn:aws:sqs:eu-west-1:123456789012:trades-eu",
      "arn:aws:dynamodb:us-east-1:123456789012:table/${var.table}",
      "arn:aws:dynamodb:eu-west-1:123456789012:table/candles-eu",
    ]
    error_message = "It sends to the queue of each region, and reads the orders in its table."
  }
}
