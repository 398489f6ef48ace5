variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "key_services" {
  description = "AWS services through which principals of the account may use the key."
  type        = list(string)
  default     = ["sns"]

  validation {
    condition     = length(setsubtract(var.key_services, ["sns", "sqs", "s3", "dynamodb", "lambda"])) == 0
    error_message = "key_services must be some of sns, sqs, s3, dynamodb, lambda."
  }
}

variable "key_deletion_window_days" {
  description = "Days in which a deleted key can still be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_window_days >= 7 && var.key_deletion_window_days <= 30
    error_message = "key_deletion_window_days must be 7 to 30."
  }
}
