output "project" {
  description = "The project's id."
  value       = var.project
}

output "project_number" {
  description = "The project's number."
  value       = module.pipeline.project_number
}

output "region" {
  description = "The region."
  value       = var.region
}

output "topic" {
  description = "The topic of trades, projects/P/topics/T."
  value       = module.pipeline.topic
}

output "subscription" {
  description = "The push subscription, projects/P/subscriptions/S."
  value       = module.pipeline.subscription
}

output "dead_letter_topic" {
  description = "The topic of dead letters, projects/P/topics/T."
  value       = module.pipeline.dead_letter_topic
}

output "dead_letter_subscription" {
  description = "The pull subscription of dead letters, projects/P/subscriptions/S."
  value       = module.pipeline.dead_letter_subscription
}

output "database" {
  description = "The Firestore database."
  value       = module.pipeline.database
}

output "collection" {
  description = "The collection of candles."
  value       = var.collection
}

output "bucket" {
  description = "The raw archive's bucket."
  value       = module.pipeline.bucket
}

output "image_repository" {
  description = "Where images are pushed to: HOST/PROJECT/REPOSITORY."
  value       = module.pipeline.image_repository.path
}

output "ingest_url" {
  description = "The ingest service. Null while it has no image."
  value       = module.pipeline.ingest_url
}

output "ingest_image" {
  description = "The ingest service's image, by digest. Null while it has none."
  value       = module.pipeline.ingest_image
}

output "replicate_url" {
  description = "The replicate service. Null while it has no image."
  value       = module.pipeline.replicate_url
}

output "replicate_image" {
  description = "The replicate service's image, by digest. Null while it has none."
  value       = module.pipeline.replicate_image
}

output "replicate_service_account" {
  description = "The e-mail address of the account that replicate runs as."
  value       = module.pipeline.replicate_service_account
}

output "replicate_service_account_unique_id" {
  description = "Its unique id, by which AWS knows it: google_replicate_subject of the AWS root."
  value       = module.pipeline.replicate_service_account_unique_id
}

output "producer_image" {
  description = "The producer's image on its machine, by digest. Null where there is none."
  value       = module.producer.producer_image
}

output "producer_service_account_unique_id" {
  description = "Unique id of the account of the producer's machine, by which AWS knows it: google_producer_subject of the AWS root. Null where there is none."
  value       = module.producer.producer_service_account_unique_id
}

output "producer_aws_role" {
  description = "The role by which the producer's machine was told to send to AWS. Null where there is no machine, or while that isn't known."
  value       = module.producer.producer_aws_role
}

output "aws_producer_role" {
  description = "The role of a producer's machine on AWS that may publish trades. Null where none may."
  value       = module.federation.aws_producer_role
}

output "replicate_peer_role" {
  description = "The role by which replicate was told to read AWS's archive. Null while that isn't known."
  value       = module.pipeline.replicate_peer_role
}

output "deploy_service_account" {
  description = "The account that GitHub's jobs deploy as. Null where none may."
  value       = module.deployer.deploy_service_account
}

output "plan_service_account" {
  description = "The account that GitHub's jobs plan as. Null where none may."
  value       = module.deployer.plan_service_account
}

output "github_workload_identity_provider" {
  description = "What GitHub's jobs sign in to: projects/N/locations/global/workloadIdentityPools/POOL/providers/github. Null where none may."
  value       = module.federation.github_workload_identity_provider
}

output "aws_workload_identity_audience" {
  description = "The audience for which the AWS side exchanges its identity. Null where it may not."
  value       = module.federation.aws_workload_identity_audience
}

output "dashboard" {
  description = "The dashboard, projects/N/dashboards/ID."
  value       = module.observability.dashboard
}
