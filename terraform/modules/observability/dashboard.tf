locals {
  # One row a widget pair: a title, and metrics as CloudWatch writes them.
  widgets = [
    {
      title = "Queue: messages"
      stat  = "Maximum"
      metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.pipeline.queue_name, { label = "waiting" }],
        ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.pipeline.queue_name, { label = "in flight" }],
      ]
    },
    {
      title = "Queue: age of the oldest message (s)"
      stat  = "Maximum"
      metrics = [
        ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.pipeline.queue_name, { label = "queue" }],
      ]
    },
    {
      title = "Dead letters"
      stat  = "Maximum"
      metrics = [
        ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.pipeline.dead_letter_queue_name, { label = "dead letters" }],
      ]
    },
    {
      title = "Queue: throughput"
      stat  = "Sum"
      metrics = [
        ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.pipeline.queue_name, { label = "sent" }],
        ["AWS/SQS", "NumberOfMessagesDeleted", "QueueName", var.pipeline.queue_name, { label = "done" }],
      ]
    },
    {
      title   = "Functions: invocations"
      stat    = "Sum"
      metrics = [for name in var.pipeline.functions : ["AWS/Lambda", "Invocations", "FunctionName", name, { label = name }]]
    },
    {
      title = "Functions: errors and throttles"
      stat  = "Sum"
      metrics = concat(
        [for name in var.pipeline.functions : ["AWS/Lambda", "Errors", "FunctionName", name, { label = "${name} errors" }]],
        [for name in var.pipeline.functions : ["AWS/Lambda", "Throttles", "FunctionName", name, { label = "${name} throttles" }]],
      )
    },
    {
      title = "Functions: duration (ms)"
      stat  = "p99"
      metrics = concat(
        [for name in var.pipeline.functions : ["AWS/Lambda", "Duration", "FunctionName", name, { label = "${name} p50", stat = "p50" }]],
        [for name in var.pipeline.functions : ["AWS/Lambda", "Duration", "FunctionName", name, { label = "${name} p99", stat = "p99" }]],
      )
    },
    {
      title   = "Functions: concurrent executions"
      stat    = "Maximum"
      metrics = [for name in var.pipeline.functions : ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", name, { label = name }]]
    },
    {
      title = "Table: consumed capacity"
      stat  = "Sum"
      metrics = [
        ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", var.pipeline.table, { label = "read" }],
        ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", var.pipeline.table, { label = "write" }],
      ]
    },
    {
      # A lost compare-and-set is a failed condition: contention, not a fault.
      title = "Table: throttles and lost compare-and-sets"
      stat  = "Sum"
      metrics = [
        ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", var.pipeline.table, { label = "read throttles" }],
        ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", var.pipeline.table, { label = "write throttles" }],
        ["AWS/DynamoDB", "ConditionalCheckFailedRequests", "TableName", var.pipeline.table, { label = "lost compare-and-sets" }],
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = local.region
          stat    = widget.stat
          period  = 60
          view    = "timeSeries"
          stacked = false
          metrics = widget.metrics
        }
      }
    ]
  })
}
