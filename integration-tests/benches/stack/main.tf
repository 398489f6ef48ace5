# What `cargo xtask bench stack` has Terraform make: the resources of infra/aws/stack.yaml, for a comparison and for
# nothing else. It is never deployed, and has only what the settings of [env.local] make of the template; what it leaves
# out is listed with reasons beside the test that compares both, in integration-tests/src/stack_bench/same.rs.
# A resource has the name that it has in the template, in small letters.

terraform {
  required_version = ">= 1.10"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# Where the emulator is, and who calls, is in the environment.
provider "aws" {
  region                      = var.region
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  default_tags {
    tags = var.tags
  }
}

variable "region" {
  description = "The region of everything."
  type        = string
}

variable "name" {
  description = "The name of the stack."
  type        = string
}

variable "tags" {
  description = "The tags of the stack, which hands them on."
  type        = map(string)
}

variable "stack" {
  description = "The stack's parameters, as they are rendered for CloudFormation."
  type        = map(string)
}

data "aws_caller_identity" "current" {}

locals {
  environment = {
    TWINCLOUD_SYMBOLS      = var.stack.Symbols
    TWINCLOUD_INTERVALS    = var.stack.Intervals
    TWINCLOUD_TABLE        = aws_dynamodb_table.table.name
    TWINCLOUD_BUCKET       = aws_s3_bucket.archive_bucket.bucket
    TWINCLOUD_CAS_ATTEMPTS = var.stack.CompareAndSetAttempts
    TWINCLOUD_CAS_BASE_MS  = var.stack.CompareAndSetBaseMilliseconds
    TWINCLOUD_CAS_CAP_MS   = var.stack.CompareAndSetCapMilliseconds
    RUST_LOG               = var.stack.LogFilter
    AWS_ENDPOINT_URL       = var.stack.EndpointUrl
  }
  fold_candles = {
    Sid      = "FoldCandles"
    Effect   = "Allow"
    Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
    Resource = aws_dynamodb_table.table.arn
  }
  archive_trades = {
    Sid      = "ArchiveTrades"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject"]
    Resource = "${aws_s3_bucket.archive_bucket.arn}/trades/*"
  }
  list_archive = {
    Sid      = "ListArchive"
    Effect   = "Allow"
    Action   = "s3:ListBucket"
    Resource = aws_s3_bucket.archive_bucket.arn
  }
  trace = {
    Sid      = "Trace"
    Effect   = "Allow"
    Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    Resource = "*"
  }
  assumed_by_lambda = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

# The queues.

resource "aws_sqs_queue" "dead_letter_queue" {
  name                      = var.stack.DeadLetterQueueName
  message_retention_seconds = var.stack.DeadLetterRetentionSeconds
  sqs_managed_sse_enabled   = true
  # By name, as in the template.
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns = [
      "arn:aws:sqs:${var.region}:${data.aws_caller_identity.current.account_id}:${var.stack.QueueName}"
    ]
  })
  tags = { component = "queue" }
}

resource "aws_sqs_queue" "queue" {
  name                       = var.stack.QueueName
  visibility_timeout_seconds = var.stack.VisibilityTimeoutSeconds
  message_retention_seconds  = var.stack.MessageRetentionSeconds
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter_queue.arn
    maxReceiveCount     = tonumber(var.stack.MaxReceiveCount)
  })
  tags = { component = "queue" }
}

resource "aws_sqs_queue_policy" "queue_policy" {
  queue_url = aws_sqs_queue.queue.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.queue.arn
      Condition = {
        Bool         = { "aws:SecureTransport" = "false" }
        NotIpAddress = { "aws:SourceIp" = ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] }
      }
    }]
  })
}

resource "aws_sqs_queue_policy" "dead_letter_queue_policy" {
  queue_url = aws_sqs_queue.dead_letter_queue.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead_letter_queue.arn
      Condition = {
        Bool         = { "aws:SecureTransport" = "false" }
        NotIpAddress = { "aws:SourceIp" = ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] }
      }
    }]
  })
}

# Candles and archive.

resource "aws_dynamodb_table" "table" {
  name                        = var.stack.TableName
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.stack.DeletionProtection
  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "N"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled = true
  }
  tags = { component = "candles" }
}

