data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  queue_arns    = [var.pipeline.queue_arn, var.pipeline.dead_letter_queue_arn]
  function_arns = [for name in var.pipeline.functions : "arn:${local.partition}:lambda:${local.region}:${local.account}:function:${name}"]
  rule_arn      = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.pipeline.stack_name}-*"
  stack_arn     = "arn:${local.partition}:cloudformation:${local.region}:${local.account}:stack/${var.pipeline.stack_name}/*"
}
