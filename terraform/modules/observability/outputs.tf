output "alert_topic_arn" {
  description = "The topic of alerts, for the stack's alarms."
  value       = aws_sns_topic.alerts.arn
}

output "dashboard_name" {
  description = "The CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.main.dashboard_name
}

output "alert_topic_kms_key_arn" {
  description = "The key that encrypts the topic."
  value       = aws_sns_topic.alerts.kms_master_key_id
}
