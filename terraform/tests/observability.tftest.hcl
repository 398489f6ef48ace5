# Key, alerts, budget and dashboard: modules/key and modules/observability.

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
  mock_resource "aws_kms_key" {
    defaults = {
      arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
      key_id = "00000000-0000-0000-0000-000000000000"
    }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:blockchain-core-dev-alerts" }
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
  kms_key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "key_is_kept_tight" {
  module {
    source = "./modules/key"
  }

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

run "key_for_any_service" {
  module {
    source = "./modules/key"
  }

  command = plan

  variables {
    key_services = ["ec2"]
  }
  expect_failures = [var.key_services]
}

run "alerts_are_encrypted_and_closed" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = aws_sns_topic.alerts.kms_master_key_id == var.kms_key_arn
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
  module {
    source = "./modules/observability"
  }

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

run "no_budget" {
  module {
    source = "./modules/observability"
  }

  variables {
    monthly_budget_usd = 0
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 0
    error_message = "A budget of 0 must be no budget."
  }
}

run "budget_by_tag" {
  module {
    source = "./modules/observability"
  }

  variables {
    budget_tag = "blockchain-core"
  }

  assert {
    condition     = one(aws_budgets_budget.monthly[0].cost_filter).values == tolist(["user:project$blockchain-core"])
    error_message = "The budget must count what has the project's tag."
  }
}

run "email" {
  module {
    source = "./modules/observability"
  }

  variables {
    alert_email = "ops@example.com"
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "ops@example.com"
    error_message = "The address must be subscribed."
  }
}

run "defaults_of_alerts" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "No address, no subscription."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 1 && length(aws_budgets_budget.monthly[0].cost_filter) == 0
    error_message = "By default there is a budget over the whole account."
  }
}
