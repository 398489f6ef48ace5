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
