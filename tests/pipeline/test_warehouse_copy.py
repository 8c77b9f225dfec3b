"""COPY from Parquet with a manifest, by Redshift's rules."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from infrastructure.aws.redshift_data import StatementFailedError
from infrastructure.local.redshift.copy_command import parse_copy
from infrastructure.local.redshift.dialect import UnknownSqlError
from infrastructure.local.redshift.postgresql import Warehouse
from tests.pipeline.curated_runs import BUCKET
from tests.pipeline.warehouse_bench import Bench, open_bench

ROLE = "IAM_ROLE 'arn:aws:iam::123456789012:role/copy'"
GOOD = {
    "name": pyarrow.array(["a", None], pyarrow.string()),
    "amount": pyarrow.array([Decimal("1.5000"), None], pyarrow.decimal128(18, 4)),
    "at": pyarrow.array([datetime(2026, 3, 1, 12), None], pyarrow.timestamp("us", "UTC")),
    "day": pyarrow.array([date(2026, 3, 1), None], pyarrow.date32()),
    "n": pyarrow.array([1, None], pyarrow.int64()),
}


@pytest.fixture(scope="module")
def bench(warehouse: Warehouse) -> Iterator[Bench]:
    with open_bench(warehouse) as opened:
        opened.batch(
            "CREATE TABLE banking.target (name VARCHAR(4), amount DECIMAL(18,4), at TIMESTAMP, day DATE, n BIGINT)"
        )
        yield opened


@pytest.fixture(autouse=True)
def empty_target(bench: Bench) -> None:
    bench.batch("DELETE FROM banking.target")


def put_file(bench: Bench, columns: dict[str, pyarrow.Array], **options: Any) -> dict[str, Any]:
    """A Parquet object and its manifest entry."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), sink, **options)
    key = f"files/{uuid.uuid4()}.parquet"
    bench.s3.put_object(Bucket=BUCKET, Key=key, Body=sink.getvalue())
    meta = {"content_length": len(sink.getvalue())}
    return {"url": f"s3://{BUCKET}/{key}", "mandatory": True, "meta": meta}


def copy(bench: Bench, *entries: dict[str, Any]) -> list[Any]:
    """Run the COPY of a manifest; the table's rows."""
    bench.s3.put_object(Bucket=BUCKET, Key="m.manifest", Body=json.dumps({"entries": entries}).encode())
    bench.batch(f"COPY banking.target FROM 's3://{BUCKET}/m.manifest' {ROLE} FORMAT AS PARQUET MANIFEST")
    return bench.query("SELECT name, amount, at, day, n FROM banking.target ORDER BY n")


def test_all_and_only_the_manifests_files_are_loaded(bench: Bench) -> None:
    first, second, _ = (put_file(bench, GOOD) for _ in range(3))
    assert len(copy(bench, first, second)) == 4


def test_files_of_other_types_that_fit_the_table_are_loaded_together(bench: Bench) -> None:
    narrow = GOOD | {"n": pyarrow.array([7, 8], pyarrow.int32())}
    entries = [put_file(bench, columns) for columns in (GOOD, narrow, GOOD)]
    assert [row[4] for row in copy(bench, *entries)] == [1, 1, 7, 8, None, None]


def test_of_many_files_the_one_at_fault_is_named(bench: Bench) -> None:
    good, long, also_long = (
        put_file(bench, GOOD | {"name": pyarrow.array([text, None])}) for text in ("a", "abcde", "abcdef")
    )
    with pytest.raises(StatementFailedError, match=f"Data: 5, File name: {long['url']}"):
        copy(bench, good, long, also_long)


def test_values_and_nulls_arrive(bench: Bench) -> None:
    assert copy(bench, put_file(bench, GOOD)) == [
        ("a", "1.5000", "2026-03-01 12:00:00", "2026-03-01", 1),
        (None, None, None, None, None),
    ]


def test_columns_go_by_position_and_not_by_name(bench: Bench) -> None:
    renamed = {f"c{place}": array for place, array in enumerate(GOOD.values())}
    assert copy(bench, put_file(bench, renamed))[0][0] == "a"


def test_int96_timestamps_are_read(bench: Bench) -> None:
    entry = put_file(bench, GOOD, use_deprecated_int96_timestamps=True)
    assert copy(bench, entry)[0][2] == "2026-03-01 12:00:00"


