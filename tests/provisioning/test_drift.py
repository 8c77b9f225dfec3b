"""Drift made by hand: what differs is mended, and nothing else is touched; governance/test_mutations.py has a table."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infrastructure.local.emulator import emulated_aws
from infrastructure.planning.plan import Action
from infrastructure.settings import Settings
from tests.provisioning.account import CORE, EmulatedAccount


def raw(account: EmulatedAccount) -> str:
    return account.settings.bucket("raw")


def stream(account: EmulatedAccount) -> str:
    return account.settings.stream_name


def mapping_uuid(account: EmulatedAccount) -> str:
    found = account.client("lambda").list_event_source_mappings(FunctionName=account.settings.function_name)
    uuid: str = found["EventSourceMappings"][0]["UUID"]
    return uuid


@pytest.fixture(scope="module")
def standing() -> Iterator[EmulatedAccount]:
    """One account for all of these tests; each of them ends with everything as it should be."""
    with emulated_aws():
        account = EmulatedAccount(Settings(region="eu-central-1", lambda_reserved_concurrency=50), parts=CORE)
        account.apply().raise_for_errors()
        yield account


def test_drift_of_one_property_is_the_only_change(standing: EmulatedAccount) -> None:
    standing.client("kinesis").add_tags_to_stream(StreamName=stream(standing), Tags={"Environment": "prod"})
    plan = standing.plan()
    assert [(step.resource.name, step.action, len(step.differences)) for step in plan.changes] == [
        (stream(standing), Action.UPDATE, 1)
    ]
    standing.calls.clear()
    standing.apply()
    assert standing.calls.mutating == ["kinesis.AddTagsToStream"]


def test_tags_that_others_set_stay(standing: EmulatedAccount) -> None:
    s3 = standing.client("s3")
    tags = s3.get_bucket_tagging(Bucket=raw(standing))["TagSet"]
    s3.put_bucket_tagging(Bucket=raw(standing), Tagging={"TagSet": [*tags[1:], {"Key": "CostCenter", "Value": "42"}]})
    standing.apply().raise_for_errors()
    after = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=raw(standing))["TagSet"]}
    assert after["CostCenter"] == "42"
    assert standing.settings.all_tags.items() <= after.items()


def test_what_was_removed_by_hand_is_made_again(standing: EmulatedAccount) -> None:
    standing.client("lambda").delete_event_source_mapping(UUID=mapping_uuid(standing))
    standing.client("lambda").delete_function(FunctionName=standing.settings.function_name)
    assert {step.action for step in standing.plan().changes} == {Action.CREATE}
    standing.apply().raise_for_errors()
    assert standing.plan().changes == ()


def test_another_smallest_size_of_what_moves_is_drift(applied: EmulatedAccount) -> None:
    """The emulator has one size only, so its answer is changed on its way."""
    sizes = {raw(applied): "varies_by_storage_class"}

    def answer(parsed: dict[str, Any], http_response: Any, **_: Any) -> None:
        for bucket, size in sizes.items():
            if bucket in http_response.url:
                parsed["TransitionDefaultMinimumObjectSize"] = size

    def put(params: dict[str, Any], **_: Any) -> None:
        sizes[params["Bucket"]] = params["TransitionDefaultMinimumObjectSize"]

    events = applied.clients("s3").meta.events
    events.register("after-call.s3.GetBucketLifecycleConfiguration", answer)
    events.register("provide-client-params.s3.PutBucketLifecycleConfiguration", put)
    (step,) = applied.plan().changes
    (difference,) = step.differences
    assert difference.path == "TransitionDefaultMinimumObjectSize"
    assert (difference.old, difference.new) == ("varies_by_storage_class", "all_storage_classes_128K")
    applied.apply().raise_for_errors()
    assert sizes == {raw(applied): "all_storage_classes_128K"}


def test_a_rule_that_ends_on_a_date_is_drift_and_no_crash(applied: EmulatedAccount) -> None:
    moved = {"Date": datetime(2030, 1, 1, tzinfo=UTC), "StorageClass": "GLACIER"}
    rule = {"ID": "others", "Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [moved]}
    applied.client("s3").put_bucket_lifecycle_configuration(
        Bucket=raw(applied), LifecycleConfiguration={"Rules": [rule]}
    )
    assert [step.resource.name for step in applied.plan().changes] == [raw(applied)]
