"""Destroying: what goes, what is kept, what must stay until when, and a re-apply that takes it up again."""

from __future__ import annotations

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.apply import Outcome, Report
from infrastructure.settings import BUCKET_PURPOSES, KEY_PURPOSES, Settings
from tests.provisioning.account import EmulatedAccount


def names(report: Report, outcome: Outcome, type_: str) -> set[str]:
    return {result.resource.name for result in report.of(outcome) if result.resource.type == type_}


def bucket_names(account: EmulatedAccount) -> set[str]:
    return {bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]}


def take_policies_off(account: EmulatedAccount) -> None:
    """moto refuses every object call under a Deny, whatever its condition."""
    for purpose in BUCKET_PURPOSES:
        account.client("s3").delete_bucket_policy(Bucket=account.settings.bucket(purpose))


def test_data_buckets_keys_and_secret_stay_and_the_rest_goes(applied: EmulatedAccount) -> None:
    settings = applied.settings
    report = applied.destroy()
    assert report.errors == ()
    assert bucket_names(applied) == {settings.bucket(purpose) for purpose in BUCKET_PURPOSES if purpose != "artifacts"}
    assert applied.client("kinesis").list_streams()["StreamNames"] == []
    assert applied.client("lambda").list_functions()["Functions"] == []
    assert applied.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert applied.client("sqs").list_queues().get("QueueUrls", []) == []
    log_groups = applied.client("logs").describe_log_groups(logGroupNamePrefix=settings.function_log_group)
    assert log_groups["logGroups"] == []
    for purpose in KEY_PURPOSES:
        key = applied.client("kms").describe_key(KeyId=settings.key_alias(purpose))["KeyMetadata"]
        assert key["KeyState"] == "Enabled"


def test_a_kept_bucket_keeps_its_policy(applied: EmulatedAccount) -> None:
    applied.destroy()
    policy = applied.client("s3").get_bucket_policy(Bucket=applied.settings.bucket("raw"))["Policy"]
    assert "DenyInsecureTransport" in policy


def test_data_in_a_kept_bucket_is_untouched(applied: EmulatedAccount) -> None:
    s3, raw = applied.client("s3"), applied.settings.bucket("raw")
    take_policies_off(applied)
    s3.put_object(Bucket=raw, Key="raw/transactions/a", Body=b"row")
    applied.destroy()
    assert s3.get_object(Bucket=raw, Key="raw/transactions/a")["Body"].read() == b"row"


def test_an_apply_after_destroy_leaves_no_change(applied: EmulatedAccount) -> None:
    applied.destroy()
    applied.apply().raise_for_errors()
    assert applied.plan().changes == ()


def test_delete_data_empties_and_removes_the_buckets_with_all_versions(applied: EmulatedAccount) -> None:
    s3, curated = applied.client("s3"), applied.settings.bucket("curated")
    take_policies_off(applied)
    for body in (b"first", b"second"):
        s3.put_object(Bucket=curated, Key="curated/transactions/a", Body=body)
    s3.delete_object(Bucket=curated, Key="curated/transactions/a")
    s3.create_multipart_upload(Bucket=curated, Key="half")
    report = applied.destroy(delete_data=True)
    assert report.errors == ()
    assert bucket_names(applied) == set()


def test_keys_and_secret_wait_for_their_deletion_and_say_until_when(applied: EmulatedAccount) -> None:
    report = applied.destroy(delete_data=True)
    kept = report.of(Outcome.DELETION_PENDING)
    assert {result.resource.type for result in kept} == {"AWS::KMS::Key", "AWS::SecretsManager::Secret"}
    secret = applied.client("secretsmanager").describe_secret(SecretId=applied.settings.tokenization_secret_name)
    note = next(result.note for result in kept if result.resource.type == "AWS::SecretsManager::Secret")
    assert f"{secret['DeletedDate']:%Y-%m-%d}" in note


def test_an_apply_takes_waiting_keys_and_secret_up_again(applied: EmulatedAccount) -> None:
    secrets, settings = applied.client("secretsmanager"), applied.settings
    before = secrets.get_secret_value(SecretId=settings.tokenization_secret_name)["SecretString"]
    applied.destroy(delete_data=True)
    applied.apply().raise_for_errors()
    assert applied.plan().changes == ()
    assert secrets.get_secret_value(SecretId=settings.tokenization_secret_name)["SecretString"] == before
    keys = applied.client("kms").list_keys()["Keys"]
    assert len(keys) == len(KEY_PURPOSES)
    for key in keys:
        metadata = applied.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        assert metadata["KeyState"] == "Enabled"


