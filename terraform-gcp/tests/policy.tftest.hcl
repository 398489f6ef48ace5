# What must hold whatever the variables say. No project is needed: the provider is mocked.

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

# Each account is told from the others.

override_resource {
  target = google_service_account.ingest
  values = {
    email  = "ingest@blockchain-core-dev.iam.gserviceaccount.com"
    member = "serviceAccount:ingest@blockchain-core-dev.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.push
  values = {
    email  = "push@blockchain-core-dev.iam.gserviceaccount.com"
    member = "serviceAccount:push@blockchain-core-dev.iam.gserviceaccount.com"
  }
}

override_resource {
  target = google_service_account.schedule
  values = {
    email  = "schedule@blockchain-core-dev.iam.gserviceaccount.com"
    member = "serviceAccount:schedule@blockchain-core-dev.iam.gserviceaccount.com"
  }
}

variables {
  publishers               = ["serviceAccount:producer@blockchain-core-dev.iam.gserviceaccount.com"]
  operators                = ["group:operators@example.com", "user:lead@example.com"]
  game_day_operators       = ["user:lead@example.com"]
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
  min_backoff_ms           = 1500
  max_backoff_ms           = 60000
  retention_s              = 604800
  collection               = "blockchain-core-ohlcv-data"
  bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
  ingest_service           = "blockchain-core-ingest"
  ingest_concurrency       = 16
  ingest_image             = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/ingest@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  ingest_env               = { RUST_LOG = "info" }
  replicate_image          = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/replicate@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

  github_repository    = "acme/twincloud"
  github_owner_id      = "123456"
  github_repository_id = "456789"
  github_environments  = ["dev"]
  github_branches      = ["main"]
  aws_account_id       = "210987654321"
  aws_replicate_roles  = ["blockchain-core-dev-ReplicateRole-ABCDEF", "blockchain-core-deveu-replicate"]
  state_bucket         = "blockchain-core-state"
  state_prefix         = "terraform-gcp/dev"
  role_suffix          = "2"
}

run "services_are_not_public" {
  assert {
    condition = alltrue([
      for service in google_cloud_run_v2_service.service :
      service.ingress == "INGRESS_TRAFFIC_INTERNAL_ONLY" && service.invoker_iam_disabled == false
    ])
    error_message = "A service must take nothing from outside, and nothing without an invoker's token."
  }

  assert {
    condition = {
      for key, grant in google_cloud_run_v2_service_iam_member.invoker : key => grant.member
      } == {
      ingest    = "serviceAccount:push@blockchain-core-dev.iam.gserviceaccount.com"
      replicate = "serviceAccount:schedule@blockchain-core-dev.iam.gserviceaccount.com"
    }
    error_message = "Each service has one caller."
  }
}

run "nobody_is_everybody" {
  assert {
    condition = !anytrue([
      for member in concat(
        values(google_cloud_run_v2_service_iam_member.invoker)[*].member,
        values(google_project_iam_member.candles)[*].member,
        values(google_project_iam_member.github)[*].member,
        values(google_storage_bucket_iam_member.create)[*].member,
        values(google_storage_bucket_iam_member.view)[*].member,
        values(google_storage_bucket_iam_member.aws)[*].member,
        values(google_pubsub_topic_iam_member.publishers)[*].member,
        values(google_service_account_iam_member.github)[*].member,
        values(google_project_iam_member.operator_candles)[*].member,
        values(google_project_iam_member.schedule)[*].member,
        values(google_storage_bucket_iam_member.operator)[*].member,
        values(google_pubsub_subscription_iam_member.operator)[*].member,
        values(google_pubsub_topic_iam_member.operator)[*].member,
        values(google_pubsub_subscription_iam_member.game_day)[*].member,
        values(google_pubsub_topic_iam_member.game_day)[*].member,
        values(google_service_account_iam_member.game_day)[*].member,
      ) : contains(["allUsers", "allAuthenticatedUsers"], member)
    ])
    error_message = "No grant may be to everybody."
  }
}

run "no_role_is_wider_than_it_needs" {
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

  assert {
    condition     = alltrue([for permission in google_project_iam_custom_role.candles.permissions : !strcontains(permission, "delete")])
    error_message = "The services delete no candle."
  }

  assert {
    condition     = toset(google_project_iam_custom_role.orders[0].permissions) == toset(["datastore.databases.get", "datastore.entities.get"])
    error_message = "A producer reads a document by its name, and no more."
  }

  assert {
    condition = alltrue([
      for grant in google_project_iam_member.orders :
      grant.condition[0].expression == "resource.name == \"projects/blockchain-core-dev/databases/(default)\""
    ])
    error_message = "A producer reads one database."
  }

  assert {
    condition     = alltrue([for grant in google_project_iam_member.candles : grant.condition[0].expression == "resource.name == \"projects/blockchain-core-dev/databases/(default)\""])
    error_message = "The services write to one database."
  }

  assert {
    condition = toset(concat(values(google_storage_bucket_iam_member.create)[*].role, values(google_storage_bucket_iam_member.view)[*].role)) == toset([
      "roles/storage.objectCreator", "roles/storage.objectViewer",
    ])
    error_message = "The services create and read objects; they overwrite and delete none."
  }

  assert {
    condition     = keys(google_storage_bucket_iam_member.view) == ["replicate"]
    error_message = "Of the services, replicate alone looks at the archive."
  }
}

run "operators_repair_and_delete_nothing" {
  assert {
    condition = alltrue([
      for grant in google_project_iam_member.operator_candles :
      grant.condition[0].expression == "resource.name == \"projects/blockchain-core-dev/databases/(default)\""
    ])
    error_message = "An operator writes to one database."
  }

  assert {
    condition = toset([for grant in google_storage_bucket_iam_member.operator : "${grant.member} ${grant.role}"]) == toset([
      "group:operators@example.com roles/storage.objectCreator",
      "group:operators@example.com roles/storage.objectViewer",
      "user:lead@example.com roles/storage.objectCreator",
      "user:lead@example.com roles/storage.objectViewer",
    ])
    error_message = "Each operator creates and reads objects, and overwrites and deletes none."
  }

  assert {
    condition = alltrue([
      for grant in google_pubsub_subscription_iam_member.operator :
      grant.subscription == "blockchain-core-trade-data-dlq-pull" && grant.role == "roles/pubsub.subscriber"
    ])
    error_message = "An operator takes messages from the dead letters alone."
  }

  assert {
    condition = alltrue([
      for grant in google_pubsub_topic_iam_member.operator :
      grant.topic == "blockchain-core-trade-data" && grant.role == "roles/pubsub.publisher"
    ])
    error_message = "An operator publishes to the topic of trades alone."
  }

  assert {
    condition = toset(google_project_iam_custom_role.schedule[0].permissions) == toset([
      "cloudscheduler.jobs.enable", "cloudscheduler.jobs.get", "cloudscheduler.jobs.pause",
    ])
    error_message = "An operator looks at jobs, pauses and resumes them, and changes none."
  }

  assert {
    condition     = toset(keys(google_project_iam_member.schedule)) == toset(["group:operators@example.com", "user:lead@example.com"])
    error_message = "Each operator pauses the schedule, and nobody twice."
  }
}

run "a_game_day_is_of_those_named_for_it" {
  assert {
    condition = alltrue([
      for grants in [
        google_pubsub_subscription_iam_member.game_day,
        google_pubsub_topic_iam_member.game_day,
        google_service_account_iam_member.game_day,
      ] : keys(grants) == ["user:lead@example.com"]
    ])
    error_message = "An operator takes nothing away unless game_day_operators names the member."
  }

  assert {
    condition = toset(google_project_iam_custom_role.game_day[0].permissions) == toset([
      "pubsub.subscriptions.get", "pubsub.subscriptions.update", "pubsub.topics.getIamPolicy", "pubsub.topics.setIamPolicy",
    ])
    error_message = "A game day changes a subscription and the policy of a topic, and deletes neither."
  }

  assert {
    condition = (
      google_pubsub_subscription_iam_member.game_day["user:lead@example.com"].subscription == "blockchain-core-trade-data-push"
      && google_pubsub_topic_iam_member.game_day["user:lead@example.com"].topic == "blockchain-core-trade-data"
    )
    error_message = "A game day's rights are on the subscription that pushes and on the topic of trades, not on the project."
  }

  assert {
    condition     = google_service_account_iam_member.game_day["user:lead@example.com"].service_account_id == google_service_account.push.name && google_service_account_iam_member.game_day["user:lead@example.com"].role == "roles/iam.serviceAccountUser"
    error_message = "A game day gives the push back, which takes the right to act as the push account, and as no other."
  }
}

run "plan_account_changes_nothing" {
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

run "github_is_one_repository" {
  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.repository == 'acme/twincloud' && assertion.repository_id == '456789' && assertion.repository_owner_id == '123456' && assertion.sub in ['repo:acme/twincloud:environment:dev', 'repo:acme@123456/twincloud@456789:environment:dev', 'repo:acme/twincloud:ref:refs/heads/main', 'repo:acme@123456/twincloud@456789:ref:refs/heads/main', 'repo:acme/twincloud:pull_request', 'repo:acme@123456/twincloud@456789:pull_request']"
    error_message = "Tokens of other repositories must be refused."
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
  assert {
    condition = toset([
      google_project_iam_custom_role.candles.role_id,
      google_project_iam_custom_role.orders[0].role_id,
      google_project_iam_custom_role.configure[0].role_id,
      google_project_iam_custom_role.configure_archive[0].role_id,
      google_project_iam_custom_role.schedule[0].role_id,
      google_project_iam_custom_role.game_day[0].role_id,
      ]) == toset([
      "blockchain_core_dev_candles_2",
      "blockchain_core_dev_orders_2",
      "blockchain_core_dev_configure_2",
      "blockchain_core_dev_configure_archive_2",
      "blockchain_core_dev_schedule_2",
      "blockchain_core_dev_game_day_2",
    ])
    error_message = "The suffix must reach the id of each custom role."
  }
}

run "aws_is_one_role_a_region" {
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

run "images_are_by_digest" {
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.service : strcontains(service.template[0].containers[0].image, "@sha256:")])
    error_message = "A service must run an image that can't change."
  }

  assert {
    condition     = google_artifact_registry_repository.images.docker_config[0].immutable_tags
    error_message = "Tags must not move."
  }
}

