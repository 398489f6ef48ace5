variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "pipeline" {
  description = "What rights are given on: the CloudFormation stack and functions, by name; queues, table and bucket of the archive, by ARN."
  type = object({
    stack_name            = string
    queue_arn             = string
    dead_letter_queue_arn = string
    table_arn             = string
    archive_arn           = string
    functions             = list(string)
  })

  validation {
    condition     = !strcontains(jsonencode(var.pipeline), "*")
    error_message = "pipeline must name each resource whole, without wildcards: rights are given on these."
  }
}

variable "google_replicate_subject" {
  description = "Unique id (digits) of the Google service account that may read the raw archive: terraform-gcp's output replicate_service_account_unique_id. Null: no role for Google."
  type        = string
  default     = null

  validation {
    condition     = var.google_replicate_subject == null || can(regex("^[0-9]{15,30}$", var.google_replicate_subject))
    error_message = "google_replicate_subject must be the service account's unique id, digits only, not its e-mail address."
  }
}

variable "google_audience" {
  description = "The audience that the Google side asks its identity token for."
  type        = string
  default     = "sts.amazonaws.com"
}