def test_locked_objects_stay_with_their_bucket_and_key_until_their_day(applied: EmulatedAccount) -> None:
    s3, settings = applied.client("s3"), applied.settings
    take_policies_off(applied)
    raw = settings.bucket("raw")
    s3.put_object(Bucket=raw, Key="raw/transactions/a", Body=b"row")
    until = s3.head_object(Bucket=raw, Key="raw/transactions/a")["ObjectLockRetainUntilDate"]
    report = applied.destroy(delete_data=True)
    assert report.errors == ()
    note = next(result.note for result in report.of(Outcome.DELETION_PENDING) if result.resource.name == raw)
    assert "1 object version" in note
    assert f"{until:%Y-%m-%d}" in note
    # Its key and the bucket that it logs to stay too. Each says why, and until when.
    bound = {result.resource.name: result.note for result in report.of(Outcome.KEPT)}
    assert bound["banking-data-dev-data"] == f"needed by {raw} until {until:%Y-%m-%d}"
    assert bound[settings.bucket("access-logs")] == bound["banking-data-dev-data"]
    assert settings.bucket("access-logs") in bucket_names(applied)
    key = applied.client("kms").describe_key(KeyId=_data_key(applied))["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    assert s3.get_object(Bucket=raw, Key="raw/transactions/a")["Body"].read() == b"row"


def _data_key(account: EmulatedAccount) -> str:
    encryption = account.client("s3").get_bucket_encryption(Bucket=account.settings.bucket("raw"))
    rule = encryption["ServerSideEncryptionConfiguration"]["Rules"][0]
    key: str = rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    return key


def test_a_bucket_that_has_to_stay_keeps_its_policy(applied: EmulatedAccount) -> None:
    s3, raw = applied.client("s3"), applied.settings.bucket("raw")
    policy = s3.get_bucket_policy(Bucket=raw)["Policy"]
    s3.delete_bucket_policy(Bucket=raw)  # moto would refuse the object
    s3.put_object(Bucket=raw, Key="raw/transactions/a", Body=b"row")
    s3.put_bucket_policy(Bucket=raw, Policy=policy)

    report = applied.destroy(delete_data=True)

    assert report.errors == ()
    assert s3.get_bucket_policy(Bucket=raw)["Policy"] == policy
    stays = names(report, Outcome.KEPT, "AWS::S3::BucketPolicy")
    assert stays == {raw, applied.settings.bucket("access-logs")}
    gone = names(report, Outcome.DONE, "AWS::S3::BucketPolicy")
    assert gone == {applied.settings.bucket(purpose) for purpose in BUCKET_PURPOSES} - stays


def test_on_aws_no_policy_is_taken_off_a_bucket_that_is_emptied(settings: Settings) -> None:
    with emulated_aws():
        account = EmulatedAccount(settings, emulated=False)
        bucket = next(each for each in account.resources() if each.name == settings.bucket("raw"))
        account.client("s3").create_bucket(
            Bucket=bucket.name, CreateBucketConfiguration={"LocationConstraint": settings.region}
        )
        assert bucket.delete() is None
        assert account.calls.mutating == ["s3.CreateBucket", "s3.DeleteBucket"]


def test_a_legal_hold_is_told_apart_from_retention(applied: EmulatedAccount) -> None:
    s3, curated = applied.client("s3"), applied.settings.bucket("curated")
    take_policies_off(applied)
    s3.put_object_lock_configuration(Bucket=curated, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"})
    s3.put_object(Bucket=curated, Key="a", Body=b"row", ObjectLockLegalHoldStatus="ON")
    report = applied.destroy(delete_data=True)
    note = next(result.note for result in report.of(Outcome.DELETION_PENDING) if result.resource.name == curated)
    assert "until the hold is lifted" in note


def test_a_bucket_that_is_written_to_meanwhile_is_left_for_another_destroy(applied: EmulatedAccount) -> None:
    logs = applied.settings.bucket("access-logs")

    def deliver(params: dict[str, str], **_: object) -> None:
        if params["Bucket"] == logs:
            applied.client("s3").put_object(Bucket=logs, Key="raw/late", Body=b"log")

    take_policies_off(applied)
    events = applied.client("s3").meta.events
    events.register("before-parameter-build.s3.DeleteBucket", deliver)
    report = applied.destroy(delete_data=True)
    assert report.errors == ()
    note = next(result.note for result in report.of(Outcome.DELETION_PENDING) if result.resource.name == logs)
    assert "destroy again in a few hours" in note
    events.unregister("before-parameter-build.s3.DeleteBucket", deliver)
    applied.destroy(delete_data=True)
    assert bucket_names(applied) == set()


def test_a_second_destroy_is_quiet(applied: EmulatedAccount) -> None:
    applied.destroy()
    applied.calls.clear()
    report = applied.destroy()
    assert applied.calls.mutating == []
    assert report.errors == ()


def test_a_part_is_destroyed_alone(applied: EmulatedAccount) -> None:
    applied.destroy(only=["data_ingestion"])
    assert applied.client("kinesis").list_streams()["StreamNames"] == []
    assert len(bucket_names(applied)) == len(BUCKET_PURPOSES)
