"""A run's published files, read by the catalog's tables: columns by name and type, partitions from the path."""

from __future__ import annotations

import io
import re

import duckdb
import pyarrow.parquet
import pytest

from data_catalog.create_glue_catalog_table import TABLES, partitioned_table, whole_table
from data_catalog.transaction_contract import CURATED_FIELDS, FRAUD_ALERT_FIELDS
from infrastructure.local.emulator import emulated_aws
from infrastructure.settings import Settings
from tests.pipeline.curated_runs import arrow_schema
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row

SETTINGS = Settings()
SPECS = {spec.name: spec for spec in TABLES}
_BUCKETS = {"curated": BUCKETS.curated, "quarantine": BUCKETS.quarantine}
_ARROW = {
    "string": pyarrow.string(),
    "decimal(18,4)": pyarrow.decimal128(18, 4),
    "timestamp": pyarrow.timestamp("us", "UTC"),
    "date": pyarrow.date32(),
    "bigint": pyarrow.int64(),
}
_DUCKDB = {
    "string": "VARCHAR",
    "decimal(18,4)": "DECIMAL(18,4)",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "date": "DATE",
    "bigint": "BIGINT",
}


@pytest.fixture(scope="module")
def published(spark, tmp_path_factory):
    """A run with two event dates, alerts and quarantine: a directory of its buckets' files."""
    with emulated_aws():
        lake = EmulatedLake(spark, tmp_path_factory.mktemp("staging"))
        lake.land(
            [
                row(1, merchant_name="Bäckerei", amount="20000.00"),
                row(2, event_time="2026-03-01T23:59:59.999999Z", amount="100", currency="JPY"),
                row(3, currency="XXX"),
                row(4, arrival_time="0001-01-01T00:00:00Z"),
            ],
            1,
            4,
        )
        lake.run()
        directory = tmp_path_factory.mktemp("lake")
        for bucket in _BUCKETS.values():
            for key in lake.keys(bucket):
                (directory / bucket / key).parent.mkdir(parents=True, exist_ok=True)
                (directory / bucket / key).write_bytes(lake.body(bucket, key))
        return directory


def files(published, name):
    """The files of a table, as the catalog's location names them: below its bucket and prefix."""
    spec = SPECS[name]
    found = sorted(file for file in (published / _BUCKETS[spec.bucket] / spec.prefix).rglob("*") if file.is_file())
    assert found
    return found


def columns(table):
    return [(column["Name"], column["Type"]) for column in table["StorageDescriptor"]["Columns"]]


def partitions(published, name, file):
    """The partition values in a file's path, found by the template of the table's projection."""
    spec, table = SPECS[name], partitioned_table(SETTINGS, SPECS[name])
    pattern = re.escape(table["Parameters"]["storage.location.template"])
    for key in table["PartitionKeys"]:
        pattern = pattern.replace(re.escape(f"${{{key['Name']}}}"), f"(?P<{key['Name']}>[^/]+)")
    key = file.relative_to(published / _BUCKETS[spec.bucket]).as_posix()
    found = re.fullmatch(pattern + "[^/]+", f"s3://{SETTINGS.bucket(spec.bucket)}/{key}")
    assert found, f"{key} is where the table does not look"
    return found.groupdict()


@pytest.mark.parametrize("name", ["transactions", "fraud_alerts"])
def test_parquet_has_the_tables_columns_in_order_and_type(published, name):
    declared = columns(whole_table(SETTINGS, SPECS[name]))
    for file in files(published, name):
        schema = pyarrow.parquet.read_schema(io.BytesIO(file.read_bytes()))
        assert [(field.name, field.type) for field in schema] == [(name, _ARROW[type_]) for name, type_ in declared]
        found = duckdb.read_parquet(str(file), hive_partitioning=False)
        assert [(column, str(type_)) for column, type_ in zip(found.columns, found.types, strict=True)] == [
            (column, _DUCKDB[type_]) for column, type_ in declared
        ]


@pytest.mark.parametrize("name", ["transactions", "fraud_alerts"])
def test_athenas_table_is_the_files_columns_with_its_partition_from_the_path(published, name):
    table = partitioned_table(SETTINGS, SPECS[name])
    (key,) = table["PartitionKeys"]
    for file in files(published, name):
        values = partitions(published, name, file)
        rows = pyarrow.parquet.read_table(file, partitioning=None)
        assert [*dict(columns(table)), key["Name"]] == [
            *(column for column in rows.column_names if column != key["Name"]), key["Name"],
        ]  # fmt: skip
        assert {str(value) for value in rows[key["Name"]].to_pylist()} == {values[key["Name"]]}, "inside as in the path"


def test_quarantine_lines_have_the_tables_columns_and_lie_under_their_partitions(published):
    table = partitioned_table(SETTINGS, SPECS["quarantine"])
    declared = {name: _DUCKDB[type_] for name, type_ in columns(table)}
    seen = 0
    for file in files(published, "quarantine"):
        values = partitions(published, "quarantine", file)
        assert values["stage"] == "etl"
        given = duckdb.read_json(str(file), format="newline_delimited", hive_partitioning=False)
        assert set(given.columns) <= declared.keys() | values.keys()
        read = duckdb.read_json(str(file), columns=declared, format="newline_delimited", hive_partitioning=False)
        for row_ in read.fetchall():
            fields = dict(zip(read.columns, row_, strict=True))
            assert fields["arrival_time"].startswith(values["arrival_date"])
            assert fields["reason"] in ("invalid_currency", "invalid_value")
            seen += 1
    assert seen == 2


def test_the_runs_that_the_loaders_tests_write_have_the_same_columns(published):
    for name, fields in (("transactions", CURATED_FIELDS), ("fraud_alerts", FRAUD_ALERT_FIELDS)):
        for file in files(published, name):
            schema = pyarrow.parquet.read_schema(file)
            assert [(one.name, one.type) for one in schema] == [(one.name, one.type) for one in arrow_schema(fields)]