def test_a_file_of_several_row_groups_is_loaded_whole(bench: Bench) -> None:
    many = {name: pyarrow.concat_arrays([array] * 500) for name, array in GOOD.items()}
    assert len(copy(bench, put_file(bench, many, row_group_size=100))) == 1000


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"extra": pyarrow.array([1, 2])}, "Unmatched number of columns.*Table columns: 5, Data columns: 6"),
        ({"n": None}, "Unmatched number of columns.*Table columns: 5, Data columns: 4"),
        ({"n": pyarrow.array(["1", "2"])}, "incompatible Parquet schema for column 'n'"),
        ({"amount": pyarrow.array([1.5, 2.5])}, "incompatible Parquet schema for column 'amount'"),
        ({"amount": pyarrow.array([Decimal("1.50")] * 2, pyarrow.decimal128(18, 2))}, "incompatible.*'amount'"),
        ({"amount": pyarrow.array([Decimal("1.5000")] * 2, pyarrow.decimal128(20, 4))}, "incompatible.*'amount'"),
        ({"day": pyarrow.array(["2026-03-01"] * 2)}, "incompatible.*'day'"),
        ({"at": pyarrow.array([1, 2])}, "incompatible.*'at'"),
        ({"name": pyarrow.array(["abcde", "a"])}, "longer than the length defined in the table. Table: 4, Data: 5"),
        ({"name": pyarrow.array(["ééé", "a"])}, "Table: 4, Data: 6"),
    ],
)
def test_a_file_that_does_not_fit_the_table_is_refused(
    bench: Bench, change: dict[str, pyarrow.Array | None], error: str
) -> None:
    columns = {name: array for name, array in (GOOD | change).items() if array is not None}
    with pytest.raises(StatementFailedError, match=error):
        copy(bench, put_file(bench, columns))


def test_a_file_without_rows_is_no_error(bench: Bench) -> None:
    assert copy(bench, put_file(bench, {name: array[:0] for name, array in GOOD.items()})) == []


def test_a_missing_file_is_an_error_only_if_it_is_mandatory(bench: Bench) -> None:
    missing = {"url": f"s3://{BUCKET}/nowhere", "meta": {"content_length": 1}}
    assert len(copy(bench, put_file(bench, GOOD), missing | {"mandatory": False})) == 2
    with pytest.raises(StatementFailedError, match="mandatory and unreadable"):
        copy(bench, missing | {"mandatory": True})


def test_an_entry_needs_the_files_true_length(bench: Bench) -> None:
    entry = put_file(bench, GOOD)
    with pytest.raises(StatementFailedError, match="lacks meta"):
        copy(bench, {"url": entry["url"], "mandatory": True})
    with pytest.raises(StatementFailedError, match="content_length is 1"):
        copy(bench, entry | {"meta": {"content_length": 1}})


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"entries": []}'])
def test_a_manifest_that_lists_nothing_is_refused(bench: Bench, body: bytes) -> None:
    bench.s3.put_object(Bucket=BUCKET, Key="bad.manifest", Body=body)
    with pytest.raises(StatementFailedError, match="manifest"):
        bench.batch(f"COPY banking.target FROM 's3://{BUCKET}/bad.manifest' {ROLE} FORMAT AS PARQUET MANIFEST")


def test_a_file_that_is_no_parquet_is_refused(bench: Bench) -> None:
    bench.s3.put_object(Bucket=BUCKET, Key="text", Body=b"no parquet")
    with pytest.raises(StatementFailedError, match="not a Parquet file"):
        copy(bench, {"url": f"s3://{BUCKET}/text", "mandatory": True, "meta": {"content_length": 10}})


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (f"COPY t (a, b) FROM 's3://b/m' {ROLE} FORMAT PARQUET MANIFEST", "FROM 's3://...' is expected"),
        (f"COPY t FROM 'https://b/m' {ROLE} FORMAT PARQUET MANIFEST", "from s3:// only"),
        ("COPY t FROM 's3://b/m' FORMAT PARQUET MANIFEST", "needs IAM_ROLE"),
        (f"COPY t FROM 's3://b/m' {ROLE} FORMAT PARQUET", "needs MANIFEST"),
        (f"COPY t FROM 's3://b/m' {ROLE} CSV MANIFEST", "COPY's CSV is not known"),
        (f"COPY t FROM 's3://b/m' {ROLE} FORMAT PARQUET MANIFEST MAXERROR 5", "COPY's MAXERROR is not known"),
        ("COPY t FROM 's3://b/m' IAM_ROLE 'copy' FORMAT PARQUET MANIFEST", "ARN of a role"),
    ],
)
def test_another_copy_is_refused(sql: str, error: str) -> None:
    with pytest.raises(UnknownSqlError, match=error):
        parse_copy(sql)
