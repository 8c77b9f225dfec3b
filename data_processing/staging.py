"""The scratch of a run: raw objects made fit for Spark, and Spark's files on their way into the lake.

On Glue it lies in the curated bucket, on the laptop on the local disk; Spark sees a path either way. Nothing in it
counts before the run's publication lists it, and it is removed when the run has ended.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol

from botocore.exceptions import ClientError

from data_catalog.lake_layout import STAGING_PREFIX
from data_processing.manifest import RawObject, bundles
from infrastructure.aws import s3_objects
from infrastructure.aws.s3_objects import split_location
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef


# Concatenated gzip files are a gzip file, so many small objects become one without recompression. A line feed between
# them ends a last line that lacks one.
_LINE_FEED = gzip.compress(b"\n", mtime=0)
BUNDLE_BYTES = 16 * 1024**2
_SMALLEST_BUNDLE = 1024**2
_THREADS = 16
_ONE_PUT = 8 * 1024**2  # larger files are put in parts


class StagedFile(NamedTuple):
    """A file that Spark wrote: its path inside the staging area (slashes), its size in bytes."""

    path: str
    size: int


class Staging(Protocol):
    """Where a run's scratch lies. Paths are relative to the area, with slashes."""

    def uri(self, path: str) -> str:
        """What Spark reads or writes there."""

    def put(self, path: str, chunks: Iterable[bytes]) -> str:
        """Write a file; returns its uri."""

    def read(self, locations: Sequence[str], path: str) -> list[str]:
        """The uris of files of the lake (s3://bucket/key); fetched to path where Spark can't read them in place."""

    def direct(self, bucket: str, raw: RawObject) -> str | None:
        """The uri of an object if Spark can read it in place, else None."""

    def files(self, path: str) -> list[StagedFile]:
        """The data files below a path, in order."""

    def opened(self, path: str) -> IO[bytes]:
        """A file, to be read."""

    def end_of(self, file: StagedFile, length: int) -> bytes:
        """The last bytes of a file, at most so many."""

    def publish(self, path: str, bucket: str, key: str) -> None:
        """Copy a file to its place in the lake."""

    def remove(self) -> None:
        """Remove the area."""


class LocalStaging:
    """On the local disk, below a directory."""

    def __init__(self, s3: S3Client, directory: Path) -> None:
        self._s3 = s3
        self._directory = directory

    def uri(self, path: str) -> str:
        return str(self._directory / path)

    def put(self, path: str, chunks: Iterable[bytes]) -> str:
        file = self._directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as out:
            out.writelines(chunks)
        return str(file)

    def read(self, locations: Sequence[str], path: str) -> list[str]:
        fetched = self._directory / path
        fetched.mkdir(parents=True, exist_ok=True)
        files = [fetched / f"{number:06}.parquet" for number in range(len(locations))]
        with ThreadPoolExecutor(_THREADS) as pool:
            for done in [pool.submit(self._fetch, *each) for each in zip(locations, files, strict=True)]:
                done.result()
        return [str(file) for file in files]

    def _fetch(self, location: str, file: Path) -> None:
        bucket, key = split_location(location)
        with file.open("wb") as out:
            shutil.copyfileobj(self._s3.get_object(Bucket=bucket, Key=key)["Body"], out)

    def direct(self, bucket: str, raw: RawObject) -> str | None:
        return None

    def files(self, path: str) -> list[StagedFile]:
        found = [
            StagedFile(file.relative_to(self._directory).as_posix(), file.stat().st_size)
            for file in (self._directory / path).rglob("*")
            if file.is_file()
        ]
        return sorted(file for file in found if _is_data(file.path))

    def opened(self, path: str) -> IO[bytes]:
        return (self._directory / path).open("rb")

    def end_of(self, file: StagedFile, length: int) -> bytes:
        with self.opened(file.path) as opened:
            opened.seek(max(0, file.size - length))
            return opened.read()

    def publish(self, path: str, bucket: str, key: str) -> None:
        file = self._directory / path
        if file.stat().st_size <= _ONE_PUT:
            self._s3.put_object(Bucket=bucket, Key=key, Body=file.read_bytes())
        else:
            self._s3.upload_file(str(file), bucket, key)

    def remove(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


class S3Staging:
    """In the curated bucket, below a prefix."""

    def __init__(self, s3: S3Client, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix.rstrip("/") + "/"

    def uri(self, path: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}{path}"

    def put(self, path: str, chunks: Iterable[bytes]) -> str:
        self._s3.upload_fileobj(io.BytesIO(b"".join(chunks)), self._bucket, self._prefix + path)
        return self.uri(path)

    def read(self, locations: Sequence[str], path: str) -> list[str]:
        return list(locations)

    def direct(self, bucket: str, raw: RawObject) -> str | None:
        return f"s3://{bucket}/{raw.key}"

    def files(self, path: str) -> list[StagedFile]:
        found = [
            StagedFile(entry["Key"].removeprefix(self._prefix), entry["Size"]) for entry in self._listed(f"{path}/")
        ]
        return sorted(file for file in found if _is_data(file.path))

    def opened(self, path: str) -> IO[bytes]:
        file = tempfile.TemporaryFile()  # noqa: SIM115 # the caller closes it
        self._s3.download_fileobj(self._bucket, self._prefix + path, file)
        file.seek(0)
        return file

    def end_of(self, file: StagedFile, length: int) -> bytes:
        span = f"bytes={max(0, file.size - length)}-"
        found: bytes = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + file.path, Range=span)["Body"].read()
        return found

    def publish(self, path: str, bucket: str, key: str) -> None:
        self._s3.copy({"Bucket": self._bucket, "Key": self._prefix + path}, bucket, key)

    def remove(self) -> None:
        keys = [entry["Key"] for entry in self._listed("")]
        for start in range(0, len(keys), 1000):
            objects = keys[start : start + 1000]
            self._s3.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in objects], "Quiet": True}
            )

    def _listed(self, path: str) -> Iterator[ObjectTypeDef]:
        return s3_objects.entries(self._s3, self._bucket, self._prefix + path)


