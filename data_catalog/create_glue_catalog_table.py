"""The lake's tables in the Glue Data Catalog: raw, control, quarantine, curated and fraud alerts.

    python data_catalog/create_glue_catalog_table.py        # make or mend the tables alone

Their columns are the contract's (data_catalog/transaction_contract.py). Tables over NDJSON have text columns, so that
no reader rounds or guesses; tables over Parquet have typed ones. Fields that are absent from the JSON are null.

There are two databases over the same files, because the two engines treat partitions differently:
- Athena's database uses partition projection: Athena computes the partitions from the path, so new days and hours need
  no crawler and no ALTER TABLE.
- Redshift Spectrum knows no projection and would find no partitions at all. Its database has the same tables without
  partitions: Spectrum reads every file below the location. event_date is a column of the curated files too, so that
  Parquet's row group statistics can prune by it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from data_catalog.lake_layout import (
    CURATED_FRAUD_ALERT_EVIDENCE_PREFIX,
    CURATED_FRAUD_ALERTS_PREFIX,
    CURATED_PENDING_TRANSACTIONS_PREFIX,
    CURATED_TRANSACTIONS_PREFIX,
    DAYS_AHEAD,
    EARLIEST_ARRIVAL,
    QUARANTINE_PREFIX,
    RAW_CONTROL_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
)
from data_catalog.transaction_contract import (
    CURATED_FIELDS,
    EARLIEST_EVENT_YEAR,
    FRAUD_ALERT_EVIDENCE_FIELDS,
    FRAUD_ALERT_FIELDS,
    LANDED_FIELDS,
    QUARANTINE_FIELDS,
    Field,
    json_columns,
    typed_columns,
)
from infrastructure.aws.glue import Database, Table
from infrastructure.planning.resource import Clients, Properties, Resource
from infrastructure.references import spectrum_database
from infrastructure.settings import Settings

_PART = "data_catalog"

_TEXT = "org.apache.hadoop.mapred.TextInputFormat"
_TEXT_OUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
_PARQUET_OUT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
FORMATS: dict[str, Properties] = {
    "json": {
        "InputFormat": _TEXT,
        "OutputFormat": _TEXT_OUT,
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    },
    "parquet": {
        "InputFormat": _PARQUET,
        "OutputFormat": _PARQUET_OUT,
        "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
    },
}


@dataclass(frozen=True, slots=True)
class Partition:
    """One level of a table's path. projection: Athena's parameters for it, without their prefix."""

    name: str
    type: str
    projection: dict[str, str]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table: where its files lie, how they are written, their columns, and the partitions in their path."""

    name: str
    bucket: str
    prefix: str
    format: str
    columns: list[tuple[str, str]]
    comments: dict[str, str]
    partitions: tuple[Partition, ...]
    description: str


def _days(name: str, earliest: str) -> Partition:
    # Producers' clocks may be ahead of Athena's, and an event may be later than its arrival, by up to a day.
    return Partition(
        name,
        "date",
        {
            "type": "date",
            "format": "yyyy-MM-dd",
            "range": f"{earliest},NOW+{DAYS_AHEAD}DAYS",
            "interval": "1",
            "interval.unit": "DAYS",
        },
    )


_ARRIVAL_DAYS = _days("arrival_date", EARLIEST_ARRIVAL.isoformat())
_ARRIVAL_HOURS = Partition("arrival_hour", "int", {"type": "integer", "range": "0,23", "digits": "2"})
_EVENT_DAYS = _days("event_date", f"{EARLIEST_EVENT_YEAR}-01-01")
_STAGES = Partition(
    "stage",
    "string",
    {"type": "enum", "values": ",".join(next(field.values for field in QUARANTINE_FIELDS if field.name == "stage"))},
)

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


