# Identities from outside: modules/federation.

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
  project              = "blockchain-core-dev"
  project_number       = "123456789012"
  region               = "us-central1"
  name                 = "blockchain-core-dev"
  short_name           = "blockchain-core-dev"
  labels               = { project = "blockchain-core", environment = "dev", managed-by = "twincloud" }
  bucket               = "blockchain-core-raw-data-dev-blockchain-core-dev"
  github_repository    = "acme/twincloud"
  github_owner_id      = "123456"
  github_repository_id = "456789"
  github_environments  = ["dev"]
  github_branches      = ["main"]
  aws_account_id       = "210987654321"
  aws_replicate_roles  = ["blockchain-core-dev-ReplicateRole-ABCDEF", "blockchain-core-deveu-replicate"]
}

run "github_is_one_repository" {
  module {
    source = "./modules/federation"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.repository == 'acme/twincloud' && assertion.repository_id == '456789' && assertion.repository_owner_id == '123456' && assertion.sub in ['repo:acme/twincloud:environment:dev', 'repo:acme@123456/twincloud@456789:environment:dev', 'repo:acme/twincloud:ref:refs/heads/main', 'repo:acme@123456/twincloud@456789:ref:refs/heads/main', 'repo:acme/twincloud:pull_request', 'repo:acme@123456/twincloud@456789:pull_request']"
    error_message = "Tokens of other repositories must be refused."
  }

  assert {
    condition     = length(output.deploy_subjects) == 4 && output.plan_subjects == ["repo:acme/twincloud:pull_request", "repo:acme@123456/twincloud@456789:pull_request"]
    error_message = "A pull request may plan, and never deploy."
  }
}

run "aws_is_not_everybody" {
  module {
    source = "./modules/federation"
  }

  assert {
    condition = !anytrue([
      for member in concat(
        values(google_storage_bucket_iam_member.aws)[*].member,
      ) : contains(["allUsers", "allAuthenticatedUsers"], member)
    ])
    error_message = "No grant may be to everybody."
  }
}

run "aws_is_one_role_a_region" {
  module {
    source = "./modules/federation"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.aws[0].aws[0].account_id == "210987654321"
    error_message = "One AWS account may sign in."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.aws[0].attribute_condition == "assertion.arn.startsWith('arn:aws:sts::210987654321:assumed-role/blockchain-core-dev-ReplicateRole-ABCDEF/') || assertion.arn.startsWith('arn:aws:sts::210987654321:assumed-role/blockchain-core-deveu-replicate/')"
    error_message = "Of its roles, those that replicate may sign in."
  }

  assert {
    condition     = alltrue([for grant in google_storage_bucket_iam_member.aws : grant.role == "roles/storage.objectViewer" && strcontains(grant.condition[0].expression, "/objects/trades/")])
    error_message = "The AWS side reads trades/, and no more."
  }

  assert {
    condition     = length(google_storage_bucket_iam_member.aws) == 2 && alltrue([for role, grant in google_storage_bucket_iam_member.aws : endswith(grant.member, "/attribute.aws_role/${role}") && startswith(role, "arn:aws:sts::210987654321:assumed-role/blockchain-core-dev")])
    error_message = "The grant must be to the role, not to the pool."
  }
}

run "producer_on_aws" {
  module {
    source = "./modules/federation"
  }

  variables {
    aws_producer_role = "blockchain-core-dev-producer"
  }

  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.aws[0].attribute_condition, "assumed-role/blockchain-core-dev-producer/')")
    error_message = "Its role may sign in."
  }

  assert {
    condition     = endswith(output.publishers["aws"], "/projects/123456789012/locations/global/workloadIdentityPools/blockchain-core-dev/attribute.aws_role/arn:aws:sts::210987654321:assumed-role/blockchain-core-dev-producer") && output.aws_producer_role == "blockchain-core-dev-producer"
    error_message = "Its role may publish."
  }
}

run "nothing_is_let_in_unless_it_is_named" {
  module {
    source = "./modules/federation"
  }

  variables {
    github_repository    = null
    github_owner_id      = null
    github_repository_id = null
    github_environments  = []
    github_branches      = []
    aws_account_id       = null
    aws_replicate_roles  = []
  }

  assert {
    condition = (
      length(google_iam_workload_identity_pool.outside) == 0
      && length(google_storage_bucket_iam_member.aws) == 0
    )
    error_message = "Nobody outside may get in unless a variable names him."
  }

  assert {
    condition     = output.pool == null && output.github_workload_identity_provider == null && output.aws_workload_identity_audience == null && length(output.publishers) == 0
    error_message = "Outputs of what isn't there must be null."
  }
}

run "names_alone" {
  module {
    source = "./modules/federation"
  }

  variables {
    github_owner_id      = null
    github_repository_id = null
    github_branches      = []
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.repository == 'acme/twincloud' && assertion.sub in ['repo:acme/twincloud:environment:dev', 'repo:acme/twincloud:pull_request']"
    error_message = "Without GitHub's numbers the names are all there is."
  }
}

run "names_fit" {
  module {
    source = "./modules/federation"
  }

  variables {
    short_name = "blockchain-cor-1234"
  }

  assert {
    condition     = can(regex("^[a-z0-9-]{4,32}$", google_iam_workload_identity_pool.outside[0].workload_identity_pool_id)) && length(google_iam_workload_identity_pool.outside[0].display_name) <= 32
    error_message = "A pool's id and name have at most 32 characters."
  }
}

run "numbers_in_letters" {
  command = plan

  module {
    source = "./modules/federation"
  }

  variables {
    github_repository    = "acme/twincloud"
    github_owner_id      = "acme"
    github_repository_id = "456789"
  }

  expect_failures = [var.github_owner_id]
}

run "wildcard_repository" {
  command = plan

  module {
    source = "./modules/federation"
  }

  variables {
    github_repository = "acme/*"
  }

  expect_failures = [var.github_repository]
}

run "role_by_arn" {
  command = plan

  module {
    source = "./modules/federation"
  }

  variables {
    aws_account_id      = "210987654321"
    aws_replicate_roles = ["arn:aws:iam::210987654321:role/replicate"]
  }

  expect_failures = [var.aws_replicate_roles]
}
