resource "google_pubsub_topic" "trades" {
  #checkov:skip=CKV_GCP_83:Google's own keys encrypt it; trades are public data
  name   = var.topic
  labels = var.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "dead_letters" {
  #checkov:skip=CKV_GCP_83:Google's own keys encrypt it; trades are public data
  name   = var.dead_letter_topic
  labels = var.labels

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_subscription" "trades" {
  name   = var.subscription
  topic  = google_pubsub_topic.trades.id
  labels = var.labels

  ack_deadline_seconds       = var.ack_deadline_s
  message_retention_duration = "${var.retention_s}s"

  # Never: a subscription that expired would lose what comes after.
  expiration_policy {
    ttl = ""
  }

  # Until the service is there, messages wait.
  dynamic "push_config" {
    for_each = local.has_ingest ? [google_cloud_run_v2_service.service["ingest"].uri] : []
    content {
      push_endpoint = "${push_config.value}/"

      oidc_token {
        service_account_email = google_service_account.push.email
        audience              = push_config.value
      }
    }
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = var.max_delivery_attempts
  }

  dynamic "retry_policy" {
    for_each = var.max_backoff_ms > 0 ? [var.max_backoff_ms] : []
    content {
      minimum_backoff = "${var.min_backoff_ms / 1000}s"
      maximum_backoff = "${retry_policy.value / 1000}s"
    }
  }

  # A push that may not call the service would make dead letters of good messages.
  depends_on = [
    google_cloud_run_v2_service_iam_member.invoker,
    google_pubsub_topic_iam_member.dead_letters,
    google_service_account_iam_member.push_token,
  ]
}

resource "google_pubsub_subscription" "dead_letters" {
  name   = var.dead_letter_subscription
  topic  = google_pubsub_topic.dead_letters.id
  labels = var.labels

  ack_deadline_seconds       = var.ack_deadline_s
  message_retention_duration = "${var.retention_s}s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub forwards dead letters itself: it publishes them, and acknowledges them where they came from.

resource "google_pubsub_topic_iam_member" "dead_letters" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  subscription = google_pubsub_subscription.trades.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

# It signs the push's token in the name of the push account.
resource "google_service_account_iam_member" "push_token" {
  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent

  # The first topic of a project makes Pub/Sub's own account.
  depends_on = [google_pubsub_topic.trades]
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = var.publishers

  topic  = google_pubsub_topic.trades.name
  role   = "roles/pubsub.publisher"
  member = each.value
}
