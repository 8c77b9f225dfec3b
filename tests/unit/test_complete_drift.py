"""The plan knows every field that AWS answers: it compares it, or somebody has decided that it changes nothing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from infrastructure.aws.unread import CALLS, COMPARED, NEUTRAL

AWS = Path(__file__).resolve().parents[2] / "infrastructure" / "aws"
FILES = {"lambda": ("lambda_.py",), "s3": ("s3.py", "s3_additions.py")}
# How a call is found to be about one bucket, function or stream.
SUBJECTS = {"s3": ("Bucket",), "lambda": ("FunctionName",), "kinesis": ("StreamName", "StreamARN", "ResourceARN")}
READING = ("Get", "List", "Describe")
# These read data, code or work in progress, and no setting.
DATA = {"GetRecords", "GetShardIterator", "GetDurableExecutionHistory", "GetFunctionUrl"}


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def fields(service: str, operation: str, path: str) -> set[str]:
    """The members of an operation's output at this path; a list stands for its elements."""
    shape = model(service).operation_model(operation).output_shape
    for name in filter(None, path.split(".")):
        shape = shape.members[name]
        if shape.type_name == "list":
            shape = shape.member
    return set(shape.members)


@pytest.mark.parametrize("answer", COMPARED, ids=".".join)
def test_every_field_is_compared_or_named_with_a_reason(answer: tuple[str, str, str]) -> None:
    compared, neutral = set(COMPARED[answer].split()), NEUTRAL[answer]
    assert compared | neutral.keys() == fields(*answer)
    assert compared & neutral.keys() == set()
    assert all(neutral.values())


@cache
def names_in(service: str) -> set[str]:
    """Every text in the files of a service."""
    found: set[str] = set()
    for file in FILES.get(service, (f"{service}.py",)):
        tree = ast.parse((AWS / file).read_text(encoding="utf-8"))
        found |= {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
    return found


@pytest.mark.parametrize("answer", COMPARED, ids=".".join)
def test_what_is_said_to_be_compared_is_read(answer: tuple[str, str, str]) -> None:
    service, operation, _ = answer
    whole = {"GetBucketLogging"}  # compared as it is answered
    assert operation in whole or set(COMPARED[answer].split()) <= names_in(service)


@pytest.mark.parametrize("service", CALLS)
def test_every_call_that_tells_of_a_setting_is_made_or_named_with_a_reason(service: str) -> None:
    def is_about_one(operation: str) -> bool:
        shape = model(service).operation_model(operation).input_shape
        return shape is not None and any(name in shape.members for name in SUBJECTS[service])

    asked = {
        name
        for name in model(service).operation_names
        if name.startswith(READING) and is_about_one(name) and name not in DATA
    }
    if service == "s3":  # the others read objects
        asked = {name for name in asked if name.startswith(("GetBucket", "ListBucket"))}
    assert set(CALLS[service]) == asked


@pytest.mark.parametrize("service", CALLS)
def test_the_calls_that_are_said_to_be_made_are_in_the_code(service: str) -> None:
    text = "".join((AWS / file).read_text(encoding="utf-8") for file in FILES.get(service, (f"{service}.py",)))
    made = [name for name, reason in CALLS[service].items() if not reason]
    assert [name for name in made if _snake(name) not in text] == []


def _snake(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")


def test_every_queue_attribute_is_compared_or_a_measure() -> None:
    known = set(model("sqs").shape_for("QueueAttributeName").metadata["enum"])
    compared = {
        "DelaySeconds",
        "KmsDataKeyReusePeriodSeconds",
        "KmsMasterKeyId",
        "MaximumMessageSize",
        "MessageRetentionPeriod",
        "Policy",
        "QueueArn",
        "RedrivePolicy",
        "VisibilityTimeout",
    }
    neutral = {
        "All",
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
        "CreatedTimestamp",
        "LastModifiedTimestamp",
        "ReceiveMessageWaitTimeSeconds",  # how long a reader waits
        "RedriveAllowPolicy",  # who may use it as their dead-letter queue; its own policy decides who may send
        "SqsManagedSseEnabled",  # the customer key, which is compared, excludes it
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoQueue",
        "FifoThroughputLimit",
    }
    assert compared | neutral == known
    assert compared <= names_in("sqs")
