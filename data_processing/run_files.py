"""A run's files: what Spark wrote, counted, and the names that they are published under. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from data_catalog.lake_tables import LAKE_TABLES
from data_governance.run_result import PublishedFile
from data_processing.run_commit import first_day


@dataclass(slots=True)
class FileCount:
    """What a file holds: records, and the least and greatest value of some columns, as Iceberg's bounds have them."""

    records: int = 0
    bounds: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def add(self, records: int, **bounds: tuple[Any, Any]) -> None:
        self.records += records
        for name, (least, greatest) in bounds.items():
            first, last = self.bounds.get(name, (least, greatest))
            self.bounds[name] = (min(first, least), max(last, greatest))


def staged_path(uri: str, attempt: str) -> str:
    """The path inside the staging area of a file that Spark names by its (escaped) URI."""
    return f"{attempt}/" + unquote(uri).split(f"/{attempt}/", 1)[1]


WHOLE = "whole"  # the last part of a slice's path, in place of a file's name


def slice_path(table: str, folder: Iterable[tuple[str, str]]) -> str:
    """The path of a slice that is cut out of a staged table later, as if it were a file in a folder of its own."""
    return "/".join([table, *(f"{name}={value}" for name, value in folder), WHOLE])


def is_slice(path: str) -> bool:
    """Whether it is the path of a slice, not of a file that Spark wrote."""
    return path.endswith(f"/{WHOLE}")


def table_of(path: str) -> str:
    """The staged table that a slice is part of."""
    return path.split("=", 1)[0].rsplit("/", 1)[0]


def folder_of(path: str) -> list[tuple[str, str]]:
    """The columns and values that a slice is known by."""
    parts = path.removeprefix(table_of(path) + "/").split("/")[:-1]
    return [(name, value) for name, _, value in (part.partition("=") for part in parts)]


def partition_of(path: str) -> str:
    """The value of the innermost partition in the path of a file."""
    return path.rsplit("/", 2)[1].split("=", 1)[1]


def with_keys(files: list[dict[str, Any]], run_id: str, attempt: str) -> list[dict[str, Any]]:
    """The rows with their final keys: {run_id}-{attempt}-NNNNN, numbered by kind in the order of the staged paths."""
    named: list[dict[str, Any]] = []
    for table in LAKE_TABLES:
        ordered = sorted((row for row in files if row["kind"] == table.kind), key=lambda row: row["staged"])
        for number, row in enumerate(ordered):
            key = table.file_key(row["partition"], f"{run_id}-{attempt}-{number:05}")
            named.append(row | {"key": key})
    return named


def published_file(row: Mapping[str, Any]) -> PublishedFile:
    return PublishedFile(row["key"], row["size"], row["records"], first_day(row["partition"]))
