# What the services log becomes metrics; metrics that are too high become alerts.

locals {
  # The log line is `"message": NAME` with `message_id` and `error`.
  outcomes = {
    poison = "Messages that can never be processed."
    failed = "Messages that couldn't be processed this time."
  }

  run_services = "monitoring.regex.full_match(\"${join("|", [for service in var.pipeline.services : service])}\")"
}

resource "google_logging_metric" "outcome" {
  for_each = local.outcomes

  project     = var.project
  name        = "${var.name}/${each.key}"
  description = each.value
  filter      = <<-EOT
    resource.type="cloud_run_revision"
    resource.labels.service_name="${var.pipeline.ingest_service}"
    jsonPayload.message="${each.key}"
  EOT

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = "${var.name}: ${each.key}"
  }
}

# Each run of replicate logs `"message": "replicated"` with `lag_s`: the age of the oldest trade that the peer has and
# this cloud lacks, 0 if there is none.
resource "google_logging_metric" "replication_lag" {
  project         = var.project
  name            = "${var.name}/replication_lag"
  description     = "Age of the oldest trade that the peer has and this cloud lacks."
  value_extractor = "EXTRACT(jsonPayload.lag_s)"
  filter          = <<-EOT
    resource.type="cloud_run_revision"
    resource.labels.service_name="${var.pipeline.replicate_service}"
    jsonPayload.message="replicated"
  EOT

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "DISTRIBUTION"
    unit         = "s"
    display_name = "${var.name}: replication lag"
  }

  bucket_options {
    exponential_buckets {
      num_finite_buckets = 24
      growth_factor      = 2
      scale              = 1
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  count = var.alert_email == null ? 0 : 1

  project      = var.project
  display_name = "${var.name}: e-mail"
  type         = "email"
  labels       = { email_address = var.alert_email }
  user_labels  = var.labels
}

locals {
  channels = google_monitoring_notification_channel.email[*].id

  alerts = merge(
    {
      dead_letters = {
        title     = "dead letters"
        severity  = "ERROR"
        filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${var.pipeline.dead_letter_subscription}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
        aligner   = "ALIGN_MAX"
        reducer   = "REDUCE_SUM"
        of        = null
        threshold = 0
        duration  = "0s"
        advice    = "Messages couldn't be processed after ${var.pipeline.max_delivery_attempts} deliveries. Pull them from `${var.pipeline.dead_letter_subscription}` and read `error` in the log of `${var.pipeline.ingest_service}`. They are kept for ${floor(var.pipeline.retention_s / 86400)} days; publishing them again to `${var.pipeline.topic}` is safe."
      }
      oldest_unacked = {
        title     = "messages wait"
        severity  = "WARNING"
        filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${var.pipeline.subscription}\" AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
        aligner   = "ALIGN_MAX"
        reducer   = "REDUCE_MAX"
        of        = null
        threshold = var.alert_oldest_unacked_s
        duration  = "120s"
        advice    = "The oldest message of `${var.pipeline.subscription}` has waited for more than ${var.alert_oldest_unacked_s} s. Is `${var.pipeline.ingest_service}` answering? Is it at its ${var.pipeline.ingest_max_instances} instances?"
      }
    },
    {
      for key, alert in {
        errors = {
          title     = "services answer with 5xx"
          severity  = "ERROR"
          filter    = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = ${local.run_services} AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
          aligner   = "ALIGN_RATE"
          reducer   = "REDUCE_SUM"
          of        = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = ${local.run_services} AND metric.type = \"run.googleapis.com/request_count\""
          threshold = var.alert_error_percent / 100
          duration  = "300s"
          advice    = "More than ${var.alert_error_percent} % of the requests failed for 5 minutes. Look for `failed` in the services' logs: Firestore or Cloud Storage refuses, or a candle is contended."
        }
      } : key => alert if length(var.pipeline.services) > 0
    },
    {
      for key, alert in {
        replication_lag = {
          title     = "replication lags"
          severity  = "WARNING"
          filter    = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.replication_lag.name}\""
          aligner   = "ALIGN_PERCENTILE_99"
          reducer   = "REDUCE_MAX"
          of        = null
          threshold = var.alert_replication_lag_s
          duration  = "0s"
          advice    = "The peer has trades older than ${var.alert_replication_lag_s} s that aren't here. Look at the log of `${var.pipeline.replicate_service}`."
        }
      } : key => alert if var.pipeline.has_replicate
    },
  )
}

resource "google_monitoring_alert_policy" "threshold" {
  for_each = local.alerts

  project               = var.project
  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = each.value.title

    condition_threshold {
      filter             = each.value.filter
      comparison         = "COMPARISON_GT"
      threshold_value    = each.value.threshold
      duration           = each.value.duration
      denominator_filter = each.value.of

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }

      dynamic "denominator_aggregations" {
        for_each = each.value.of == null ? [] : [each.value.aligner]
        content {
          alignment_period     = "60s"
          per_series_aligner   = denominator_aggregations.value
          cross_series_reducer = each.value.reducer
        }
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

# A replicate that doesn't run at all reports no lag.
resource "google_monitoring_alert_policy" "replicate_silent" {
  count = var.pipeline.has_replicate && !var.pipeline.replicate_paused ? 1 : 0

  project               = var.project
  display_name          = "${var.name}: replication doesn't run"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels
  user_labels           = var.labels

  conditions {
    display_name = "no run was logged"

    condition_absent {
      filter   = "resource.type = \"cloud_run_revision\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.replication_lag.name}\""
      duration = "${var.alert_replication_lag_s}s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content   = "`${var.pipeline.replicate_service}` has logged no run for ${var.alert_replication_lag_s} s. Look at the schedule of that name and at the service's log."
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
