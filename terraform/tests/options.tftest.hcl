# What can be left out, and what is refused.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:123456789012:blockchain-core-dev-alerts" }
  }
  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::123456789012:policy/mock" }
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
}

run "defaults_open_nothing" {
  assert {
    condition     = length(aws_iam_role.deploy) + length(aws_iam_role.plan) + length(aws_iam_role.google_reader) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Nobody outside may get in unless a variable names him."
  }

  assert {
    condition     = length(aws_sns_topic_subscription.email) == 0
    error_message = "No address, no subscription."
  }

  assert {
    condition     = output.deploy_role_arn == null && output.plan_role_arn == null && output.google_reader_role_arn == null
    error_message = "Outputs of what isn't there must be null."
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 1 && length(aws_budgets_budget.monthly[0].cost_filter) == 0
    error_message = "By default there is a budget over the whole account."
  }
}

run "any_account_unless_one_is_named" {
  command = plan

  assert {
    condition     = local.allowed_account_ids == null
    error_message = "Where no account is named, any may be changed."
  }
}

run "one_account_if_it_is_named" {
  command = plan

  variables {
    account = "123456789012"
  }

  assert {
    condition     = local.allowed_account_ids == ["123456789012"]
    error_message = "The named account, and no other, may be changed."
  }
}

run "an_account_is_twelve_digits" {
  command = plan

  variables {
    account = "12345678901"
  }

  expect_failures = [var.account]
}

run "no_budget" {
  variables {
    monthly_budget_usd = 0
  }

  assert {
    condition     = length(aws_budgets_budget.monthly) == 0
    error_message = "A budget of 0 must be no budget."
  }
}

run "budget_by_tag" {
  variables {
    budget_by_tag = true
  }

  assert {
    condition     = one(aws_budgets_budget.monthly[0].cost_filter).values == tolist(["user:project$blockchain-core"])
    error_message = "The budget must count what has the project's tag."
  }
}

run "email" {
  variables {
    alert_email = "ops@example.com"
  }

  assert {
    condition     = aws_sns_topic_subscription.email[0].endpoint == "ops@example.com"
    error_message = "The address must be subscribed."
  }
}

run "provider_that_is_there_already" {
  variables {
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
  variables {
    github_repository = "acme/twincloud"
  }

  assert {
    condition     = length(aws_iam_role.deploy) == 0 && length(aws_iam_role.plan) == 1
    error_message = "With neither environments nor branches nobody may deploy."
  }
}

run "names_alone" {
  variables {
    github_repository   = "acme/twincloud"
    github_environments = ["prod"]
    environment         = "prod"
    github_branches     = ["main"]
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
  command = plan

  variables {
    github_repository    = "acme/twincloud"
    github_owner_id      = "acme"
    github_repository_id = "456789"
  }
  expect_failures = [var.github_owner_id]
}

run "one_number_of_two" {
  command = plan

  variables {
    github_repository    = "acme/twincloud"
    github_repository_id = "456789"
  }
  expect_failures = [var.github_repository_id]
}

run "wildcard_repository" {
  command = plan

  variables {
    github_repository = "acme/*"
  }
  expect_failures = [var.github_repository]
}

run "wildcard_environment" {
  command = plan

  variables {
    github_repository   = "acme/twincloud"
    github_environments = ["*"]
  }
  expect_failures = [var.github_environments]
}

run "wildcard_branch" {
  command = plan

  variables {
    github_repository = "acme/twincloud"
    github_branches   = ["release/*"]
  }
  expect_failures = [var.github_branches]
}

run "email_for_a_subject" {
  command = plan

  variables {
    google_replicate_subject = "replicate@project.iam.gserviceaccount.com"
  }
  expect_failures = [var.google_replicate_subject]
}

run "key_for_any_service" {
  command = plan

  variables {
    key_services = ["ec2"]
  }
  expect_failures = [var.key_services]
}

run "queue_is_its_own_dead_letter_queue" {
  command = plan

  variables {
    dead_letter_queue_name = "blockchain-core-trade-data"
  }
  expect_failures = [var.dead_letter_queue_name]
}

run "long_bucket" {
  command = plan

  variables {
    bucket_base = "blockchain-core-raw-data-that-leaves-no-room-for-an-account"
  }
  expect_failures = [var.bucket_base]
}
