# One small machine that runs the producer day and night, off unless producer_image names its image. The disk of the spool is
# attached to one machine at a time, so there is one writer; it outlives the machine, which is replaced with each new image.

locals {
  has_producer = var.producer_image != null
  producers    = local.has_producer ? 1 : 0

  registry = "${var.image_repository.location}-docker.pkg.dev"

  # By its name alone: what an account is called is known before it is there.
  producer_member = "serviceAccount:${var.short_name}-producer@${var.project}.iam.gserviceaccount.com"

  # Run at each boot: Container-Optimized OS keeps no configuration across boots.
  producer_setup = !local.has_producer ? null : join("\n", ["#cloud-config", yamlencode({
    write_files = [
      {
        path        = "/etc/twincloud/producer.env"
        permissions = "0644"
        content     = join("", [for name, value in merge(var.producer_env, var.producer_aws_env) : "${name}=${value}\n"])
      },
      {
        path        = "/etc/systemd/system/twincloud-producer.service"
        permissions = "0644"
        content     = <<-EOT
          [Unit]
          Description=Twincloud producer: trades into the queues of both clouds
          Wants=gcr-online.target
          After=gcr-online.target docker.service
          StartLimitIntervalSec=0

          [Service]
          Environment=HOME=/var/lib/twincloud
          # Never on the machine's own disk; the numbers are those of the image's user.
          ExecStartPre=/bin/sh -c 'grep -q " /mnt/disks/spool " /proc/mounts || mount -o noatime,nodev,nosuid,noexec /dev/disk/by-id/google-spool /mnt/disks/spool'
          # The disk may have grown.
          ExecStartPre=-/bin/sh -c 'resize2fs /dev/disk/by-id/google-spool'
          ExecStartPre=/bin/sh -c 'install -d -m 0700 -o 65532 -g 65532 /mnt/disks/spool/producer'
          ExecStartPre=/usr/bin/docker-credential-gcr configure-docker --registries=${local.registry}
          ExecStartPre=-/usr/bin/docker rm --force producer
          ExecStart=/usr/bin/docker run --rm --name producer --env-file /etc/twincloud/producer.env \
            --read-only --cap-drop ALL --security-opt no-new-privileges --memory 600m --log-driver gcplogs \
            --network host --env TWINCLOUD_LISTEN=127.0.0.1:8080 \
            --volume /mnt/disks/spool/producer:/spool ${var.producer_image}
          ExecStop=/usr/bin/docker stop --time 15 producer
          Restart=always
          RestartSec=5
          TimeoutStartSec=300
          TimeoutStopSec=30
        EOT
      },
    ]
    runcmd = [
      # Only a disk without a known signature is formatted.
      "blkid -p /dev/disk/by-id/google-spool; [ $? -ne 2 ] || [ -n \"$(wipefs -n /dev/disk/by-id/google-spool)\" ] || mkfs.ext4 -m 0 /dev/disk/by-id/google-spool",
      "fsck.ext4 -p /dev/disk/by-id/google-spool || true",
      "mkdir -p /mnt/disks/spool /var/lib/twincloud",
      "systemctl daemon-reload",
      "systemctl start --no-block twincloud-producer.service",
    ]
  })])
}

# Not turned off by a destroy: something else in the project may use it.
resource "google_project_service" "api" {
  for_each = toset(local.has_producer ? ["compute.googleapis.com"] : [])

  project            = var.project
  service            = each.key
  disable_on_destroy = false
}

resource "google_service_account" "producer" {
  count = local.producers

  account_id   = "${var.short_name}-producer"
  display_name = "${var.name}: producer"
  description  = "Publishes trades and reads routing overrides. AWS knows it by its unique id."

  depends_on = [google_project_service.api]
}

resource "google_artifact_registry_repository_iam_member" "producer" {
  count = local.producers

  location   = var.image_repository.location
  repository = var.image_repository.name
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.producer[0].member
}

# The container logs to Cloud Logging. A log has no IAM policy of its own.
resource "google_project_iam_member" "producer_logs" {
  count = local.producers

  project = var.project
  role    = "roles/logging.logWriter"
  member  = google_service_account.producer[0].member
}

# A network of its own without a rule: everything may go out, and nothing comes in.
resource "google_compute_network" "producer" {
  #checkov:skip=CKV2_GCP_18:Without a firewall rule nothing comes in
  count = local.producers

  name                    = "${var.short_name}-producer"
  auto_create_subnetworks = false

  depends_on = [google_project_service.api]
}

resource "google_compute_subnetwork" "producer" {
  #checkov:skip=CKV_GCP_26:Flow logs cost more than the machine; it talks to both clouds and to Binance
  #checkov:skip=CKV_GCP_76:It has no IPv6
  count = local.producers

  name                     = "${var.short_name}-producer"
  network                  = google_compute_network.producer[0].id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/29"
  private_ip_google_access = true
}

resource "google_compute_disk" "spool" {
  #checkov:skip=CKV_GCP_37:Google's own keys encrypt it; trades are public data
  count = local.producers

  name   = "${var.short_name}-spool"
  type   = "pd-standard"
  zone   = coalesce(var.producer_zone, "${var.region}-b")
  size   = var.producer_disk_gb
  labels = var.labels

  depends_on = [google_project_service.api]
}

# A change of the setup replaces the instance.
resource "terraform_data" "producer" {
  count = local.producers

  input = local.producer_setup
}

resource "google_compute_instance" "producer" {
  #checkov:skip=CKV_GCP_38:Google's own keys encrypt its disks; trades are public data
  #checkov:skip=CKV_GCP_40:It needs a way out, and Cloud NAT costs more than it; nothing comes in
  count = local.producers

  name         = "${var.short_name}-producer"
  zone         = google_compute_disk.spool[0].zone
  machine_type = "e2-micro"
  labels       = var.labels

  boot_disk {
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
      type  = "pd-standard"
      size  = 10
    }
  }

  attached_disk {
    source      = google_compute_disk.spool[0].id
    device_name = "spool"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.producer[0].id
    access_config {}
  }

  service_account {
    email  = google_service_account.producer[0].email
    scopes = ["cloud-platform"]
  }

  metadata = {
    user-data              = local.producer_setup
    block-project-ssh-keys = "true"
    enable-oslogin         = "true"
  }

  shielded_instance_config {
    enable_secure_boot          = true
    enable_vtpm                 = true
    enable_integrity_monitoring = true
  }

  # Google moves it while it works on the hardware, and starts it again where that fails.
  scheduling {
    automatic_restart   = true
    on_host_maintenance = "MIGRATE"
  }

  lifecycle {
    replace_triggered_by = [terraform_data.producer[0]]
  }

  depends_on = [google_artifact_registry_repository_iam_member.producer, google_project_iam_member.producer_logs]
}
