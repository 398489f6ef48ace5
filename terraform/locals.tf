data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  name      = "${var.prefix}-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # Null: any.
  allowed_account_ids = var.account == null ? null : [var.account]

  tags = merge(var.tags, {
    project     = var.prefix
    environment = var.environment
    managed-by  = "twincloud"
    component   = "foundation"
  })

  # What CloudFormation owns: each module takes the part of it that it names.
  functions = compact([var.ingest_name, var.replicate_name])
  artifacts = "${var.artifact_bucket_base}-${local.account}"
  pipeline = {
    stack_name             = coalesce(var.stack_name, local.name)
    bootstrap_stack_name   = coalesce(var.bootstrap_stack_name, "${local.name}-bootstrap")
    queue_name             = var.queue_name
    queue_arn              = "arn:${local.partition}:sqs:${var.region}:${local.account}:${var.queue_name}"
    dead_letter_queue_name = var.dead_letter_queue_name
    dead_letter_queue_arn  = "arn:${local.partition}:sqs:${var.region}:${local.account}:${var.dead_letter_queue_name}"
    table                  = var.table
    table_arn              = "arn:${local.partition}:dynamodb:${var.region}:${local.account}:table/${var.table}"
    archive_arn            = "arn:${local.partition}:s3:::${var.bucket_base}-${local.account}"
    artifacts              = local.artifacts
    artifacts_arn          = "arn:${local.partition}:s3:::${local.artifacts}"
    functions              = local.functions
  }
}
