# What a producer may do on AWS. Where it runs, and as whom, is not this root's: attach the policy to its role.
resource "aws_iam_policy" "producer" {
  name        = "${local.name}-producer"
  description = "Send trades to the queue ${var.queue_name}, and read orders by hand and the birth mark."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SendTrades"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
        Resource = local.queue_arns[0]
      },
      {
        # The latest order and the birth mark lie beside the candles, in partitions of their own.
        Sid       = "ReadOrders"
        Effect    = "Allow"
        Action    = "dynamodb:GetItem"
        Resource  = local.table_arn
        Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["failover-order", "birth"] } }
      },
    ]
  })
}
