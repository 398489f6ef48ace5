# GitHub Actions signs in with its own tokens: no key is stored anywhere.

locals {
  github_host     = "token.actions.githubusercontent.com"
  github          = var.github_repository != null
  github_provider = "arn:${local.partition}:iam::${local.account}:oidc-provider/${local.github_host}"

  # The repository as the tokens' `sub` names it: by names alone, and with GitHub's numbers behind them, as every repository
  # has it that was made, renamed or moved since 2026-07-15. Numbers are never given to another one.
  github_names = concat(
    local.github ? ["repo:${var.github_repository}"] : [],
    local.github && var.github_repository_id != null ? [
      format("repo:%s@%s/%s@%s", split("/", var.github_repository)[0], var.github_owner_id, split("/", var.github_repository)[1], var.github_repository_id)
    ] : [],
  )

  # The `sub` of the tokens that may deploy, whole: nothing is matched by a pattern.
  deploy_jobs = concat(
    [for name in var.github_environments : "environment:${name}"],
    [for name in var.github_branches : "ref:refs/heads/${name}"],
  )
  deploy_subjects = flatten([for job in local.deploy_jobs : [for repository in local.github_names : "${repository}:${job}"]])
  plan_subjects = concat(
    local.deploy_subjects,
    [for repository in local.github_names : "${repository}:pull_request" if var.github_pull_requests],
  )

  # A role that no job may assume isn't made.
  deploy_roles = length(local.deploy_subjects) > 0 ? 1 : 0
  plan_roles   = length(local.plan_subjects) > 0 ? 1 : 0

  github_trust = {
    for role, subjects in { deploy = local.deploy_subjects, plan = local.plan_subjects } : role => jsonencode({
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Federated = local.github_provider }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${local.github_host}:aud" = "sts.amazonaws.com"
            "${local.github_host}:sub" = subjects
          }
        }
      }]
    })
  }
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.github && var.create_github_oidc_provider ? 1 : 0

  url            = "https://${local.github_host}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "deploy" {
  count = local.deploy_roles

  name                 = "${var.name}-deploy"
  description          = "Deploys the stack ${var.pipeline.stack_name} from ${var.github_repository}."
  assume_role_policy   = local.github_trust.deploy
  max_session_duration = 3600

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "deploy" {
  count = local.deploy_roles

  name   = "deploy"
  role   = aws_iam_role.deploy[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.deploy_statements })
}

resource "aws_iam_role" "plan" {
  count = local.plan_roles

  name                 = "${var.name}-plan"
  description          = "Plans the stack ${var.pipeline.stack_name} and its foundation from ${var.github_repository}; changes nothing."
  assume_role_policy   = local.github_trust.plan
  max_session_duration = 3600

  depends_on = [aws_iam_openid_connect_provider.github]
}

resource "aws_iam_role_policy" "plan" {
  count = local.plan_roles

  name   = "plan"
  role   = aws_iam_role.plan[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.plan_statements })
}

# What both may read. Managed policies: a role has room for 10,240 characters of its own.

resource "aws_iam_policy" "read" {
  count = local.plan_roles

  name        = "${var.name}-read"
  description = "The stack ${var.pipeline.stack_name} as it is."
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.read_statements })
}

resource "aws_iam_policy" "foundation" {
  count = local.plan_roles

  name        = "${var.name}-foundation"
  description = "A plan of the foundation of ${var.pipeline.stack_name}, and its outputs."
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.foundation_statements })
}

resource "aws_iam_role_policy_attachment" "deploy" {
  for_each = toset(local.deploy_roles > 0 ? ["foundation", "read"] : [])

  role       = aws_iam_role.deploy[0].name
  policy_arn = each.key == "read" ? aws_iam_policy.read[0].arn : aws_iam_policy.foundation[0].arn
}

resource "aws_iam_role_policy_attachment" "plan" {
  for_each = toset(local.plan_roles > 0 ? ["foundation", "read"] : [])

  role       = aws_iam_role.plan[0].name
  policy_arn = each.key == "read" ? aws_iam_policy.read[0].arn : aws_iam_policy.foundation[0].arn
}
