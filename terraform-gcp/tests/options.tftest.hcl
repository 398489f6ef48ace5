# What can be left out, and what is refused.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "123456789012" }
  }
  mock_resource "google_cloud_run_v2_service" {
    defaults = { uri = "https://service-abcdefghij-uc.a.run.app" }
  }
  mock_resource "google_service_account" {
    defaults = {
      email  = "account@blockchain-core-dev.iam.gserviceaccount.com"
      member = "serviceAccount:account@blockchain-core-dev.iam.gserviceaccount.com"
      name   = "projects/blockchain-core-dev/serviceAccounts/account@blockchain-core-dev.iam.gserviceaccount.com"
    }
  }
  mock_resource "google_iam_workload_identity_pool" {
    defaults = { name = "projects/123456789012/locations/global/workloadIdentityPools/blockchain-core-dev" }
  }
}

variables {
  project                  = "blockchain-core-dev"
  region                   = "us-central1"
  prefix                   = "blockchain-core"
  environment              = "dev"
  topic                    = "blockchain-core-trade-data"
  subscription             = "blockchain-core-trade-data-push"
  dead_letter_topic        = "blockchain-core-trade-data-dlq"
  dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
  ack_deadline_s           = 60
  max_delivery_attempts    = 5
  min_backoff_ms           = 1000
  max_backoff_ms           = 60000
  retention_s              = 604800
  collection               = "blockchain-core-ohlcv-data"
  bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
  ingest_service           = "blockchain-core-ingest"
  ingest_concurrency       = 16
}

run "before_the_first_image" {
  assert {
    condition     = length(google_cloud_run_v2_service.service) == 0 && length(google_cloud_scheduler_job.replicate) == 0
    error_message = "Without images there are no services."
  }

  assert {
    condition     = length(google_pubsub_subscription.trades.push_config) == 0 && length(google_pubsub_subscription.trades.dead_letter_policy) == 1
    error_message = "Without a service the subscription keeps what comes."
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.threshold)) == toset(["dead_letters", "oldest_unacked"]) && length(google_monitoring_alert_policy.replicate_silent) == 0
    error_message = "What isn't there can't be late."
  }

  assert {
    condition     = output.ingest_url == null && output.replicate_url == null
    error_message = "Outputs of what isn't there must be null."
  }
}

run "defaults_open_nothing" {
  assert {
    condition = (
      length(google_iam_workload_identity_pool.outside) == 0
      && length(google_service_account.github) == 0
      && length(google_storage_bucket_iam_member.aws) == 0
      && length(google_pubsub_topic_iam_member.publishers) == 0
      && length(google_project_iam_member.orders) == 0
      && length(google_project_iam_member.operator_candles) == 0
      && length(google_storage_bucket_iam_member.operator) == 0
      && length(google_pubsub_subscription_iam_member.operator) == 0
      && length(google_pubsub_topic_iam_member.operator) == 0
      && length(google_project_iam_custom_role.schedule) == 0
      && length(google_project_iam_custom_role.game_day) == 0
      && length(google_service_account_iam_member.game_day) == 0
    )
    error_message = "Nobody outside may get in unless a variable names him."
  }

  assert {
    condition     = length(google_billing_budget.monthly) == 0 && !contains(keys(google_project_service.api), "billingbudgets.googleapis.com")
    error_message = "No billing account, no budget."
  }

  assert {
    condition     = length(google_monitoring_notification_channel.email) == 0
    error_message = "No address and no TTL unless they are named."
  }

  assert {
    condition     = length(google_compute_instance.producer) == 0 && length(google_compute_disk.spool) == 0 && length(google_compute_network.producer) == 0 && length(google_service_account.producer) == 0
    error_message = "No machine unless its image is named."
  }

  assert {
    condition     = output.deploy_service_account == null && output.plan_service_account == null && output.github_workload_identity_provider == null && output.aws_workload_identity_audience == null
    error_message = "Outputs of what isn't there must be null."
  }
}

run "names_alone" {
  variables {
    github_repository   = "acme/twincloud"
    github_environments = ["dev"]
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.repository == 'acme/twincloud' && assertion.sub in ['repo:acme/twincloud:environment:dev', 'repo:acme/twincloud:pull_request']"
    error_message = "Without GitHub's numbers the names are all there is."
  }

  assert {
    condition     = google_project_iam_custom_role.candles.role_id == "blockchain_core_dev_candles"
    error_message = "Without a suffix an id ends with the role's name."
  }
}

