"""The catalog's tables: columns of the contract, and paths that the platform's own objects lie on."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from typing import Any

import pytest

from data_catalog.create_glue_catalog_table import TABLES, TableSpec, partitioned_table, whole_table
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    EVENT_TIME_AHEAD_SECONDS,
    FRAUD_ALERT_FIELDS,
    LANDED_FIELDS,
    QUARANTINE_FIELDS,
    json_columns,
    typed_columns,
)
from infrastructure.settings import Settings
from tests.unit.kinesis_events import TRANSACTION, encoded, process

SETTINGS = Settings()
BY_NAME = {spec.name: spec for spec in TABLES}
CONTRACT = {
    "raw_transactions": json_columns(LANDED_FIELDS),
    "quarantine": json_columns(QUARANTINE_FIELDS),
    "transactions": typed_columns(CURATED_FIELDS),
    "fraud_alerts": typed_columns(FRAUD_ALERT_FIELDS),
}


def columns(properties: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["Name"], column["Type"]) for column in properties["StorageDescriptor"]["Columns"]]


def path_pattern(properties: dict[str, Any]) -> re.Pattern[str]:
    """The projection's location template as a pattern that objects must match."""
    parameters = properties["Parameters"]
    forms = {"date": r"(?P<{}>\d{{4}}-\d\d-\d\d)", "integer": r"(?P<{}>\d\d)", "enum": r"(?P<{}>[a-z]+)"}
    pattern = re.escape(parameters["storage.location.template"])
    for key in properties["PartitionKeys"]:
        form = forms[parameters[f"projection.{key['Name']}.type"]].format(key["Name"])
        pattern = pattern.replace(re.escape(f"${{{key['Name']}}}"), form)
    return re.compile(pattern + r"[^/]+")


@pytest.mark.parametrize("name", CONTRACT)
def test_the_spectrum_table_has_the_contracts_columns_and_no_partition(name: str) -> None:
    properties = whole_table(SETTINGS, BY_NAME[name])
    assert columns(properties) == CONTRACT[name]
    assert properties["PartitionKeys"] == []


@pytest.mark.parametrize("name", CONTRACT)
def test_athenas_table_has_the_contracts_columns_those_of_the_path_as_partitions(name: str) -> None:
    properties = partitioned_table(SETTINGS, BY_NAME[name])
    in_path = [key["Name"] for key in properties["PartitionKeys"]]
    assert columns(properties) == [column for column in CONTRACT[name] if column[0] not in in_path]
    in_file = {name for name, _ in columns(properties)}
    assert not in_file & set(in_path)
    assert {name for name, _ in CONTRACT[name]} <= in_file | set(in_path)


@pytest.mark.parametrize("spec", TABLES, ids=lambda spec: spec.name)
def test_every_partition_is_projected_and_stands_in_the_path(spec: TableSpec) -> None:
    properties = partitioned_table(SETTINGS, spec)
    parameters = properties["Parameters"]
    assert parameters["projection.enabled"] == "true"
    for key in properties["PartitionKeys"]:
        assert f"projection.{key['Name']}.type" in parameters
        assert f"/{key['Name']}=${{{key['Name']}}}/" in parameters["storage.location.template"]


@pytest.mark.parametrize(
    ("name", "bucket", "key", "partitions"),
    [
        (
            "raw_transactions",
            "raw",
            "raw/transactions/arrival_date=2026-11-23/arrival_hour=07/20261123T125500Z-shardId-000000000000-1-2.ndjson.gz",
            {"arrival_date": "2026-11-23", "arrival_hour": "07"},
        ),
        (
            "landing_control",
            "raw",
            "raw/control/arrival_date=2026-11-23/20261123T125500Z-shardId-000000000000-1-2.json",
            {"arrival_date": "2026-11-23"},
        ),
        (
            "quarantine",
            "quarantine",
            "quarantine/stage=landing/arrival_date=2026-11-23/20261123T125500Z-shardId-000000000000-1-2.ndjson.gz",
            {"stage": "landing", "arrival_date": "2026-11-23"},
        ),
        (
            "quarantine",
            "quarantine",
            "quarantine/stage=etl/arrival_date=2026-11-23/0123456789abcdef-00000.ndjson.gz",
            {"stage": "etl", "arrival_date": "2026-11-23"},
        ),
        (
            "transactions",
            "curated",
            "curated/transactions/event_date=1970-01-01/0123456789abcdef-00000.parquet",
            {"event_date": "1970-01-01"},
        ),
        (
            "fraud_alerts",
            "curated",
            "curated/fraud_alerts/event_date=2026-11-23/0123456789abcdef-00000.parquet",
            {"event_date": "2026-11-23"},
        ),
    ],
)
def test_the_platforms_objects_lie_where_the_projection_looks(
    name: str, bucket: str, key: str, partitions: dict[str, str]
) -> None:
    properties = partitioned_table(SETTINGS, BY_NAME[name])
    found = path_pattern(properties).fullmatch(f"s3://{SETTINGS.bucket(bucket)}/{key}")
    assert found and found.groupdict() == partitions
    # ... and in its ranges.
    for partition, value in partitions.items():
        type_ = properties["Parameters"][f"projection.{partition}.type"]
        if type_ == "enum":
            assert value in properties["Parameters"][f"projection.{partition}.values"].split(",")
            continue
        first, last = properties["Parameters"][f"projection.{partition}.range"].split(",")
        if type_ == "integer":
            assert int(first) <= int(value) <= int(last)
        else:
            assert date.fromisoformat(first) <= date.fromisoformat(value)
            assert last == "NOW+2DAYS"


def test_a_landed_batchs_objects_lie_where_the_tables_look() -> None:
    result = process(encoded(TRANSACTION), b"not a transaction")
    for name, bucket, key in (
        ("raw_transactions", "raw", result.raw_key),
        ("landing_control", "raw", result.control_key),
        ("quarantine", "quarantine", result.quarantine_key),
    ):
        pattern = path_pattern(partitioned_table(SETTINGS, BY_NAME[name]))
        assert pattern.fullmatch(f"s3://{SETTINGS.bucket(bucket)}/{key}"), key


def test_the_control_table_has_the_control_objects_fields() -> None:
    control = json.loads(process(encoded(TRANSACTION)).control)
    assert [name for name, _ in BY_NAME["landing_control"].columns] == list(control)
    fields = re.findall(r"(\w+):", dict(BY_NAME["landing_control"].columns)["landed"])
    assert fields == list(control["landed"][0])


def test_an_event_a_day_ahead_of_its_arrival_is_within_the_projection() -> None:
    parameters = partitioned_table(SETTINGS, BY_NAME["transactions"])["Parameters"]
    (days,) = re.findall(r"NOW\+(\d)DAYS", parameters["projection.event_date.range"])
    assert timedelta(days=int(days)) > timedelta(seconds=EVENT_TIME_AHEAD_SECONDS)


def test_amounts_are_decimal_in_typed_tables_and_text_in_json_tables() -> None:
    assert dict(columns(whole_table(SETTINGS, BY_NAME["transactions"])))["amount"] == "decimal(18,4)"
    assert dict(columns(whole_table(SETTINGS, BY_NAME["raw_transactions"])))["amount"] == "string"


def test_no_table_has_a_card_number() -> None:
    assert not any(name == "card_number" for spec in TABLES for name, _ in spec.columns)
