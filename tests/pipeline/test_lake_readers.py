"""Whoever reads the lake's tables finds the same rows: through Iceberg, and in a table's folder of files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import duckdb_extension_avro
import duckdb_extension_iceberg
import pandas
import pyarrow.dataset
import pyarrow.parquet
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from data_catalog.lake_tables import LAKE_TABLES
from data_catalog.transaction_contract import CURATED_FIELDS, FRAUD_ALERT_FIELDS, typed_columns
from infrastructure.aws.iceberg import files_on
from infrastructure.local.emulator import emulated_aws, emulator_server
from tests.pipeline.curated_runs import arrow_schema
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row

_ARROW = {
    "string": pyarrow.string(),
    "decimal(18,4)": pyarrow.decimal128(18, 4),
    "timestamp": pyarrow.timestamp("us", "UTC"),
    "date": pyarrow.date32(),
    "bigint": pyarrow.int64(),
}
BY_NAME = {table.name: table for table in LAKE_TABLES}
# What each table holds of the two runs below.
HELD = {
    "transactions": 4,
    "transaction_ids": 5,
    "pending_transactions": 1,
    "fraud_alerts": 1,
    "fraud_alert_evidence": 1,
    "token_links": 1,
    "sightings": 2,  # of one account, in a month and the month before
    "quarantine": 2,
}


@pytest.fixture(scope="module")
def written(spark, tmp_path_factory) -> Iterator[tuple[EmulatedLake, str, Path]]:
    """A lake after two runs, the endpoint of its account, and a folder of its buckets' files."""
    with emulated_aws(), emulator_server() as endpoint:
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
        card = {"card_token": "2_t", "former_card_token": "1_t", "card_last4": "4242"}
        lake.land([row(5, **card), row(6, status="PENDING"), row(7, event_time="2026-02-28T00:00:00Z")], 5, 7)
        lake.run()
        directory = tmp_path_factory.mktemp("lake")
        for bucket in (BUCKETS.curated, BUCKETS.quarantine):
            for key in lake.keys(bucket):
                (directory / bucket / key).parent.mkdir(parents=True, exist_ok=True)
                (directory / bucket / key).write_bytes(lake.body(bucket, key))
        yield lake, endpoint, directory


def folder(directory: Path, name: str) -> Path:
    return directory / BUCKETS.of(BY_NAME[name].bucket) / BY_NAME[name].prefix


def rows_of(table: pyarrow.Table) -> list[dict[str, object]]:
    zoned = [
        table.column(field.name).cast(pyarrow.timestamp("us", "UTC"))
        if pyarrow.types.is_timestamp(field.type)
        else table.column(field.name)
        for field in table.schema
    ]
    same = pyarrow.table(zoned, names=table.column_names)  # a time's zone has another name in each library
    return sorted(same.drop_columns(["run_id"]).to_pylist(), key=repr)


@pytest.mark.parametrize("name", BY_NAME)
def test_pyiceberg_reads_what_the_runs_committed(written, name):
    lake, endpoint, _ = written
    options = {"access-key-id": "testing", "secret-access-key": "testing", "region": "us-east-1"}
    given = {f"{of}.{option}": value for of in ("glue", "s3") for option, value in options.items()}
    catalog = GlueCatalog("lake", **given, **{"glue.endpoint": endpoint, "s3.endpoint": endpoint})
    found = catalog.load_table(("lake", name)).scan().to_arrow()
    assert found.num_rows == HELD[name]
    assert rows_of(found) == lake.table(name)


@pytest.mark.parametrize("name", BY_NAME)
def test_duckdb_reads_the_same_in_a_folder_that_was_moved(written, name):
    lake, _, directory = written
    with duckdb.connect() as connection:
        for extension in (duckdb_extension_avro, duckdb_extension_iceberg):
            (file,) = Path(extension.__file__).parent.glob("extensions/*/*.duckdb_extension")
            connection.execute(f"LOAD '{file}'")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET unsafe_enable_version_guessing = true")
        scan = f"iceberg_scan('{folder(directory, name)}', allow_moved_paths = true)"
        found = connection.execute(f"SELECT * FROM {scan}").to_arrow_table()
        assert found.num_rows == HELD[name]
        assert rows_of(found) == lake.table(name)
        first = lake.catalog.table(name).metadata.snapshots[0].snapshot_id
        before = connection.execute(f"SELECT * FROM {scan[:-1]}, snapshot_from_id = {first})").fetchall()
        assert len(before) == sum(file.record_count for file in files_on(lake.catalog.table(name), None, first))


@pytest.mark.parametrize("name", BY_NAME)
def test_pandas_and_pyarrow_read_a_tables_folder(written, name):
    lake, _, directory = written
    table = folder(directory, name)
    expected = lake.table(name)
    assert rows_of(pyarrow.parquet.read_table(table)) == expected
    assert rows_of(pyarrow.dataset.dataset(table, format="parquet", partitioning="hive").to_table()) == expected
    assert len(pandas.read_parquet(table)) == HELD[name]


@pytest.mark.parametrize("name", BY_NAME)
def test_files_have_the_contracts_columns_in_order_with_their_field_ids(written, name):
    _, _, directory = written
    fields = BY_NAME[name].fields
    files = sorted(folder(directory, name).glob("data/**/*.parquet"))
    assert files
    for file in files:
        schema = pyarrow.parquet.read_schema(io.BytesIO(file.read_bytes()))
        assert [(one.name, one.type) for one in schema] == [
            (column, _ARROW[type_]) for column, type_ in typed_columns(fields)
        ]
        ids = [int(one.metadata[b"PARQUET:field_id"]) for one in schema]
        assert ids == [field.id for field in fields]


def test_raw_and_control_objects_are_found_by_their_arrival_dates(written):
    lake, *_ = written
    for name, prefix in (("raw_transactions", "raw/transactions/"), ("landing_control", "raw/control/")):
        (partition,) = lake.glue.get_partitions(DatabaseName="lake", TableName=name)["Partitions"]
        assert partition["Values"] == ["2026-03-02"]
        assert partition["StorageDescriptor"]["Location"] == f"s3://{BUCKETS.raw}/{prefix}arrival_date=2026-03-02/"


def test_the_runs_that_the_loaders_tests_write_have_the_same_columns(written):
    _, _, directory = written
    for name, fields in (("transactions", CURATED_FIELDS), ("fraud_alerts", FRAUD_ALERT_FIELDS)):
        for file in folder(directory, name).glob("data/**/*.parquet"):
            schema = pyarrow.parquet.read_schema(file)
            assert [(one.name, one.type) for one in schema] == [(one.name, one.type) for one in arrow_schema(fields)]
