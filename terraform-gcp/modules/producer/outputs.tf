output "publishers" {
  description = "The account of the machine, as a member for publishers of the module pipeline. Empty where there is none."
  value       = local.has_producer ? { host = local.producer_member } : {}

  # Its parts are known before the account is there.
  depends_on = [google_service_account.producer]
}

output "account" {
  description = "The account of the machine, projects/P/serviceAccounts/EMAIL. Null where there is none."
  value       = one(google_service_account.producer[*].name)
}

output "producer_image" {
  description = "The producer's image on its machine, by digest. Null where there is none."
  value       = var.producer_image
}

output "producer_service_account_unique_id" {
  description = "Unique id of the account of the producer's machine, by which AWS knows it: google_producer_subject of the AWS root. Null where there is none."
  value       = one(google_service_account.producer[*].unique_id)
}

output "producer_aws_role" {
  description = "The role by which the producer's machine was told to send to AWS. Null where there is no machine, or while that isn't known."
  value       = local.has_producer ? lookup(var.producer_aws_env, "TWINCLOUD_AWS_ROLE", null) : null
}
