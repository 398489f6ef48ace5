# The rights of operators on Google Cloud: for the days after a deploy (`sync`, `dlq`, `failover`, `restore`), and for game days,
# which take the pipeline's functions away. Off without members.

locals {
  operators = toset(var.operators)
  # For each operator, the two roles on the archive that the replicating service has as well.
  operator_archive = {
    for pair in setproduct(var.operators, ["roles/storage.objectCreator", "roles/storage.objectViewer"]) :
    "${pair[0]} ${pair[1]}" => { member = pair[0], role = pair[1] }
  }
  schedulers = toset(concat(var.operators, var.game_day_operators))
}

# Candles, for a restoration, and the document of the routing override, for a failover.
resource "google_project_iam_member" "operator_candles" {
  for_each = local.operators

  project = var.project
  role    = google_project_iam_custom_role.candles.id
  member  = each.key

  condition {
    title      = "one-database"
    expression = "resource.name == \"projects/${var.project}/databases/${var.database}\""
  }
}

resource "google_storage_bucket_iam_member" "operator" {
  for_each = local.operator_archive

  bucket = google_storage_bucket.archive.name
  role   = each.value.role
  member = each.value.member
}

# Dead letters are taken off their subscription and sent to the topic again.
resource "google_pubsub_subscription_iam_member" "operator" {
  for_each = local.operators

  subscription = google_pubsub_subscription.dead_letters.name
  role         = "roles/pubsub.subscriber"
  member       = each.key
}

resource "google_pubsub_topic_iam_member" "operator" {
  for_each = local.operators

  topic  = google_pubsub_topic.trades.name
  role   = "roles/pubsub.publisher"
  member = each.key
}

# A job has no policy of its own, so the right to pause one is of the project.
resource "google_project_iam_custom_role" "schedule" {
  count = length(local.schedulers) > 0 ? 1 : 0

  role_id     = "${local.role_prefix}_schedule${local.role_suffix}"
  title       = "${var.name}: pause and resume"
  description = "Looks at jobs of Cloud Scheduler, pauses and resumes them."
  permissions = [
    "cloudscheduler.jobs.enable",
    "cloudscheduler.jobs.get",
    "cloudscheduler.jobs.pause",
  ]

  depends_on = [google_project_service.api]
}

resource "google_project_iam_member" "schedule" {
  for_each = local.schedulers

  project = var.project
  role    = google_project_iam_custom_role.schedule[0].id
  member  = each.key
}

# Credentials of a person name the project that pays for a call.
resource "google_project_iam_member" "operator_quota" {
  for_each = local.schedulers

  project = var.project
  role    = "roles/serviceusage.serviceUsageConsumer"
  member  = each.key
}

# Closing the topic is an edit of its policy, which could also let others in: name members for a game day only.
resource "google_project_iam_custom_role" "game_day" {
  count = length(var.game_day_operators) > 0 ? 1 : 0

  role_id     = "${local.role_prefix}_game_day${local.role_suffix}"
  title       = "${var.name}: game day"
  description = "Takes the endpoint of a push subscription and the publishers of a topic away, and gives them back."
  permissions = [
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.update",
    "pubsub.topics.getIamPolicy",
    "pubsub.topics.setIamPolicy",
  ]

  depends_on = [google_project_service.api]
}

resource "google_pubsub_subscription_iam_member" "game_day" {
  for_each = toset(var.game_day_operators)

  subscription = google_pubsub_subscription.trades.name
  role         = google_project_iam_custom_role.game_day[0].id
  member       = each.key
}

resource "google_pubsub_topic_iam_member" "game_day" {
  for_each = toset(var.game_day_operators)

  topic  = google_pubsub_topic.trades.name
  role   = google_project_iam_custom_role.game_day[0].id
  member = each.key
}

# A push that runs as an account is given back only by a member that may act as that account.
resource "google_service_account_iam_member" "game_day" {
  for_each = toset(var.game_day_operators)

  service_account_id = google_service_account.push.name
  role               = "roles/iam.serviceAccountUser"
  member             = each.key
}
