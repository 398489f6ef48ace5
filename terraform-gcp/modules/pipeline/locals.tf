data "google_project" "this" {
  project_id = var.project
}

locals {
  # A custom role's id has no dashes.
  role_prefix = replace(var.name, "-", "_")
  role_suffix = var.role_suffix == null ? "" : "_${var.role_suffix}"

  # Google's own account, by which Pub/Sub delivers and forwards dead letters.
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"

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
        name            = var.replicate_service
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
