output "operator_policy_arn" {
  description = "The policy that an operator's role needs for sync, dlq, failover and restore."
  value       = aws_iam_policy.operator.arn
}

output "game_day_policy_arn" {
  description = "The policy that an operator's role needs for a game day, beside the operator's."
  value       = aws_iam_policy.game_day.arn
}

output "google_reader_role_arn" {
  description = "The role that the Google side assumes to read the raw archive. Null where none may."
  value       = one(aws_iam_role.google_reader[*].arn)
}
