# GitHub's accounts and their rights: modules/deployer.

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
  bucket         = "blockchain-core-raw-data-dev-blockchain-core-dev"
  pool           = "projects/123456789012/locations/global/workloadIdentityPools/blockchain-core-dev"
  deploy_subjects = [
    "repo:acme/twincloud:environment:dev", "repo:acme@123456/twincloud@456789:environment:dev", "repo:acme/twincloud:ref:refs/heads/main", "repo:acme@123456/twincloud@456789:ref:refs/heads/main",
  ]
  plan_subjects    = ["repo:acme/twincloud:pull_request", "repo:acme@123456/twincloud@456789:pull_request"]
  image_repository = { location = "us-central1", name = "blockchain-core-dev" }
  service_accounts = {
    ingest    = "projects/blockchain-core-dev/serviceAccounts/ingest@blockchain-core-dev.iam.gserviceaccount.com"
    replicate = "projects/blockchain-core-dev/serviceAccounts/replicate@blockchain-core-dev.iam.gserviceaccount.com"
    push      = "projects/blockchain-core-dev/serviceAccounts/push@blockchain-core-dev.iam.gserviceaccount.com"
    schedule  = "projects/blockchain-core-dev/serviceAccounts/schedule@blockchain-core-dev.iam.gserviceaccount.com"
  }
  state_bucket = "blockchain-core-state"
  state_prefix = "terraform-gcp/dev"
  role_suffix  = "2"
}

run "nobody_is_everybody" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = !anytrue([
      for member in concat(
        values(google_project_iam_member.github)[*].member,
        values(google_service_account_iam_member.github)[*].member,
      ) : contains(["allUsers", "allAuthenticatedUsers"], member)
    ])
    error_message = "No grant may be to everybody."
  }
}

run "no_role_is_wider_than_it_needs" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = !anytrue([
      for grant in google_project_iam_member.github :
      contains(["roles/owner", "roles/editor", "roles/viewer"], grant.role)
      || can(regex("(?i)(securityAdmin|projectIamAdmin|serviceAccountAdmin|serviceAccountUser|serviceAccountTokenCreator|serviceAccountKeyAdmin|workloadIdentityPoolAdmin|roleAdmin|storage.admin|run.admin|pubsub.admin|datastore.owner)$", grant.role))
    ])
    error_message = "GitHub's accounts may neither have a basic role nor one that can set policies or act as any account."
  }

  assert {
    condition = alltrue([
      for permission in concat(tolist(google_project_iam_custom_role.configure[0].permissions), tolist(google_project_iam_custom_role.configure_archive[0].permissions)) :
      !endswith(permission, "setIamPolicy") && (!endswith(permission, "delete") || startswith(permission, "logging.logMetrics."))
    ])
    error_message = "The deploy account's own roles may neither set policies nor delete data."
  }
}

run "plan_account_changes_nothing" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = alltrue([
      for key, grant in google_project_iam_member.github :
      can(regex("([vV]iewer|reader|securityReviewer|serviceUsageConsumer)$", grant.role)) if startswith(key, "plan/")
    ])
    error_message = "The plan account reads only."
  }

  assert {
    condition     = google_storage_bucket_iam_member.state_read[0].role == "roles/storage.objectViewer"
    error_message = "The plan account reads the state; a plan takes no lock."
  }

  assert {
    condition = alltrue([
      for grant in [google_storage_bucket_iam_member.state_write[0], google_storage_bucket_iam_member.state_read[0]] :
      grant.condition[0].expression == "resource.type == \"storage.googleapis.com/Bucket\" || resource.name.startsWith(\"projects/_/buckets/blockchain-core-state/objects/terraform-gcp/dev/\")"
    ])
    error_message = "GitHub's accounts get at the state of this environment and at no other's."
  }
}

run "jobs_are_named_whole" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = toset([for grant in google_service_account_iam_member.github : grant.member]) == toset([
      for subject in [
        "repo:acme/twincloud:environment:dev", "repo:acme@123456/twincloud@456789:environment:dev",
        "repo:acme/twincloud:ref:refs/heads/main", "repo:acme@123456/twincloud@456789:ref:refs/heads/main",
        "repo:acme/twincloud:pull_request", "repo:acme@123456/twincloud@456789:pull_request",
      ] :
      "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/blockchain-core-dev/subject/${subject}"
    ])
    error_message = "Jobs must be named whole, by names and by numbers."
  }

  assert {
    condition = toset([for key, grant in google_service_account_iam_member.github : key if strcontains(key, "pull_request")]) == toset([
      "plan/repo:acme/twincloud:pull_request",
      "plan/repo:acme@123456/twincloud@456789:pull_request",
    ])
    error_message = "A pull request may plan, and never deploy."
  }
}

run "roles_have_the_suffix" {
  module {
    source = "./modules/deployer"
  }

  assert {
    condition = toset([
      google_project_iam_custom_role.configure[0].role_id,
      google_project_iam_custom_role.configure_archive[0].role_id,
      ]) == toset([
      "blockchain_core_dev_configure_2",
      "blockchain_core_dev_configure_archive_2",
    ])
    error_message = "The suffix must reach the id of each custom role."
  }
}

run "deploys_of_the_producer" {
  module {
    source = "./modules/deployer"
  }

  variables {
    producer_host    = true
    producer_account = "projects/blockchain-core-dev/serviceAccounts/producer@blockchain-core-dev.iam.gserviceaccount.com"
  }

  assert {
    condition     = google_project_iam_custom_role.producer_host[0].role_id == "blockchain_core_dev_producer_host_2"
    error_message = "The suffix must reach the id of the role of its deploys."
  }

  assert {
    condition     = length(google_project_iam_member.github_compute) == 2 && google_service_account_iam_member.deploy_as_producer[0].service_account_id == var.producer_account
    error_message = "The deploy account may act as the machine's account, and both accounts read machines."
  }
}

run "nothing_without_subjects" {
  module {
    source = "./modules/deployer"
  }

  variables {
    pool            = null
    deploy_subjects = []
    plan_subjects   = []
  }

  assert {
    condition = (
      length(google_service_account.github) == 0
    )
    error_message = "Nobody outside may get in unless a variable names him."
  }

  assert {
    condition     = output.deploy_service_account == null && output.plan_service_account == null && length(google_storage_bucket_iam_member.state_write) == 0
    error_message = "Outputs of what isn't there must be null."
  }
}

run "names_fit" {
  module {
    source = "./modules/deployer"
  }

  variables {
    short_name = "blockchain-cor-1234"
  }

  assert {
    condition = alltrue([
      for account in concat(
        values(google_service_account.github),
      ) : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", account.account_id))
    ])
    error_message = "An account's name has 6 to 30 characters."
  }
}

run "wildcard_state_prefix" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    state_bucket = "blockchain-core-state"
    state_prefix = "terraform-gcp/*"
  }

  expect_failures = [var.state_prefix]
}

run "a_pull_request_never_deploys" {
  command = plan

  module {
    source = "./modules/deployer"
  }

  variables {
    deploy_subjects = ["repo:acme/twincloud:pull_request"]
  }

  expect_failures = [var.deploy_subjects]
}
