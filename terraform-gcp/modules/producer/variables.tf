variable "project" {
  description = "The Google Cloud project's id, as the module pipeline gives it once the project's APIs are on."
  type        = string
}

variable "region" {
  description = "Where everything lies that has a region."
  type        = string
}

variable "name" {
  description = "Starts every name, such as acme-dev."
  type        = string
}

variable "short_name" {
  description = "The same in at most 19 characters, for ids of accounts, networks and machines: name, if it is short enough."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,18}$", var.short_name))
    error_message = "short_name must be 3 to 19 of a-z, 0-9 and dashes, a letter first."
  }
}

variable "labels" {
  description = "Labels of everything that takes labels."
  type        = map(string)
  default     = {}
}

variable "image_repository" {
  description = "The repository of images, as the module pipeline gives it."
  type = object({
    location = string
    name     = string
  })
}

variable "producer_image" {
  description = "Image of the producer, by digest: HOST/PATH@sha256:DIGEST; a machine that runs it day and night is made. Null: there is none."
  type        = string
  default     = null

  validation {
    condition     = var.producer_image == null || can(regex("^[^@\\s]+@sha256:[0-9a-f]{64}$", var.producer_image))
    error_message = "producer_image must name its digest: HOST/PATH@sha256:DIGEST."
  }
}

variable "producer_env" {
  description = "Environment of the producer on its machine. No secrets: it can be read by all who may read the machine."
  type        = map(string)
  default     = {}
}

variable "producer_aws_env" {
  description = "More of it: by which role and for which audience it sends to AWS. Empty: it can't send to AWS."
  type        = map(string)
  default     = {}
}

variable "producer_disk_gb" {
  description = "Size of the disk of the producer's spool, in gibibytes; more than the spool may hold. 30 of standard disks are free."
  type        = number
  default     = 10

  validation {
    condition     = var.producer_disk_gb >= 10 && var.producer_disk_gb <= 1024
    error_message = "producer_disk_gb must be 10 to 1024."
  }
}

variable "producer_zone" {
  description = "Zone of the producer's machine and disk. Null: the region's zone b."
  type        = string
  default     = null
}
