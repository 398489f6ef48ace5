# From when this root was flat: a state of that time is taken over as it is. infra/tests/modules.rs holds the list complete.

moved {
  from = google_service_account.github
  to   = module.deployer.google_service_account.github
}

moved {
  from = google_service_account_iam_member.github
  to   = module.deployer.google_service_account_iam_member.github
}

moved {
  from = google_project_iam_member.github
  to   = module.deployer.google_project_iam_member.github
}

moved {
  from = google_project_iam_custom_role.configure
  to   = module.deployer.google_project_iam_custom_role.configure
}

moved {
  from = google_project_iam_member.configure
  to   = module.deployer.google_project_iam_member.configure
}

moved {
  from = google_project_iam_custom_role.configure_archive
  to   = module.deployer.google_project_iam_custom_role.configure_archive
}

moved {
  from = google_storage_bucket_iam_member.configure_archive
  to   = module.deployer.google_storage_bucket_iam_member.configure_archive
}

moved {
  from = google_service_account_iam_member.deploy_as
  to   = module.deployer.google_service_account_iam_member.deploy_as
}

moved {
  from = google_project_iam_member.github_compute
  to   = module.deployer.google_project_iam_member.github_compute
}

moved {
  from = google_project_iam_custom_role.producer_host
  to   = module.deployer.google_project_iam_custom_role.producer_host
}

moved {
  from = google_project_iam_member.producer_host
  to   = module.deployer.google_project_iam_member.producer_host
}

moved {
  from = google_service_account_iam_member.deploy_as_producer
  to   = module.deployer.google_service_account_iam_member.deploy_as_producer
}

moved {
  from = google_artifact_registry_repository_iam_member.deploy
  to   = module.deployer.google_artifact_registry_repository_iam_member.deploy
}

moved {
  from = google_storage_bucket_iam_member.state_write
  to   = module.deployer.google_storage_bucket_iam_member.state_write
}

moved {
  from = google_storage_bucket_iam_member.state_read
  to   = module.deployer.google_storage_bucket_iam_member.state_read
}

moved {
  from = google_iam_workload_identity_pool.outside
  to   = module.federation.google_iam_workload_identity_pool.outside
}

moved {
  from = google_iam_workload_identity_pool_provider.github
  to   = module.federation.google_iam_workload_identity_pool_provider.github
}

moved {
  from = google_iam_workload_identity_pool_provider.aws
  to   = module.federation.google_iam_workload_identity_pool_provider.aws
}

moved {
  from = google_storage_bucket_iam_member.aws
  to   = module.federation.google_storage_bucket_iam_member.aws
}

moved {
  from = google_project_service.api["billingbudgets.googleapis.com"]
  to   = module.observability.google_project_service.api["billingbudgets.googleapis.com"]
}

moved {
  from = google_billing_budget.monthly
  to   = module.observability.google_billing_budget.monthly
}

moved {
  from = google_monitoring_dashboard.main
  to   = module.observability.google_monitoring_dashboard.main
}

moved {
  from = google_logging_metric.outcome
  to   = module.observability.google_logging_metric.outcome
}

moved {
  from = google_logging_metric.replication_lag
  to   = module.observability.google_logging_metric.replication_lag
}

moved {
  from = google_monitoring_notification_channel.email
  to   = module.observability.google_monitoring_notification_channel.email
}

moved {
  from = google_monitoring_alert_policy.threshold
  to   = module.observability.google_monitoring_alert_policy.threshold
}

moved {
  from = google_monitoring_alert_policy.replicate_silent
  to   = module.observability.google_monitoring_alert_policy.replicate_silent
}

moved {
  from = google_service_account.ingest
  to   = module.pipeline.google_service_account.ingest
}

moved {
  from = google_service_account.replicate
  to   = module.pipeline.google_service_account.replicate
}

moved {
  from = google_service_account.push
  to   = module.pipeline.google_service_account.push
}

moved {
  from = google_service_account.schedule
  to   = module.pipeline.google_service_account.schedule
}

moved {
  from = google_project_iam_custom_role.candles
  to   = module.pipeline.google_project_iam_custom_role.candles
}

moved {
  from = google_project_iam_member.candles
  to   = module.pipeline.google_project_iam_member.candles
}

moved {
  from = google_storage_bucket_iam_member.create
  to   = module.pipeline.google_storage_bucket_iam_member.create
}

moved {
  from = google_storage_bucket_iam_member.view
  to   = module.pipeline.google_storage_bucket_iam_member.view
}

moved {
  from = google_project_iam_custom_role.orders
  to   = module.pipeline.google_project_iam_custom_role.orders
}

moved {
  from = google_project_iam_member.orders
  to   = module.pipeline.google_project_iam_member.orders
}

moved {
  from = google_project_service.api["artifactregistry.googleapis.com"]
  to   = module.pipeline.google_project_service.api["artifactregistry.googleapis.com"]
}

moved {
  from = google_project_service.api["cloudresourcemanager.googleapis.com"]
  to   = module.pipeline.google_project_service.api["cloudresourcemanager.googleapis.com"]
}

moved {
  from = google_project_service.api["cloudscheduler.googleapis.com"]
  to   = module.pipeline.google_project_service.api["cloudscheduler.googleapis.com"]
}

moved {
  from = google_project_service.api["firestore.googleapis.com"]
  to   = module.pipeline.google_project_service.api["firestore.googleapis.com"]
}

moved {
  from = google_project_service.api["iam.googleapis.com"]
  to   = module.pipeline.google_project_service.api["iam.googleapis.com"]
}