run "numbers_in_letters" {
  command = plan

  variables {
    github_repository    = "acme/twincloud"
    github_owner_id      = "acme"
    github_repository_id = "456789"
  }
  expect_failures = [var.github_owner_id]
}

run "wildcard_state_prefix" {
  command = plan

  variables {
    state_bucket = "blockchain-core-state"
    state_prefix = "terraform-gcp/*"
  }
  expect_failures = [var.state_prefix]
}

run "long_role_suffix" {
  command = plan

  variables {
    role_suffix = "that_leaves_no_room_for_the_name_of_a_role"
  }
  expect_failures = [var.role_suffix]
}

run "ingest_without_replicate" {
  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = keys(google_cloud_run_v2_service.service) == ["ingest"] && length(google_pubsub_subscription.trades.push_config) == 1 && length(google_cloud_scheduler_job.replicate) == 0
    error_message = "Ingest must do without replicate."
  }
}

run "no_backoff" {
  variables {
    min_backoff_ms = 0
    max_backoff_ms = 0
  }

  assert {
    condition     = length(google_pubsub_subscription.trades.retry_policy) == 0
    error_message = "A greatest pause of 0 must be no retry policy."
  }
}

run "budget_and_email" {
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

run "no_protection" {
  variables {
    delete_protection = false
    database          = "candles"
  }

  assert {
    condition     = google_firestore_database.candles.delete_protection_state == "DELETE_PROTECTION_DISABLED"
    error_message = "Without protection the database can be destroyed."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.candles : grant.condition[0].expression == "resource.name == \"projects/blockchain-core-dev/databases/candles\""])
    error_message = "The services write to one database."
  }
}

run "paused_replicate_may_be_silent" {
  variables {
    replicate_image  = "us-central1-docker.pkg.dev/p/r/replicate@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    replicate_paused = true
  }

  assert {
    condition     = google_cloud_scheduler_job.replicate[0].paused && length(google_monitoring_alert_policy.replicate_silent) == 0
    error_message = "A paused schedule isn't an alert."
  }
}

run "image_by_tag" {
  command = plan

  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest:latest"
  }
  expect_failures = [var.ingest_image]
}

run "replicate_image_by_tag" {
  command = plan

  variables {
    replicate_image = "us-central1-docker.pkg.dev/p/r/replicate:v1"
  }
  expect_failures = [var.replicate_image]
}

run "image_with_a_short_digest" {
  command = plan

  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest@sha256:abc"
  }
  expect_failures = [var.ingest_image]
}

run "everybody_publishes" {
  command = plan

  variables {
    publishers = ["allUsers"]
  }
  expect_failures = [var.publishers]
}

run "everybody_operates" {
  command = plan

  variables {
    operators = ["allAuthenticatedUsers"]
  }
  expect_failures = [var.operators]
}

run "game_day_operator_who_is_no_operator" {
  command = plan

  variables {
    operators          = ["group:operators@example.com"]
    game_day_operators = ["user:lead@example.com"]
  }
  expect_failures = [var.game_day_operators]
}

run "wildcard_repository" {
  command = plan

  variables {
    github_repository = "acme/*"
  }
  expect_failures = [var.github_repository]
}

run "reserved_variable" {
  command = plan

  variables {
    ingest_env = { PORT = "9000" }
  }
  expect_failures = [var.ingest_env]
}

run "topic_is_its_own_dead_letter_topic" {
  command = plan

  variables {
    dead_letter_topic = "blockchain-core-trade-data"
  }
  expect_failures = [var.dead_letter_topic]
}

run "backoff_upside_down" {
  command = plan

  variables {
    min_backoff_ms = 2000
    max_backoff_ms = 1000
  }
  expect_failures = [var.max_backoff_ms]
}

run "role_by_arn" {
  command = plan

  variables {
    aws_account_id      = "210987654321"
    aws_replicate_roles = ["arn:aws:iam::210987654321:role/replicate"]
  }
  expect_failures = [var.aws_replicate_roles]
}
