# The most that any role of the stack may do, whatever its own policy says. Without it, who may make a role for a
# function may make himself an administrator.

locals {
  boundary_name = "${var.name}-functions-boundary"
  boundary_arn  = "arn:${local.partition}:iam::${local.account}:policy/${local.boundary_name}"
}

resource "aws_iam_policy" "functions_boundary" {
  name        = local.boundary_name
  description = "The most that a role of the stack ${var.pipeline.stack_name} may do."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Queues"
        Effect = "Allow"
        Action = [
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage",
        ]
        Resource = local.queue_arns
      },
      {
        Sid      = "Candles"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        Resource = var.pipeline.table_arn
      },
      {
        Sid      = "Archive"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "${var.pipeline.archive_arn}/trades/*"
      },
      {
        Sid      = "ListArchive"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.pipeline.archive_arn
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = local.log_group_arns
      },
      {
        # Neither takes a resource.
        Sid      = "Trace"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}