run "services_are_probed_and_bounded" {
  assert {
    condition     = alltrue([for service in google_cloud_run_v2_service.service : service.template[0].containers[0].startup_probe[0].http_get[0].path == "/healthz"])
    error_message = "A service must be asked whether it is up."
  }

  assert {
    condition = (
      google_cloud_run_v2_service.service["ingest"].template[0].max_instance_request_concurrency == 16
      && google_cloud_run_v2_service.service["ingest"].template[0].scaling[0].max_instance_count == 10
      && google_cloud_run_v2_service.service["ingest"].template[0].timeout == "60s"
      && google_cloud_run_v2_service.service["replicate"].template[0].scaling[0].max_instance_count == 1
    )
    error_message = "Requests, instances and time must be bounded."
  }

  assert {
    condition     = { for env in google_cloud_run_v2_service.service["ingest"].template[0].containers[0].env : env.name => env.value } == { RUST_LOG = "info" }
    error_message = "The environment must be what was given."
  }
}

run "push_carries_a_token" {
  assert {
    condition = (
      google_pubsub_subscription.trades.push_config[0].oidc_token[0].service_account_email == "push@blockchain-core-dev.iam.gserviceaccount.com"
      && google_pubsub_subscription.trades.push_config[0].oidc_token[0].audience == "https://service-abcdefghij-uc.a.run.app"
      && google_pubsub_subscription.trades.push_config[0].push_endpoint == "https://service-abcdefghij-uc.a.run.app/"
    )
    error_message = "A push must carry the push account's token, made for the service."
  }

  assert {
    condition = (
      google_cloud_scheduler_job.replicate[0].http_target[0].oidc_token[0].service_account_email == "schedule@blockchain-core-dev.iam.gserviceaccount.com"
      && google_cloud_scheduler_job.replicate[0].http_target[0].oidc_token[0].audience == "https://service-abcdefghij-uc.a.run.app"
    )
    error_message = "The schedule must carry its account's token, made for the service."
  }

  assert {
    condition     = google_service_account_iam_member.push_token.role == "roles/iam.serviceAccountTokenCreator" && google_service_account_iam_member.push_token.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
    error_message = "Pub/Sub must be able to sign the push's token."
  }
}

