data "google_project" "this" {
  project_id = var.project
}

locals {
  name   = "${var.prefix}-${var.environment}"
  number = data.google_project.this.number

  # For names of at most 30 characters, of which an ending takes up to 11.
  short = length(local.name) <= 19 ? local.name : "${trimsuffix(substr(local.name, 0, 14), "-")}-${substr(sha1(local.name), 0, 4)}"

  # A custom role's id has no dashes.
  role_prefix = replace(local.name, "-", "_")
  role_suffix = var.role_suffix == null ? "" : "_${var.role_suffix}"

  labels = merge(var.labels, {
    project     = var.prefix
    environment = var.environment
    managed-by  = "twincloud"
  })

  # Google's own account, by which Pub/Sub delivers and forwards dead letters.
  pubsub_agent = "serviceAccount:service-${local.number}@gcp-sa-pubsub.iam.gserviceaccount.com"

  replicate_service = coalesce(var.replicate_service, "${var.prefix}-replicate")

  # The services that there are: one whose image isn't built yet isn't made.
  services = {
    for key, service in {
      ingest = {
        name            = var.ingest_service
        image           = var.ingest_image
        account         = google_service_account.ingest.email
        concurrency     = var.ingest_concurrency
        min_instances   = var.ingest_min_instances
        max_instances   = var.ingest_max_instances
        cpu             = var.ingest_cpu
        memory          = var.ingest_memory
        timeout_s       = var.ack_deadline_s # later, Pub/Sub has given the request up
        env             = var.ingest_env
        invoker_account = google_service_account.push.member
      }
      replicate = {
        name            = local.replicate_service
        image           = var.replicate_image
        account         = google_service_account.replicate.email
        concurrency     = 1
        min_instances   = 0
        max_instances   = 1
        cpu             = var.replicate_cpu
        memory          = var.replicate_memory
        timeout_s       = var.replicate_timeout_s
        env             = var.replicate_env
        invoker_account = google_service_account.schedule.member
      }
    } : key => service if service.image != null
  }
  has_ingest    = var.ingest_image != null
  has_replicate = var.replicate_image != null
}
