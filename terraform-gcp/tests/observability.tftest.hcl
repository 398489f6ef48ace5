# Alerts, dashboard and budget: modules/observability.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://service-abcdefghij-uc.a.run.app" }
  }
  mock_resource "google_service_account" {
    defaults = {
      email     = "account@blockchain-core-dev.iam.gserviceaccount.com"
      member    = "serviceAccount:account@blockchain-core-dev.iam.gserviceaccount.com"
      name      = "projects/blockchain-core-dev/serviceAccounts/account@blockchain-core-dev.iam.gserviceaccount.com"
      unique_id = "123456789012345678901"
    }
  }
  mock_resource "google_iam_workload_identity_pool" {
    defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/blockchain-core-dev" }
  }
}

variables {
  project        = "blockchain-core-dev"
  project_number = "123456789012"
  region         = "us-central1"
  name           = "blockchain-core-dev"
  short_name     = "blockchain-core-dev"
  labels         = { project = "blockchain-core", environment = "dev", managed-by = "twincloud" }
  pipeline = {
    topic                    = "blockchain-core-trade-data"
    subscription             = "blockchain-core-trade-data-push"
    dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
    bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
    ingest_service           = "blockchain-core-ingest"
    replicate_service        = "blockchain-core-replicate"
    services                 = ["blockchain-core-ingest", "blockchain-core-replicate"]
    has_replicate            = true
    replicate_paused         = false
    ingest_max_instances     = 10
    max_delivery_attempts    = 5
    retention_s              = 604800
  }
}

run "alerts_cover_what_matters" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.threshold)) == toset(["dead_letters", "oldest_unacked", "errors", "replication_lag"])
    error_message = "An alert is missing."
  }

  assert {
    condition     = google_monitoring_alert_policy.threshold["dead_letters"].conditions[0].condition_threshold[0].threshold_value == 0
    error_message = "One dead letter is one too many."
  }

  assert {
    condition     = google_monitoring_alert_policy.threshold["errors"].conditions[0].condition_threshold[0].threshold_value == 0.05 && length(google_monitoring_alert_policy.threshold["errors"].conditions[0].condition_threshold[0].denominator_aggregations) == 1
    error_message = "Errors are a share of all requests."
  }

  assert {
    condition     = length(google_monitoring_alert_policy.replicate_silent) == 1
    error_message = "A replicate that doesn't run must be noticed."
  }
}

run "before_the_first_image" {
  module {
    source = "./modules/observability"
  }

  variables {
    pipeline = {
      topic                    = "blockchain-core-trade-data"
      subscription             = "blockchain-core-trade-data-push"
      dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
      bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
      ingest_service           = "blockchain-core-ingest"
      replicate_service        = "blockchain-core-replicate"
      services                 = []
      has_replicate            = false
      replicate_paused         = false
      ingest_max_instances     = 10
      max_delivery_attempts    = 5
      retention_s              = 604800
    }
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.threshold)) == toset(["dead_letters", "oldest_unacked"]) && length(google_monitoring_alert_policy.replicate_silent) == 0
    error_message = "What isn't there can't be late."
  }
}

run "paused_replicate_may_be_silent" {
  module {
    source = "./modules/observability"
  }

  variables {
    pipeline = {
      topic                    = "blockchain-core-trade-data"
      subscription             = "blockchain-core-trade-data-push"
      dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
      bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
      ingest_service           = "blockchain-core-ingest"
      replicate_service        = "blockchain-core-replicate"
      services                 = ["blockchain-core-ingest", "blockchain-core-replicate"]
      has_replicate            = true
      replicate_paused         = true
      ingest_max_instances     = 10
      max_delivery_attempts    = 5
      retention_s              = 604800
    }
  }

  assert {
    condition     = length(google_monitoring_alert_policy.replicate_silent) == 0
    error_message = "A paused schedule isn't an alert."
  }
}

run "alerts_are_labelled" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = alltrue([for labels in values(google_monitoring_alert_policy.threshold)[*].user_labels : labels == tomap({ project = "blockchain-core", environment = "dev", managed-by = "twincloud" })])
    error_message = "An inventory by label must find everything."
  }
}

run "budget_and_email" {
  module {
    source = "./modules/observability"
  }

  variables {
    billing_account = "012345-6789AB-CDEF01"
    monthly_budget  = 75
    alert_email     = "ops@example.com"
  }

  assert {
    condition     = google_billing_budget.monthly[0].amount[0].specified_amount[0].units == "75" && google_billing_budget.monthly[0].budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "The budget must be this project's."
  }

  assert {
    condition     = length(google_billing_budget.monthly[0].all_updates_rule[0].monitoring_notification_channels) == 1 && length(google_monitoring_alert_policy.threshold["dead_letters"].notification_channels) == 1
    error_message = "The address must be told of the budget and of alerts."
  }

  assert {
    condition     = contains(keys(google_project_service.api), "billingbudgets.googleapis.com")
    error_message = "A budget needs its API."
  }
}

run "neither_budget_nor_email_unless_named" {
  module {
    source = "./modules/observability"
  }

  assert {
    condition     = length(google_billing_budget.monthly) == 0 && !contains(keys(google_project_service.api), "billingbudgets.googleapis.com")
    error_message = "No billing account, no budget."
  }

  assert {
    condition     = length(google_monitoring_notification_channel.email) == 0
    error_message = "No address and no TTL unless they are named."
  }
}
