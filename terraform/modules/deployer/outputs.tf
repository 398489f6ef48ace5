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
