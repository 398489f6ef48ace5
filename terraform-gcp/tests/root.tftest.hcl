# What the root does itself: names and labels for its modules, their ways to each other, and what it refuses.

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
    condition     = output.ingest_url == null && output.replicate_url == null
    error_message = "Outputs of what isn't there must be null."
  }

  assert {
    condition     = output.ingest_image == null && output.replicate_image == null && output.replicate_peer_role == null
    error_message = "Outputs of what isn't there must be null."
  }
}

run "defaults_open_nothing" {
  assert {
    condition     = output.deploy_service_account == null && output.plan_service_account == null && output.github_workload_identity_provider == null && output.aws_workload_identity_audience == null
    error_message = "Outputs of what isn't there must be null."
  }

  assert {
    condition     = length(module.producer.publishers) + length(module.federation.publishers) == 0 && output.producer_image == null && output.producer_service_account_unique_id == null && output.aws_producer_role == null
    error_message = "Nothing outside may get in unless a variable names it."
  }
}

run "the_modules_get_names_and_labels" {
  variables {
    labels = { team = "data" }
  }

  assert {
    condition     = local.name == "blockchain-core-dev" && local.short_name == "blockchain-core-dev" && local.replicate_service == "blockchain-core-replicate"
    error_message = "Names start with prefix and environment."
  }

  assert {
    condition     = local.labels == { project = "blockchain-core", environment = "dev", managed-by = "twincloud", team = "data" }
    error_message = "An inventory by label must find everything."
  }

  assert {
    condition     = output.project == "blockchain-core-dev" && output.project_number == "123456789012" && output.bucket == var.bucket && output.image_repository == "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev"
    error_message = "The outputs must be of the pipeline."
  }
}

run "names_fit" {
  variables {
    prefix      = "blockchain-core-with-long-name"
    environment = "production12"
  }

  assert {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", local.short_name)) && local.short_name != "blockchain-core-with-long-name-production12"
    error_message = "An account's name has 6 to 30 characters, of which an ending takes up to 11."
  }
}

run "producer_machine" {
  variables {
    producer_image   = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/producer@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    producer_env     = { TWINCLOUD_PROJECT = "blockchain-core-dev" }
    producer_aws_env = { TWINCLOUD_AWS_ROLE = "arn:aws:iam::210987654321:role/blockchain-core-dev-google-producer" }
    producer_disk_gb = 20
  }

  assert {
    condition     = output.producer_image == var.producer_image && output.producer_aws_role == var.producer_aws_env.TWINCLOUD_AWS_ROLE && output.aws_producer_role == null
    error_message = "The outputs say what it runs and where it sends."
  }

  assert {
    condition     = module.producer.publishers == tomap({ host = "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com" }) && output.producer_service_account_unique_id == "123456789012345678901"
    error_message = "It publishes trades, and AWS knows it."
  }
}

run "producer_on_aws" {
  variables {
    aws_account_id    = "210987654321"
    aws_producer_role = "blockchain-core-dev-producer"
  }

  assert {
    condition     = output.producer_image == null && output.producer_aws_role == null
    error_message = "A producer's machine on AWS is none here."
  }

  assert {
    condition     = keys(module.federation.publishers) == tolist(["aws"]) && output.aws_producer_role == "blockchain-core-dev-producer"
    error_message = "Its role may publish."
  }
}

run "each_kind_of_access_is_opened_by_its_variable" {
  variables {
    github_repository   = "acme/twincloud"
    github_environments = ["dev"]
    aws_account_id      = "210987654321"
    aws_replicate_roles = ["blockchain-core-dev-replicate"]
    state_bucket        = "blockchain-core-state"
  }

  assert {
    condition     = output.deploy_service_account != null && output.plan_service_account != null && output.github_workload_identity_provider != null && output.aws_workload_identity_audience != null
    error_message = "The outputs must be the accounts and providers."
  }
}

run "services_of_both_images" {
  variables {
    ingest_image    = "us-central1-docker.pkg.dev/p/r/ingest@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    replicate_image = "us-central1-docker.pkg.dev/p/r/replicate@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }

  assert {
    condition     = output.ingest_url == "https://service-abcdefghij-uc.a.run.app" && output.replicate_url == "https://service-abcdefghij-uc.a.run.app" && length(module.pipeline.services) == 2
    error_message = "The outputs must be the services."
  }
}

run "long_role_suffix" {
  command = plan

  variables {
    role_suffix = "that_leaves_no_room_for_the_name_of_a_role"
  }

  expect_failures = [var.role_suffix]
}
