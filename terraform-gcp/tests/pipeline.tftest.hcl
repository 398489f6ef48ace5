# The pipeline with all that it may have: modules/pipeline. No project is needed: the provider is mocked.

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
  project                  = "blockchain-core-dev"
  project_number           = "123456789012"
  region                   = "us-central1"
  name                     = "blockchain-core-dev"
  short_name               = "blockchain-core-dev"
  labels                   = { project = "blockchain-core", environment = "dev", managed-by = "twincloud" }
  publishers               = { elsewhere = "serviceAccount:producer@blockchain-core-dev.iam.gserviceaccount.com" }
  operators                = ["group:operators@example.com", "user:lead@example.com"]
  game_day_operators       = ["user:lead@example.com"]
  topic                    = "blockchain-core-trade-data"
  subscription             = "blockchain-core-trade-data-push"
  dead_letter_topic        = "blockchain-core-trade-data-dlq"
  dead_letter_subscription = "blockchain-core-trade-data-dlq-pull"
  ack_deadline_s           = 60
  max_delivery_attempts    = 5
  min_backoff_ms           = 1500
  max_backoff_ms           = 60000
  retention_s              = 604800
  bucket                   = "blockchain-core-raw-data-dev-blockchain-core-dev"
  ingest_service           = "blockchain-core-ingest"
  ingest_concurrency       = 16
  ingest_image             = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/ingest@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  ingest_env               = { RUST_LOG = "info" }
  replicate_image          = "us-central1-docker.pkg.dev/blockchain-core-dev/blockchain-core-dev/replicate@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  role_suffix              = "2"
  replicate_service        = "blockchain-core-replicate"
}

run "services_are_not_public" {
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

  assert {
    condition = !anytrue([
      for member in concat(
        values(google_cloud_run_v2_service_iam_member.invoker)[*].member,
        values(google_project_iam_member.candles)[*].member,
        values(google_storage_bucket_iam_member.create)[*].member,
        values(google_storage_bucket_iam_member.view)[*].member,
        values(google_pubsub_topic_iam_member.publishers)[*].member,
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
  module {
    source = "./modules/pipeline"
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
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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

run "roles_have_the_suffix" {
  module {
    source = "./modules/pipeline"
  }

  assert {
    condition = toset([
      google_project_iam_custom_role.candles.role_id,
      google_project_iam_custom_role.orders[0].role_id,
      google_project_iam_custom_role.schedule[0].role_id,
      google_project_iam_custom_role.game_day[0].role_id,
      ]) == toset([
      "blockchain_core_dev_candles_2",
      "blockchain_core_dev_orders_2",
      "blockchain_core_dev_schedule_2",
      "blockchain_core_dev_game_day_2",
    ])
    error_message = "The suffix must reach the id of each custom role."
  }
}

run "images_are_by_digest" {
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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
  module {
    source = "./modules/pipeline"
  }

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

run "everything_is_labelled" {
  module {
    source = "./modules/pipeline"
  }

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
      ) : labels == tomap({ project = "blockchain-core", environment = "dev", managed-by = "twincloud" })
    ])
    error_message = "An inventory by label must find everything."
  }
}

run "names_fit" {
  module {
    source = "./modules/pipeline"
  }

  variables {
    short_name = "blockchain-cor-1234"
  }

  assert {
    condition = alltrue([
      for account in concat(
        [google_service_account.ingest, google_service_account.replicate, google_service_account.push, google_service_account.schedule],
      ) : can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", account.account_id))
    ])
    error_message = "An account's name has 6 to 30 characters."
  }
}

run "each_publisher_may_publish" {
  module {
    source = "./modules/pipeline"
  }

  variables {
    publishers = { host = "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com" }
  }

  assert {
    condition     = google_pubsub_topic_iam_member.publishers["host"].member == "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com" && google_project_iam_member.orders["host"].member == "serviceAccount:blockchain-core-dev-producer@blockchain-core-dev.iam.gserviceaccount.com"
    error_message = "A producer publishes trades and reads the orders."
  }
}
