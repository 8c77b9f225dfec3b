"""Redshift's COPY ... FORMAT AS PARQUET MANIFEST on PostgreSQL: pyarrow reads, PostgreSQL's own COPY loads.

Enforces Redshift's rules: columns are matched by position and their counts must be equal, types must be compatible, a
VARCHAR's length counts bytes, a manifest's entries need meta.content_length, a mandatory file must exist. Rows are
read and written in batches, whether files are few and large or many and small.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import psycopg
import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from botocore.exceptions import BotoCoreError, ClientError

from data_storage.sql_statements import Token, tokens
from infrastructure.aws.s3_objects import calls_ahead
from infrastructure.local.redshift.dialect import UnknownSqlError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef


_BATCH_ROWS = 5_000
_IN_MEMORY = 8 * 1024**2  # larger files go to the disk


class CopyError(Exception):
    """A COPY that Redshift would refuse, with Redshift's reason."""


@dataclass(frozen=True, slots=True)
class CopyStatement:
    """What a COPY asks for."""

    table: str
    manifest_url: str


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str  # PostgreSQL's, e.g. character varying(64)


def parse_copy(sql: str) -> CopyStatement:
    """Parse COPY table FROM 's3://...' IAM_ROLE 'arn' FORMAT [AS] PARQUET MANIFEST: any order, no column list."""
    words = tokens(sql)
    place = 1
    while place + 1 < len(words) and words[place + 1].text == ".":
        place += 2
    table = sql[words[1].start : words[place].end]
    if place + 2 >= len(words) or words[place + 1].word != "FROM" or words[place + 2].kind != "string":
        raise UnknownSqlError("COPY table FROM 's3://...' is expected", words[min(place + 1, len(words) - 1)].start + 1)
    url = words[place + 2].text[1:-1]
    clauses = _clauses(words[place + 3 :])
    if missing := {"IAM_ROLE", "PARQUET", "MANIFEST"} - clauses:
        raise UnknownSqlError(f"this COPY needs {', '.join(sorted(missing))}")
    if not url.startswith("s3://"):
        raise UnknownSqlError("COPY reads from s3:// only", words[place + 2].start + 1)
    return CopyStatement(table, url)


def _clauses(words: list[Token]) -> set[str]:
    found: set[str] = set()
    index = 0
    while index < len(words):
        word = words[index].word
        following = words[index + 1] if index + 1 < len(words) else None
        if word == "IAM_ROLE" and following is not None and (following.kind == "string" or following.word == "DEFAULT"):
            if following.kind == "string" and not re.fullmatch(
                r"'arn:aws[a-z-]*:iam::\d{12}:role/\S+'", following.text
            ):
                raise UnknownSqlError("IAM_ROLE wants the ARN of a role", following.start + 1)
            found.add("IAM_ROLE")
            index += 2
        elif word == "FORMAT":
            index += 1 + (following is not None and following.word == "AS")
            if index >= len(words) or words[index].word != "PARQUET":
                raise UnknownSqlError("COPY is known here for FORMAT AS PARQUET only", words[index - 1].start + 1)
            found.add("PARQUET")
            index += 1
        elif word == "MANIFEST":
            found.add("MANIFEST")
            index += 1
        else:
            raise UnknownSqlError(f"COPY's {words[index].text} is not known here for Parquet", words[index].start + 1)
    return found


def run_copy(statement: CopyStatement, connection: psycopg.Connection[Any], s3: S3Client) -> int:
    """Load all and only the manifest's files; returns the number of rows."""
    columns = _table_columns(statement.table, connection)
    rows = 0
    names = ", ".join(f'"{column.name}"' for column in columns)
    into = f"COPY {statement.table} ({names}) FROM STDIN (FORMAT csv)"
    parts = _parts(_manifest_entries(statement.manifest_url, s3), columns, s3)
    with connection.cursor() as cursor, cursor.copy(into.encode()) as copy:
        for gathered in _gathered(parts):
            batch = _as_texts(gathered, columns)
            copy.write(_as_csv(batch))
            rows += batch.num_rows
    return rows


def _table_columns(table: str, connection: psycopg.Connection[Any]) -> list[_Column]:
    rows = connection.execute(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    ).fetchall()
    return [_Column(*row) for row in rows]


def _get(url: str, s3: S3Client) -> GetObjectOutputTypeDef:
    parts = urlsplit(url)
    return s3.get_object(Bucket=parts.netloc, Key=parts.path.lstrip("/"))


