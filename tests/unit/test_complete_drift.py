"""The plan knows every field that AWS answers: it compares it, or somebody has decided that it changes nothing."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from pyiceberg.table.metadata import TableMetadataV2

import infrastructure.aws
from infrastructure.aws.unread import ANSWERS
from infrastructure.aws.unread.answer import Answer
from infrastructure.aws.unread.calls import CALLS
from infrastructure.aws.unread.lake import ICEBERG_METADATA
from infrastructure.planning.resource import Resource

AWS = Path(__file__).resolve().parents[2] / "infrastructure" / "aws"
FILES = {
    "lambda": ("lambda_.py", "lambda_mapping.py"),
    "s3": ("s3.py", "s3_additions.py", "s3_notification.py"),
    "glue": ("glue.py", "glue_table.py", "glue_table_optimizer.py", "iceberg_table.py"),
    "redshift-serverless": ("redshift_serverless.py",),
}
# How a call is found to be about one bucket, function, stream, topic or warehouse.
SUBJECTS = {
    "s3": ("Bucket",),
    "lambda": ("FunctionName",),
    "kinesis": ("StreamName", "StreamARN", "ResourceARN"),
    "sns": ("TopicArn", "SubscriptionArn", "ResourceArn"),
    "redshift-serverless": ("namespaceName", "workgroupName", "resourceArn", "namespaceArn"),
}
READING = ("Get", "List", "Describe")
# These read data, code or work in progress, and no setting.
DATA = {"GetRecords", "GetShardIterator", "GetDurableExecutionHistory", "GetFunctionUrl"}
# What stands inside a warehouse is known by a tag that AWS keeps and does not interpret.
WITHOUT_ANSWER = {"Warehouse::Schema"}


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def fields(answer: Answer) -> set[str]:
    """The members of an operation's output at this path; a list stands for its elements, a map for its keys."""
    shape = model(answer.service).operation_model(answer.operation).output_shape
    for name in filter(None, answer.path.split(".")):
        shape = shape.members[name]
        if shape.type_name == "list":
            shape = shape.member
    if shape.type_name != "map":
        return set(shape.members)
    named = shape.key.metadata.get("enum") or re.findall(r"<li> *<p> *<code>(\w+)</code>", shape.documentation)
    assert named, "botocore names the keys neither in an enumeration nor in its documentation"
    return set(named)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: f"{answer.types} {answer.name}")
def test_every_field_is_compared_or_named_with_a_reason(answer: Answer) -> None:
    compared = set(answer.compared.split())
    assert compared | answer.neutral.keys() == fields(answer)
    assert compared & answer.neutral.keys() == set()
    assert all(answer.neutral.values())


def test_every_field_of_an_iceberg_tables_metadata_is_compared_or_named_with_a_reason() -> None:
    assert set(ICEBERG_METADATA) == set(TableMetadataV2.model_fields)


def test_every_type_of_resource_has_its_answers() -> None:
    for module in pkgutil.iter_modules(infrastructure.aws.__path__):
        importlib.import_module(f"infrastructure.aws.{module.name}")
    answered = {type_ for answer in ANSWERS for type_ in answer.types.split()}
    assert _types(Resource.__subclasses__()) - WITHOUT_ANSWER == answered


def _types(classes: list[type[Resource]]) -> set[str]:
    found: set[str] = set()
    for each in classes:
        found |= _types(each.__subclasses__())
        if each.__module__.startswith("infrastructure.aws.") and hasattr(each, "type"):
            found.add(each.type)
    return found


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


@pytest.mark.parametrize(
    "answer", [each for each in ANSWERS if not each.whole], ids=lambda answer: f"{answer.types} {answer.name}"
)
def test_what_is_said_to_be_compared_is_read(answer: Answer) -> None:
    assert set(answer.compared.split()) <= names_in(answer.service)


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