run "nothing_is_lost_in_the_queue" {
  assert {
    condition     = google_pubsub_subscription.trades.expiration_policy[0].ttl == "" && google_pubsub_subscription.dead_letters.expiration_policy[0].ttl == ""
    error_message = "Subscriptions must not expire."
  }

  assert {
    condition     = google_pubsub_subscription.trades.dead_letter_policy[0].max_delivery_attempts == 5 && length(google_pubsub_subscription.dead_letters.push_config) == 0
    error_message = "Dead letters must be kept, to be pulled."
  }

  assert {
    condition = (
      google_pubsub_topic_iam_member.dead_letters.member == "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
      && google_pubsub_topic_iam_member.dead_letters.role == "roles/pubsub.publisher"
      && google_pubsub_topic_iam_member.dead_letters.topic == "blockchain-core-trade-data-dlq"
      && google_pubsub_subscription_iam_member.dead_letters.role == "roles/pubsub.subscriber"
      && google_pubsub_subscription_iam_member.dead_letters.subscription == "blockchain-core-trade-data-push"
    )
    error_message = "Without both of its roles Pub/Sub forwards no dead letter."
  }

  assert {
    condition     = google_pubsub_subscription.trades.retry_policy[0].minimum_backoff == "1.5s" && google_pubsub_subscription.trades.retry_policy[0].maximum_backoff == "60s"
    error_message = "Milliseconds must become seconds."
  }

  assert {
    condition     = google_pubsub_subscription.trades.message_retention_duration == "604800s" && google_pubsub_subscription.trades.ack_deadline_seconds == 60
    error_message = "Retention and deadline must be those given."
  }
}

