terraform {
  required_version = ">= 1.10"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # Bucket and prefix are given at init: `terraform init -backend-config=FILE`. Cloud Storage locks by itself.
  backend "gcs" {}
}

provider "google" {
  project = var.project
  region  = var.region

  # Budgets are asked for on behalf of a project: this one pays for the calls.
  billing_project       = var.project
  user_project_override = true
}
