"""The emulated buckets as ordinary files: DIR/<bucket>/<key>.

Every object becomes a file before its put is answered, so a killed run leaves everything that it was told is stored,
and the next run reads the files back in. The emulator reads an object's content from its file, so that memory does not
grow with the lake. Older versions of an object are not kept.

Any process of this machine can put an object: a key that would name a file elsewhere is refused.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from moto.s3.exceptions import S3ClientError
from moto.s3.models import S3Backend, s3_backends

from infrastructure.errors import PlatformError


class ObjectFiles:
    """Keeps the objects of some buckets below a directory."""

    def __init__(self, directory: Path, account_id: str, buckets: Iterable[str]) -> None:
        self._directory = directory
        self._account_id = account_id
        self._buckets = frozenset(buckets)
        self._half_written = directory.parent / "tmp"

    def restore(self) -> int:
        """Put every kept file into its emulated bucket, which must exist; returns the number of objects. Each was last
        modified when its file was."""
        backend = s3_backends[self._account_id]["aws"]
        count = 0
        for bucket in sorted(self._buckets):
            root = self._directory / bucket
            for path in sorted(root.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    key = path.relative_to(root).as_posix()
                    # Whoever is told of new objects was told of these when they were new.
                    stored = backend.put_object(bucket, key, path.read_bytes(), disable_notification=True)
                    _read_from(path, stored)
                    stored.last_modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
                    count += 1
        return count

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Write every put and delete through to the files while the context is open."""
        put_object, delete_object = S3Backend.put_object, S3Backend.delete_object

        def put_and_keep(backend: Any, bucket_name: str, key_name: str, value: bytes, **options: Any) -> Any:
            if bucket_name not in self._buckets:
                return put_object(backend, bucket_name, key_name, value, **options)
            # The file comes first, because other requests see the object as soon as it is put.
            path = self._path(bucket_name, key_name)
            self._write(path, value)
            stored = put_object(backend, bucket_name, key_name, value, **options)
            _read_from(path, stored)
            return stored

        def delete_and_forget(backend: Any, bucket_name: str, key_name: str, *args: Any, **options: Any) -> Any:
            answer = delete_object(backend, bucket_name, key_name, *args, **options)
            if bucket_name in self._buckets and not _exists(backend, bucket_name, key_name):
                self._path(bucket_name, key_name).unlink(missing_ok=True)
            return answer

        self._half_written.mkdir(parents=True, exist_ok=True)
        for leftover in self._half_written.iterdir():
            leftover.unlink()
        with (
            patch.object(S3Backend, "put_object", put_and_keep),
            patch.object(S3Backend, "delete_object", delete_and_forget),
        ):
            yield

    def _path(self, bucket: str, key: str) -> Path:
        """The file of an object. Raises S3's InvalidArgument if it would not lie below its bucket's folder."""
        folder = self._directory / bucket
        path = folder.joinpath(*key.split("/"))
        is_name = all(part not in ("", ".", "..") and "\0" not in part for part in key.split("/"))
        # A link inside the folder may lead out of it.
        if not is_name or not path.resolve().is_relative_to(folder.resolve()):
            raise S3ClientError("InvalidArgument", "The key is no path below the bucket's folder")
        return path

    def _write(self, path: Path, value: bytes) -> None:
        """Write the whole file or none of it: to a temporary name, then renamed."""
        beside = self._half_written / uuid.uuid4().hex
        try:
            beside.write_bytes(value)
            path.parent.mkdir(parents=True, exist_ok=True)
            beside.replace(path)
        except OSError as error:
            raise PlatformError(
                str(path), f"cannot be written ({error.strerror})", "Free space or choose another --workdir"
            ) from error


class _FileBuffer:
    """As much of a file object as moto needs for an object's content; the file is open only while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._position)
            data = file.read(size)
        self._position += len(data)
        return data

    def close(self) -> None:
        pass


def _read_from(path: Path, stored: Any) -> None:
    """Make a newly put emulated object drop its copy of the bytes and read them from the file instead."""
    stored._value_buffer.close()
    stored._value_buffer = _FileBuffer(path)


def _exists(backend: Any, bucket: str, key: str) -> bool:
    return backend.get_object(bucket, key) is not None
