"""Names, bounds and where settings come from."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from infrastructure.errors import PlatformError
from infrastructure.settings import BUCKET_PURPOSES, KEY_PURPOSES, Settings
from infrastructure.settings_source import read_environment, settings_from

ROOT = Path(__file__).resolve().parents[2]


def test_names_carry_project_and_environment() -> None:
    settings = Settings(environment="test", project="core")
    assert settings.stream_name == "core-test-transactions"
    assert settings.bucket("raw") == "core-test-raw-123456789012-us-east-1"
    assert settings.key_alias("data") == "alias/core-test-data"


def test_environments_share_no_name() -> None:
    def names(environment: Any) -> set[str]:
        settings = Settings(environment=environment)
        return {
            settings.stream_name,
            settings.function_name,
            settings.on_failure_queue_name,
            settings.tokenization_secret_name,
            settings.glue_database,
            settings.trail_name,
            settings.metrics_namespace,
            *(settings.bucket(purpose) for purpose in BUCKET_PURPOSES),
            *(settings.key_alias(purpose) for purpose in KEY_PURPOSES),
        }

    assert names("dev") & names("prod") == set()


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_arns_are_of_the_regions_partition(region: str, partition: str) -> None:
    assert Settings(region=region).stream_arn.startswith(f"arn:{partition}:kinesis:{region}:123456789012:stream/")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("stream_retention_hours", 167, "168 to 8760"),
        ("stream_retention_hours", 8761, "168 to 8760"),
        ("environment", "staging", "dev, test, prod"),
        ("region", "Frankfurt", "eu-central-1"),
        ("project", "Bank", "lower-case"),
        ("project", "-bank", "lower-case"),
        ("account_id", "12345", "twelve digits"),
        ("expected_account_id", "12345", "twelve digits"),
        ("object_lock_mode", "NONE", "GOVERNANCE, COMPLIANCE"),
        ("object_lock_years", 0, "12 months"),
        ("log_retention_days", 30, "365"),
        ("lambda_architecture", "arm", "arm64, x86_64"),
        ("batch_size", 10_001, "1 to 10000"),
        ("key_deletion_window_days", 6, "7 to 30"),
        ("lambda_runtime", "python3.10", "python3.13"),
        ("lambda_runtime", "python3.14", "python3.13"),
        ("warehouse_database", "Bank-DWH", "plain name"),
        ("warehouse_schema", 'x"; DROP SCHEMA y', "plain name"),
    ],
)
def test_a_value_out_of_bounds_says_what_is_allowed(field: str, value: Any, told: str) -> None:
    with pytest.raises(PlatformError) as error:
        Settings(**{field: value})
    assert field.upper() in error.value.what
    assert told in error.value.todo


def test_a_key_may_not_go_before_the_secret_that_it_encrypts() -> None:
    with pytest.raises(PlatformError, match=r"KEY_DELETION_WINDOW_DAYS \(7\) is less than SECRET_RECOVERY_WINDOW_DAYS"):
        Settings(key_deletion_window_days=7)
    assert Settings(key_deletion_window_days=7, secret_recovery_window_days=7).key_deletion_window_days == 7


def test_a_project_too_long_for_a_bucket_name_is_refused() -> None:
    with pytest.raises(PlatformError, match="S3 takes 63"):
        Settings(project="a" * 22, environment="prod", region="ap-southeast-2")


def test_object_lock_is_governance_but_compliance_in_prod() -> None:
    assert Settings(environment="dev").lock_mode == "GOVERNANCE"
    assert Settings(environment="prod").lock_mode == "COMPLIANCE"
    assert Settings(environment="prod", object_lock_mode="GOVERNANCE").lock_mode == "GOVERNANCE"


def test_tags_of_the_user_cannot_hide_the_platforms_own() -> None:
    settings = Settings(tags={"CostCenter": "42", "Environment": "prod"})
    assert settings.all_tags["CostCenter"] == "42"
    assert settings.all_tags["Environment"] == "dev"


def test_each_kind_of_variable_is_read() -> None:
    settings = settings_from(
        {
            "ENVIRONMENT": "test",
            "AWS_REGION": "eu-central-1",
            "STREAM_MODE": "PROVISIONED",
            "SHARD_COUNT": "8",
            "TAGS": "Owner=payments, CostCenter=42",
            "BATCH_SIZE": "",
        }
    )
    assert settings == Settings(
        environment="test",
        region="eu-central-1",
        stream_mode="PROVISIONED",
        shard_count=8,
        tags={"Owner": "payments", "CostCenter": "42"},
    )


def test_the_command_line_stands_above_the_environment() -> None:
    settings = settings_from({"ENVIRONMENT": "test", "AWS_REGION": "eu-central-1"}, environment="prod", region=None)
    assert (settings.environment, settings.region) == ("prod", "eu-central-1")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("SHARD_COUNT", "many", "whole number"), ("TAGS", "Owner", "pairs such as")],
)
def test_a_variable_that_cannot_be_read_says_how_it_is_written(name: str, value: str, told: str) -> None:
    with pytest.raises(PlatformError, match=told):
        settings_from({name: value})


def test_the_process_environment_stands_above_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("SHARD_COUNT=2\nPROJECT=core\n")
    monkeypatch.setenv("SHARD_COUNT", "3")
    monkeypatch.delenv("PROJECT", raising=False)
    found = read_environment(env_file)
    assert (found["SHARD_COUNT"], found["PROJECT"]) == ("3", "core")


def test_the_example_names_every_setting_with_its_default() -> None:
    written = {name: value or "" for name, value in dotenv_values(ROOT / ".env.example").items()}
    for field in fields(Settings):
        if field.name in ("region", "account_id"):  # AWS_REGION and the credentials tell these
            continue
        name = field.name.upper()
        assert name in written, f".env.example lacks {name}"
        assert settings_from({name: written[name]}) == Settings(), name
