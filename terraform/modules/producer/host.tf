# One small machine that runs the producer day and night, off unless producer_program names its program. The disk of the spool is
# attached to one machine at a time, so there is one writer; it outlives the machine, which is replaced with each new program.

locals {
  has_producer = var.producer_program != null
  producers    = local.has_producer ? 1 : 0

  # Credentials for Google Cloud without a key: the role's identity is exchanged for a token.
  producer_google_credentials = var.google_audience_for_aws == null ? null : jsonencode({
    type               = "external_account"
    audience           = var.google_audience_for_aws
    subject_token_type = "urn:ietf:params:aws:token-type:aws4_request"
    token_url          = "https://sts.googleapis.com/v1/token"
    credential_source = {
      environment_id                 = "aws1"
      region_url                     = "http://169.254.169.254/latest/meta-data/placement/availability-zone"
      url                            = "http://169.254.169.254/latest/meta-data/iam/security-credentials"
      imdsv2_session_token_url       = "http://169.254.169.254/latest/api/token"
      regional_cred_verification_url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    }
  })

  producer_env = merge(var.producer_env, var.google_audience_for_aws == null ? {} : {
    GOOGLE_APPLICATION_CREDENTIALS = "/etc/twincloud/google.json"
  })

  # Run as root at the first boot. The quoted here-documents are written unchanged.
  producer_setup = !local.has_producer ? null : <<-EOT
    #!/bin/bash
    set -euo pipefail
    install -d /etc/twincloud
    install -d -m 0700 /var/lib/private
    cat > /etc/twincloud/producer.env <<'END-OF-FILE'
    ${join("\n", [for name, value in local.producer_env : "${name}=${value}"])}
    END-OF-FILE
    cat > /etc/twincloud/google.json <<'END-OF-FILE'
    ${coalesce(local.producer_google_credentials, "{}")}
    END-OF-FILE
    cat > /etc/systemd/system/twincloud-producer.service <<'END-OF-FILE'
    ${coalesce(var.producer_unit, "#")}
    END-OF-FILE
    install -d /etc/systemd/system/twincloud-producer.service.d
    printf '[Unit]\nRequiresMountsFor=/var/lib/private/twincloud-producer\n' > /etc/systemd/system/twincloud-producer.service.d/disk.conf

    disk=/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${replace(aws_ebs_volume.producer[0].id, "-", "")}
    until [ -b "$disk" ]; do sleep 1; done
    # Only a disk without anything on it is formatted: mkfs refuses to write over a file system.
    blkid "$disk" || mkfs.xfs "$disk"
    echo "$disk /var/lib/private/twincloud-producer xfs noatime,nofail,nodev,nosuid,noexec,x-systemd.device-timeout=infinity,x-systemd.growfs 0 2" >> /etc/fstab
    install -d -m 0700 /var/lib/private/twincloud-producer

    until aws s3 cp --region ${local.region} "s3://${var.pipeline.artifacts}/${var.producer_program}" /usr/local/bin/twincloud-producer; do sleep 5; done
    echo "${trimsuffix(basename(var.producer_program), ".bin")}  /usr/local/bin/twincloud-producer" | sha256sum --check
    chmod 0755 /usr/local/bin/twincloud-producer
    systemctl daemon-reload
    systemctl enable --now twincloud-producer
    echo 'kernel.panic = 10' > /etc/sysctl.d/90-twincloud.conf
    sysctl --load=/etc/sysctl.d/90-twincloud.conf
  EOT
}

data "aws_subnet" "producer" {
  count = local.producers

  id                = var.producer_subnet
  default_for_az    = var.producer_subnet == null ? true : null
  availability_zone = var.producer_subnet == null ? "${local.region}a" : null
}