moved {
  from = google_project_service.api["iamcredentials.googleapis.com"]
  to   = module.pipeline.google_project_service.api["iamcredentials.googleapis.com"]
}

moved {
  from = google_project_service.api["logging.googleapis.com"]
  to   = module.pipeline.google_project_service.api["logging.googleapis.com"]
}

moved {
  from = google_project_service.api["monitoring.googleapis.com"]
  to   = module.pipeline.google_project_service.api["monitoring.googleapis.com"]
}

moved {
  from = google_project_service.api["pubsub.googleapis.com"]
  to   = module.pipeline.google_project_service.api["pubsub.googleapis.com"]
}

moved {
  from = google_project_service.api["run.googleapis.com"]
  to   = module.pipeline.google_project_service.api["run.googleapis.com"]
}

moved {
  from = google_project_service.api["storage.googleapis.com"]
  to   = module.pipeline.google_project_service.api["storage.googleapis.com"]
}

moved {
  from = google_project_service.api["sts.googleapis.com"]
  to   = module.pipeline.google_project_service.api["sts.googleapis.com"]
}

moved {
  from = google_storage_bucket.archive
  to   = module.pipeline.google_storage_bucket.archive
}

moved {
  from = google_firestore_database.candles
  to   = module.pipeline.google_firestore_database.candles
}

moved {
  from = google_firestore_field.ids
  to   = module.pipeline.google_firestore_field.ids
}

moved {
  from = google_firestore_field.pieces
  to   = module.pipeline.google_firestore_field.pieces
}

moved {
  from = google_project_iam_member.operator_candles
  to   = module.pipeline.google_project_iam_member.operator_candles
}

moved {
  from = google_storage_bucket_iam_member.operator
  to   = module.pipeline.google_storage_bucket_iam_member.operator
}

moved {
  from = google_pubsub_subscription_iam_member.operator
  to   = module.pipeline.google_pubsub_subscription_iam_member.operator
}

moved {
  from = google_pubsub_topic_iam_member.operator
  to   = module.pipeline.google_pubsub_topic_iam_member.operator
}

moved {
  from = google_project_iam_custom_role.schedule
  to   = module.pipeline.google_project_iam_custom_role.schedule
}

moved {
  from = google_project_iam_member.schedule
  to   = module.pipeline.google_project_iam_member.schedule
}

moved {
  from = google_project_iam_member.operator_quota
  to   = module.pipeline.google_project_iam_member.operator_quota
}

moved {
  from = google_project_iam_custom_role.game_day
  to   = module.pipeline.google_project_iam_custom_role.game_day
}

moved {
  from = google_pubsub_subscription_iam_member.game_day
  to   = module.pipeline.google_pubsub_subscription_iam_member.game_day
}

moved {
  from = google_pubsub_topic_iam_member.game_day
  to   = module.pipeline.google_pubsub_topic_iam_member.game_day
}

moved {
  from = google_service_account_iam_member.game_day
  to   = module.pipeline.google_service_account_iam_member.game_day
}

moved {
  from = google_pubsub_topic.trades
  to   = module.pipeline.google_pubsub_topic.trades
}

moved {
  from = google_pubsub_topic.dead_letters
  to   = module.pipeline.google_pubsub_topic.dead_letters
}

moved {
  from = google_pubsub_subscription.trades
  to   = module.pipeline.google_pubsub_subscription.trades
}

moved {
  from = google_pubsub_subscription.dead_letters
  to   = module.pipeline.google_pubsub_subscription.dead_letters
}

moved {
  from = google_pubsub_topic_iam_member.dead_letters
  to   = module.pipeline.google_pubsub_topic_iam_member.dead_letters
}

moved {
  from = google_pubsub_subscription_iam_member.dead_letters
  to   = module.pipeline.google_pubsub_subscription_iam_member.dead_letters
}

moved {
  from = google_service_account_iam_member.push_token
  to   = module.pipeline.google_service_account_iam_member.push_token
}

moved {
  from = google_pubsub_topic_iam_member.publishers
  to   = module.pipeline.google_pubsub_topic_iam_member.publishers
}

moved {
  from = google_artifact_registry_repository.images
  to   = module.pipeline.google_artifact_registry_repository.images
}

moved {
  from = google_cloud_run_v2_service.service
  to   = module.pipeline.google_cloud_run_v2_service.service
}

moved {
  from = google_cloud_run_v2_service_iam_member.invoker
  to   = module.pipeline.google_cloud_run_v2_service_iam_member.invoker
}

moved {
  from = google_cloud_scheduler_job.replicate
  to   = module.pipeline.google_cloud_scheduler_job.replicate
}

moved {
  from = google_project_service.api["compute.googleapis.com"]
  to   = module.producer.google_project_service.api["compute.googleapis.com"]
}

moved {
  from = google_service_account.producer
  to   = module.producer.google_service_account.producer
}

moved {
  from = google_artifact_registry_repository_iam_member.producer
  to   = module.producer.google_artifact_registry_repository_iam_member.producer
}

moved {
  from = google_project_iam_member.producer_logs
  to   = module.producer.google_project_iam_member.producer_logs
}

moved {
  from = google_compute_network.producer
  to   = module.producer.google_compute_network.producer
}

moved {
  from = google_compute_subnetwork.producer
  to   = module.producer.google_compute_subnetwork.producer
}

moved {
  from = google_compute_disk.spool
  to   = module.producer.google_compute_disk.spool
}

moved {
  from = terraform_data.producer
  to   = module.producer.terraform_data.producer
}

moved {
  from = google_compute_instance.producer
  to   = module.producer.google_compute_instance.producer
}
