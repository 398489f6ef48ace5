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

  # What CloudFormation owns, by name only.
  stack_name           = coalesce(var.stack_name, local.name)
  bootstrap_stack_name = coalesce(var.bootstrap_stack_name, "${local.name}-bootstrap")
  bucket               = "${var.bucket_base}-${local.account}"
  artifact_bucket      = "${var.artifact_bucket_base}-${local.account}"
  queues               = [var.queue_name, var.dead_letter_queue_name]
  functions            = compact([var.ingest_name, var.replicate_name])

  # ARNs of the same.
  bucket_arn          = "arn:${local.partition}:s3:::${local.bucket}"
  artifact_bucket_arn = "arn:${local.partition}:s3:::${local.artifact_bucket}"
  queue_arns          = [for name in local.queues : "arn:${local.partition}:sqs:${var.region}:${local.account}:${name}"]
  table_arn           = "arn:${local.partition}:dynamodb:${var.region}:${local.account}:table/${var.table}"
  function_arns       = [for name in local.functions : "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${name}"]
  # A group, and its streams.
  log_group_arns = flatten([
    for name in local.functions : [
      "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${name}",
      "arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${name}:*",
    ]
  ])
  rule_arn      = "arn:${local.partition}:events:${var.region}:${local.account}:rule/${local.stack_name}-*"
  alarm_arn     = "arn:${local.partition}:cloudwatch:${var.region}:${local.account}:alarm:${local.stack_name}-*"
  stack_arn     = "arn:${local.partition}:cloudformation:${var.region}:${local.account}:stack/${local.stack_name}/*"
  bootstrap_arn = "arn:${local.partition}:cloudformation:${var.region}:${local.account}:stack/${local.bootstrap_stack_name}/*"
  # CloudFormation starts the names of a stack's roles with the stack's name.
  function_roles_arn = "arn:${local.partition}:iam::${local.account}:role/${local.stack_name}-*"

  # Conditions of a service that acts for this account and for no other.
  from_this_account = { StringEquals = { "aws:SourceAccount" = local.account } }
}
