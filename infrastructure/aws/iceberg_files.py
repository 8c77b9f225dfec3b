"""pyiceberg's file access on an S3 client. Metadata files are small, so each is read and written whole."""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.table.locations import SimpleLocationProvider

from infrastructure.aws.s3_objects import split_location

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def files_through(s3: S3Client) -> FileIO:
    """File access through this client."""
    return _Files(s3)


class _Files(FileIO):
    def __init__(self, s3: S3Client) -> None:
        super().__init__({})
        self._s3 = s3

    def new_input(self, location: str) -> InputFile:
        return _Input(self._s3, location)

    def new_output(self, location: str) -> OutputFile:
        return _Output(self._s3, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        bucket, key = split_location(location if isinstance(location, str) else location.location)
        self._s3.delete_object(Bucket=bucket, Key=key)


class Locations(SimpleLocationProvider):
    """Names of metadata files. They begin with an underscore, so that pandas and pyarrow pass over them in a table's
    folder, and those of tables go on with the time, so that the last in order of names is the current one."""

    def new_metadata_location(self, metadata_file_name: str) -> str:
        return super().new_metadata_location(f"_{metadata_file_name}")

    def new_table_metadata_file_location(self, new_version: int = 0) -> str:
        return self.new_metadata_location(f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{uuid.uuid4()}.metadata.json")


class _Object:
    """What a file of either direction can be asked."""

    def __init__(self, s3: S3Client, location: str) -> None:
        self._s3 = s3
        self._location = location

    @property
    def location(self) -> str:
        return self._location

    def exists(self) -> bool:
        try:
            len(self)
        except FileNotFoundError:
            return False
        return True

    def __len__(self) -> int:
        bucket, key = split_location(self._location)
        try:
            return self._s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        except ClientError as error:
            raise _as_missing(error, self._location) from None


class _Input(_Object, InputFile):
    def open(self, seekable: bool = True) -> InputStream:
        bucket, key = split_location(self._location)
        try:
            return io.BytesIO(self._s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            raise _as_missing(error, self._location) from None


class _Output(_Object, OutputFile):
    _size: int | None = None  # once it was put

    def to_input_file(self) -> InputFile:
        return _Input(self._s3, self._location)

    def create(self, overwrite: bool = False) -> OutputStream:
        return _Upload(self._put)

    def __len__(self) -> int:
        return super().__len__() if self._size is None else self._size

    def _put(self, body: bytes) -> None:
        bucket, key = split_location(self._location)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body)
        self._size = len(body)


class _Upload(io.BytesIO):
    """Puts what was written when it is closed."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        super().__init__()
        self._put = put

    def close(self) -> None:
        if not self.closed:
            self._put(self.getvalue())
        super().close()


def _as_missing(error: ClientError, location: str) -> Exception:
    missing = error.response["Error"]["Code"] in ("NoSuchKey", "404", "NotFound")
    return FileNotFoundError(location) if missing else error
