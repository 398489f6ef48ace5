data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  queue_arns    = [var.pipeline.queue_arn, var.pipeline.dead_letter_queue_arn]
  function_arns = [for name in var.pipeline.functions : "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${name}"]
  # A group, and its streams.
  log_group_arns = flatten([
    for name in var.pipeline.functions : [
      "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${name}",
      "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/lambda/${name}:*",
    ]
  ])
  rule_arn      = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.pipeline.stack_name}-*"
  alarm_arn     = "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.pipeline.stack_name}-*"
  stack_arn     = "arn:${local.partition}:cloudformation:${local.region}:${local.account}:stack/${var.pipeline.stack_name}/*"
  bootstrap_arn = "arn:${local.partition}:cloudformation:${local.region}:${local.account}:stack/${var.pipeline.bootstrap_stack_name}/*"
  # CloudFormation starts the names of a stack's roles with the stack's name.
  function_roles_arn = "arn:${local.partition}:iam::${local.account}:role/${var.pipeline.stack_name}-*"
}
