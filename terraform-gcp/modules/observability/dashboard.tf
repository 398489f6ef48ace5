locals {
  trades_filter  = "resource.type=\"pubsub_subscription\" resource.label.\"subscription_id\"=\"${var.pipeline.subscription}\""
  dead_filter    = "resource.type=\"pubsub_subscription\" resource.label.\"subscription_id\"=\"${var.pipeline.dead_letter_subscription}\""
  run_filter     = "resource.type=\"cloud_run_revision\" resource.label.\"service_name\"=${local.dashboard_services}"
  archive_filter = "resource.type=\"gcs_bucket\" resource.label.\"bucket_name\"=\"${var.pipeline.bucket}\""

  # Both services, whether they are there yet or not.
  dashboard_services = "monitoring.regex.full_match(\"${var.pipeline.ingest_service}|${var.pipeline.replicate_service}\")"

  # A title, and lines: metric, filter, aligner, reducer, what they are grouped by.
  charts = [
    {
      title = "Messages that wait"
      lines = [["pubsub.googleapis.com/subscription/num_undelivered_messages", local.trades_filter, "ALIGN_MAX", "REDUCE_SUM", null]]
    },
    {
      title = "Age of the oldest message (s)"
      lines = [["pubsub.googleapis.com/subscription/oldest_unacked_message_age", local.trades_filter, "ALIGN_MAX", "REDUCE_MAX", null]]
    },
    {
      title = "Dead letters"
      lines = [["pubsub.googleapis.com/subscription/num_undelivered_messages", local.dead_filter, "ALIGN_MAX", "REDUCE_SUM", null]]
    },
    {
      title = "Pushes, by answer"
      lines = [["pubsub.googleapis.com/subscription/push_request_count", local.trades_filter, "ALIGN_RATE", "REDUCE_SUM", "metric.label.\"response_class\""]]
    },
    {
      title = "Requests, by answer"
      lines = [["run.googleapis.com/request_count", local.run_filter, "ALIGN_RATE", "REDUCE_SUM", "metric.label.\"response_code_class\""]]
    },
    {
      title = "Time of a request (ms): median and 99th percentile"
      lines = [
        ["run.googleapis.com/request_latencies", local.run_filter, "ALIGN_DELTA", "REDUCE_PERCENTILE_50", "resource.label.\"service_name\""],
        ["run.googleapis.com/request_latencies", local.run_filter, "ALIGN_DELTA", "REDUCE_PERCENTILE_99", "resource.label.\"service_name\""],
      ]
    },
    {
      title = "Instances"
      lines = [["run.googleapis.com/container/instance_count", local.run_filter, "ALIGN_MAX", "REDUCE_SUM", "resource.label.\"service_name\""]]
    },
    {
      title = "Poison and failed messages"
      lines = [
        for metric in values(google_logging_metric.outcome) :
        ["logging.googleapis.com/user/${metric.name}", "resource.type=\"cloud_run_revision\"", "ALIGN_RATE", "REDUCE_SUM", null]
      ]
    },
    {
      title = "Candles: reads and writes of documents"
      lines = [
        ["firestore.googleapis.com/document/read_count", "resource.type=\"firestore_instance\"", "ALIGN_RATE", "REDUCE_SUM", null],
        ["firestore.googleapis.com/document/write_count", "resource.type=\"firestore_instance\"", "ALIGN_RATE", "REDUCE_SUM", null],
      ]
    },
    {
      title = "Replication lag (s)"
      lines = [["logging.googleapis.com/user/${google_logging_metric.replication_lag.name}", "resource.type=\"cloud_run_revision\"", "ALIGN_DELTA", "REDUCE_PERCENTILE_99", null]]
    },
    {
      title = "Archive: size (bytes), by class"
      lines = [["storage.googleapis.com/storage/v2/total_bytes", local.archive_filter, "ALIGN_MEAN", "REDUCE_SUM", "metric.label.\"storage_class\""]]
    },
    {
      title = "Archive: requests"
      lines = [["storage.googleapis.com/api/request_count", local.archive_filter, "ALIGN_RATE", "REDUCE_SUM", "metric.label.\"method\""]]
    },
  ]
}

resource "google_monitoring_dashboard" "main" {
  project = var.project
  dashboard_json = jsonencode({
    displayName = var.name
    labels      = var.labels
    mosaicLayout = {
      columns = 48
      tiles = [
        for index, chart in local.charts : {
          xPos   = 24 * (index % 2)
          yPos   = 16 * floor(index / 2)
          width  = 24
          height = 16
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for line in chart.lines : {
                  plotType = "LINE"
                  timeSeriesQuery = {
                    timeSeriesFilter = {
                      filter = "metric.type=\"${line[0]}\" ${line[1]}"
                      aggregation = {
                        alignmentPeriod    = "60s"
                        perSeriesAligner   = line[2]
                        crossSeriesReducer = line[3]
                        groupByFields      = line[4] == null ? [] : [line[4]]
                      }
                    }
                  }
                }
              ]
            }
          }
        }
      ]
    }
  })
}
