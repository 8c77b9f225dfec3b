"""The lake's tables in the Glue Data Catalog: raw, control, and the Apache Iceberg tables that the Glue job commits.

    python data_catalog/create_glue_catalog_table.py        # make or mend the tables alone

Their columns are the contract's (data_catalog/transaction_contract.py). Athena, Redshift Spectrum and every engine that
reads Iceberg see the same rows in one database.

Raw and control are NDJSON, as the landing writes them: text columns, so that no reader rounds or guesses; fields that
are absent are null. Their partitions are arrival dates, which the Glue job adds as it takes objects of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data_catalog.lake_layout import RAW_CONTROL_PREFIX, RAW_TRANSACTIONS_PREFIX
from data_catalog.lake_tables import LAKE_TABLES, LakeTable
from data_catalog.transaction_contract import LANDED_FIELDS, Field, iceberg_fields, json_columns
from infrastructure.aws.glue_table import Database, Table
from infrastructure.aws.iceberg_table import IcebergTable
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import bucket_id
from infrastructure.settings import Settings

_PART = "data_catalog"

JSON_LINES: Properties = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
}
ARRIVAL_DATE = {"Name": "arrival_date", "Type": "date"}

# What every Iceberg table is written by. Commits are tried again by the platform's own code, which asks first whether
# the run is committed already. Snapshots and metadata files would otherwise grow with every run.
_WRITTEN_BY = {
    "commit.retry.num-retries": "0",
    "commit.manifest.min-count-to-merge": "20",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
    "write.parquet.compression-codec": "zstd",
    "write.py-location-provider.impl": "infrastructure.aws.iceberg_files.Locations",
}


@dataclass(frozen=True, slots=True)
class JsonTable:
    """A table over NDJSON objects of the raw bucket: its prefix, columns and their comments."""

    name: str
    prefix: str
    columns: list[tuple[str, str]]
    comments: dict[str, str]
    description: str


_TOTALS = "array<struct<currency:string,credit_debit_indicator:string,records:bigint,amount:string>>"
_CONTROL_COLUMNS = [
    ("stream_incarnation", "string"),
    ("shard_id", "string"),
    ("first_sequence_number", "string"),
    ("last_sequence_number", "string"),
    ("records", "bigint"),
    ("streamed", _TOTALS),
    ("landed", _TOTALS),
    ("quarantined", _TOTALS),
]


def _comments(fields: Iterable[Field]) -> dict[str, str]:
    return {field.name: field.comment for field in fields}


JSON_TABLES: tuple[JsonTable, ...] = (
    JsonTable(
        "raw_transactions",
        RAW_TRANSACTIONS_PREFIX,
        json_columns(LANDED_FIELDS),
        _comments(LANDED_FIELDS),
        "Transactions as landed, card numbers tokenised; may hold a record more than once",
    ),
    JsonTable("landing_control", RAW_CONTROL_PREFIX, _CONTROL_COLUMNS, {}, "Control totals of each landed batch"),
)


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The database and its tables."""
    database = Database(
        part=_PART,
        name=settings.glue_database,
        clients=clients,
        arn=settings.arn("glue", f"database/{settings.glue_database}"),
        properties={"Description": "The lake", "Tags": settings.all_tags},
    )
    return [
        database,
        *(
            Table(
                part=_PART,
                name=f"{database.name}.{table.name}",
                clients=clients,
                depends_on=(database.id,),
                properties=json_table(settings.bucket("raw"), table),
            )
            for table in JSON_TABLES
        ),
        *(
            IcebergTable(
                part=_PART,
                name=f"{database.name}.{table.name}",
                clients=clients,
                depends_on=(database.id, bucket_id(settings, table.bucket)),
                properties=iceberg_table(settings.bucket(table.bucket), table),
            )
            for table in LAKE_TABLES
        ),
    ]


def json_table(bucket: str, table: JsonTable) -> Properties:
    """A table over NDJSON; a column that the path provides is none of the objects'."""
    return {
        "Description": table.description,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": [ARRIVAL_DATE],
        "Parameters": {"EXTERNAL": "TRUE", "classification": "json"},
        "StorageDescriptor": {
            "Columns": [_column(name, type_, table.comments.get(name, "")) for name, type_ in table.columns],
            "Location": f"s3://{bucket}/{table.prefix}",
            **JSON_LINES,
        },
    }


def iceberg_table(bucket: str, table: LakeTable) -> Properties:
    """An Iceberg table with the contract's field ids."""
    return {
        "Description": table.description,
        "Location": f"s3://{bucket}/{table.prefix}",
        "Fields": iceberg_fields(table.fields),
        "PartitionBy": {"Column": table.partition_column, "Transform": table.partition_transform},
        "Properties": _WRITTEN_BY,
    }


def _column(name: str, type_: str, comment: str) -> dict[str, str]:
    return {"Name": name, "Type": type_} | ({"Comment": comment} if comment else {})


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
