# GitHub's jobs. The deploy account changes what the pipeline is made of, and can't change who may do what: accounts,
# grants and identity federation are an administrator's. What a taken-over workflow deployed or subscribed stays until it is
# deployed anew.

locals {
  # A custom role's id has no dashes.
  role_prefix = replace(var.name, "-", "_")
  role_suffix = var.role_suffix == null ? "" : "_${var.role_suffix}"

  github_accounts = {
    for key, subjects in { deploy = var.deploy_subjects, plan = var.plan_subjects } : key => subjects if length(subjects) > 0
  }

  # Whatever a plan reads.
  read_roles = [
    "roles/artifactregistry.reader",
    "roles/cloudscheduler.viewer",
    "roles/datastore.viewer",
    "roles/iam.roleViewer",
    "roles/iam.securityReviewer",
    "roles/iam.serviceAccountViewer",
    "roles/iam.workloadIdentityPoolViewer",
    "roles/logging.viewer",
    "roles/monitoring.viewer",
    "roles/pubsub.viewer",
    "roles/run.viewer",
    "roles/serviceusage.serviceUsageConsumer", # the project pays for the calls
    "roles/storage.bucketViewer",
  ]

  # None of these can set a policy.
  write_roles = [
    "roles/cloudscheduler.admin",
    "roles/datastore.indexAdmin",
    "roles/monitoring.editor",
    "roles/pubsub.editor",
    "roles/run.developer",
  ]

  github_roles = {
    for grant in flatten([
      for account in keys(local.github_accounts) : [
        for role in concat(local.read_roles, account == "deploy" ? local.write_roles : []) : { account = account, role = role }
      ]
    ]) : "${grant.account}/${grant.role}" => grant
  }
}

resource "google_service_account" "github" {
  for_each = local.github_accounts

  project      = var.project
  account_id   = "${var.short_name}-${each.key}"
  display_name = "${var.name}: ${each.key} from GitHub"
  description  = each.key == "plan" ? "Plans; changes nothing." : "Deploys; grants nothing."
}

resource "google_service_account_iam_member" "github" {
  for_each = {
    for pair in flatten([
      for account, subjects in local.github_accounts : [for subject in subjects : { account = account, subject = subject }]
    ]) : "${pair.account}/${pair.subject}" => pair
  }

  service_account_id = google_service_account.github[each.value.account].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principal://iam.googleapis.com/${var.pool}/subject/${each.value.subject}"
}

resource "google_project_iam_member" "github" {
  for_each = local.github_roles

  project = var.project
  role    = each.value.role
  member  = google_service_account.github[each.value.account].member
}

# What no predefined role has without the right to set policies, or to do much else.

resource "google_project_iam_custom_role" "configure" {
  count = contains(keys(local.github_accounts), "deploy") ? 1 : 0

  project     = var.project
  role_id     = "${local.role_prefix}_configure${local.role_suffix}"
  title       = "${var.name}: configure"
  description = "Changes the configuration of the database, and metrics from logs."
  permissions = [
    "datastore.databases.getMetadata",
    "datastore.databases.update",
    "logging.logMetrics.create",
    "logging.logMetrics.delete",
    "logging.logMetrics.get",
    "logging.logMetrics.list",
    "logging.logMetrics.update",
  ]
}

resource "google_project_iam_member" "configure" {
  count = contains(keys(local.github_accounts), "deploy") ? 1 : 0

  project = var.project
  role    = google_project_iam_custom_role.configure[0].id
  member  = google_service_account.github["deploy"].member
}

resource "google_project_iam_custom_role" "configure_archive" {
  count = contains(keys(local.github_accounts), "deploy") ? 1 : 0

  project     = var.project
  role_id     = "${local.role_prefix}_configure_archive${local.role_suffix}"
  title       = "${var.name}: configure the archive"
  description = "Changes the configuration of a bucket; neither its policy nor its objects."
  permissions = ["storage.buckets.get", "storage.buckets.update"]
}

resource "google_storage_bucket_iam_member" "configure_archive" {
  count = contains(keys(local.github_accounts), "deploy") ? 1 : 0

  bucket = var.bucket
  role   = google_project_iam_custom_role.configure_archive[0].id
  member = google_service_account.github["deploy"].member
}

# A service, a push or a schedule that runs as an account may be made only by who may act as that account.
resource "google_service_account_iam_member" "deploy_as" {
  for_each = contains(keys(local.github_accounts), "deploy") ? {
    ingest    = var.service_accounts.ingest
    replicate = var.service_accounts.replicate
    push      = var.service_accounts.push
    schedule  = var.service_accounts.schedule
  } : {}

  service_account_id = each.value
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.github["deploy"].member
}

# The producer's machine, where there is one. Its network and its account are an administrator's.
resource "google_project_iam_member" "github_compute" {
  for_each = var.producer_host ? local.github_accounts : {}

  project = var.project
  role    = "roles/compute.viewer"
  member  = google_service_account.github[each.key].member
}

resource "google_project_iam_custom_role" "producer_host" {
  count = var.producer_host && contains(keys(local.github_accounts), "deploy") ? 1 : 0

  project     = var.project
  role_id     = "${local.role_prefix}_producer_host${local.role_suffix}"
  title       = "${var.name}: the producer's machine"
  description = "Makes and deletes machines and disks; sets no policy."
  permissions = [
    "compute.disks.create",
    "compute.disks.delete",
    "compute.disks.resize",
    "compute.disks.setLabels",
    "compute.disks.use",
    "compute.instances.attachDisk",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.instances.detachDisk",
    "compute.instances.setLabels",
    "compute.instances.setMetadata",
    "compute.instances.setServiceAccount",
    "compute.instances.start",
    "compute.instances.stop",
    "compute.instances.update",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
  ]
}

resource "google_project_iam_member" "producer_host" {
  count = length(google_project_iam_custom_role.producer_host)

  project = var.project
  role    = google_project_iam_custom_role.producer_host[0].id
  member  = google_service_account.github["deploy"].member
}

resource "google_service_account_iam_member" "deploy_as_producer" {
  count = length(google_project_iam_custom_role.producer_host)

  service_account_id = var.producer_account
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.github["deploy"].member
}

resource "google_artifact_registry_repository_iam_member" "deploy" {
  count = contains(keys(local.github_accounts), "deploy") ? 1 : 0

  location   = var.image_repository.location
  repository = var.image_repository.name
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.github["deploy"].member
}

# State: the deploy account writes it, the plan account reads it, as a plan takes no lock. A bucket may hold the state of another
# environment below another prefix. A listing is asked of the bucket, and shows names.

locals {
  state_objects = "projects/_/buckets/${coalesce(var.state_bucket, "-")}/objects/${var.state_prefix}/"
  own_state     = "resource.type == \"storage.googleapis.com/Bucket\" || resource.name.startsWith(\"${local.state_objects}\")"
}

resource "google_storage_bucket_iam_member" "state_write" {
  count = var.state_bucket != null && contains(keys(local.github_accounts), "deploy") ? 1 : 0

  bucket = var.state_bucket
  role   = "roles/storage.objectUser"
  member = google_service_account.github["deploy"].member

  condition {
    title      = "own-state"
    expression = local.own_state
  }
}

resource "google_storage_bucket_iam_member" "state_read" {
  count = var.state_bucket != null && contains(keys(local.github_accounts), "plan") ? 1 : 0

  bucket = var.state_bucket
  role   = "roles/storage.objectViewer"
  member = google_service_account.github["plan"].member

  condition {
    title      = "own-state"
    expression = local.own_state
  }
}
