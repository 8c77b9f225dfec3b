"""The catalog's tables: columns and field ids of the contract, over the places where the platform's objects lie."""

from __future__ import annotations

import json
import re

import pytest

from data_catalog.create_glue_catalog_table import ARRIVAL_DATE, JSON_TABLES, iceberg_table, json_table
from data_catalog.lake_layout import arrival_day
from data_catalog.lake_tables import BY_ARRIVAL_DATE, LAKE_TABLES, LakeTable
from data_catalog.transaction_contract import LANDED_FIELDS, json_columns
from data_governance.run_result import PARTITIONS, RunResult
from tests.unit.kinesis_events import TRANSACTION, encoded, process

BY_NAME = {table.name: table for table in JSON_TABLES}
RAW, CONTROL = BY_ARRIVAL_DATE


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_an_iceberg_table_has_the_contracts_fields_under_their_ids(table: LakeTable) -> None:
    fields = iceberg_table("bucket", table)["Fields"]
    assert [(each["Id"], each["Name"]) for each in fields] == [(field.id, field.name) for field in table.fields]
    assert len({each["Id"] for each in fields}) == len(fields)
    types = {each["Name"]: each["Type"] for each in fields}
    assert types.get("amount", "decimal(18, 4)") == "decimal(18, 4)"
    assert {types[name] for name in ("event_time", "arrival_time", "bucket_start") if name in types} <= {"timestamptz"}
    assert types[table.partition_column] in ("date", "timestamptz")


def test_every_kind_of_file_of_a_run_belongs_to_a_table() -> None:
    assert {table.kind for table in LAKE_TABLES} == set(PARTITIONS)
    assert set(PARTITIONS) <= RunResult.__dataclass_fields__.keys()


def test_no_two_tables_share_a_place_and_no_file_is_in_a_folder_that_readers_take_for_a_column() -> None:
    prefixes = [(table.bucket, table.prefix) for table in LAKE_TABLES]
    assert len(set(prefixes)) == len(prefixes)
    for table in LAKE_TABLES:
        key = table.file_key("2026-03-02", "run-0")
        assert key.startswith(f"{table.prefix}data/") and "=" not in key


def test_a_landed_batchs_objects_lie_where_the_tables_look() -> None:
    result = process(encoded(TRANSACTION), b"not a transaction")
    (day,) = re.findall(r"arrival_date=([\d-]+)", result.raw_key)
    for name, key in ((RAW, result.raw_key), (CONTROL, result.control_key)):
        properties = json_table("raw", BY_NAME[name])
        assert properties["PartitionKeys"] == [ARRIVAL_DATE]
        assert f"s3://raw/{key}".startswith(arrival_day(properties["StorageDescriptor"]["Location"], day))


def test_the_control_table_has_the_control_objects_fields() -> None:
    control = json.loads(process(encoded(TRANSACTION)).control)
    assert [name for name, _ in BY_NAME[CONTROL].columns] == list(control)
    fields = re.findall(r"(\w+):", dict(BY_NAME[CONTROL].columns)["landed"])
    assert fields == list(control["landed"][0])


def test_raw_has_the_landed_fields_as_text_so_that_no_reader_rounds() -> None:
    columns = json_table("raw", BY_NAME[RAW])["StorageDescriptor"]["Columns"]
    assert [(each["Name"], each["Type"]) for each in columns] == json_columns(LANDED_FIELDS)
    assert {each["Name"]: each["Type"] for each in columns}["amount"] == "string"


def test_no_table_has_a_card_number() -> None:
    named = [name for table in JSON_TABLES for name, _ in table.columns]
    named += [field.name for table in LAKE_TABLES for field in table.fields]
    assert "card_number" not in named
