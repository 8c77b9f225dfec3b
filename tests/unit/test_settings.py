"""Names, bounds and where settings come from."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import botocore.session
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
    "url",
    [
        "http://fraud.bank.example/x",
        "https://user:hunter2@fraud.bank.example/x",
        "https://hunter2@fraud.bank.example",
        "https://fraud.bank.example\\@hunter2.example/",
        "https://fraud.bank.example/#hunter2",
        "https://fraud.bank.example/a b",
        "https://fraud.bank.example/\r\nx: hunter2",
        "https:///hunter2",
        "ftp://fraud.bank.example",
        "http://127.0.0.1.hunter2.example/",
        "file:///etc/passwd",
    ],
)
def test_what_alerts_may_not_be_posted_to_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(PlatformError, match="FRAUD_WEBHOOK_URL is not what alerts may be posted to") as refused:
        Settings(fraud_webhook_url=url)
    assert "hunter2" not in str(refused.value)


def test_alerts_may_be_posted_over_tls_and_on_this_machine_without() -> None:
    for url in ("https://fraud.bank.example:8443/a/b?from=core&x=1%20", "http://127.0.0.1:8000/", "http://localhost"):
        assert Settings(fraud_webhook_url=url).delivers_alerts
        assert not Settings(fraud_webhook_url=url, stream_alerts=False).delivers_alerts
    assert not Settings().delivers_alerts


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("stream_retention_hours", 167, "168 to 8760"),
        ("stream_retention_hours", 8761, "168 to 8760"),
        ("environment", "staging", "dev, test, prod"),
        ("region", "Frankfurt", "eu-central-1"),
        ("project", "Bank", "lower-case"),
        ("project", "-bank", "lower-case"),
        ("project", "core--bank", "single hyphens"),  # CloudTrail refuses such a name, after all else was made
        ("region", "us-iso-east-1", "aws, aws-cn, aws-us-gov"),
        ("account_id", "12345", "twelve digits"),
        ("expected_account_id", "12345", "twelve digits"),
        ("object_lock_mode", "NONE", "GOVERNANCE, COMPLIANCE"),
        ("object_lock_years", 0, "12 months"),
        ("log_retention_days", 30, "365"),
        ("lambda_architecture", "arm", "arm64, x86_64"),
        ("batch_size", 10_001, "1 to 10000"),
        ("key_deletion_window_days", 6, "7 to 30"),
        ("lambda_runtime", "python3.10", "python3.14"),
        ("lambda_runtime", "python3.15", "python3.14"),
        ("warehouse_database", "Bank-DWH", "plain name"),
        ("warehouse_schema", 'x"; DROP SCHEMA y', "plain name"),
    ],
)
def test_a_value_out_of_bounds_says_what_is_allowed(field: str, value: Any, told: str) -> None:
    with pytest.raises(PlatformError) as error:
        Settings(**{field: value})
    assert field.upper() in error.value.what
    assert told in error.value.todo


def test_names_at_the_limits_are_what_every_service_takes() -> None:
    for project in ("ab", "a-b", "a" * 22):
        assert "--" not in Settings(project=project).trail_name  # the strictest: no two hyphens in a row


def test_each_runtime_that_may_be_set_is_one_of_lambdas() -> None:
    known = botocore.session.get_session().get_service_model("lambda").shape_for("Runtime").metadata["enum"]
    for minor in range(11, 15):
        assert Settings(lambda_runtime=f"python3.{minor}").lambda_runtime in known


def test_a_record_is_tried_as_long_as_the_stream_keeps_it() -> None:
    settings = Settings()
    assert settings.maximum_record_age_seconds == settings.stream_retention_hours * 3600


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


def test_prod_refuses_object_lock_of_days() -> None:
    assert Settings(environment="acceptance", object_lock_days=1).lock_period == {"Days": 1}
    assert Settings(environment="prod").lock_period == {"Years": 1}
    with pytest.raises(PlatformError, match="OBJECT_LOCK_DAYS is 1 in prod"):
        Settings(environment="prod", object_lock_days=1)


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


def test_a_profile_sets_what_is_not_set_by_itself() -> None:
    assert settings_from({"LATENCY_PROFILE": "balanced"}) == Settings()
    cheap = settings_from({"LATENCY_PROFILE": "cheap"})
    assert (cheap.batch_window_seconds, cheap.glue_every_minutes) == (10, 60)
    assert settings_from({"LATENCY_PROFILE": "fast"}).batch_window_seconds == 1
    assert settings_from({"LATENCY_PROFILE": "fast", "BATCH_WINDOW_SECONDS": "3"}).batch_window_seconds == 3
    with pytest.raises(PlatformError, match=r"LATENCY_PROFILE is 'quick'\. Set it to one of fast, balanced, cheap"):
        settings_from({"LATENCY_PROFILE": "quick"})


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


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def refusal(env_file: Path, content: str | bytes) -> str:
    env_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PlatformError) as error:
        read_environment(env_file)
    return str(error.value)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_env_file_that_is_not_utf_8_is_one_line(env_file: Path, encoding: str) -> None:
    said = refusal(env_file, "# Geschäftsjahr\nPROJECT=core\n".encode(encoding))
    assert said == "settings: .env is not UTF-8. Save it as UTF-8."


def test_a_byte_order_mark_hides_no_setting(env_file: Path) -> None:
    env_file.write_bytes(b"\xef\xbb\xbfPROJECT=core\n")
    assert read_environment(env_file)["PROJECT"] == "core"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('PROJECT=core\nEXPECTED_ACCOUNT_ID="210987654321\n', 2),
        ("# the guard\n\nEXPECTED_ACCOUNT_ID: 210987654321\n", 3),
        ("PROJECT=core\nEXPECTED_ACCOUNT_ID\n", 2),
        ("PROJECT=core\n=210987654321\n", 2),
    ],
    ids=["unclosed quote", "YAML", "no value", "no name"],
)
def test_a_line_of_an_env_file_that_cannot_be_read_is_told_by_its_number(
    env_file: Path, content: str, line: int
) -> None:
    assert refusal(env_file, content) == f"settings: .env line {line} cannot be read. Write it as NAME=value."


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("EXPECTED_ACOUNT_ID", "Did you mean EXPECTED_ACCOUNT_ID?"),
        ("expected_account_id", "Did you mean EXPECTED_ACCOUNT_ID?"),
        ("Shard_Count", "Did you mean SHARD_COUNT?"),
        ("DATABASE_URL_OF_ANOTHER_TOOL", "Remove it; .env.example lists the settings."),
    ],
)
def test_a_name_in_an_env_file_that_is_no_setting_guards_nothing_and_is_refused(
    env_file: Path, name: str, told: str
) -> None:
    assert refusal(env_file, f"{name}=210987654321\n") == f"settings: .env sets {name}, which is no setting. {told}"


def test_awss_own_variables_may_be_in_an_env_file(env_file: Path) -> None:
    env_file.write_text("AWS_PROFILE=core\nexport AWS_REGION='eu-central-1' # Frankfurt\n")
    assert read_environment(env_file)["AWS_REGION"] == "eu-central-1"


def test_all_problems_of_an_env_file_are_told_together(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPECTED_ACCOUNT_IDS", "210987654321")
    assert refusal(env_file, "SHARDS=4\nSTREAM_MOD=ON_DEMAND\n").splitlines() == [
        "settings: 3 cannot be used. Correct these:",
        "  .env sets SHARDS, which is no setting. Remove it; .env.example lists the settings.",
        "  .env sets STREAM_MOD, which is no setting. Did you mean STREAM_MODE?",
        "  the environment sets EXPECTED_ACCOUNT_IDS, which is no setting. Did you mean EXPECTED_ACCOUNT_ID?",
    ]
    assert refusal(env_file, "PROJECT\nSTAGE: dev\n").count("cannot be read. Write it as NAME=value.") == 2


def test_all_values_that_cannot_be_used_are_told_together() -> None:
    with pytest.raises(PlatformError) as error:
        settings_from({"SHARD_COUNT": "many", "STREAM_RETENTION_HOURS": "24", "AWS_REGION": "eu-centrl-1"})
    assert str(error.value).splitlines() == [
        "settings: 3 cannot be used. Correct these:",
        "  SHARD_COUNT is 'many'. Set it to a whole number.",
        "  STREAM_RETENTION_HOURS is 24. Set it to 168 to 8760 hours; records must outlive a long weekend's outage.",
        "  AWS_REGION is 'eu-centrl-1', which is no AWS region. Did you mean eu-central-1?",
    ]


@pytest.mark.parametrize("name", ["EXPECTED_ACOUNT_ID", "expected_account_id", "STREAM_MODES"])
def test_a_variable_of_the_shell_that_is_a_slip_of_a_setting_is_refused(
    env_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(PlatformError, match=f"the environment sets {name}, which is no setting. Did you mean"):
        read_environment(env_file)


@pytest.mark.parametrize("name", ["PATH", "PROJECT_HOME", "TAGS_FILE", "ENVIRONMENT_NAME", "REGION_ONE", "STREAM"])
def test_a_variable_of_the_shell_that_is_somebody_elses_is_left_alone(
    env_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "x")
    read_environment(env_file)


def test_an_env_file_that_may_not_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"\.env cannot be read \(Is a directory\)"):
        (tmp_path / ".env").mkdir()
        read_environment(tmp_path / ".env")
