# The Google side reads the raw archive, to copy what it lacks. It holds no AWS key: it shows the identity token of its
# service account.

resource "aws_iam_role" "google_reader" {
  count = var.google_replicate_subject == null ? 0 : 1

  name                 = "${var.name}-google-reader"
  description          = "The Google side reads the raw archive, and nothing else."
  max_session_duration = 3600

  # AWS takes `aud` from the token's `azp` where it has one, as a service account's has: its unique id. The audience
  # that was asked for is then in `oaud`.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = "accounts.google.com" }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "accounts.google.com:aud"  = var.google_replicate_subject
          "accounts.google.com:oaud" = var.google_audience
          "accounts.google.com:sub"  = var.google_replicate_subject
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "google_reader" {
  count = var.google_replicate_subject == null ? 0 : 1

  name = "read-archive"
  role = aws_iam_role.google_reader[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadTrades"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${var.pipeline.archive_arn}/trades/*"
      },
      {
        Sid       = "ListTrades"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = var.pipeline.archive_arn
        Condition = { StringLike = { "s3:prefix" = "trades/*" } }
      },
    ]
  })
}
