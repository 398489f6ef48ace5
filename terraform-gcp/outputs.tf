output "project" {
  description = "The project's id."
  value       = var.project
}

output "project_number" {
  description = "The project's number."
  value       = local.number
}

output "region" {
  description = "The region."
  value       = var.region
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

output "collection" {
  description = "The collection of candles."
  value       = var.collection
}

output "bucket" {
  description = "The raw archive's bucket."
  value       = google_storage_bucket.archive.name
}

output "image_repository" {
  description = "Where images are pushed to: HOST/PROJECT/REPOSITORY."
  value       = "${local.registry}/${var.project}/${google_artifact_registry_repository.images.repository_id}"
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

output "producer_image" {
  description = "The producer's image on its machine, by digest. Null where there is none."
  value       = var.producer_image
}

output "producer_service_account_unique_id" {
  description = "Unique id of the account of the producer's machine, by which AWS knows it: google_producer_subject of the AWS root. Null where there is none."
  value       = one(google_service_account.producer[*].unique_id)
}

output "producer_aws_role" {
  description = "The role by which the producer's machine was told to send to AWS. Null where there is no machine, or while that isn't known."
  value       = local.has_producer ? lookup(var.producer_aws_env, "TWINCLOUD_AWS_ROLE", null) : null
}

output "aws_producer_role" {
  description = "The role of a producer's machine on AWS that may publish trades. Null where none may."
  value       = local.has_aws_producer ? var.aws_producer_role : null
}

output "replicate_peer_role" {
  description = "The role by which replicate was told to read AWS's archive. Null while that isn't known."
  value       = try(coalesce(var.replicate_env["TWINCLOUD_PEER_ROLE"]), null)
}

output "deploy_service_account" {
  description = "The account that GitHub's jobs deploy as. Null where none may."
  value       = try(google_service_account.github["deploy"].email, null)
}

output "plan_service_account" {
  description = "The account that GitHub's jobs plan as. Null where none may."
  value       = try(google_service_account.github["plan"].email, null)
}

output "github_workload_identity_provider" {
  description = "What GitHub's jobs sign in to: projects/N/locations/global/workloadIdentityPools/POOL/providers/github. Null where none may."
  value       = one(google_iam_workload_identity_pool_provider.github[*].name)
}

output "aws_workload_identity_audience" {
  description = "The audience for which the AWS side exchanges its identity. Null where it may not."
  value       = local.has_aws ? "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.aws[0].name}" : null
}

output "dashboard" {
  description = "The dashboard, projects/N/dashboards/ID."
  value       = google_monitoring_dashboard.main.id
}
