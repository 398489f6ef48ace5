# Identities from outside sign in with their own tokens: no key of an account exists.

locals {
  has_github = var.github_repository != null && length(local.github_subjects) > 0
  # Of AWS, functions that replicate and a producer's machine.
  has_aws_producer = var.aws_account_id != null && var.aws_producer_role != null
  has_aws          = var.aws_account_id != null && (length(var.aws_replicate_roles) > 0 || local.has_aws_producer)
  has_pool         = local.has_github || local.has_aws

  pool_id = coalesce(var.workload_identity_pool, var.short_name)

  # The repository as the tokens' `sub` names it: by names alone, and with GitHub's numbers behind them, as every repository
  # has it that was made, renamed or moved since 2026-07-15. Numbers are never given to another one.
  github_names = concat(
    var.github_repository != null ? ["repo:${var.github_repository}"] : [],
    var.github_repository != null && var.github_repository_id != null ? [
      format("repo:%s@%s/%s@%s", split("/", var.github_repository)[0], var.github_owner_id, split("/", var.github_repository)[1], var.github_repository_id)
    ] : [],
  )

  # The `sub` of GitHub's tokens, whole: nothing is matched by a pattern.
  deploy_jobs = concat(
    [for name in var.github_environments : "environment:${name}"],
    [for name in var.github_branches : "ref:refs/heads/${name}"],
  )
  deploy_subjects = flatten([for job in local.deploy_jobs : [for repository in local.github_names : "${repository}:${job}"]])
  plan_subjects   = [for repository in local.github_names : "${repository}:pull_request" if var.github_pull_requests]
  github_subjects = concat(local.deploy_subjects, local.plan_subjects)

  # One for each region that has a stack.
  aws_role_arns    = local.has_aws ? [for role in var.aws_replicate_roles : "arn:aws:sts::${var.aws_account_id}:assumed-role/${role}"] : []
  aws_producer_arn = local.has_aws_producer ? "arn:aws:sts::${var.aws_account_id}:assumed-role/${var.aws_producer_role}" : null
}

resource "google_iam_workload_identity_pool" "outside" {
  count = local.has_pool ? 1 : 0

  project                   = var.project
  workload_identity_pool_id = local.pool_id
  display_name              = var.short_name
  description               = "GitHub's jobs and the AWS side of ${var.name}."
}

resource "google_iam_workload_identity_pool_provider" "github" {
  #checkov:skip=CKV_GCP_125:The check looks for one subject; the condition names the repository and each of its subjects
  count = local.has_github ? 1 : 0

  workload_identity_pool_id          = google_iam_workload_identity_pool.outside[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"
  description                        = "Jobs of ${var.github_repository}."

  attribute_mapping = {
    "google.subject"                = "assertion.sub"
    "attribute.repository"          = "assertion.repository"
    "attribute.repository_id"       = "assertion.repository_id"
    "attribute.repository_owner_id" = "assertion.repository_owner_id"
  }

  # Every repository of GitHub has tokens of this issuer, and so has every job of this one. A name that was given up can be
  # taken by another repository, a number can't.
  attribute_condition = join(" && ", concat(
    ["assertion.repository == '${var.github_repository}'"],
    var.github_repository_id == null ? [] : [
      "assertion.repository_id == '${var.github_repository_id}'",
      "assertion.repository_owner_id == '${var.github_owner_id}'",
    ],
    ["assertion.sub in [${join(", ", [for subject in local.github_subjects : "'${subject}'"])}]"],
  ))

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_iam_workload_identity_pool_provider" "aws" {
  #checkov:skip=CKV_GCP_125:Of GitHub's tokens; this provider takes AWS roles
  count = local.has_aws ? 1 : 0

  workload_identity_pool_id          = google_iam_workload_identity_pool.outside[0].workload_identity_pool_id
  workload_identity_pool_provider_id = "aws"
  display_name                       = "AWS"
  description                        = "Roles that replicate or produce, of the account ${var.aws_account_id}."

  # The user id and not the ARN, which can be longer than a subject may be. The role is the ARN of a session without the
  # session's name.
  attribute_mapping = {
    "google.subject"     = "assertion.userid"
    "attribute.aws_role" = "assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/')"
  }

  attribute_condition = join(" || ", [for arn in concat(local.aws_role_arns, compact([local.aws_producer_arn])) : "assertion.arn.startsWith('${arn}/')"])

  aws {
    account_id = var.aws_account_id
  }
}

# The AWS side reads the archive as itself, through no account of Google's. An object outside trades/ it can't read;
# a listing is asked of the bucket.
resource "google_storage_bucket_iam_member" "aws" {
  for_each = toset(local.aws_role_arns)

  bucket = var.bucket
  role   = "roles/storage.objectViewer"
  member = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.outside[0].name}/attribute.aws_role/${each.value}"

  condition {
    title      = "trades-only"
    expression = "resource.type != \"storage.googleapis.com/Object\" || resource.name.startsWith(\"projects/_/buckets/${var.bucket}/objects/trades/\")"
  }

  depends_on = [google_iam_workload_identity_pool_provider.aws]
}
