"""Which import blocks are written, from what an account holds. Needs no terraform."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infrastructure.aws.clients import AwsClients
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import execute
from infrastructure.planning.plan import Plan, make_plan
from infrastructure.settings import Settings
from scripts import create_terraform_state_bucket, generate_terraform_imports
from scripts.generate_terraform_imports import covered_resources, imports

_SETTINGS = Settings(region="eu-central-1")


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsClients]:
    """An empty account in this process."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", _SETTINGS.region)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with emulated_aws():
        yield AwsClients(_SETTINGS.region, emulated=True)


def _plan(clients: AwsClients) -> Plan:
    return make_plan(covered_resources(_SETTINGS, clients), emulated=True)


@pytest.fixture
def made(clients: AwsClients) -> AwsClients:
    """An account in which everything stands."""
    execute(_plan(clients), emulated=True).raise_for_errors()
    return clients


def _addresses(clients: AwsClients) -> set[str]:
    return {block.to for block in imports(_SETTINGS, _plan(clients))}


def test_an_empty_account_has_nothing_to_import(clients: AwsClients) -> None:
    assert imports(_SETTINGS, _plan(clients)) == []


def test_a_key_is_imported_by_its_id_and_the_others_by_their_names(made: AwsClients) -> None:
    ids = {block.to: block.id for block in imports(_SETTINGS, _plan(made))}
    key = made("kms").describe_key(KeyId=_SETTINGS.key_alias("audit"))["KeyMetadata"]["KeyId"]
    assert ids['aws_kms_key.this["audit"]'] == key
    assert ids['aws_kms_alias.this["audit"]'] == _SETTINGS.key_alias("audit")
    assert ids["aws_kinesis_stream.transactions"] == _SETTINGS.stream_name
    assert ids['module.bucket["raw"].aws_s3_bucket.this'] == _SETTINGS.bucket("raw")
    assert ids["module.access_logs_bucket.aws_s3_bucket_policy.this"] == _SETTINGS.bucket("access-logs")


def test_what_is_not_there_gets_no_block(made: AwsClients) -> None:
    before = _addresses(made)
    made("s3").delete_bucket_policy(Bucket=_SETTINGS.bucket("curated"))
    made("s3").delete_public_access_block(Bucket=_SETTINGS.bucket("raw"))
    made("kinesis").delete_stream(StreamName=_SETTINGS.stream_name)
    made("kms").delete_alias(AliasName=_SETTINGS.key_alias("messaging"))
    assert before - _addresses(made) == {
        'module.bucket["curated"].aws_s3_bucket_policy.this',
        'module.bucket["raw"].aws_s3_bucket_public_access_block.this',
        "aws_kinesis_stream.transactions",
        'aws_kms_alias.this["messaging"]',
    }


def test_a_key_that_waits_for_its_deletion_is_refused(made: AwsClients) -> None:
    key = made("kms").describe_key(KeyId=_SETTINGS.key_alias("data"))["KeyMetadata"]["KeyId"]
    made("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
    with pytest.raises(PlatformError, match="waits for its deletion"):
        imports(_SETTINGS, _plan(made))


def test_a_block_is_written_as_terraform_reads_it() -> None:
    block = generate_terraform_imports.Import('aws_kms_alias.this["data"]', "alias/bank")
    assert str(block) == 'import {\n  to = aws_kms_alias.this["data"]\n  id = "alias/bank"\n}\n'


def test_a_file_that_cannot_be_written_is_one_clear_line(
    made: AwsClients, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = generate_terraform_imports.main(["--environment", "dev", "--output", str(tmp_path / "missing" / "a.tf")])
    said = capsys.readouterr().err
    assert (status, "cannot be written" in said, "Traceback" in said) == (1, True, False)


def test_the_state_bucket_is_closed_in_an_account_and_left_open_on_an_emulator() -> None:
    in_account = create_terraform_state_bucket.resources(_SETTINGS, AwsClients(_SETTINGS.region, emulated=False))
    emulated = create_terraform_state_bucket.resources(_SETTINGS, AwsClients(_SETTINGS.region, emulated=True))
    assert [resource.type for resource in emulated] == ["AWS::S3::Bucket"]
    (policy,) = (resource for resource in in_account if resource.type == "AWS::S3::BucketPolicy")
    statements = {statement["Sid"]: statement for statement in policy.properties["PolicyDocument"]["Statement"]}
    assert set(statements) == {"DenyInsecureTransport", "DenyOutdatedTls", "DenyOtherAccounts"}
    arn = f"arn:aws:s3:::{create_terraform_state_bucket.state_bucket_name(_SETTINGS)}"
    assert all(statement["Resource"] == [arn, f"{arn}/*"] for statement in statements.values())


def test_the_name_of_the_state_bucket_fits_wherever_the_platform_fits() -> None:
    settings = Settings(environment="prod", region="us-east-1", project="a" * 19)
    longest = max(len(settings.bucket(purpose)) for purpose in ("access-logs", "quarantine"))
    assert len(create_terraform_state_bucket.state_bucket_name(settings)) <= longest <= 63