def _manifest_entries(url: str, s3: S3Client) -> list[dict[str, Any]]:
    try:
        manifest = json.loads(_get(url, s3)["Body"].read())
        entries: list[dict[str, Any]] = manifest["entries"]
    except (ClientError, BotoCoreError) as error:
        raise CopyError(f"S3ServiceException: the manifest {url} can't be read ({_code(error)})") from None
    except (ValueError, KeyError, TypeError):
        raise CopyError(f"the manifest {url} is not a JSON object with entries") from None
    if not entries:
        raise CopyError(f"the manifest {url} lists no file")
    for entry in entries:
        if not isinstance(entry.get("meta", {}).get("content_length"), int):
            raise CopyError(f"the manifest {url} lacks meta.content_length, which Parquet needs: {entry.get('url')}")
    return entries


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of a file."""

    url: str
    rows: pyarrow.RecordBatch


def _parts(entries: Iterable[dict[str, Any]], columns: list[_Column], s3: S3Client) -> Iterator[_Part]:
    """The rows of all files, of which each is checked against the table."""
    for url, file in _fetched(entries, s3):
        with file:
            for batch in _batches(file, columns, url):
                yield _Part(url, batch)


def _fetched(entries: Iterable[dict[str, Any]], s3: S3Client) -> Iterator[tuple[str, IO[bytes]]]:
    """The entries' objects as local files, but for those that are missing and not mandatory. While one is read, the
    next is fetched."""
    wanted = ((entry["url"], (entry, s3)) for entry in entries)
    for url, file in calls_ahead(_fetch, wanted, threads=1, most=2):
        if file is not None:
            yield url, file


def _gathered(parts: Iterable[_Part]) -> Iterator[list[_Part]]:
    """The parts in groups of the same types and about as many rows as are worth a step: files may be small and many."""
    group: list[_Part] = []
    rows = 0
    for part in parts:
        if group and (rows >= _BATCH_ROWS or part.rows.schema != group[0].rows.schema):
            yield group
            group, rows = [], 0
        group.append(part)
        rows += part.rows.num_rows
    if group:
        yield group


def _fetch(entry: dict[str, Any], s3: S3Client) -> IO[bytes] | None:
    """The entry's object as a local file; None if it is missing and not mandatory."""
    url, expected = entry["url"], entry["meta"]["content_length"]
    try:
        answer = _get(url, s3)
    except (ClientError, BotoCoreError) as error:
        if _code(error) in ("NoSuchKey", "404") and not entry.get("mandatory", False):
            return None
        raise CopyError(f"Problem reading manifest file - {url} is mandatory and unreadable ({_code(error)})") from None
    if answer["ContentLength"] != expected:
        raise CopyError(f"{url} has {answer['ContentLength']} bytes, the manifest's content_length is {expected}")
    file = cast(IO[bytes], tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115 # who reads it closes it
    try:
        for chunk in answer["Body"].iter_chunks(1 << 20):
            file.write(chunk)
    except BotoCoreError as error:
        raise CopyError(f"S3ServiceException: reading {url} broke off ({_code(error)})") from None
    file.seek(0)
    return file


def _code(error: ClientError | BotoCoreError) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def _batches(file: IO[bytes], columns: list[_Column], url: str) -> Iterator[pyarrow.RecordBatch]:
    """The file's rows, its columns checked against the table's and named as these."""
    try:
        parquet = pyarrow.parquet.ParquetFile(file)
    except pyarrow.ArrowException:
        raise CopyError(f"{url} is not a Parquet file") from None
    schema = parquet.schema_arrow
    if len(schema) != len(columns):
        raise CopyError(
            f"Unmatched number of columns between table and file. Table columns: {len(columns)}, "
            f"Data columns: {len(schema)}, File name: {url}"
        )
    for column, found in zip(columns, schema, strict=True):
        if not _compatible(column.type, found.type):
            raise CopyError(
                f"{url} has an incompatible Parquet schema for column '{column.name}'. "
                f"Column type: {column.type}, Parquet schema: {found.type} {found.name}"
            )
    names = [column.name for column in columns]
    for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, use_threads=False):
        yield pyarrow.RecordBatch.from_arrays(batch.columns, names=names)


def _compatible(column_type: str, found: pyarrow.DataType) -> bool:
    types = pyarrow.types
    base, _, arguments = column_type.partition("(")
    if base.startswith("character"):
        return bool(types.is_string(found) or types.is_large_string(found))
    if base == "numeric":
        precision, scale = (int(part) for part in arguments.rstrip(")").split(","))
        return bool(types.is_decimal(found) and found.scale == scale and found.precision <= precision)
    if base == "timestamp without time zone":
        return bool(types.is_timestamp(found))
    checks = {
        "date": types.is_date32,
        "bigint": lambda t: types.is_int64(t) or types.is_int32(t),
        "integer": types.is_int32,
        "boolean": types.is_boolean,
        "double precision": types.is_float64,
    }
    return base in checks and bool(checks[base](found))


def _as_texts(parts: list[_Part], columns: list[_Column]) -> pyarrow.RecordBatch:
    """All rows, each column as text. Raises CopyError if a text is too long for its column."""
    rows = pyarrow.concat_batches([part.rows for part in parts])
    texts = []
    for place, column in enumerate(columns):
        if (most := _most_bytes(column)) is not None and _longest(rows.column(place)) > most:
            url, longest = next(
                (part.url, found) for part in parts if (found := _longest(part.rows.column(place))) > most
            )
            raise CopyError(
                f"The length of the data column {column.name} is longer than the length defined in the table. "
                f"Table: {most}, Data: {longest}, File name: {url}"
            )
        texts.append(_as_text(rows.column(place)))
    return pyarrow.RecordBatch.from_arrays(texts, names=[column.name for column in columns])


def _most_bytes(column: _Column) -> int | None:
    match = re.fullmatch(r"character varying\((\d+)\)", column.type)
    return int(match[1]) if match else None


def _longest(array: pyarrow.Array) -> int:
    longest: int = pyarrow.compute.max(pyarrow.compute.binary_length(array)).as_py() or 0
    return longest


def _as_text(array: pyarrow.Array) -> pyarrow.Array:
    if pyarrow.types.is_timestamp(array.type):
        # Redshift writes the instant in UTC, without a zone, into a TIMESTAMP.
        array = array.cast(pyarrow.timestamp("us", array.type.tz)).cast(pyarrow.timestamp("us"))
    return array.cast(pyarrow.string())


def _as_csv(batch: pyarrow.RecordBatch) -> pyarrow.Buffer:
    """CSV in which an empty field is null and a quoted empty field is an empty string."""
    sink = pyarrow.BufferOutputStream()
    pyarrow.csv.write_csv(batch, sink, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed"))
    return sink.getvalue()
