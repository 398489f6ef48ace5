# What of the pipeline can be left out, and what is refused: modules/pipeline.

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
  project                  = "blockchain-core-dev"
  project_number           = "123456789012"
  region                   = "us-central1"
  name                     = "blockchain-core-dev"
  short_name               = "blockchain-core-dev"
  labels                   = { project = "blockchain-core", environment = "dev", managed-by = "twincloud" }
  topic                    = "blockchain-core-trade-data"
  subscription             = "blockchain-core-trade-data-push"
  dead_letter_topic        = "blockchain-core-trade-data-dlq"
  dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
  ack_deadline_s           = 60
  max_delivery_attempts    = 5
  min_backoff_ms           = 1000
  max_backoff_ms           = 60000
  retention_s              = 604800
  bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
  ingest_service           = "blockchain-core-ingest"
  ingest_concurrency       = 16
  replicate_service        = "blockchain-core-replicate"
}

run "before_the_first_image" {
  module {
    source = "./modules/pipeline"
  }

  assert {
    condition     = length(google_cloud_run_v2_service.service) == 0 && length(google_cloud_scheduler_job.replicate) == 0
    error_message = "Without images there are no services."
  }

  assert {
    condition     = length(google_pubsub_subscription.trades.push_config) == 0 && length(google_pubsub_subscription.trades.dead_letter_policy) == 1
    error_message = "Without a service the subscription keeps what comes."
  }

  assert {
    condition     = output.ingest_url == null && output.replicate_url == null && length(output.services) == 0
    error_message = "Outputs of what isn't there must be null."
  }
}

run "defaults_open_nothing" {
  module {
    source = "./modules/pipeline"
  }

  assert {
    condition = (
      length(google_pubsub_topic_iam_member.publishers) == 0
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
}

run "names_alone" {
  module {
    source = "./modules/pipeline"
  }

  assert {
    condition     = google_project_iam_custom_role.candles.role_id == "blockchain_core_dev_candles"
    error_message = "Without a suffix an id ends with the role's name."
  }
}

run "ingest_without_replicate" {
  module {
    source = "./modules/pipeline"
  }

  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }

  assert {
    condition     = keys(google_cloud_run_v2_service.service) == ["ingest"] && length(google_pubsub_subscription.trades.push_config) == 1 && length(google_cloud_scheduler_job.replicate) == 0
    error_message = "Ingest must do without replicate."
  }
}

run "no_backoff" {
  module {
    source = "./modules/pipeline"
  }

  variables {
    min_backoff_ms = 0
    max_backoff_ms = 0
  }

  assert {
    condition     = length(google_pubsub_subscription.trades.retry_policy) == 0
    error_message = "A greatest pause of 0 must be no retry policy."
  }
}

run "no_protection" {
  module {
    source = "./modules/pipeline"
  }

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

run "paused_replicate" {
  module {
    source = "./modules/pipeline"
  }

  variables {
    replicate_image  = "us-central1-docker.pkg.dev/p/r/replicate@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    replicate_paused = true
  }

  assert {
    condition     = google_cloud_scheduler_job.replicate[0].paused
    error_message = "A paused schedule isn't an alert."
  }
}

run "image_by_tag" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest:latest"
  }

  expect_failures = [var.ingest_image]
}

run "replicate_image_by_tag" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    replicate_image = "us-central1-docker.pkg.dev/p/r/replicate:v1"
  }

  expect_failures = [var.replicate_image]
}

run "image_with_a_short_digest" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    ingest_image = "us-central1-docker.pkg.dev/p/r/ingest@sha256:abc"
  }

  expect_failures = [var.ingest_image]
}

run "everybody_publishes" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    publishers = { everybody = "allUsers" }
  }

  expect_failures = [var.publishers]
}

run "everybody_operates" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    operators = ["allAuthenticatedUsers"]
  }

  expect_failures = [var.operators]
}

run "game_day_operator_who_is_no_operator" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    operators          = ["group:operators@example.com"]
    game_day_operators = ["user:lead@example.com"]
  }

  expect_failures = [var.game_day_operators]
}

run "reserved_variable" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    ingest_env = { PORT = "9000" }
  }

  expect_failures = [var.ingest_env]
}

run "topic_is_its_own_dead_letter_topic" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    dead_letter_topic = "blockchain-core-trade-data"
  }

  expect_failures = [var.dead_letter_topic]
}

run "backoff_upside_down" {
  command = plan

  module {
    source = "./modules/pipeline"
  }

  variables {
    min_backoff_ms = 2000
    max_backoff_ms = 1000
  }

  expect_failures = [var.max_backoff_ms]
}