resource "aws_s3_bucket" "archive_bucket" {
  bucket = "${var.stack.ArchiveBucketBase}-${data.aws_caller_identity.current.account_id}"
  tags   = { component = "archive" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "archive_bucket" {
  bucket = aws_s3_bucket.archive_bucket.bucket
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "archive_bucket" {
  bucket = aws_s3_bucket.archive_bucket.bucket
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_ownership_controls" "archive_bucket" {
  bucket = aws_s3_bucket.archive_bucket.bucket
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "archive_bucket" {
  bucket                  = aws_s3_bucket.archive_bucket.bucket
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_lifecycle_configuration" "archive_bucket" {
  bucket = aws_s3_bucket.archive_bucket.bucket
  rule {
    id     = "cheaper-classes"
    status = "Enabled"
    filter {}
    transition {
      storage_class = "STANDARD_IA"
      days          = var.stack.StandardIaDays
    }
    transition {
      storage_class = "GLACIER_IR"
      days          = var.stack.GlacierIrDays
    }
    transition {
      storage_class = "DEEP_ARCHIVE"
      days          = var.stack.DeepArchiveDays
    }
  }
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.stack.NoncurrentDays
    }
  }
  rule {
    id     = "incomplete-uploads"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_s3_bucket_policy" "archive_bucket_policy" {
  bucket = aws_s3_bucket.archive_bucket.bucket
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.archive_bucket.arn, "${aws_s3_bucket.archive_bucket.arn}/*"]
      Condition = {
        Bool         = { "aws:SecureTransport" = "false" }
        NotIpAddress = { "aws:SourceIp" = ["127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] }
      }
    }]
  })
}

# The function that ingests.

resource "aws_cloudwatch_log_group" "ingest_logs" {
  name              = "/aws/lambda/${var.stack.FunctionName}"
  retention_in_days = var.stack.LogRetentionDays
  tags              = { component = "ingest" }
}

resource "aws_iam_role" "ingest_role" {
  description        = "What the ingest function may do, and nothing else."
  assume_role_policy = local.assumed_by_lambda
  tags               = { component = "ingest" }
}

resource "aws_iam_role_policy" "ingest_role" {
  name = "ingest"
  role = aws_iam_role.ingest_role.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeTrades"
        Effect   = "Allow"
        Action   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        Resource = aws_sqs_queue.queue.arn
      },
      local.fold_candles,
      local.archive_trades,
      local.list_archive,
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.ingest_logs.arn}:*"
      },
      local.trace,
    ]
  })
}

# With `publish`, its version too.
resource "aws_lambda_function" "ingest_function" {
  function_name    = var.stack.FunctionName
  description      = "Folds trades from the queue into candles. Revision ${var.stack.Revision}."
  runtime          = "provided.al2023"
  handler          = "bootstrap"
  architectures    = [var.stack.Architecture]
  memory_size      = var.stack.MemoryMegabytes
  timeout          = var.stack.TimeoutSeconds
  role             = aws_iam_role.ingest_role.arn
  s3_bucket        = var.stack.ArtifactBucket
  s3_key           = var.stack.ArtifactKey
  source_code_hash = var.stack.CodeSha256
  publish          = true
  tracing_config {
    mode = "Active"
  }
  logging_config {
    log_group  = aws_cloudwatch_log_group.ingest_logs.name
    log_format = "JSON"
  }
  environment {
    variables = local.environment
  }
  tags       = { component = "ingest" }
  depends_on = [aws_iam_role_policy.ingest_role]
}

resource "aws_lambda_alias" "ingest_alias" {
  name             = "live"
  description      = "What the queue is processed with."
  function_name    = aws_lambda_function.ingest_function.function_name
  function_version = aws_lambda_function.ingest_function.version
}

resource "aws_lambda_event_source_mapping" "ingest_mapping" {
  event_source_arn                   = aws_sqs_queue.queue.arn
  function_name                      = aws_lambda_alias.ingest_alias.arn
  batch_size                         = var.stack.BatchSize
  maximum_batching_window_in_seconds = var.stack.BatchWindowSeconds
  function_response_types            = ["ReportBatchItemFailures"]
  tags                               = { component = "ingest" }
}

# The function that copies from the peer.

resource "aws_cloudwatch_log_group" "replicate_logs" {
  name              = "/aws/lambda/${var.stack.ReplicateFunctionName}"
  retention_in_days = var.stack.ReplicateLogRetentionDays
  tags              = { component = "replicate" }
}

resource "aws_iam_role" "replicate_role" {
  name               = var.stack.ReplicateRoleName
  description        = "What the replicate function may do, and nothing else."
  assume_role_policy = local.assumed_by_lambda
  tags               = { component = "replicate" }
}

resource "aws_iam_role_policy" "replicate_role" {
  name = "replicate"
  role = aws_iam_role.replicate_role.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.fold_candles,
      local.archive_trades,
      local.list_archive,
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.replicate_logs.arn}:*"
      },
      local.trace,
    ]
  })
}