def _is_data(path: str) -> bool:
    """Whether it is a data file: no marker, checksum or unfinished file of Spark, no placeholder of a folder."""
    hidden = any(part.startswith(("_", ".")) for part in path.split("/"))
    return not hidden and not path.endswith(("/", "_$folder$"))


def open_staging(s3: S3Client, curated_bucket: str, run_id: str, directory: str | None) -> Staging:
    """The area of a run: below a local directory if one is named, else in the curated bucket."""
    if directory:
        return LocalStaging(s3, Path(directory).resolve() / run_id)
    return S3Staging(s3, curated_bucket, f"{STAGING_PREFIX}{run_id}")


def stage_raw(
    s3: S3Client,
    bucket: str,
    objects: Sequence[RawObject],
    staging: Staging,
    path: str,
    parallelism: int,
    on_staged: Callable[[int], None] = lambda objects: None,
) -> list[str]:
    """Make raw objects readable as few files, about as many as can be read at once; returns their uris.

    Small objects are concatenated, byte for byte, to files of at most BUNDLE_BYTES; a larger one stays in place if
    Spark can read it there. Raises PlatformError if an object is not what the manifest says.
    """
    total = sum(raw.size for raw in objects)
    target = min(BUNDLE_BYTES, max(_SMALLEST_BUNDLE, total // parallelism + 1))
    uris: list[str] = []
    staged = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for number, bundle in enumerate(bundles(objects, target)):
            direct = staging.direct(bucket, bundle[0]) if bundle[0].size >= target else None
            if direct:
                uris.append(direct)
            else:
                bodies = pool.map(partial(_fetch, s3, bucket), bundle)
                chunks = (chunk for body in bodies for chunk in (body, _LINE_FEED))
                uris.append(staging.put(f"{path}/{number:05}.ndjson.gz", chunks))
            staged += len(bundle)
            on_staged(staged)
    return uris


def _fetch(s3: S3Client, bucket: str, raw: RawObject) -> bytes:
    where = f"s3://{bucket}/{raw.key}"
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=raw.key)["Body"].read()
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchKey":
            raise
        raise PlatformError(where, "is in a manifest and gone", "Restore its last version; raw is versioned") from None
    if len(body) != raw.size:
        raise PlatformError(
            where,
            f"has {len(body)} bytes; the manifest says {raw.size}",
            "Restore the version that the manifest names by its ETag; raw objects never change",
        )
    return body


def publish_files(staging: Staging, files: Iterable[tuple[str, str, str]]) -> None:
    """Copy staged files to their places: (path, bucket, key)."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(staging.publish, *file) for file in files]:
            done.result()
