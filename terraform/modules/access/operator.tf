# The rights of an operator on AWS, as two policies to attach to a person's or a runner's role: one for the days after a
# deploy (`sync`, `dlq`, `failover`, `restore`), one for game days, which take the pipeline's functions away.
resource "aws_iam_policy" "operator" {
  name        = "${var.name}-operator"
  description = "Watch, repair and switch over the pipeline of ${var.pipeline.stack_name}."

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
        Resource = var.pipeline.dead_letter_queue_arn
      },
      {
        Sid      = "SendAgain"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = var.pipeline.queue_arn
      },
      {
        # Candles, for a restoration, and the routing override, for a failover.
        Sid      = "RestoreCandles"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
        Resource = var.pipeline.table_arn
      },
      {
        Sid      = "RestoreArchive"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "${var.pipeline.archive_arn}/trades/*"
      },
      {
        Sid       = "ListArchive"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = var.pipeline.archive_arn
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
  name        = "${var.name}-game-day"
  description = "Take the pipeline of ${var.pipeline.stack_name} away and give it back; attach it beside the operator's policy."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Closing the queue is an edit of its policy, which could also let others in: attach this for a game day only.
        Sid      = "CloseQueue"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:SetQueueAttributes"]
        Resource = var.pipeline.queue_arn
      },
      {
        # A mapping is read by the id that AWS gave it.
        Sid      = "ReadMapping"
        Effect   = "Allow"
        Action   = "lambda:GetEventSourceMapping"
        Resource = "arn:${local.partition}:lambda:${local.region}:${local.account}:event-source-mapping:*"
      },
      {
        Sid       = "SwitchMapping"
        Effect    = "Allow"
        Action    = "lambda:UpdateEventSourceMapping"
        Resource  = "arn:${local.partition}:lambda:${local.region}:${local.account}:event-source-mapping:*"
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
