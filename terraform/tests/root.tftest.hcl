# What the root does itself: names and ARNs for its modules, the account that may be changed, and what it refuses.

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
  mock_data "aws_subnet" {
    defaults = { id = "subnet-0123456789abcdef0", vpc_id = "vpc-0123456789abcdef0", availability_zone = "us-east-1a" }
  }
  mock_data "aws_ssm_parameter" {
    defaults = { value = "ami-0123456789abcdef0" }
  }
  mock_resource "aws_ebs_volume" {
    defaults = { id = "vol-0123456789abcdef0" }
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
    condition = alltrue([for role in [
      output.deploy_role_arn, output.plan_role_arn, output.google_reader_role_arn, output.google_producer_role_arn, output.producer_role_name
    ] : role == null])
    error_message = "Nothing outside may get in unless a variable names it, and outputs of what isn't there must be null."
  }

  assert {
    condition     = output.producer_program == null && output.producer_instance_id == null && output.producer_google_audience == null
    error_message = "A machine costs money: none is made unless it is asked for."
  }
}

run "the_modules_get_what_the_stack_owns" {
  variables {
    replicate_name = "blockchain-core-replicate"
  }

  assert {
    condition = jsonencode(local.pipeline) == jsonencode({
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
    })
    error_message = "Names must become the ARNs of this account and region."
  }

  assert {
    condition     = local.name == "blockchain-core-dev"
    error_message = "Names start with prefix and environment."
  }

  assert {
    condition     = module.observability.alert_topic_kms_key_arn == output.kms_key_arn
    error_message = "The alert topic must be encrypted with the key."
  }
}

run "one_function_while_there_is_no_replicate" {
  command = plan

  assert {
    condition     = local.pipeline.functions == tolist(["blockchain-core-ingest"])
    error_message = "A function that isn't there is named nowhere."
  }
}

run "each_kind_of_access_is_opened_by_its_variable" {
  variables {
    github_repository        = "acme/twincloud"
    github_environments      = ["dev"]
    google_replicate_subject = "123456789012345678901"
    google_producer_subject  = "123456789012345678902"
    producer_program         = "producer/0000000000000000000000000000000000000000000000000000000000000000.bin"
    producer_unit            = "[Service]"
    google_audience_for_aws  = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
  }

  assert {
    condition = alltrue([for role in [
      output.deploy_role_arn, output.plan_role_arn, output.google_reader_role_arn, output.google_producer_role_arn
    ] : role == "arn:aws:iam::123456789012:role/mock"])
    error_message = "The outputs must be the roles."
  }

  assert {
    condition     = output.producer_role_name == "blockchain-core-dev-producer" && output.producer_program == var.producer_program && output.producer_google_audience == var.google_audience_for_aws
    error_message = "The outputs must be of the producer's machine."
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
