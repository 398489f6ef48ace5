# What the roles of github.tf may do. Every resource is named; "*" stands only where AWS knows nothing narrower.

locals {
  # Both roles: what the stack is now.
  read_statements = [
    {
      Sid    = "ReadStack"
      Effect = "Allow"
      Action = [
        "cloudformation:DescribeChangeSet",
        "cloudformation:DescribeEvents",
        "cloudformation:DescribeStackEvents",
        "cloudformation:DescribeStackResource",
        "cloudformation:DescribeStackResourceDrifts",
        "cloudformation:DescribeStackResources",
        "cloudformation:DescribeStacks",
        "cloudformation:DetectStackDrift",
        "cloudformation:DetectStackResourceDrift",
        "cloudformation:GetTemplate",
        "cloudformation:ListChangeSets",
        "cloudformation:ListStackResources",
      ]
      Resource = [local.stack_arn, local.bootstrap_arn]
    },
    {
      # None of these takes a resource.
      Sid    = "ReadEverywhere"
      Effect = "Allow"
      Action = [
        "cloudformation:DescribeStackDriftDetectionStatus",
        "cloudformation:ValidateTemplate",
        "cloudwatch:GetMetricData",
        "lambda:GetAccountSettings",
        "lambda:ListEventSourceMappings",
        "tag:GetResources",
      ]
      Resource = "*"
    },
    {
      # These take a resource, but can't be held to one by name.
      Sid    = "ReadByKind"
      Effect = "Allow"
      Action = ["cloudwatch:DescribeAlarms", "lambda:GetEventSourceMapping", "logs:DescribeLogGroups"]
      Resource = [
        "arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:*",
        "arn:${local.partition}:lambda:${local.region}:${local.account}:event-source-mapping:*",
        "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:*",
      ]
    },
    {
      Sid      = "ReadQueues"
      Effect   = "Allow"
      Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"]
      Resource = local.queue_arns
    },
    {
      Sid    = "ReadTable"
      Effect = "Allow"
      Action = [
        "dynamodb:DescribeContinuousBackups",
        "dynamodb:DescribeContributorInsights",
        "dynamodb:DescribeKinesisStreamingDestination",
        "dynamodb:DescribeTable",
        "dynamodb:DescribeTimeToLive",
        "dynamodb:GetItem",
        "dynamodb:GetResourcePolicy",
        "dynamodb:ListTagsOfResource",
        "dynamodb:Query",
      ]
      Resource = var.pipeline.table_arn
    },
    {
      # Get* of a bucket is its configuration. Objects are of another resource.
      Sid      = "ReadBuckets"
      Effect   = "Allow"
      Action   = ["s3:GetBucket*", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:ListBucket", "s3:ListTagsForResource"]
      Resource = [var.pipeline.archive_arn, var.pipeline.artifacts_arn]
    },
    {
      Sid    = "ReadFunctions"
      Effect = "Allow"
      Action = [
        "lambda:GetAlias",
        "lambda:GetFunction",
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:GetFunctionEventInvokeConfig",
        "lambda:GetFunctionRecursionConfig",
        "lambda:GetPolicy",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:GetRuntimeManagementConfig",
        "lambda:ListAliases",
        "lambda:ListTags",
        "lambda:ListVersionsByFunction",
      ]
      Resource = flatten([for arn in local.function_arns : [arn, "${arn}:*"]])
    },
    {
      Sid      = "ReadLogs"
      Effect   = "Allow"
      Action   = ["logs:DescribeMetricFilters", "logs:FilterLogEvents", "logs:ListTagsForResource"]
      Resource = local.log_group_arns
    },
    {
      Sid    = "ReadSchedule"
      Effect = "Allow"
      Action = [
        "cloudwatch:ListTagsForResource",
        "events:DescribeRule",
        "events:ListTagsForResource",
        "events:ListTargetsByRule",
      ]
      Resource = [local.rule_arn, local.alarm_arn]
    },
    {
      Sid      = "ReadFunctionRoles"
      Effect   = "Allow"
      Action   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:ListRoleTags"]
      Resource = local.function_roles_arn
    },
  ]

  # The plan role: a change set that it can't execute.
  plan_statements = [
    {
      Sid      = "PlanStack"
      Effect   = "Allow"
      Action   = ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"]
      Resource = [local.stack_arn, local.bootstrap_arn]
    },
    {
      Sid      = "ReadCode"
      Effect   = "Allow"
      Action   = "s3:GetObject"
      Resource = "${var.pipeline.artifacts_arn}/*"
    },
  ]

  # Both roles: a plan of this root, and its outputs. An administrator applies it.
  foundation_statements = concat(
    [
      {
        Sid    = "ReadFoundation"
        Effect = "Allow"
        Action = [
          "iam:GetOpenIDConnectProvider",
          "iam:GetPolicy",
          "iam:GetPolicyVersion",
          "iam:GetRole",
          "iam:GetRolePolicy",
          "iam:ListAttachedRolePolicies",
          "iam:ListPolicyTags",
          "iam:ListPolicyVersions",
          "iam:ListRolePolicies",
        ]
        Resource = [
          local.github_provider,
          "arn:${local.partition}:iam::${local.account}:role/${var.name}-*",
          "arn:${local.partition}:iam::${local.account}:policy/${var.name}-*",
        ]
      },
      {
        Sid    = "ReadFoundationResources"
        Effect = "Allow"
        Action = [
          "budgets:ListTagsForResource",
          "budgets:ViewBudget",
          "billing:GetBillingViewData", # of the budget's costs
          "cloudwatch:GetDashboard",
          "kms:DescribeKey",
          "kms:GetKeyPolicy",
          "kms:GetKeyRotationStatus",
          "kms:ListResourceTags",
          "sns:GetTopicAttributes",
          "sns:ListTagsForResource",
        ]
        Resource = [
          var.kms_key_arn,
          var.alert_topic_arn,
          "arn:${local.partition}:billing::${local.account}:billingview/*",
          "arn:${local.partition}:budgets::${local.account}:budget/${var.name}-*",
          "arn:${local.partition}:cloudwatch::${local.account}:dashboard/${var.name}",
        ]
      },
      {
        # Neither takes a resource.
        Sid      = "ReadFoundationEverywhere"
        Effect   = "Allow"
        Action   = ["kms:ListAliases", "sns:GetSubscriptionAttributes"]
        Resource = "*"
      },
    ],
    # The producer's machine. What describes machines, disks and networks takes no resource.
    [for statement in [
      {
        Sid    = "ReadProducerHost"
        Effect = "Allow"
        Action = [
          "ec2:DescribeInstanceAttribute",
          "ec2:DescribeInstanceCreditSpecifications",
          "ec2:DescribeInstanceTypes",
          "ec2:DescribeInstances",
          "ec2:DescribeSecurityGroups",
          "ec2:DescribeSubnets",
          "ec2:DescribeTags",
          "ec2:DescribeVolumes",
          "ec2:DescribeVpcs",
        ]
        Resource = "*"
      },
      {
        Sid    = "ReadProducerProfile"
        Effect = "Allow"
        Action = ["iam:GetInstanceProfile", "iam:ListInstanceProfilesForRole", "ssm:GetParameter"]
        Resource = [
          "arn:${local.partition}:iam::${local.account}:instance-profile/${var.name}-*",
          "arn:${local.partition}:iam::${local.account}:role/${var.name}-*",
          "arn:${local.partition}:ssm:${local.region}::parameter/aws/service/ami-amazon-linux-latest/*",
        ]
      },
    ] : statement if var.producer_host],
    var.state_bucket == null ? [] : [
      {
        Sid      = "ReadState"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:${local.partition}:s3:::${var.state_bucket}/${var.state_key}"
      },
    ],
    var.state_bucket == null ? [] : [
      {
        Sid      = "ListState"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = "arn:${local.partition}:s3:::${var.state_bucket}"
      },
    ],
  )

  # The deploy role: what CloudFormation does in its name, upload of code, and the smoke test.
  deploy_statements = concat(
    [
      {
        Sid    = "DeployStack"
        Effect = "Allow"
        Action = [
          "cloudformation:CancelUpdateStack",
          "cloudformation:ContinueUpdateRollback",
          "cloudformation:CreateChangeSet",
          "cloudformation:DeleteChangeSet",
          "cloudformation:DeleteStack",
          "cloudformation:ExecuteChangeSet",
          "cloudformation:RollbackStack",
          "cloudformation:TagResource",
          "cloudformation:UntagResource",
          "cloudformation:UpdateTerminationProtection",
        ]
        Resource = local.stack_arn
      },
      {
        # It finds out that the buckets are as they should be. An administrator makes and changes them.
        Sid      = "PlanBootstrap"
        Effect   = "Allow"
        Action   = ["cloudformation:CreateChangeSet", "cloudformation:DeleteChangeSet"]
        Resource = local.bootstrap_arn
      },
      {
        Sid      = "UploadCode"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = "${var.pipeline.artifacts_arn}/*"
      },
      {
        Sid    = "MakeQueues"
        Effect = "Allow"
        Action = [
          "sqs:CreateQueue",
          "sqs:DeleteQueue",
          "sqs:SendMessage", # the smoke test's
          "sqs:SetQueueAttributes",
          "sqs:TagQueue",
          "sqs:UntagQueue",
        ]
        Resource = local.queue_arns
      },
      {
        Sid    = "MakeTable"
        Effect = "Allow"
        Action = [
          "dynamodb:CreateTable",
          "dynamodb:DeleteTable",
          "dynamodb:TagResource",
          "dynamodb:UntagResource",
          "dynamodb:UpdateContinuousBackups",
          "dynamodb:UpdateTable",
          "dynamodb:UpdateTimeToLive",
        ]
        Resource = var.pipeline.table_arn
      },
      {
        # A bucket that holds an object can't be deleted.
        Sid    = "MakeArchive"
        Effect = "Allow"
        Action = [
          "s3:CreateBucket",
          "s3:DeleteBucket",
          "s3:DeleteBucketPolicy",
          "s3:PutBucketOwnershipControls",
          "s3:PutBucketPolicy",
          "s3:PutBucketPublicAccessBlock",
          "s3:PutBucketTagging",
          "s3:PutBucketVersioning",
          "s3:PutEncryptionConfiguration",
          "s3:PutLifecycleConfiguration",
          # By which buckets are tagged, too.
          "s3:ListTagsForResource",
          "s3:TagResource",
          "s3:UntagResource",
        ]
        Resource = var.pipeline.archive_arn
      },
      {
        Sid    = "MakeFunctions"
        Effect = "Allow"
        Action = [
          "lambda:CreateAlias",
          "lambda:CreateFunction",
          "lambda:DeleteAlias",
          "lambda:DeleteFunction",
          "lambda:DeleteFunctionEventInvokeConfig",
          "lambda:PublishVersion",
          "lambda:PutFunctionConcurrency",
          "lambda:DeleteFunctionConcurrency",
          "lambda:PutFunctionEventInvokeConfig",
          "lambda:RemovePermission",
          "lambda:TagResource",
          "lambda:UntagResource",
          "lambda:UpdateAlias",
          "lambda:UpdateFunctionCode",
          "lambda:UpdateFunctionConfiguration",
          "lambda:UpdateFunctionEventInvokeConfig",
        ]
        Resource = flatten([for arn in local.function_arns : [arn, "${arn}:*"]])
      },
      {
        # Only the schedule is let in: no other account, and no URL.
        Sid       = "LetScheduleIn"
        Effect    = "Allow"
        Action    = "lambda:AddPermission"
        Resource  = flatten([for arn in local.function_arns : [arn, "${arn}:*"]])
        Condition = { StringEquals = { "lambda:Principal" = "events.amazonaws.com" } }
      },
      {
        # A mapping's name is given by AWS: it is held by the function that it is for.
        Sid       = "MakeMappings"
        Effect    = "Allow"
        Action    = ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
        Resource  = "*"
        Condition = { ArnLike = { "lambda:FunctionArn" = flatten([for arn in local.function_arns : [arn, "${arn}:*"]]) } }
      },
      {
        Sid      = "TagMappings"
        Effect   = "Allow"
        Action   = ["lambda:ListTags", "lambda:TagResource", "lambda:UntagResource"]
        Resource = "arn:${local.partition}:lambda:${local.region}:${local.account}:event-source-mapping:*"
      },
      {
        Sid    = "MakeLogGroups"
        Effect = "Allow"
        Action = [
          "logs:CreateLogGroup",
          "logs:DeleteLogGroup",
          "logs:DeleteMetricFilter",
          "logs:DeleteRetentionPolicy",
          "logs:PutMetricFilter",
          "logs:PutRetentionPolicy",
          "logs:TagResource",
          "logs:UntagResource",
        ]
        Resource = local.log_group_arns
      },
      {
        Sid    = "MakeScheduleAndAlarms"
        Effect = "Allow"
        Action = [
          "cloudwatch:DeleteAlarms",
          "cloudwatch:PutMetricAlarm",
          "cloudwatch:TagResource",
          "cloudwatch:UntagResource",
          "events:DeleteRule",
          "events:DisableRule",
          "events:EnableRule",
          "events:PutRule",
          "events:PutTargets",
          "events:RemoveTargets",
          "events:TagResource",
          "events:UntagResource",
        ]
        Resource = [local.rule_arn, local.alarm_arn]
      },
      # A function's role, never wider than the boundary. The deploy role can't change the boundary, nor itself.
      merge(
        {
          Sid    = "MakeFunctionRoles"
          Effect = "Allow"
          Action = [
            "iam:AttachRolePolicy",
            "iam:CreateRole",
            "iam:DeleteRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:PutRolePolicy",
          ]
          Resource = local.function_roles_arn
        },
        { for key, value in { Condition = { StringEquals = { "iam:PermissionsBoundary" = local.boundary_arn } } } : key => value if var.require_functions_boundary },
      ),
      {
        Sid      = "ChangeFunctionRoles"
        Effect   = "Allow"
        Action   = ["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateRoleDescription"]
        Resource = local.function_roles_arn
      },
      {
        Sid       = "PassFunctionRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = local.function_roles_arn
        Condition = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com"] } }
      },
      {
        # The names of this root's roles start as the stack's do.
        Sid       = "SpareFoundation"
        Effect    = "Deny"
        NotAction = ["iam:Get*", "iam:List*", "iam:SimulatePrincipalPolicy"]
        Resource  = [for role in ["deploy", "google-producer", "google-reader", "plan", "producer"] : "arn:${local.partition}:iam::${local.account}:role/${var.name}-${role}"]
      },
    ],
    var.allow_destroy ? [
      {
        # A destroy asks first whether it may delete all of it.
        Sid      = "SimulateOwnRights"
        Effect   = "Allow"
        Action   = ["iam:SimulatePrincipalPolicy"]
        Resource = ["arn:${local.partition}:iam::${local.account}:role/${var.name}-deploy"]
      },
      {
        Sid      = "EmptyArchive"
        Effect   = "Allow"
        Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"]
        Resource = [var.pipeline.archive_arn, "${var.pipeline.archive_arn}/*"]
      },
    ] : [],
  )
}
