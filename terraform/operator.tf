# The rights of an operator on AWS, as two policies to attach to a person's or a runner's role: one for the days after a
# deploy (`sync`, `dlq`, `failover`, `restore`), one for game days, which take the pipeline's functions away.
locals {
  dead_letter_queue_arn = local.queue_arns[1]
}

resource "aws_iam_policy" "operator" {
  name        = "${local.name}-operator"
  description = "Watch, repair and switch over the pipeline of ${local.stack_name}."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadOutputs"
        Effect   = "Allow"
        Action   = "cloudformation:DescribeStacks"
        Resource = local.stack_arn
      },
      {
        Sid      = "ReadDepths"
        Effect   = "Allow"
        Action   = "sqs:GetQueueAttributes"
        Resource = local.queue_arns
      },
      {
        Sid      = "TakeDeadLetters"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
        Resource = local.dead_letter_queue_arn
      },
      {
        Sid      = "SendAgain"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arns[0]
      },
      {
        # Candles, for a restoration, and the routing override, for a failover.
        Sid      = "RestoreCandles"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        Resource = local.table_arn
      },
      {
        Sid      = "RestoreArchive"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "${local.bucket_arn}/trades/*"
      },
      {
        Sid       = "ListArchive"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = local.bucket_arn
        Condition = { StringLike = { "s3:prefix" = "trades/*" } }
      },
      {
        Sid      = "SwitchSchedule"
        Effect   = "Allow"
        Action   = ["events:DescribeRule", "events:DisableRule", "events:EnableRule"]
        Resource = local.rule_arn
      },
    ]
  })
}

resource "aws_iam_policy" "game_day" {
  name        = "${local.name}-game-day"
  description = "Take the pipeline of ${local.stack_name} away and give it back; attach it beside the operator's policy."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Closing the queue is an edit of its policy, which could also let others in: attach this for a game day only.
        Sid      = "CloseQueue"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:SetQueueAttributes"]
        Resource = local.queue_arns[0]
      },
      {
        # A mapping is read by the id that AWS gave it.
        Sid      = "ReadMapping"
        Effect   = "Allow"
        Action   = "lambda:GetEventSourceMapping"
        Resource = "arn:${local.partition}:lambda:${var.region}:${local.account}:event-source-mapping:*"
      },
      {
        Sid       = "SwitchMapping"
        Effect    = "Allow"
        Action    = "lambda:UpdateEventSourceMapping"
        Resource  = "arn:${local.partition}:lambda:${var.region}:${local.account}:event-source-mapping:*"
        Condition = { ArnLike = { "lambda:FunctionArn" = flatten([for arn in local.function_arns : [arn, "${arn}:*"]]) } }
      },
      {
        Sid    = "SwitchFunctions"
        Effect = "Allow"
        Action = [
          "lambda:DeleteFunctionConcurrency",
          "lambda:GetFunctionConcurrency",
          "lambda:PutFunctionConcurrency",
        ]
        Resource = local.function_arns
      },
    ]
  })
}
