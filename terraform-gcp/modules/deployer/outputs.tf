output "deploy_service_account" {
  description = "The account that GitHub's jobs deploy as. Null where none may."
  value       = try(google_service_account.github["deploy"].email, null)
}

output "plan_service_account" {
  description = "The account that GitHub's jobs plan as. Null where none may."
  value       = try(google_service_account.github["plan"].email, null)
}
