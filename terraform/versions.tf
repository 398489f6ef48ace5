terraform {
  # 1.10 is the first with a state lock in S3 itself (use_lockfile).
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # One major version: where the lock file has no hash for a platform, init takes the newest that fits, and a state that a
      # newer major has written is not read by an older one.
      version = "~> 5.100"
    }
  }

  # Bucket, key and region are given at init: `terraform init -backend-config=FILE`.
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

provider "aws" {
  region = var.region

  # Not by whatever credentials are at hand.
  allowed_account_ids = local.allowed_account_ids

  # The same tags that the CloudFormation stack hands on: an inventory finds both.
  default_tags {
    tags = local.tags
  }
}
