"""The state of ETL runs in the curated bucket: manifest, publication, result.

runs/{run_id}/manifest.json   what the run processes; written first
runs/{run_id}/publish.json    the write-ahead list: staged file -> final key
runs/{run_id}/result.json     what came of it; written last: the run's commit
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from data_processing.manifest import Manifest, list_from
from infrastructure.errors import PlatformError
from infrastructure.settings import RUNS_PREFIX

_READ_SLACK = timedelta(days=2)


class Listed(NamedTuple):
    """One run as the listing shows it."""

    manifest_at: datetime | None = None
    finished: bool = False


class RunState:
    """Reads and writes it through an S3 client."""

    def __init__(self, s3: Any, curated_bucket: str) -> None:
        self._s3 = s3
        self._bucket = curated_bucket
        self._read: dict[str, Manifest] = {}

    def runs(self) -> dict[str, Listed]:
        """Every run by id. One listing call per some 300 runs."""
        found: dict[str, Listed] = {}
        for entry in self._listed():
            run_id, _, name = entry["Key"].removeprefix(RUNS_PREFIX).partition("/")
            if name == "manifest.json":
                found[run_id] = found.get(run_id, Listed())._replace(manifest_at=entry["LastModified"])
            elif name == "result.json":
                found[run_id] = found.get(run_id, Listed())._replace(finished=True)
        return {run_id: listed for run_id, listed in found.items() if listed.manifest_at}

    def open_manifests(self, runs: dict[str, Listed]) -> list[Manifest]:
        """Manifests of runs that did not finish, oldest first."""
        manifests = [self.manifest(run_id) for run_id, listed in runs.items() if not listed.finished]
        return sorted(manifests, key=lambda manifest: (manifest.created_at, manifest.run_id))

    def recent_manifests(self, runs: dict[str, Listed], retention: timedelta) -> list[Manifest]:
        """At least the manifests that hold objects which a listing of what may be pending will show."""
        times = [listed.manifest_at for listed in runs.values() if listed.manifest_at]
        if not times:
            return []
        since = max(times) - retention - _READ_SLACK
        manifests = self._manifests_since(runs, since)
        floor = list_from(manifests, retention)
        if floor is None:
            return self._manifests_since(runs, min(times))
        # An object lands on its arrival date at the earliest, and a manifest holds it later still.
        begun = datetime(floor.year, floor.month, floor.day, tzinfo=UTC) - _READ_SLACK
        return manifests if begun >= since else self._manifests_since(runs, begun)

    def _manifests_since(self, runs: dict[str, Listed], since: datetime) -> list[Manifest]:
        return [
            self.manifest(run_id)
            for run_id, listed in runs.items()
            if listed.manifest_at and listed.manifest_at >= since
        ]

    def manifest(self, run_id: str) -> Manifest:
        """A run's manifest."""
        if run_id not in self._read:
            self._read[run_id] = Manifest.from_json(self._get(run_id, "manifest.json"))
        return self._read[run_id]

    def write_manifest(self, manifest: Manifest) -> None:
        """Fix a run's input. PlatformError where another process fixed one at the same time; nothing is fixed then.

        S3 lists what was put before: of two that write at once, one at least sees the other and withdraws.
        """
        self._put(manifest.run_id, "manifest.json", manifest.to_json())
        others = [run for run, listed in self.runs().items() if not listed.finished and run != manifest.run_id]
        if others:
            self._s3.delete_object(Bucket=self._bucket, Key=_key(manifest.run_id, "manifest.json"))
            raise PlatformError(
                f"run {manifest.run_id}",
                f"run {others[0]} was begun at the same time",
                "Run one job at a time (the Glue job's MaxConcurrentRuns is 1), then run it again",
            )

    def publication(self, run_id: str) -> dict[str, Any] | None:
        """The run's write-ahead list; None where it has none yet."""
        return self._document(run_id, "publish.json")

    def write_publication(self, run_id: str, publication: dict[str, Any]) -> None:
        """Fix what the run publishes."""
        self._put(run_id, "publish.json", json.dumps(publication, indent=0).encode())

    def result(self, run_id: str) -> dict[str, Any] | None:
        """The run's result; None while it is open."""
        return self._document(run_id, "result.json")

    def write_result(self, run_id: str, result: dict[str, Any]) -> None:
        """Commit the run."""
        self._put(run_id, "result.json", json.dumps(result, indent=1).encode())

    def _listed(self) -> Iterator[dict[str, Any]]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=RUNS_PREFIX)
        for page in pages:
            yield from page.get("Contents", [])

    def _document(self, run_id: str, name: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._get(run_id, name))
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return document

    def _get(self, run_id: str, name: str) -> bytes:
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=_key(run_id, name))["Body"].read()
        return body

    def _put(self, run_id: str, name: str, body: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=_key(run_id, name), Body=body, ContentType="application/json")


def _key(run_id: str, name: str) -> str:
    return f"{RUNS_PREFIX}{run_id}/{name}"