data "aws_ssm_parameter" "producer_image" {
  count = local.producers

  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

resource "aws_ebs_volume" "producer" {
  #checkov:skip=CKV_AWS_189:AWS's own key encrypts it; trades are public data
  #checkov:skip=CKV2_AWS_9:What it holds is minutes old, and in a cloud's archive soon after
  count = local.producers

  availability_zone = data.aws_subnet.producer[0].availability_zone
  type              = "gp3"
  size              = var.producer_disk_gb
  encrypted         = true

  tags = { Name = "${var.name}-producer-spool" }
}

resource "aws_volume_attachment" "producer" {
  count = local.producers

  device_name                    = "/dev/sdf"
  volume_id                      = aws_ebs_volume.producer[0].id
  instance_id                    = aws_instance.producer[0].id
  stop_instance_before_detaching = true
}

# No inbound rule; outbound to both clouds and to Binance.
resource "aws_security_group" "producer" {
  count = local.producers

  name        = "${var.name}-producer"
  description = "The producer: no inbound traffic, outbound TLS."
  vpc_id      = data.aws_subnet.producer[0].vpc_id

  # 9443 is stream.binance.com's, where the settings name it.
  dynamic "egress" {
    for_each = [443, 9443]
    content {
      description = "TLS to both clouds and to Binance."
      from_port   = egress.value
      to_port     = egress.value
      protocol    = "tcp"
      cidr_blocks = ["0.0.0.0/0"]
    }
  }
}

resource "aws_iam_role" "producer" {
  count = local.producers

  name        = "${var.name}-producer"
  description = "The producer's machine: gets its program, and sends trades."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "producer" {
  count = local.producers

  role       = aws_iam_role.producer[0].name
  policy_arn = aws_iam_policy.producer.arn
}

resource "aws_iam_role_policy" "producer_program" {
  count = local.producers

  name = "get-program"
  role = aws_iam_role.producer[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "GetProgram"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${var.pipeline.artifacts_arn}/producer/*"
    }]
  })
}

resource "aws_iam_instance_profile" "producer" {
  count = local.producers

  name = "${var.name}-producer"
  role = aws_iam_role.producer[0].name
}

resource "aws_instance" "producer" {
  #checkov:skip=CKV_AWS_88:It needs a way out, and a NAT gateway costs ten times as much as it; its security group has no inbound rule
  #checkov:skip=CKV_AWS_126:Its alarm needs the free metrics alone
  count = local.producers

  ami                         = data.aws_ssm_parameter.producer_image[0].value
  instance_type               = "t3.nano"
  subnet_id                   = data.aws_subnet.producer[0].id
  vpc_security_group_ids      = [aws_security_group.producer[0].id]
  associate_public_ip_address = true
  iam_instance_profile        = aws_iam_instance_profile.producer[0].name
  ebs_optimized               = true
  user_data                   = local.producer_setup
  user_data_replace_on_change = true

  credit_specification {
    cpu_credits = "standard"
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 8
    encrypted   = true
  }

  # It is started again elsewhere, with its disks and its address, where the hardware fails.
  maintenance_options {
    auto_recovery = "default"
  }

  tags = { Name = "${var.name}-producer" }

  lifecycle {
    # A newer image comes with the next program.
    ignore_changes = [ami]

    precondition {
      condition     = var.producer_unit != null
      error_message = "producer_program needs producer_unit, the text of infra/producer/twincloud-producer.service."
    }
  }

  depends_on = [aws_iam_role_policy.producer_program, aws_iam_role_policy_attachment.producer]
}

# An instance that fails its status check is rebooted, and the topic of alerts gets a message.
resource "aws_cloudwatch_metric_alarm" "producer" {
  count = local.producers

  alarm_name          = "${var.name}-producer-host"
  alarm_description   = "The producer's machine has failed its checks for 5 minutes; it is rebooted."
  namespace           = "AWS/EC2"
  metric_name         = "StatusCheckFailed_Instance"
  dimensions          = { InstanceId = aws_instance.producer[0].id }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 5
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "missing"
  alarm_actions = [
    var.alert_topic_arn,
    "arn:${local.partition}:automate:${local.region}:ec2:reboot",
  ]
}
