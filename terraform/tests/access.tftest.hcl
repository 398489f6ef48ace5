# Operators, and the Google side as it reads: modules/access.

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
    defaults = { arn = "arn:aws:iam::123456789012:policy/mock" }
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

  google_replicate_subject = "123456789012345678901"
}

run "no_statement_of_access_is_wider_than_it_needs" {
  module {
    source = "./modules/access"
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_role_policy.google_reader[0].policy).Statement, jsondecode(aws_iam_policy.operator.policy).Statement, jsondecode(aws_iam_policy.game_day.policy).Statement) :
      alltrue([for action in flatten([try(statement.Action, [])]) : !endswith(action, ":*") && action != "*"]) if statement.Effect == "Allow"
    ])
    error_message = "No role may have all actions of a service."
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_role_policy.google_reader[0].policy).Statement, jsondecode(aws_iam_policy.operator.policy).Statement, jsondecode(aws_iam_policy.game_day.policy).Statement) :
      contains(["ReadEverywhere", "ReadFoundationEverywhere", "MakeMappings", "Trace"], statement.Sid) || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Only actions that take no resource may name all resources; add the statement to this list with its reason beside it."
  }

  assert {
    condition     = alltrue([for policy in [aws_iam_policy.operator, aws_iam_policy.game_day] : length(policy.policy) <= 6144])
    error_message = "A managed policy has room for 6,144 characters, a role's inline policies for 10,240."
  }
}

run "an_operator_lets_nothing_in_and_deletes_nothing" {
  module {
    source = "./modules/access"
  }

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
      statement.Resource == "arn:aws:sqs:us-east-1:123456789012:blockchain-core-trade-data-dlq" if statement.Sid == "TakeDeadLetters"
    ])
    error_message = "An operator takes messages off the dead-letter queue, and off no other."
  }
}

run "google_reads_trades_only" {
  module {
    source = "./modules/access"
  }

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

run "email_for_a_subject" {
  module {
    source = "./modules/access"
  }

  command = plan

  variables {
    google_replicate_subject = "replicate@project.iam.gserviceaccount.com"
  }
  expect_failures = [var.google_replicate_subject]
}

run "google_reads_only_if_its_account_is_named" {
  module {
    source = "./modules/access"
  }

  variables {
    google_replicate_subject = null
  }

  assert {
    condition     = length(aws_iam_role.google_reader) == 0 && output.google_reader_role_arn == null
    error_message = "Nothing outside may get in unless a variable names it."
  }
}

run "functions_are_named_by_their_arns" {
  module {
    source = "./modules/access"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_policy.game_day.policy).Statement : statement.Resource if statement.Sid == "SwitchFunctions"] == [[
      "arn:aws:lambda:us-east-1:123456789012:function:blockchain-core-ingest",
      "arn:aws:lambda:us-east-1:123456789012:function:blockchain-core-replicate",
    ]]
    error_message = "A game day switches the pipeline's functions off, and no other."
  }
}
