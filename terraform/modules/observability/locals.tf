data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  region  = data.aws_region.current.name

  # Conditions of a service that acts for this account and for no other.
  from_this_account = { StringEquals = { "aws:SourceAccount" = local.account } }
}