resource "aws_lambda_function" "replicate_function" {
  function_name = var.stack.ReplicateFunctionName
  description   = "Copies from Google Cloud what is missing here, and folds it into candles."
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.stack.Architecture]
  memory_size   = var.stack.ReplicateMemoryMegabytes
  timeout       = var.stack.ReplicateTimeoutSeconds
  role          = aws_iam_role.replicate_role.arn
  s3_bucket     = var.stack.ArtifactBucket
  s3_key        = var.stack.ReplicateArtifactKey
  tracing_config {
    mode = "Active"
  }
  logging_config {
    log_group  = aws_cloudwatch_log_group.replicate_logs.name
    log_format = "JSON"
  }
  environment {
    variables = merge(local.environment, {
      TWINCLOUD_PEER_BUCKET   = var.stack.PeerBucket
      TWINCLOUD_PEER_ENDPOINT = var.stack.PeerEndpoint
      TWINCLOUD_PEER_AUDIENCE = var.stack.PeerAudience
    })
  }
  tags       = { component = "replicate" }
  depends_on = [aws_iam_role_policy.replicate_role]
}

resource "aws_lambda_function_event_invoke_config" "replicate_invoke_config" {
  function_name                = aws_lambda_function.replicate_function.function_name
  qualifier                    = "$LATEST"
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_cloudwatch_event_rule" "replicate_rule" {
  name                = "${var.name}-replicate"
  description         = "When to copy from Google Cloud."
  schedule_expression = var.stack.ReplicateSchedule
  state               = var.stack.ReplicateScheduleState
  tags                = { component = "replicate" }
}

resource "aws_cloudwatch_event_target" "replicate_rule" {
  rule      = aws_cloudwatch_event_rule.replicate_rule.name
  target_id = "replicate"
  arn       = aws_lambda_function.replicate_function.arn
}

resource "aws_lambda_permission" "replicate_permission" {
  function_name = aws_lambda_function.replicate_function.function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.replicate_rule.arn
}

resource "aws_cloudwatch_log_metric_filter" "replication_lag" {
  name           = "${var.name}-replication-lag"
  log_group_name = aws_cloudwatch_log_group.replicate_logs.name
  pattern        = "{ $.message = \"replicated\" && $.lag_s >= 0 }"
  metric_transformation {
    namespace = var.stack.MetricNamespace
    name      = "replication_lag_s"
    value     = "$.lag_s"
    unit      = "Seconds"
  }
}

# Alarms.

resource "aws_cloudwatch_metric_alarm" "dead_letters_alarm" {
  alarm_name          = "${var.name}-dead-letters"
  alarm_description   = "Messages that can't be processed are in the dead-letter queue."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letter_queue.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = { component = "queue" }
}

resource "aws_cloudwatch_metric_alarm" "oldest_message_alarm" {
  alarm_name          = "${var.name}-oldest-message"
  alarm_description   = "Trades wait in the queue for long."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.queue.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.stack.OldestMessageSeconds
  treat_missing_data  = "notBreaching"
  tags                = { component = "queue" }
}

resource "aws_cloudwatch_metric_alarm" "ingest_errors_alarm" {
  alarm_name          = "${var.name}-ingest-errors"
  alarm_description   = "The ingest function fails."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.ingest_function.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = { component = "ingest" }
}

resource "aws_cloudwatch_metric_alarm" "ingest_throttles_alarm" {
  alarm_name          = "${var.name}-ingest-throttles"
  alarm_description   = "The ingest function isn't run, as too much else runs."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.ingest_function.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = { component = "ingest" }
}

resource "aws_cloudwatch_metric_alarm" "replicate_errors_alarm" {
  alarm_name          = "${var.name}-replicate-errors"
  alarm_description   = "The replicate function fails."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.replicate_function.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = { component = "replicate" }
}

resource "aws_cloudwatch_metric_alarm" "replicate_throttles_alarm" {
  alarm_name          = "${var.name}-replicate-throttles"
  alarm_description   = "The replicate function isn't run, as too much else runs."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.replicate_function.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"
  tags                = { component = "replicate" }
}

resource "aws_cloudwatch_metric_alarm" "replication_lag_alarm" {
  alarm_name          = "${var.name}-replication-lag"
  alarm_description   = "Google Cloud has trades that are missing here, or replication reports nothing."
  namespace           = var.stack.MetricNamespace
  metric_name         = "replication_lag_s"
  statistic           = "Maximum"
  period              = var.stack.ReplicationLagSeconds
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.stack.ReplicationLagSeconds
  treat_missing_data  = "breaching"
  tags                = { component = "replicate" }
}
