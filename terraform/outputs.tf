output "account_id" {
  description = "The account's number."
  value       = local.account
}

output "deploy_role_arn" {
  description = "The role that GitHub's jobs deploy with. Null where none may."
  value       = one(aws_iam_role.deploy[*].arn)
}

output "plan_role_arn" {
  description = "The role that GitHub's jobs plan with. Null where none may."
  value       = one(aws_iam_role.plan[*].arn)
}

output "functions_boundary_arn" {
  description = "The permissions boundary that the stack's roles must carry."
  value       = aws_iam_policy.functions_boundary.arn
}

output "operator_policy_arn" {
  description = "The policy that an operator's role needs for sync, dlq, failover and restore."
  value       = aws_iam_policy.operator.arn
}

output "game_day_policy_arn" {
  description = "The policy that an operator's role needs for a game day, beside the operator's."
  value       = aws_iam_policy.game_day.arn
}

output "producer_policy_arn" {
  description = "The policy that a producer's role needs."
  value       = aws_iam_policy.producer.arn
}

output "producer_program" {
  description = "The producer's program that its machine runs. Null where there is none."
  value       = var.producer_program
}

output "producer_instance_id" {
  description = "The producer's machine. Null where there is none."
  value       = one(aws_instance.producer[*].id)
}

output "producer_role_name" {
  description = "The role of the producer's machine, by which Google knows it. Null where there is none."
  value       = one(aws_iam_role.producer[*].name)
}

output "producer_google_audience" {
  description = "The audience for which the producer's machine signs in at Google. Null where there is no machine, or while that isn't known."
  value       = local.has_producer ? var.google_audience_for_aws : null
}

output "google_producer_role_arn" {
  description = "The role that a producer at Google assumes to send trades. Null where none may."
  value       = one(aws_iam_role.google_producer[*].arn)
}

output "google_reader_role_arn" {
  description = "The role that the Google side assumes to read the raw archive. Null where none may."
  value       = one(aws_iam_role.google_reader[*].arn)
}

output "google_audience" {
  description = "The audience that the Google side must ask its identity token for."
  value       = var.google_audience
}

output "kms_key_arn" {
  description = "The key."
  value       = aws_kms_key.main.arn
}

output "kms_alias" {
  description = "The key's alias."
  value       = aws_kms_alias.main.name
}

output "alert_topic_arn" {
  description = "The topic of alerts, for the stack's alarms."
  value       = aws_sns_topic.alerts.arn
}

output "dashboard_name" {
  description = "The CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.main.dashboard_name
}
