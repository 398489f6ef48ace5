output "kms_key_arn" {
  description = "The key."
  value       = aws_kms_key.main.arn
}

output "kms_alias" {
  description = "The key's alias."
  value       = aws_kms_alias.main.name
}
