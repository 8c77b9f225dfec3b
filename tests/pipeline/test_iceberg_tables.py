"""The lake's tables as provisioning makes, compares, changes and takes them up."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import boto3
import pyarrow.parquet
import pytest
from pyiceberg.catalog.glue import GlueCatalog

from data_catalog.create_glue_catalog_table import iceberg_table
from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from data_catalog.transaction_contract import CURATED_FIELDS, FIRST_VERSION, fields_at, iceberg_fields
from infrastructure.aws.iceberg import NewFile, append, files_on
from infrastructure.aws.iceberg_table import IcebergTable
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws, emulator_server
from tests.pipeline.curated_runs import arrow_schema, transaction
from tests.pipeline.etl_lake import FixedClients

BUCKET = "curated-bucket"
TRANSACTIONS = LAKE_TABLES[0]


@pytest.fixture
def clients():
    with emulated_aws():
        made = FixedClients(**{name: boto3.client(name, region_name="us-east-1") for name in ("s3", "glue")})
        made("s3").create_bucket(Bucket=BUCKET)
        made("glue").create_database(DatabaseInput={"Name": "lake"})
        yield made


def resource(clients: Any, table: LakeTable = TRANSACTIONS, **changed: Any) -> IcebergTable:
    properties = iceberg_table(BUCKET, table) | changed
    return IcebergTable(part="", name=f"lake.{table.name}", clients=clients, properties=properties)


def add_file(clients: Any, made: IcebergTable, name: str, number: int, version: str | None = None) -> None:
    """Commit a file of one transaction, with the columns of a version of the contract and their field ids."""
    fields = fields_at(CURATED_FIELDS, version) if version else CURATED_FIELDS
    row = {"run_id": name, **transaction(number)}
    schema = arrow_schema(fields)
    for field in fields:
        at = schema.get_field_index(field.name)
        schema = schema.set(at, schema.field(at).with_metadata({"PARQUET:field_id": str(field.id)}))
    body = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row], schema=schema), body)
    key = TRANSACTIONS.file_key(str(row["event_date"]), name)
    clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body.getvalue())
    file = NewFile(f"s3://{BUCKET}/{key}", len(body.getvalue()), 1, row["event_date"])
    append(made._catalog.load_table(made.name), [file], name, lambda _: False)


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
def test_what_was_made_is_what_should_be(clients, table):
    made = resource(clients, table)
    assert made.read() is None
    made.create(made.properties)
    assert made.read() == made.desired({})


def test_properties_that_others_changed_are_put_right_and_their_own_are_left(clients):
    made = resource(clients)
    made.create(made.properties)
    with made._catalog.load_table(made.name).transaction() as change:
        change.set_properties({"write.metadata.previous-versions-max": "1", "owner": "somebody"})
    assert made.read() != made.desired({})
    made.update(frozenset({"Properties"}), made.properties)
    assert made.read() == made.desired({})
    assert made._catalog.load_table(made.name).properties["owner"] == "somebody"


def test_a_property_of_others_by_which_engines_act_is_taken_off(clients):
    made = resource(clients)
    made.create(made.properties)
    with made._catalog.load_table(made.name).transaction() as change:
        change.set_properties({"history.expire.max-snapshot-age-ms": "1", "write.data.path": "s3://elsewhere"})
    found = made.read()
    assert found and found["OtherProperties"] == ["history.expire.max-snapshot-age-ms", "write.data.path"]
    made.update(frozenset({"OtherProperties"}), made.desired({}))
    assert made.read() == made.desired({})


def test_a_table_that_the_catalog_lost_is_taken_up_as_its_last_commit_left_it(clients):
    made = resource(clients)
    made.create(made.properties)
    for number in range(3):
        add_file(clients, made, f"run-{number}", number)
    before = made._catalog.load_table(made.name)
    made.delete()
    made.create(made.properties)
    again = made._catalog.load_table(made.name)
    assert again.metadata_location == before.metadata_location
    assert len(list(files_on(again))) == 3


def test_a_plain_table_of_that_name_gives_way_and_keeps_its_files(clients):
    clients("s3").put_object(Bucket=BUCKET, Key="curated/transactions/event_date=2026-03-02/old.parquet", Body=b"")
    storage = {"Location": f"s3://{BUCKET}/curated/transactions/", "Columns": []}
    former = {"Name": "transactions", "TableType": "EXTERNAL_TABLE", "Parameters": {}, "StorageDescriptor": storage}
    clients("glue").create_table(DatabaseName="lake", TableInput=former)
    made = resource(clients)
    found = made.read()
    assert found is not None and found != made.desired({})
    made.update(frozenset(made.properties), made.properties)
    assert made.read() == made.desired({})
    assert clients("s3").head_object(Bucket=BUCKET, Key="curated/transactions/event_date=2026-03-02/old.parquet")


def test_a_table_of_contract_1_0_gains_the_later_fields_and_no_file_is_rewritten():
    with emulated_aws(), emulator_server() as endpoint:
        made_with = FixedClients(**{name: boto3.client(name, region_name="us-east-1") for name in ("s3", "glue")})
        made_with("s3").create_bucket(Bucket=BUCKET)
        made_with("glue").create_database(DatabaseInput={"Name": "lake"})
        former = resource(made_with, Fields=iceberg_fields(fields_at(CURATED_FIELDS, FIRST_VERSION)))
        former.create(former.properties)
        add_file(made_with, former, "before", 1, FIRST_VERSION)
        present = resource(made_with)
        present.update(frozenset({"Fields"}), present.properties)
        assert present.read() == present.desired({})
        add_file(made_with, present, "after", 2)

        options = {"access-key-id": "testing", "secret-access-key": "testing", "region": "us-east-1"}
        given = {f"{of}.{option}": value for of in ("glue", "s3") for option, value in options.items()}
        catalog = GlueCatalog("lake", **given, **{"glue.endpoint": endpoint, "s3.endpoint": endpoint})
        found = catalog.load_table(present.name).scan().to_arrow()
        assert found.column_names == [field.name for field in CURATED_FIELDS]
        schemes = {row["run_id"]: row["account_scheme"] for row in found.to_pylist()}
        assert schemes == {"before": None, "after": "BBAN"}
        assert {str(row["amount"]) for row in found.to_pylist()} == {"0.0200", "0.0300"}


def test_a_field_that_is_gone_or_has_another_type_is_refused(clients):
    made = resource(clients)
    made.create(made.properties)
    fields = made.properties["Fields"]
    for wrong in (fields[:-1], [fields[0] | {"Type": "long"}, *fields[1:]]):
        with pytest.raises(PlatformError, match="Make it a new field with an id of its own"):
            made.update(frozenset({"Fields"}), made.properties | {"Fields": wrong})


def test_files_of_a_day_are_found_without_those_of_others(clients):
    made = resource(clients)
    made.create(made.properties)
    for number in range(3):  # three event dates
        add_file(clients, made, f"run-{number}", number)
    table = made._catalog.load_table(made.name)
    assert [file.file_path.rsplit("/", 2)[1] for file in files_on(table, [date(2026, 3, 2)])] == ["2026-03-02"]
    assert list(files_on(table, [date(2025, 3, 2)])) == []
