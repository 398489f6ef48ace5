output "account_id" {
  description = "The account's number."
  value       = local.account
}

output "deploy_role_arn" {
  description = "The role that GitHub's jobs deploy with. Null where none may."
  value       = module.deployer.deploy_role_arn
}

output "plan_role_arn" {
  description = "The role that GitHub's jobs plan with. Null where none may."
  value       = module.deployer.plan_role_arn
}

output "functions_boundary_arn" {
  description = "The permissions boundary that the stack's roles must carry."
  value       = module.deployer.functions_boundary_arn
}

output "operator_policy_arn" {
  description = "The policy that an operator's role needs for sync, dlq, failover and restore."
  value       = module.access.operator_policy_arn
}

output "game_day_policy_arn" {
  description = "The policy that an operator's role needs for a game day, beside the operator's."
  value       = module.access.game_day_policy_arn
}

output "producer_policy_arn" {
  description = "The policy that a producer's role needs."
  value       = module.producer.producer_policy_arn
}

output "producer_program" {
  description = "The producer's program that its machine runs. Null where there is none."
  value       = module.producer.producer_program
}

output "producer_instance_id" {
  description = "The producer's machine. Null where there is none."
  value       = module.producer.producer_instance_id
}

output "producer_role_name" {
  description = "The role of the producer's machine, by which Google knows it. Null where there is none."
  value       = module.producer.producer_role_name
}

output "producer_google_audience" {
  description = "The audience for which the producer's machine signs in at Google. Null where there is no machine, or while that isn't known."
  value       = module.producer.producer_google_audience
}

output "google_producer_role_arn" {
  description = "The role that a producer at Google assumes to send trades. Null where none may."
  value       = module.producer.google_producer_role_arn
}

output "google_reader_role_arn" {
  description = "The role that the Google side assumes to read the raw archive. Null where none may."
  value       = module.access.google_reader_role_arn
}

output "google_audience" {
  description = "The audience that the Google side must ask its identity token for."
  value       = var.google_audience
}

output "kms_key_arn" {
  description = "The key."
  value       = module.key.kms_key_arn
}

output "kms_alias" {
  description = "The key's alias."
  value       = module.key.kms_alias
}

output "alert_topic_arn" {
  description = "The topic of alerts, for the stack's alarms."
  value       = module.observability.alert_topic_arn
}

output "dashboard_name" {
  description = "The CloudWatch dashboard."
  value       = module.observability.dashboard_name
}
