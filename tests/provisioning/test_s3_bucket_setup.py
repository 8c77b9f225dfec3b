"""The buckets as they stand after apply, and their policies by meaning."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_storage.s3_bucket_setup import BUCKETS, bucket_policy, bucket_properties, resources
from infrastructure.local.emulator import emulated_aws
from infrastructure.references import bucket_policy_id
from infrastructure.settings import BUCKET_PURPOSES, Settings
from tests.provisioning.account import CORE, EmulatedAccount
from tests.unit.in_memory_account import NoClients

LOCKED = ("raw", "audit")
WITH_KEY = tuple(purpose for purpose in BUCKET_PURPOSES if purpose != "access-logs")


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    """Applied once; the tests only read."""
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1"), parts=CORE)
        account.apply().raise_for_errors()
        yield account


def s3(account: EmulatedAccount) -> Any:
    return account.client("s3")


@pytest.mark.parametrize("purpose", BUCKET_PURPOSES)
def test_every_bucket_is_versioned_private_and_owned(purpose: str, standing: EmulatedAccount) -> None:
    bucket = standing.settings.bucket(purpose)
    assert s3(standing).get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    block = s3(standing).get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(block, True)
    assert len(block) == 4
    rules = s3(standing).get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]


@pytest.mark.parametrize("purpose", WITH_KEY)
def test_every_bucket_but_the_access_logs_is_encrypted_with_its_customer_key(
    purpose: str, standing: EmulatedAccount
) -> None:
    settings = standing.settings
    found = s3(standing).get_bucket_encryption(Bucket=settings.bucket(purpose))
    rule = found["ServerSideEncryptionConfiguration"]["Rules"][0]
    key = standing.client("kms").describe_key(KeyId=settings.key_alias("audit" if purpose == "audit" else "data"))
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key["KeyMetadata"]["Arn"]}
    assert rule["BucketKeyEnabled"] is True


@pytest.mark.parametrize("purpose", WITH_KEY)
def test_every_bucket_but_the_access_logs_is_logged_under_its_own_prefix(
    purpose: str, standing: EmulatedAccount
) -> None:
    logging = s3(standing).get_bucket_logging(Bucket=standing.settings.bucket(purpose))["LoggingEnabled"]
    assert logging["TargetBucket"] == standing.settings.bucket("access-logs")
    assert logging["TargetPrefix"] == f"{purpose}/"


def test_access_logs_take_s3s_own_encryption_no_lock_and_no_log_of_themselves(standing: EmulatedAccount) -> None:
    bucket = standing.settings.bucket("access-logs")
    found = s3(standing).get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]
    assert found["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert "LoggingEnabled" not in s3(standing).get_bucket_logging(Bucket=bucket)
    with pytest.raises(s3(standing).exceptions.ClientError, match="ObjectLockConfigurationNotFound"):
        s3(standing).get_object_lock_configuration(Bucket=bucket)


@pytest.mark.parametrize("purpose", BUCKET_PURPOSES)
def test_object_lock_is_on_raw_and_audit_alone(purpose: str) -> None:
    assert bool(bucket_properties(Settings(), purpose)["ObjectLock"]) is (purpose in LOCKED)


@pytest.mark.parametrize(("environment", "mode"), [("dev", "GOVERNANCE"), ("prod", "COMPLIANCE")])
def test_object_lock_mode_and_years_follow_the_settings(environment: Any, mode: str) -> None:
    settings = Settings(environment=environment, object_lock_years=3)
    assert bucket_properties(settings, "raw")["ObjectLock"] == {"Mode": mode, "Years": 3}


@pytest.mark.parametrize("purpose", BUCKET_PURPOSES)
def test_lifecycle_is_one_that_s3_takes(purpose: str) -> None:
    for rule in bucket_properties(Settings(), purpose)["LifecycleRules"]:
        days = [move["Days"] for move in rule.get("Transitions", [])]
        assert all(day >= 30 for day in days), "STANDARD_IA takes objects of 30 days and older"
        assert all(later - earlier >= 30 for earlier, later in itertools.pairwise(days))
        expires = rule.get("Expiration", {}).get("Days")
        assert expires is None or all(expires > day for day in days)


@pytest.mark.parametrize("purpose", BUCKET_PURPOSES)
def test_incomplete_uploads_end_in_every_bucket(purpose: str) -> None:
    first = bucket_properties(Settings(), purpose)["LifecycleRules"][0]
    assert first["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7


@pytest.mark.parametrize("purpose", LOCKED)
def test_records_are_kept_for_the_years_of_the_settings_and_three_months_at_hand(purpose: str) -> None:
    rule = bucket_properties(Settings(data_retention_years=10), purpose)["LifecycleRules"][0]
    assert rule["Expiration"]["Days"] >= 10 * 365
    assert rule["Transitions"][0] == {"Days": 90, "StorageClass": "STANDARD_IA"}


READ_BY_RECONCILE_AND_REPLAY = ("raw", "curated", "quarantine")


@pytest.mark.parametrize("purpose", READ_BY_RECONCILE_AND_REPLAY)
def test_what_reconcile_and_replay_read_never_has_to_be_restored(purpose: str) -> None:
    rules = bucket_properties(Settings(), purpose)["LifecycleRules"]
    classes = {move["StorageClass"] for rule in rules for move in rule.get("Transitions", [])}
    assert classes <= {"STANDARD_IA", "GLACIER_IR"}


def test_quarantine_is_kept_as_long_as_raw_and_a_table_is_not_expired_by_age() -> None:
    settings = Settings(data_retention_years=10)
    (raw, *_), (everything, *parts) = (
        bucket_properties(settings, purpose)["LifecycleRules"] for purpose in ("raw", "quarantine")
    )
    assert {rule["Filter"]["Prefix"]: rule["Expiration"] for rule in parts} == {
        "quarantine/": raw["Expiration"],
        "corrected/": raw["Expiration"],
    }
    tables = [table.prefix for table in LAKE_TABLES if table.bucket == "quarantine"]
    assert "Expiration" not in everything
    assert tables and not [prefix for prefix in tables if prefix.startswith(("quarantine/", "corrected/"))]


def statements(purpose: str) -> dict[str, dict[str, Any]]:
    policy = bucket_policy(Settings(), purpose)
    return {statement["Sid"]: statement for statement in policy["Statement"]}


@pytest.mark.parametrize("purpose", BUCKET_PURPOSES)
def test_every_policy_denies_plain_http_on_bucket_and_objects(purpose: str) -> None:
    deny = statements(purpose)["DenyInsecureTransport"]
    arn = f"arn:aws:s3:::{Settings().bucket(purpose)}"
    assert deny["Effect"] == "Deny"
    assert deny["Action"] == "s3:*"
    assert deny["Resource"] == [arn, f"{arn}/*"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


@pytest.mark.parametrize("purpose", WITH_KEY)
def test_an_upload_that_names_no_key_takes_the_default_and_is_not_denied(purpose: str) -> None:
    found = statements(purpose)
    for sid in ("DenyOtherEncryptionButOfDigests" if purpose == "audit" else "DenyOtherEncryption", "DenyOtherKeys"):
        (header,) = found[sid]["Condition"]["StringNotEquals"]
        # Without the Null condition, an absent header "does not equal" and every default upload is refused.
        assert found[sid]["Condition"]["Null"] == {header: "false"}


def test_the_audit_bucket_takes_the_trails_digests_which_come_with_s3s_own_encryption() -> None:
    found = statements("audit")
    arn = f"arn:aws:s3:::{Settings().bucket('audit')}"
    assert found["DenyOtherEncryptionButOfDigests"]["NotResource"] == f"{arn}/AWSLogs/*/CloudTrail-Digest/*"
    by_algorithm = "s3:x-amz-server-side-encryption"
    others = [each for sid, each in found.items() if sid != "DenyOtherEncryptionButOfDigests"]
    assert not any(by_algorithm in each.get("Condition", {}).get("StringNotEquals", {}) for each in others)


def test_no_policy_allows_anything_but_deliveries_of_aws_from_this_account() -> None:
    for purpose in BUCKETS:
        for sid, statement in statements(purpose).items():
            if statement["Effect"] == "Allow":
                assert set(statement["Principal"]) == {"Service"}, sid
                conditions = json.dumps(statement["Condition"])
                assert "123456789012" in conditions, sid


def test_the_policy_stands_before_anything_logs_to_the_bucket() -> None:
    settings = Settings()
    found = resources(settings, NoClients())
    logging = [resource for resource in found if resource.properties.get("Logging")]
    assert len(logging) == len(WITH_KEY)
    for resource in logging:
        assert bucket_policy_id(settings, "access-logs") in resource.depends_on
