output "pool" {
  description = "The pool of identities from outside, projects/N/locations/global/workloadIdentityPools/POOL. Null where none may sign in."
  value       = one(google_iam_workload_identity_pool.outside[*].name)
}

output "deploy_subjects" {
  description = "Subjects of GitHub's tokens that may deploy."
  value       = local.deploy_subjects
}

output "plan_subjects" {
  description = "Subjects of GitHub's tokens that may plan, and nothing else."
  value       = local.plan_subjects
}

output "publishers" {
  description = "The role of a producer's machine on AWS, as a member for publishers of the module pipeline. Empty where there is none."
  value       = local.has_aws_producer ? { aws = "principalSet://iam.googleapis.com/projects/${var.project_number}/locations/global/workloadIdentityPools/${local.pool_id}/attribute.aws_role/${local.aws_producer_arn}" } : {}

  # Its parts are known before the pool is there.
  depends_on = [google_iam_workload_identity_pool_provider.aws]
}

output "aws_producer_role" {
  description = "The role of a producer's machine on AWS that may publish trades. Null where none may."
  value       = local.has_aws_producer ? var.aws_producer_role : null
}

output "github_workload_identity_provider" {
  description = "What GitHub's jobs sign in to: projects/N/locations/global/workloadIdentityPools/POOL/providers/github. Null where none may."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}

output "aws_workload_identity_audience" {
  description = "The audience for which the AWS side exchanges its identity. Null where it may not."
  value       = local.has_aws ? "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.aws[0].name}" : null
}