run "archive_is_closed_and_kept" {
  assert {
    condition = (
      google_storage_bucket.archive.uniform_bucket_level_access
      && google_storage_bucket.archive.public_access_prevention == "enforced"
      && google_storage_bucket.archive.versioning[0].enabled
      && !google_storage_bucket.archive.force_destroy
    )
    error_message = "The archive must be closed to the public, versioned, and not be emptied by a destroy."
  }

  assert {
    condition = alltrue([
      for rule in google_storage_bucket.archive.lifecycle_rule :
      one(rule.condition).with_state == "ARCHIVED" if one(rule.action).type == "Delete"
    ])
    error_message = "No rule may delete a live object."
  }
}

run "database_is_protected" {
  assert {
    condition = (
      google_firestore_database.candles.type == "FIRESTORE_NATIVE"
      && google_firestore_database.candles.delete_protection_state == "DELETE_PROTECTION_ENABLED"
      && google_firestore_database.candles.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED"
    )
    error_message = "The database must refuse deletion, and be readable as it was."
  }

  assert {
    condition     = google_firestore_field.ids.collection == "candles" && google_firestore_field.ids.field == "ids" && length(google_firestore_field.ids.index_config[0].indexes) == 0
    error_message = "The ids must not be indexed."
  }

  assert {
    condition     = google_firestore_field.pieces.collection == "pieces" && google_firestore_field.pieces.field == "ids" && length(google_firestore_field.pieces.index_config[0].indexes) == 0
    error_message = "Nor must those in pieces."
  }
}

run "alerts_cover_what_matters" {
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

run "producer_machine" {
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
    condition     = google_pubsub_topic_iam_member.publishers["host"].member == "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com" && google_project_iam_member.producer_logs[0].role == "roles/logging.logWriter"
    error_message = "It publishes trades and writes logs."
  }

  assert {
    condition     = google_project_iam_custom_role.producer_host[0].role_id == "blockchain_core_dev_producer_host_2"
    error_message = "The suffix must reach the id of the role of its deploys."
  }

  assert {
    condition     = output.producer_image == var.producer_image && output.producer_aws_role == var.producer_aws_env.TWINCLOUD_AWS_ROLE && output.aws_producer_role == null
    error_message = "The outputs say what it runs and where it sends."
  }
}

run "producer_on_aws" {
  variables {
    aws_producer_role = "blockchain-core-dev-producer"
  }

  assert {
    condition     = length(google_compute_instance.producer) == 0 && output.producer_image == null && output.producer_aws_role == null
    error_message = "A producer's machine on AWS is none here."
  }

  assert {
    condition     = endswith(google_pubsub_topic_iam_member.publishers["aws"].member, "/attribute.aws_role/arn:aws:sts::210987654321:assumed-role/blockchain-core-dev-producer") && output.aws_producer_role == "blockchain-core-dev-producer"
    error_message = "Its role may publish."
  }

  assert {
    condition     = strcontains(google_iam_workload_identity_pool_provider.aws[0].attribute_condition, "assumed-role/blockchain-core-dev-producer/')")
    error_message = "Its role may sign in."
  }
}

run "everything_is_labelled" {
  assert {
    condition = alltrue([
      for labels in concat(
        [
          google_pubsub_topic.trades.labels,
          google_pubsub_topic.dead_letters.labels,
          google_pubsub_subscription.trades.labels,
          google_pubsub_subscription.dead_letters.labels,
          google_storage_bucket.archive.labels,
          google_artifact_registry_repository.images.labels,
        ],
        values(google_cloud_run_v2_service.service)[*].labels,
        values(google_monitoring_alert_policy.threshold)[*].user_labels,
      ) : labels == tomap({ project = "blockchain-core", environment = "dev", managed-by = "twincloud" })
    ])
    error_message = "An inventory by label must find everything."
  }
}

run "names_fit" {
  variables {
    prefix      = "blockchain-core-with-long-name"
    environment = "production12"
  }

  assert {
    condition = alltrue([
      for account in concat(
        [google_service_account.ingest, google_service_account.replicate, google_service_account.push, google_service_account.schedule],
        values(google_service_account.github),
      ) : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", account.account_id))
    ])
    error_message = "An account's name has 6 to 30 characters."
  }

  assert {
    condition     = can(regex("^[a-z0-9-]{4,32}$", google_iam_workload_identity_pool.outside[0].workload_identity_pool_id)) && length(google_iam_workload_identity_pool.outside[0].display_name) <= 32
    error_message = "A pool's id and name have at most 32 characters."
  }
}
