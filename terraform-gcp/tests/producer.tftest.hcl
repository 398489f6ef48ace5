# The producer's machine: modules/producer.

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
  project          = "blockchain-core-dev"
  project_number   = "123456789012"
  region           = "us-central1"
  name             = "blockchain-core-dev"
  short_name       = "blockchain-core-dev"
  labels           = { project = "blockchain-core", environment = "dev", managed-by = "twincloud" }
  image_repository = { location = "us-central1", name = "blockchain-core-dev" }
}

run "producer_machine" {
  module {
    source = "./modules/producer"
  }

  variables {
    producer_image   = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/producer@sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
    producer_env     = { TWINCLOUD_PROJECT = "blockchain-core-dev" }
    producer_aws_env = { TWINCLOUD_AWS_ROLE = "arn:aws:iam::210987654321:role/blockchain-core-dev-google-producer" }
    producer_disk_gb = 20
  }

  assert {
    condition = (
      length(google_compute_instance.producer) == 1
      && google_compute_disk.spool[0].size == 20
      && google_compute_disk.spool[0].zone == "us-central1-b"
      && google_compute_instance.producer[0].attached_disk[0].device_name == "spool"
    )
    error_message = "There is one machine, with the spool on a disk of its own."
  }

  assert {
    condition     = alltrue([for text in [var.producer_image, "TWINCLOUD_PROJECT=blockchain-core-dev\n", "TWINCLOUD_AWS_ROLE=${var.producer_aws_env.TWINCLOUD_AWS_ROLE}\n"] : strcontains(google_compute_instance.producer[0].metadata["user-data"], text)])
    error_message = "It runs the image with its environment."
  }

  assert {
    condition     = startswith(google_compute_instance.producer[0].metadata["user-data"], "#cloud-config\n") && can(yamldecode(google_compute_instance.producer[0].metadata["user-data"]))
    error_message = "Its setup must be one that the machine reads."
  }

  assert {
    condition     = output.publishers == tomap({ host = "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com" }) && google_project_iam_member.producer_logs[0].role == "roles/logging.logWriter"
    error_message = "It publishes trades and writes logs."
  }

  assert {
    condition     = keys(google_project_service.api) == ["compute.googleapis.com"]
    error_message = "A machine needs its API."
  }

  assert {
    condition     = length(google_service_account.producer[0].account_id) <= 30
    error_message = "An account's name has 6 to 30 characters."
  }
}

run "no_machine_unless_its_image_is_named" {
  module {
    source = "./modules/producer"
  }

  assert {
    condition     = length(google_compute_instance.producer) == 0 && length(google_compute_disk.spool) == 0 && length(google_compute_network.producer) == 0 && length(google_service_account.producer) == 0
    error_message = "No machine unless its image is named."
  }

  assert {
    condition     = length(output.publishers) == 0 && output.account == null && length(google_project_service.api) == 0
    error_message = "Outputs of what isn't there must be null."
  }
}
