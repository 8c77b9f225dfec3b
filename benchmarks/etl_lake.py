"""A lake of ordinary files for the ETL's benchmark: raw objects of generated rows, and the part of S3 the job uses."""

from __future__ import annotations

import gzip
import io
import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError
from botocore.hooks import HierarchicalEmitter

from data_catalog.currencies import CURRENCY_MINOR_UNITS
from data_catalog.transaction_contract import LANDED_FIELDS, TRANSACTION_FIELDS, typed_columns
from tests.pipeline.etl_landed import landed_lines

_BASE_ROWS = 20_000
_ACCOUNT, _CARD = re.compile('("account_id":").{4}'), re.compile('("card_token":"1_).{4}')
_PREFIX = "raw/transactions/arrival_date=2026-03-05"


def write_lake(lake: Path, rows: int, objects: int) -> None:
    """Raw objects with so many rows in all: what the Lambda lands of generated transactions, their ids, positions,
    accounts and cards made new every 20,000 rows, so that the shares of duplicates, conflicts and alerts stay."""
    base = landed_lines(_BASE_ROWS)
    per_object = -(-rows // objects)
    pending: list[str] = []
    written = 0
    for number in range(rows):
        copy, place = divmod(number, len(base))
        line = base[place]
        if copy:
            line = line.replace('"transaction_id":"', f'"transaction_id":"{copy:04x}', 1)
            line = line.replace('"sequence_number":"496', f'"sequence_number":"{497 + copy}', 1)
            line = _ACCOUNT.sub(rf"\g<1>{copy:04x}", _CARD.sub(rf"\g<1>{copy:04x}", line, count=1), count=1)
        pending.append(line)
        if len(pending) == per_object or number == rows - 1:
            _write_object(lake, written, pending)
            written += 1
            pending = []


def _write_object(lake: Path, number: int, lines: list[str]) -> None:
    name = f"20261123T125500Z-shardId-000000000000-{number * 10 + 1}-{number * 10 + 9}.ndjson.gz"
    file = lake / "raw-bucket" / f"{_PREFIX}/arrival_hour={number % 24:02}" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), 1, mtime=0))


class FileStore:
    """As much of an S3 client as the job calls, over directories named like buckets."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.meta = SimpleNamespace(
            events=HierarchicalEmitter()
        )  # conditional puts register handlers here, which are ignored

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = "") -> Iterator[dict[str, Any]]:
        if not Delimiter:
            yield self.list_objects_v2(Bucket, Prefix)
            return
        directory = self._root / Bucket / Prefix
        found = sorted(directory.iterdir()) if directory.is_dir() else []
        prefixes = [f"{Prefix}{each.name}/" for each in found]
        yield {"CommonPrefixes": [{"Prefix": prefix} for prefix in prefixes if prefix > StartAfter]}

    def list_objects_v2(self, Bucket: str, Prefix: str, **_: Any) -> dict[str, Any]:
        directory = self._root / Bucket / Prefix
        files = sorted(each for each in directory.rglob("*") if each.is_file()) if directory.is_dir() else []
        return {"Contents": [self._entry(Bucket, each) for each in files], "IsTruncated": False}

    def _entry(self, bucket: str, file: Path) -> dict[str, Any]:
        status = file.stat()
        key = file.relative_to(self._root / bucket).as_posix()
        changed = datetime.fromtimestamp(status.st_mtime, UTC)
        return {"Key": key, "Size": status.st_size, "ETag": f'"{status.st_size}"', "LastModified": changed}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        try:
            body = (self._root / Bucket / Key).read_bytes()
        except FileNotFoundError:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject") from None
        return {"Body": io.BytesIO(body), "ETag": f'"{len(body)}"'}

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:
        file = self._root / Bucket / Key
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(Body)

    def upload_file(self, path: str, bucket: str, key: str) -> None:
        file = self._root / bucket / key
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, file)


def duckdb_query(raw: Path, out: Path) -> str:
    """The core of the job in DuckDB: cast, checked, the first of each id, by disposition and date.

    It does less than the job: silent repairs by its reader go unnoticed, and there are no reasons, alerts or lake.
    """
    text = ", ".join(f"{field.name}: 'VARCHAR'" for field in LANDED_FIELDS)
    typed = ", ".join(f"try_cast({name} AS {type_}) AS {name}" for name, type_ in typed_columns(LANDED_FIELDS))
    content = ", ".join(
        field.name for field in TRANSACTION_FIELDS if field.name not in ("card_number", "schema_version")
    )
    order = "stream_incarnation, shard_id, length(sequence_number), sequence_number, sub_sequence_number"
    units = " ".join(f"WHEN currency = '{code}' THEN {n}" for code, n in CURRENCY_MINOR_UNITS.items() if n != 2)
    return f"""
    COPY (
      WITH raw AS (SELECT * FROM read_json('{raw}/**/*.ndjson.gz', format = 'newline_delimited', columns = {{{text}}})),
      checked AS (SELECT {typed}, regexp_full_match(amount, '[0-9]{{1,14}}(\\.[0-9]{{1,4}})?')
          AND length(split_part(amount, '.', 2)) <= CASE {units} ELSE 2 END
          AND regexp_full_match(event_time, '[0-9-]{{10}}T[0-9:]{{8}}(\\.[0-9]{{1,6}})?Z')
          AND len(transaction_id) BETWEEN 1 AND 64 AND len(account_id) BETWEEN 1 AND 34 AS fine FROM raw),
      hashed AS (SELECT *, sha256(row({content})::VARCHAR) AS content_hash FROM checked),
      ranked AS (SELECT *, row_number() OVER w AS nth, first_value(content_hash) OVER w AS first_hash
          FROM hashed WINDOW w AS (PARTITION BY transaction_id ORDER BY {order}))
      SELECT * EXCLUDE (nth, first_hash, fine), event_time::DATE AS event_date,
          CASE WHEN NOT fine THEN 'quarantine' WHEN nth = 1 THEN 'curated' WHEN content_hash = first_hash
              THEN 'duplicate' ELSE 'quarantine' END AS disposition FROM ranked
    ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (disposition, event_date))"""
