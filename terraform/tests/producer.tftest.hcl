# The producer's rights, and its machine: none by default. modules/producer.

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
  alert_topic_arn = "arn:aws:sns:us-east-1:123456789012:blockchain-core-dev-alerts"
}

run "no_statement_of_producer_is_wider_than_it_needs" {
  module {
    source = "./modules/producer"
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_policy.producer.policy).Statement) :
      alltrue([for action in flatten([try(statement.Action, [])]) : !endswith(action, ":*") && action != "*"]) if statement.Effect == "Allow"
    ])
    error_message = "No role may have all actions of a service."
  }

  assert {
    condition = alltrue([
      for statement in concat(jsondecode(aws_iam_policy.producer.policy).Statement) :
      contains(["ReadEverywhere", "ReadFoundationEverywhere", "MakeMappings", "Trace"], statement.Sid) || !contains(flatten([statement.Resource]), "*")
    ])
    error_message = "Only actions that take no resource may name all resources; add the statement to this list with its reason beside it."
  }
}

run "a_producer_sends_to_one_queue_and_reads_no_candle" {
  module {
    source = "./modules/producer"
  }

  assert {
    condition = alltrue([
      for statement in jsondecode(aws_iam_policy.producer.policy).Statement :
      statement.Sid != "SendTrades" || statement.Resource == ["arn:aws:sqs:us-east-1:123456789012:${var.pipeline.queue_name}"]
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

run "a_producer_sends_to_the_regions_that_are_named" {
  module {
    source = "./modules/producer"
  }

  variables {
    producer_regions = [{ region = "eu-west-1", queue = "trades-eu", table = "candles-eu" }]
  }

  assert {
    condition = flatten([for statement in jsondecode(aws_iam_policy.producer.policy).Statement : statement.Resource]) == [
      "arn:aws:sqs:us-east-1:123456789012:${var.pipeline.queue_name}",
      "arn:aws:sqs:eu-west-1:123456789012:trades-eu",
      "arn:aws:dynamodb:us-east-1:123456789012:table/blockchain-core-ohlcv-data",
      "arn:aws:dynamodb:eu-west-1:123456789012:table/candles-eu",
    ]
    error_message = "It sends to the queue of each region, and reads the orders in its table."
  }
}

run "there_is_none_by_default" {
  module {
    source = "./modules/producer"
  }

  assert {
    condition     = length(aws_instance.producer) + length(aws_ebs_volume.producer) + length(aws_iam_role.producer) + length(aws_iam_role.google_producer) == 0
    error_message = "A machine costs money: none is made unless it is asked for."
  }
}

run "one_machine_that_nobody_gets_into" {
  module {
    source = "./modules/producer"
  }

  variables {
    producer_program        = "producer/0000000000000000000000000000000000000000000000000000000000000000.bin"
    producer_unit           = "[Service]\nRestart=always\n"
    producer_env            = { TWINCLOUD_CONFIG = "{\"gcp\":{\"database\":\"(default)\"}}" }
    google_audience_for_aws = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
  }

  assert {
    condition     = length(aws_instance.producer) == 1 && length(aws_security_group.producer[0].ingress) == 0
    error_message = "One machine, and nobody gets in."
  }
  assert {
    condition     = aws_instance.producer[0].metadata_options[0].http_tokens == "required" && aws_instance.producer[0].metadata_options[0].http_put_response_hop_limit == 1
    error_message = "The metadata service must want a token."
  }
  assert {
    condition     = aws_ebs_volume.producer[0].encrypted && aws_instance.producer[0].root_block_device[0].encrypted
    error_message = "Both disks must be encrypted."
  }
  assert {
    condition     = aws_volume_attachment.producer[0].stop_instance_before_detaching && aws_volume_attachment.producer[0].instance_id == aws_instance.producer[0].id
    error_message = "The spool's disk is taken from a machine that has stopped: there is one writer."
  }
  assert {
    condition = alltrue([for line in [
      "TWINCLOUD_CONFIG={\"gcp\":{\"database\":\"(default)\"}}",
      "GOOGLE_APPLICATION_CREDENTIALS=/etc/twincloud/google.json",
      "[Service]",
      "Restart=always",
      "disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0",
      "systemctl enable --now twincloud-producer",
    ] : contains(split("\n", aws_instance.producer[0].user_data), line)])
    error_message = "The setup must have each of these lines, from their first column."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.producer_program[0].policy).Statement == [{ Sid = "GetProgram", Effect = "Allow", Action = "s3:GetObject", Resource = "arn:aws:s3:::blockchain-core-artifacts-dev-123456789012/producer/*" }]
    error_message = "Beside the producer's policy, the machine may get its program, and nothing else."
  }
}

run "a_producer_at_google_is_one_account" {
  module {
    source = "./modules/producer"
  }

  variables {
    google_producer_subject = "123456789012345678901"
  }

  assert {
    condition = jsondecode(aws_iam_role.google_producer[0].assume_role_policy).Statement[0].Condition == {
      StringEquals = {
        "accounts.google.com:aud"  = "123456789012345678901"
        "accounts.google.com:oaud" = "sts.amazonaws.com"
        "accounts.google.com:sub"  = "123456789012345678901"
      }
    }
    error_message = "One service account of Google's, for one audience."
  }
}

run "a_program_without_its_unit_is_refused" {
  module {
    source = "./modules/producer"
  }

  command = plan
  variables {
    producer_program = "producer/0000000000000000000000000000000000000000000000000000000000000000.bin"
  }
  expect_failures = [aws_instance.producer]
}

run "a_program_that_is_not_named_by_its_hash_is_refused" {
  module {
    source = "./modules/producer"
  }

  command = plan
  variables {
    producer_program = "producer/latest.bin"
  }
  expect_failures = [var.producer_program]
}
