# From when this root was flat: a state of that time is taken over as it is. infra/tests/modules.rs holds the list complete.

moved {
  from = aws_iam_role.google_reader
  to   = module.access.aws_iam_role.google_reader
}

moved {
  from = aws_iam_role_policy.google_reader
  to   = module.access.aws_iam_role_policy.google_reader
}

moved {
  from = aws_iam_policy.operator
  to   = module.access.aws_iam_policy.operator
}

moved {
  from = aws_iam_policy.game_day
  to   = module.access.aws_iam_policy.game_day
}

moved {
  from = aws_iam_policy.functions_boundary
  to   = module.deployer.aws_iam_policy.functions_boundary
}

moved {
  from = aws_iam_openid_connect_provider.github
  to   = module.deployer.aws_iam_openid_connect_provider.github
}

moved {
  from = aws_iam_role.deploy
  to   = module.deployer.aws_iam_role.deploy
}

moved {
  from = aws_iam_role_policy.deploy
  to   = module.deployer.aws_iam_role_policy.deploy
}

moved {
  from = aws_iam_role.plan
  to   = module.deployer.aws_iam_role.plan
}

moved {
  from = aws_iam_role_policy.plan
  to   = module.deployer.aws_iam_role_policy.plan
}

moved {
  from = aws_iam_policy.read
  to   = module.deployer.aws_iam_policy.read
}

moved {
  from = aws_iam_policy.foundation
  to   = module.deployer.aws_iam_policy.foundation
}

moved {
  from = aws_iam_role_policy_attachment.deploy
  to   = module.deployer.aws_iam_role_policy_attachment.deploy
}

moved {
  from = aws_iam_role_policy_attachment.plan
  to   = module.deployer.aws_iam_role_policy_attachment.plan
}

moved {
  from = aws_kms_key.main
  to   = module.key.aws_kms_key.main
}

moved {
  from = aws_kms_alias.main
  to   = module.key.aws_kms_alias.main
}

moved {
  from = aws_sns_topic.alerts
  to   = module.observability.aws_sns_topic.alerts
}

moved {
  from = aws_sns_topic_policy.alerts
  to   = module.observability.aws_sns_topic_policy.alerts
}

moved {
  from = aws_sns_topic_subscription.email
  to   = module.observability.aws_sns_topic_subscription.email
}

moved {
  from = aws_budgets_budget.monthly
  to   = module.observability.aws_budgets_budget.monthly
}

moved {
  from = aws_cloudwatch_dashboard.main
  to   = module.observability.aws_cloudwatch_dashboard.main
}

moved {
  from = aws_ebs_volume.producer
  to   = module.producer.aws_ebs_volume.producer
}

moved {
  from = aws_volume_attachment.producer
  to   = module.producer.aws_volume_attachment.producer
}

moved {
  from = aws_security_group.producer
  to   = module.producer.aws_security_group.producer
}

moved {
  from = aws_iam_role.producer
  to   = module.producer.aws_iam_role.producer
}

moved {
  from = aws_iam_role_policy_attachment.producer
  to   = module.producer.aws_iam_role_policy_attachment.producer
}

moved {
  from = aws_iam_role_policy.producer_program
  to   = module.producer.aws_iam_role_policy.producer_program
}

moved {
  from = aws_iam_instance_profile.producer
  to   = module.producer.aws_iam_instance_profile.producer
}

moved {
  from = aws_instance.producer
  to   = module.producer.aws_instance.producer
}

moved {
  from = aws_cloudwatch_metric_alarm.producer
  to   = module.producer.aws_cloudwatch_metric_alarm.producer
}

moved {
  from = aws_iam_policy.producer
  to   = module.producer.aws_iam_policy.producer
}

moved {
  from = aws_iam_role.google_producer
  to   = module.producer.aws_iam_role.google_producer
}

moved {
  from = aws_iam_role_policy_attachment.google_producer
  to   = module.producer.aws_iam_role_policy_attachment.google_producer
}
