# What a producer may do on AWS, and, where producer_program names its program, a host that runs it day and night. Elsewhere,
# where it runs, and as whom, is not this root's: attach the policy to its role.
resource "aws_iam_policy" "producer" {
  name        = "${var.name}-producer"
  description = "Send trades to the queue ${var.pipeline.queue_name}, and read routing overrides and the incarnation id."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SendTrades"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueUrl", "sqs:SendMessage"]
        Resource = concat([var.pipeline.queue_arn], [for place in var.producer_regions : "arn:${local.partition}:sqs:${place.region}:${local.account}:${place.queue}"])
      },
      {
        # The latest order and the incarnation id lie beside the candles, in partitions of their own.
        Sid       = "ReadOrders"
        Effect    = "Allow"
        Action    = "dynamodb:GetItem"
        Resource  = concat([var.pipeline.table_arn], [for place in var.producer_regions : "arn:${local.partition}:dynamodb:${place.region}:${local.account}:table/${place.table}"])
        Condition = { "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["failover-order", "birth"] } }
      },
    ]
  })
}

# A producer at Google holds no AWS key: it shows the identity token of its service account.
resource "aws_iam_role" "google_producer" {
  count = var.google_producer_subject == null ? 0 : 1

  name                 = "${var.name}-google-producer"
  description          = "The producer at Google sends trades, and nothing else."
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "accounts.google.com" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "accounts.google.com:aud"  = var.google_producer_subject
          "accounts.google.com:oaud" = var.google_audience
          "accounts.google.com:sub"  = var.google_producer_subject
        }
      }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "google_producer" {
  count = var.google_producer_subject == null ? 0 : 1

  role       = aws_iam_role.google_producer[0].name
  policy_arn = aws_iam_policy.producer.arn
}
