"""The scratch in S3, as Glue uses it: what is put there, what Spark is told to read, what is published and left."""

from __future__ import annotations

import gzip

import pytest

from data_processing.manifest import RawObject
from data_processing.run_files import staged_path
from data_processing.staging import S3Staging, StagedFile, open_staging, publish_files, stage_raw
from infrastructure.errors import PlatformError
from tests.pipeline.etl_lake import BUCKETS


@pytest.fixture
def staging(s3):
    """The scratch of run r1; that of run r11 lies beside it, and must be left alone."""
    s3.put_object(Bucket=BUCKETS.curated, Key="staging/r11/attempt/rows/part-0.parquet", Body=b"other")
    return open_staging(s3, BUCKETS.curated, "r1", None)


def keys(s3, bucket=BUCKETS.curated):
    return [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def body(s3, bucket, key):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def test_without_a_directory_the_scratch_is_in_the_curated_bucket(staging):
    assert isinstance(staging, S3Staging)
    assert staging.uri("attempt/rows") == "s3://curated-bucket/staging/r1/attempt/rows"


def test_a_file_is_put_where_its_uri_says(s3, staging):
    assert staging.put("attempt/raw/00000.ndjson.gz", [b"ab", b"cd"]) == staging.uri("attempt/raw/00000.ndjson.gz")
    assert body(s3, BUCKETS.curated, "staging/r1/attempt/raw/00000.ndjson.gz") == b"abcd"


def test_files_of_the_lake_are_read_where_they_are(s3, staging):
    location = "s3://curated-bucket/curated/transactions/data/2026-03-02/r0-00000.parquet"
    assert staging.read([location], "attempt/former") == [location]


def test_data_files_are_listed_with_their_sizes_and_nothing_else(s3, staging):
    for name in ("_SUCCESS", "_temporary/0/part-9.parquet", ".part-1.parquet.crc", "slice=2026-03-02/part-1.parquet"):
        s3.put_object(Bucket=BUCKETS.curated, Key=f"staging/r1/attempt/rows/{name}", Body=b"four")
    s3.put_object(Bucket=BUCKETS.curated, Key="staging/r1/attempt/rows/slice=2026-03-01/part-1.parquet", Body=b"one")
    for folder in ("rows/slice=2026-03-02/", "rows/slice=2026-03-02_$folder$", "rows_$folder$"):
        s3.put_object(Bucket=BUCKETS.curated, Key=f"staging/r1/attempt/{folder}", Body=b"")
    assert staging.files("attempt/rows") == [
        StagedFile("attempt/rows/slice=2026-03-01/part-1.parquet", 3),
        StagedFile("attempt/rows/slice=2026-03-02/part-1.parquet", 4),
    ]


def test_publishing_copies_to_either_bucket_and_again_over_itself(s3, staging):
    staging.put("attempt/rows/part-1.parquet", [b"rows"])
    staging.put("attempt/quarantine/part-1.parquet", [b"refused"])
    files = [
        ("attempt/rows/part-1.parquet", BUCKETS.curated, "curated/transactions/data/2026-03-02/r1.parquet"),
        ("attempt/quarantine/part-1.parquet", BUCKETS.quarantine, "quarantine_table/data/2026-03-02/r1.parquet"),
    ]
    for _ in range(2):
        publish_files(staging, files)
        assert [body(s3, bucket, key) for _, bucket, key in files] == [b"rows", b"refused"]


def test_a_file_above_the_limit_of_one_copy_is_copied_in_parts(s3, staging):
    staging.put("attempt/rows/part-1.parquet", [b"12345678" * 1024**2 * 2])  # s3transfer: parts from 8 MiB on
    staging.publish("attempt/rows/part-1.parquet", BUCKETS.curated, "curated/large.parquet")
    assert len(body(s3, BUCKETS.curated, "curated/large.parquet")) == 16 * 1024**2


def test_removing_takes_all_of_the_run_and_nothing_else(s3, staging):
    for number in range(1001):  # DeleteObjects takes a thousand
        s3.put_object(Bucket=BUCKETS.curated, Key=f"staging/r1/attempt/{number}", Body=b"")
    staging.remove()
    assert keys(s3) == ["staging/r11/attempt/rows/part-0.parquet"]


def landed(s3, number, content):
    key = f"raw/transactions/arrival_date=2026-03-02/arrival_hour=09/i-s-{number}-{number}.ndjson.gz"
    s3.put_object(Bucket=BUCKETS.raw, Key=key, Body=content)
    return RawObject(key, len(content), "etag")


def test_small_objects_are_bundled_and_large_ones_read_where_they_are(s3, staging, monkeypatch):
    monkeypatch.setattr("data_processing.staging._SMALLEST_BUNDLE", 100)
    small = [landed(s3, number, gzip.compress(b"row %d" % number)) for number in (1, 2)]
    large = landed(s3, 3, b"x" * 150)
    first, second = stage_raw(s3, BUCKETS.raw, [*small, large], staging, "attempt/raw", 4)
    assert first == staging.uri("attempt/raw/00000.ndjson.gz")
    assert gzip.decompress(body(s3, BUCKETS.curated, "staging/r1/attempt/raw/00000.ndjson.gz")) == b"row 1\nrow 2\n"
    assert second == f"s3://raw-bucket/{large.key}" == staging.direct(BUCKETS.raw, large)


def test_an_object_that_is_not_what_the_manifest_says_is_named(s3, staging):
    changed = landed(s3, 1, b"some bytes")._replace(size=4)
    with pytest.raises(PlatformError, match="has 10 bytes; the manifest says 4"):
        stage_raw(s3, BUCKETS.raw, [changed], staging, "attempt/raw", 2)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://curated-bucket/staging/r1/0a1b2c3d/rows/disposition=curated/slice=2026-03-02/part-0.parquet",
        "s3a://curated-bucket/staging/r1/0a1b2c3d/rows/disposition=curated/slice=2026-03-02/part-0.parquet",
        "s3://curated-bucket/staging/r1/0a1b2c3d/rows/disposition%3Dcurated/slice%3D2026-03-02/part-0.parquet",
        "s3a://curated-bucket/staging/r1/0a1b2c3d/rows/disposition%3Dcurated/slice%3D2026-03-02/part-0.parquet",
        "file:///tmp/with%20space/r1/0a1b2c3d/rows/disposition=curated/slice=2026-03-02/part-0.parquet",
    ],
)
def test_a_file_that_spark_names_is_found_in_the_scratch(uri):
    path = "0a1b2c3d/rows/disposition=curated/slice=2026-03-02/part-0.parquet"
    assert staged_path(uri, "0a1b2c3d") == path