TABLES: tuple[TableSpec, ...] = (
    TableSpec(
        "raw_transactions",
        "raw",
        RAW_TRANSACTIONS_PREFIX,
        "json",
        json_columns(LANDED_FIELDS),
        _comments(LANDED_FIELDS),
        (_ARRIVAL_DAYS, _ARRIVAL_HOURS),
        "Transactions as landed, card numbers tokenised; may hold a record more than once",
    ),
    TableSpec(
        "landing_control",
        "raw",
        RAW_CONTROL_PREFIX,
        "json",
        _CONTROL_COLUMNS,
        {},
        (_ARRIVAL_DAYS,),
        "Control totals of each landed batch",
    ),
    TableSpec(
        "quarantine",
        "quarantine",
        QUARANTINE_PREFIX,
        "json",
        json_columns(QUARANTINE_FIELDS),
        _comments(QUARANTINE_FIELDS),
        (_STAGES, _ARRIVAL_DAYS),
        "Records that broke the contract, with the reason, card numbers masked",
    ),
    TableSpec(
        "transactions",
        "curated",
        CURATED_TRANSACTIONS_PREFIX,
        "parquet",
        typed_columns(CURATED_FIELDS),
        _comments(CURATED_FIELDS),
        (_EVENT_DAYS,),
        "Transactions in their final state (BOOKED, REJECTED), each once",
    ),
    TableSpec(
        "pending_transactions",
        "curated",
        CURATED_PENDING_TRANSACTIONS_PREFIX,
        "parquet",
        typed_columns(CURATED_FIELDS),
        _comments(CURATED_FIELDS),
        (_EVENT_DAYS,),
        "Pending items, a row for each distinct put",
    ),
    TableSpec(
        "fraud_alerts",
        "curated",
        CURATED_FRAUD_ALERTS_PREFIX,
        "parquet",
        typed_columns(FRAUD_ALERT_FIELDS),
        _comments(FRAUD_ALERT_FIELDS),
        (_EVENT_DAYS,),
        "What the fraud rules raised",
    ),
    TableSpec(
        "fraud_alert_evidence",
        "curated",
        CURATED_FRAUD_ALERT_EVIDENCE_PREFIX,
        "parquet",
        typed_columns(FRAUD_ALERT_EVIDENCE_FIELDS),
        _comments(FRAUD_ALERT_EVIDENCE_FIELDS),
        (_EVENT_DAYS,),
        "The transactions that fraud alerts rest on",
    ),
)


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """Both databases and their tables."""
    athena = _database(settings, clients, settings.glue_database, "The lake, with projected partitions")
    spectrum = _database(settings, clients, spectrum_database(settings), "The lake for Redshift Spectrum")
    return [
        athena,
        spectrum,
        *(_table(clients, athena, spec, partitioned_table(settings, spec)) for spec in TABLES),
        *(_table(clients, spectrum, spec, whole_table(settings, spec)) for spec in TABLES),
    ]


def partitioned_table(settings: Settings, spec: TableSpec) -> Properties:
    """A table with projected partitions; a column that the path provides is not a column of the file."""
    location = _location(settings, spec)
    parameters = {"projection.enabled": "true", "storage.location.template": location}
    for partition in spec.partitions:
        parameters["storage.location.template"] += f"{partition.name}=${{{partition.name}}}/"
        parameters |= {f"projection.{partition.name}.{name}": value for name, value in partition.projection.items()}
    in_path = {partition.name for partition in spec.partitions}
    return _properties(
        spec,
        location,
        [column for column in spec.columns if column[0] not in in_path],
        [{"Name": partition.name, "Type": partition.type} for partition in spec.partitions],
        parameters,
    )


def whole_table(settings: Settings, spec: TableSpec) -> Properties:
    """The same files as one table without partitions."""
    return _properties(spec, _location(settings, spec), spec.columns, [], {})


def _location(settings: Settings, spec: TableSpec) -> str:
    return f"s3://{settings.bucket(spec.bucket)}/{spec.prefix}"


def _properties(
    spec: TableSpec,
    location: str,
    columns: list[tuple[str, str]],
    partition_keys: list[dict[str, str]],
    parameters: dict[str, str],
) -> Properties:
    return {
        "Description": spec.description,
        "TableType": "EXTERNAL_TABLE",
        "PartitionKeys": partition_keys,
        "Parameters": {"EXTERNAL": "TRUE", "classification": spec.format, **parameters},
        "StorageDescriptor": {
            "Columns": [_column(name, type_, spec.comments.get(name, "")) for name, type_ in columns],
            "Location": location,
            **FORMATS[spec.format],
        },
    }


def _column(name: str, type_: str, comment: str) -> dict[str, str]:
    return {"Name": name, "Type": type_} | ({"Comment": comment} if comment else {})


def _database(settings: Settings, clients: Clients, name: str, description: str) -> Database:
    return Database(
        part=_PART,
        name=name,
        clients=clients,
        arn=settings.arn("glue", f"database/{name}"),
        properties={"Description": description, "Tags": settings.all_tags},
    )


def _table(clients: Clients, database: Database, spec: TableSpec, properties: dict[str, Any]) -> Table:
    return Table(
        part=_PART,
        name=f"{database.name}.{spec.name}",
        clients=clients,
        depends_on=(database.id,),
        properties=properties,
    )


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
