locals {
  name = "${var.prefix}-${var.environment}"

  # For names of at most 30 characters, of which an ending takes up to 11.
  short_name = length(local.name) <= 19 ? local.name : "${trimsuffix(substr(local.name, 0, 14), "-")}-${substr(sha1(local.name), 0, 4)}"

  labels = merge(var.labels, {
    project     = var.prefix
    environment = var.environment
    managed-by  = "twincloud"
  })

  replicate_service = coalesce(var.replicate_service, "${var.prefix}-replicate")
}
