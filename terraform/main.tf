module "key" {
  source = "./modules/key"

  name                     = local.name
  key_services             = var.key_services
  key_deletion_window_days = var.key_deletion_window_days
}

module "observability" {
  source = "./modules/observability"

  name               = local.name
  pipeline           = local.pipeline
  kms_key_arn        = module.key.kms_key_arn
  alert_email        = var.alert_email
  monthly_budget_usd = var.monthly_budget_usd
  budget_tag         = var.budget_by_tag ? var.prefix : null
}

module "deployer" {
  source = "./modules/deployer"

  name            = local.name
  pipeline        = local.pipeline
  kms_key_arn     = module.key.kms_key_arn
  alert_topic_arn = module.observability.alert_topic_arn
  producer_host   = var.producer_program != null

  github_repository           = var.github_repository
  github_owner_id             = var.github_owner_id
  github_repository_id        = var.github_repository_id
  github_environments         = var.github_environments
  github_branches             = var.github_branches
  github_pull_requests        = var.github_pull_requests
  create_github_oidc_provider = var.create_github_oidc_provider
  require_functions_boundary  = var.require_functions_boundary
  allow_destroy               = var.allow_destroy
  state_bucket                = var.state_bucket
  state_key                   = var.state_key
}

module "access" {
  source = "./modules/access"

  name                     = local.name
  pipeline                 = local.pipeline
  google_replicate_subject = var.google_replicate_subject
  google_audience          = var.google_audience
}

module "producer" {
  source = "./modules/producer"

  name            = local.name
  pipeline        = local.pipeline
  alert_topic_arn = module.observability.alert_topic_arn

  producer_program        = var.producer_program
  producer_unit           = var.producer_unit
  producer_env            = var.producer_env
  producer_disk_gb        = var.producer_disk_gb
  producer_subnet         = var.producer_subnet
  producer_regions        = var.producer_regions
  google_producer_subject = var.google_producer_subject
  google_audience         = var.google_audience
  google_audience_for_aws = var.google_audience_for_aws
}
