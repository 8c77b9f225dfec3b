# What the variables refuse. Nothing is made, nothing is asked for: the provider is mocked.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  environment = "dev"
}

run "the_defaults_are_valid" {
  command = plan
}

run "an_environment_that_does_not_exist_is_refused" {
  command = plan
  variables { environment = "staging" }
  expect_failures = [var.environment]
}

run "a_retention_under_a_week_is_refused" {
  command = plan
  variables { stream_retention_hours = 167 }
  expect_failures = [var.stream_retention_hours]
}

run "a_retention_over_a_year_is_refused" {
  command = plan
  variables { stream_retention_hours = 8761 }
  expect_failures = [var.stream_retention_hours]
}

run "a_project_in_capitals_is_refused" {
  command = plan
  variables { project = "Banking-Data" }
  expect_failures = [var.project]
}

run "a_project_that_ends_in_a_hyphen_is_refused" {
  command = plan
  variables { project = "banking-" }
  expect_failures = [var.project]
}

run "a_project_too_long_for_a_name_is_refused" {
  command = plan
  variables { project = "a-project-of-23-letters" }
  expect_failures = [var.project]
}

run "each_other_variable_has_bounds" {
  command = plan
  variables {
    region                   = "Frankfurt"
    expected_account_id      = "1234"
    key_deletion_window_days = 6
    object_lock_mode         = "LEGAL_HOLD"
    object_lock_years        = 0
    data_retention_years     = 101
    stream_mode              = "AUTO"
    shard_count              = 0
  }
  expect_failures = [
    var.region,
    var.expected_account_id,
    var.key_deletion_window_days,
    var.object_lock_mode,
    var.object_lock_years,
    var.data_retention_years,
    var.stream_mode,
    var.shard_count,
  ]
}
