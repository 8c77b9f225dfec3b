"""Landed rows by the contract."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from data_catalog.transaction_contract import LANDED_FIELDS

INCARNATION = "20261123T125500Z"
SHARD = "shardId-000000000000"


def row(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A landed row that is in order; number makes id and position. A field given as None is left out."""
    base: dict[str, Any] = {
        "schema_version": "1.0",
        "transaction_id": f"tx-{number:06}",
        "account_id": "DE89370400440532013000",
        "transaction_type": "PAYMENT",
        "credit_debit_indicator": "DBIT",
        "amount": "12.50",
        "currency": "EUR",
        "event_time": "2026-03-02T08:15:30.250000Z",
        "status": "BOOKED",
        "channel": "WEB",
        "value_date": "2026-03-03",
        "balance_after": "-100.05",
        "description": "Miete März",
        "stream_incarnation": INCARNATION,
        "shard_id": SHARD,
        "sequence_number": str(49600000000000000000 + number),
        "sub_sequence_number": 0,
        "arrival_time": "2026-03-02T09:00:00Z",
        "landed_at": "2026-03-02T09:00:01.500000Z",
    } | fields
    assert base.keys() <= {field.name for field in LANDED_FIELDS}
    return {name: value for name, value in base.items() if value is not None}


def line(record: dict[str, Any]) -> str:
    """The row as NDJSON."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def as_lines(spark: SparkSession, directory: Path, lines: Iterable[str | bytes]) -> DataFrame:
    """Lines as the job reads them: gzip text through Spark's own reader."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "lines.ndjson.gz"
    data = b"".join((each.encode() if isinstance(each, str) else each) + b"\n" for each in lines)
    file.write_bytes(gzip.compress(data, 1))
    return spark.read.text(str(file), lineSep="\n")
