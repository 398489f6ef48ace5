module "pipeline" {
  source = "./modules/pipeline"

  project     = var.project
  region      = var.region
  name        = local.name
  short_name  = local.short_name
  labels      = local.labels
  role_suffix = var.role_suffix

  # Members that publish trades and read the routing overrides of manual failover.
  publishers = merge({ for member in var.publishers : member => member }, module.producer.publishers, module.federation.publishers)

  topic                    = var.topic
  subscription             = var.subscription
  dead_letter_topic        = var.dead_letter_topic
  dead_letter_subscription = var.dead_letter_subscription
  ack_deadline_s           = var.ack_deadline_s
  max_delivery_attempts    = var.max_delivery_attempts
  min_backoff_ms           = var.min_backoff_ms
  max_backoff_ms           = var.max_backoff_ms
  retention_s              = var.retention_s
  operators                = var.operators
  game_day_operators       = var.game_day_operators
  database                 = var.database
  database_location        = var.database_location
  delete_protection        = var.delete_protection
  point_in_time_recovery   = var.point_in_time_recovery
  bucket                   = var.bucket
  bucket_location          = var.bucket_location
  bucket_force_destroy     = var.bucket_force_destroy
  nearline_days            = var.nearline_days
  coldline_days            = var.coldline_days
  archive_days             = var.archive_days
  noncurrent_days          = var.noncurrent_days
  image_repository         = var.image_repository
  ingest_service           = var.ingest_service
  ingest_image             = var.ingest_image
  ingest_concurrency       = var.ingest_concurrency
  ingest_min_instances     = var.ingest_min_instances
  ingest_max_instances     = var.ingest_max_instances
  ingest_cpu               = var.ingest_cpu
  ingest_memory            = var.ingest_memory
  ingest_env               = var.ingest_env
  replicate_image          = var.replicate_image
  replicate_cpu            = var.replicate_cpu
  replicate_memory         = var.replicate_memory
  replicate_env            = var.replicate_env
  replicate_schedule       = var.replicate_schedule
  replicate_path           = var.replicate_path
  replicate_timeout_s      = var.replicate_timeout_s
  replicate_paused         = var.replicate_paused
  replicate_service        = local.replicate_service
}

module "federation" {
  source = "./modules/federation"

  project        = module.pipeline.project
  project_number = module.pipeline.project_number
  name           = local.name
  short_name     = local.short_name
  bucket         = module.pipeline.bucket

  workload_identity_pool = var.workload_identity_pool
  github_repository      = var.github_repository
  github_owner_id        = var.github_owner_id
  github_repository_id   = var.github_repository_id
  github_environments    = var.github_environments
  github_branches        = var.github_branches
  github_pull_requests   = var.github_pull_requests
  aws_account_id         = var.aws_account_id
  aws_replicate_roles    = var.aws_replicate_roles
  aws_producer_role      = var.aws_producer_role
}

module "deployer" {
  source = "./modules/deployer"

  project          = module.pipeline.project
  name             = local.name
  short_name       = local.short_name
  role_suffix      = var.role_suffix
  pool             = module.federation.pool
  deploy_subjects  = module.federation.deploy_subjects
  plan_subjects    = module.federation.plan_subjects
  bucket           = module.pipeline.bucket
  image_repository = module.pipeline.image_repository
  service_accounts = module.pipeline.service_accounts
  producer_host    = var.producer_image != null
  producer_account = module.producer.account
  state_bucket     = var.state_bucket
  state_prefix     = var.state_prefix
}

module "producer" {
  source = "./modules/producer"

  project          = module.pipeline.project
  region           = var.region
  name             = local.name
  short_name       = local.short_name
  labels           = local.labels
  image_repository = module.pipeline.image_repository

  producer_image   = var.producer_image
  producer_env     = var.producer_env
  producer_aws_env = var.producer_aws_env
  producer_disk_gb = var.producer_disk_gb
  producer_zone    = var.producer_zone
}

module "observability" {
  source = "./modules/observability"

  project        = module.pipeline.project
  project_number = module.pipeline.project_number
  name           = local.name
  labels         = local.labels

  pipeline = {
    topic                    = var.topic
    subscription             = var.subscription
    dead_letter_subscription = var.dead_letter_subscription
    bucket                   = var.bucket
    ingest_service           = var.ingest_service
    replicate_service        = local.replicate_service
    services                 = module.pipeline.services
    has_replicate            = var.replicate_image != null
    replicate_paused         = var.replicate_paused
    ingest_max_instances     = var.ingest_max_instances
    max_delivery_attempts    = var.max_delivery_attempts
    retention_s              = var.retention_s
  }

  alert_email             = var.alert_email
  alert_oldest_unacked_s  = var.alert_oldest_unacked_s
  alert_error_percent     = var.alert_error_percent
  alert_replication_lag_s = var.alert_replication_lag_s
  billing_account         = var.billing_account
  monthly_budget          = var.monthly_budget
}
