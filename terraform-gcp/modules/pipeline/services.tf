resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Google's own keys encrypt it; the images hold no secret
  location      = var.region
  repository_id = coalesce(var.image_repository, var.name)
  description   = "Images of ${var.name}."
  format        = "DOCKER"
  labels        = var.labels

  docker_config {
    immutable_tags = true
  }

  # Keep stands above delete: the newest stay, however old.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 20
    }
  }
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      older_than = "7776000s" # 90 days
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_cloud_run_v2_service" "service" {
  for_each = local.services

  name     = each.value.name
  location = var.region
  labels   = var.labels

  # Not public, twice over: no request from outside arrives, and one that arrives must carry an invoker's token. Pub/Sub
  # and Cloud Scheduler of this project are inside.
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  invoker_iam_disabled = false

  # It holds nothing that a new one wouldn't.
  deletion_protection = false

  template {
    service_account                  = each.value.account
    timeout                          = "${each.value.timeout_s}s"
    max_instance_request_concurrency = each.value.concurrency
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    labels                           = var.labels

    scaling {
      min_instance_count = each.value.min_instances
      max_instance_count = each.value.max_instances
    }

    containers {
      image = each.value.image

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = each.value.cpu
          memory = each.value.memory
        }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = each.value.env
        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 30
        http_get {
          path = "/healthz"
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3
        http_get {
          path = "/healthz"
        }
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
  }

  # It must be able to write before it is sent anything.
  depends_on = [
    google_project_iam_member.candles,
    google_project_service.api,
    google_storage_bucket_iam_member.create,
    google_storage_bucket_iam_member.view,
  ]
}

# Each has one caller.
resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = local.services

  name     = google_cloud_run_v2_service.service[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.value.invoker_account
}

resource "google_cloud_scheduler_job" "replicate" {
  count = local.has_replicate ? 1 : 0

  name             = var.replicate_service
  description      = "Copies from the peer what is missing here."
  region           = var.region
  schedule         = var.replicate_schedule
  time_zone        = "Etc/UTC"
  paused           = var.replicate_paused
  attempt_deadline = "${var.replicate_timeout_s}s"

  # The next run does all that this one left.
  retry_config {
    retry_count          = 1
    min_backoff_duration = "5s"
  }

  http_target {
    http_method = "POST"
    uri         = "${google_cloud_run_v2_service.service["replicate"].uri}${var.replicate_path}"

    oidc_token {
      service_account_email = google_service_account.schedule.email
      audience              = google_cloud_run_v2_service.service["replicate"].uri
    }
  }

  depends_on = [google_cloud_run_v2_service_iam_member.invoker]
}
