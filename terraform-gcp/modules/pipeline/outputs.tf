output "project" {
  description = "The project's id, once its APIs are on: what takes the id from here waits for them."
  value       = var.project

  depends_on = [google_project_service.api]
}

output "project_number" {
  description = "The project's number."
  value       = data.google_project.this.number
}

output "image_repository" {
  description = "The repository of images; images are pushed to its path, HOST/PROJECT/REPOSITORY."
  value = {
    location = google_artifact_registry_repository.images.location
    name     = google_artifact_registry_repository.images.name
    path     = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
  }
}

output "service_accounts" {
  description = "The accounts that services, push and schedule run as, projects/P/serviceAccounts/EMAIL."
  value = {
    ingest    = google_service_account.ingest.name
    replicate = google_service_account.replicate.name
    push      = google_service_account.push.name
    schedule  = google_service_account.schedule.name
  }
}

output "services" {
  description = "Names of the Cloud Run services that are there."
  value       = [for service in values(local.services) : service.name]
}

output "topic" {
  description = "The topic of trades, projects/P/topics/T."
  value       = google_pubsub_topic.trades.id
}

output "subscription" {
  description = "The push subscription, projects/P/subscriptions/S."
  value       = google_pubsub_subscription.trades.id
}

output "dead_letter_topic" {
  description = "The topic of dead letters, projects/P/topics/T."
  value       = google_pubsub_topic.dead_letters.id
}

output "dead_letter_subscription" {
  description = "The pull subscription of dead letters, projects/P/subscriptions/S."
  value       = google_pubsub_subscription.dead_letters.id
}

output "database" {
  description = "The Firestore database."
  value       = google_firestore_database.candles.name
}

output "bucket" {
  description = "The raw archive's bucket."
  value       = google_storage_bucket.archive.name
}

output "ingest_url" {
  description = "The ingest service. Null while it has no image."
  value       = local.has_ingest ? google_cloud_run_v2_service.service["ingest"].uri : null
}

output "ingest_image" {
  description = "The ingest service's image, by digest. Null while it has none."
  value       = var.ingest_image
}

output "replicate_url" {
  description = "The replicate service. Null while it has no image."
  value       = local.has_replicate ? google_cloud_run_v2_service.service["replicate"].uri : null
}

output "replicate_image" {
  description = "The replicate service's image, by digest. Null while it has none."
  value       = var.replicate_image
}

output "replicate_service_account" {
  description = "The e-mail address of the account that replicate runs as."
  value       = google_service_account.replicate.email
}

output "replicate_service_account_unique_id" {
  description = "Its unique id, by which AWS knows it: google_replicate_subject of the AWS root."
  value       = google_service_account.replicate.unique_id
}

output "replicate_peer_role" {
  description = "The role by which replicate was told to read AWS's archive. Null while that isn't known."
  value       = try(coalesce(var.replicate_env["TWINCLOUD_PEER_ROLE"]), null)
}
