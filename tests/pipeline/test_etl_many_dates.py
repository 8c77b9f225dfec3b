"""A run of few rows on each of many dates: the driver cuts the files, and nobody can tell who wrote them."""

from __future__ import annotations

import io

import boto3
import pyarrow
import pyarrow.parquet
import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_processing import etl_run, slice_files
from data_processing.run_files import slice_path
from data_processing.slice_files import publish_slices, slices
from data_processing.staging import S3Staging
from infrastructure.aws.iceberg import files_on
from infrastructure.aws.s3_objects import split_location
from infrastructure.local.emulator import emulated_aws
from tests.pipeline.etl_lake import BUCKETS, EmulatedLake
from tests.pipeline.etl_rows import row

BASE = 49600000000000000000
BY = ("disposition", "slice")
SCHEMA = pyarrow.schema(
    [
        pyarrow.field("id", pyarrow.string(), metadata={"PARQUET:field_id": "2"}),
        pyarrow.field("amount", pyarrow.decimal128(18, 4), metadata={"PARQUET:field_id": "6"}),
        pyarrow.field("disposition", pyarrow.string()),
        pyarrow.field("slice", pyarrow.string()),
    ]
)


def staged(*rows):
    """A staged file: (id, disposition, slice) of each row."""
    columns = list(zip(*rows, strict=True))
    amounts = pyarrow.array([1] * len(rows)).cast(pyarrow.decimal128(19, 0)).cast(pyarrow.decimal128(18, 4), safe=False)
    table = pyarrow.table([columns[0], amounts, *columns[1:]], schema=SCHEMA)
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file, row_group_size=2)
    return file


ROWS = [
    ("a", "duplicate", "-"),
    ("b", "ledger", "2026-03-01"),
    ("c", "ledger", "2026-03-01"),
    ("d", "ledger", "2026-03-01"),
    ("e", "ledger", "2026-03-02"),
    ("f", "pending", "2026-03-02"),
]


@pytest.mark.parametrize("batch", [1, 2, 4, 100])
def test_a_slice_is_whole_wherever_batches_end(monkeypatch, batch):
    monkeypatch.setattr(slice_files, "_BATCH_ROWS", batch)
    found = [(values, rows["id"].to_pylist()) for values, rows in slices(staged(*ROWS), BY)]
    assert found == [
        (("duplicate", "-"), ["a"]),
        (("ledger", "2026-03-01"), ["b", "c", "d"]),
        (("ledger", "2026-03-02"), ["e"]),
        (("pending", "2026-03-02"), ["f"]),
    ]


def test_slices_go_from_the_scratch_to_their_places_with_types_and_field_ids_and_no_others():
    with emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKETS.curated)
        staging = S3Staging(s3, BUCKETS.curated, "staging/r1")
        staging.put("attempt/rows/part-0.parquet", [staged(*ROWS[:4]).getvalue()])
        staging.put("attempt/rows/part-1.parquet", [staged(*ROWS[4:]).getvalue()])
        first, last = (slice_path("attempt/rows", zip(BY, each[1:], strict=True)) for each in (ROWS[1], ROWS[5]))
        sizes = publish_slices(s3, staging, {first: (BUCKETS.curated, "data/1"), last: (BUCKETS.curated, "data/2")})
        bodies = [s3.get_object(Bucket=BUCKETS.curated, Key=key)["Body"].read() for key in ("data/1", "data/2")]
        listed = s3.list_objects_v2(Bucket=BUCKETS.curated, Prefix="data/")
    assert listed["KeyCount"] == 2
    assert sizes == {first: len(bodies[0]), last: len(bodies[1])}
    files = [pyarrow.parquet.ParquetFile(io.BytesIO(body)) for body in bodies]
    assert [file.read()["id"].to_pylist() for file in files] == [["b", "c", "d"], ["f"]]
    assert str(files[0].schema).partition("{")[2].split("\n")[1:3] == [
        "  optional binary field_id=2 id (String);",
        "  optional int64 field_id=6 amount (Decimal(precision=18, scale=4));",
    ]


def land(lake):
    """Two runs: the second has rows on the first one's dates, a pending item, a bad row, and raises an alert."""
    rows = [row(n, event_time=f"2026-02-{n:02}T08:00:00Z") for n in range(1, 9)]
    lake.land([*rows, row(9, status="PENDING", event_time="2026-02-03T09:00:00Z")], BASE + 1, BASE + 9)
    lake.run()
    more = [row(n + 8, event_time=f"2026-02-{n:02}T08:00:00Z", amount="20000.00") for n in range(2, 12)]
    again = row(3, event_time="2026-02-03T08:00:00Z", sequence_number=str(BASE + 30))
    lake.land([*more, again, row(31, amount="x")], BASE + 10, BASE + 31)
    lake.run()


def described(lake):
    """Of each table's files: where they lie, what the table says of them, and their columns as stored."""
    found = []
    for table in LAKE_TABLES:
        for file in files_on(lake.catalog.table(table.name)):
            bucket, key = split_location(file.file_path)
            body = lake.body(bucket, key)
            assert len(body) == file.file_size_in_bytes
            stored = pyarrow.parquet.ParquetFile(io.BytesIO(body))
            columns = str(stored.schema).partition("{")[2]
            said = (file.record_count, file.lower_bounds, file.upper_bounds, file.partition[0])
            found.append((table.name, key.rpartition("/")[0], said, columns))
    return sorted(found, key=repr)


@pytest.mark.slow
def test_the_lake_is_the_same_as_if_spark_had_written_each_file(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(etl_run, "_DATES_WORTH_GATHERING", 4)
    lakes = []
    for most_rows in (0, 5_000):
        monkeypatch.setattr(etl_run, "_MOST_ROWS_TO_CUT", most_rows)
        with emulated_aws():
            lake = EmulatedLake(spark, tmp_path / str(most_rows))
            land(lake)
            lakes.append((lake.state(), described(lake)))
    (by_spark, its_files), (cut, cut_files) = lakes
    assert cut == by_spark
    assert cut_files == its_files
