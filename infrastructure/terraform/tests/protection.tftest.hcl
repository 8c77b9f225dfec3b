# What prod has beyond dev and test, and what every environment has.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "prod_locks_in_compliance_mode_and_is_guarded" {
  command = plan

  variables {
    environment = "prod"
  }

  assert {
    condition     = alltrue([for purpose in ["raw", "audit"] : module.bucket[purpose].object_lock.mode == "COMPLIANCE"])
    error_message = "In prod nobody, not even root, may shorten the retention of raw and audit."
  }

  assert {
    condition     = length(terraform_data.prod_guard) == 1
    error_message = "In prod a plan that destroys or renames must be refused."
  }

  assert {
    condition     = !anytrue(concat([for bucket in module.bucket : bucket.force_destroy], [module.access_logs_bucket.force_destroy]))
    error_message = "In prod destroy must not empty a bucket."
  }
}

run "prod_refuses_to_empty_buckets" {
  command = plan

  variables {
    environment   = "prod"
    force_destroy = true
  }

  expect_failures = [var.force_destroy]
}

run "dev_locks_in_governance_mode_and_can_be_destroyed" {
  command = plan

  variables {
    environment   = "dev"
    force_destroy = true
  }

  assert {
    condition     = alltrue([for purpose in ["raw", "audit"] : module.bucket[purpose].object_lock.mode == "GOVERNANCE"])
    error_message = "Outside prod the retention of raw and audit can be lifted by who may."
  }

  assert {
    condition     = length(terraform_data.prod_guard) == 0
    error_message = "Outside prod nothing stands in the way of destroy."
  }
}

run "only_raw_and_audit_are_locked" {
  command = plan

  variables {
    environment = "test"
  }

  assert {
    condition     = [for purpose, bucket in module.bucket : purpose if bucket.object_lock != null] == ["audit", "raw"]
    error_message = "Object Lock belongs to raw and audit."
  }

  assert {
    condition     = module.access_logs_bucket.object_lock == null
    error_message = "S3 delivers no access logs to a bucket with a default retention."
  }
}

run "the_number_of_shards_counts_for_a_provisioned_stream" {
  command = plan

  variables {
    environment = "test"
    stream_mode = "PROVISIONED"
    shard_count = 6
  }

  assert {
    condition     = aws_kinesis_stream.transactions.shard_count == 6
    error_message = "A PROVISIONED stream has the shards that are asked for."
  }
}

run "an_on_demand_stream_finds_its_own_number_of_shards" {
  command = plan

  variables {
    environment = "test"
    shard_count = 6
  }

  assert {
    condition     = aws_kinesis_stream.transactions.shard_count == null
    error_message = "Kinesis refuses a number of shards in ON_DEMAND mode."
  }
}

run "every_key_rotates" {
  command = plan

  variables {
    environment = "test"
  }

  assert {
    condition     = alltrue([for key in aws_kms_key.this : key.enable_key_rotation])
    error_message = "PCI DSS 3.7 asks for keys that change."
  }
}
