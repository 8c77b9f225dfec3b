"""The state of ETL runs in the curated bucket: manifest, publication, result.

runs/{run_id}/manifest.json   what the run processes; written first
runs/{run_id}/publish.json    the write-ahead list: staged file -> final key
runs/{run_id}/result.json     what became of it; written last: the run's commit

The Glue job runs once at a time. If two run all the same, the worst that may happen is an error in one of them:
manifest and write-ahead list are put on the condition that nobody else has put one.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from data_catalog.lake_layout import RUNS_PREFIX, run_key, run_of
from data_governance.run_result import RunResult
from data_processing.manifest import Manifest, list_from
from infrastructure.aws import s3_objects
from infrastructure.aws.s3_objects import put_if_absent
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_READ_SLACK = timedelta(days=2)
# If two jobs plan at the same time: the longest time between one's listing and the other's manifest.
_LONGEST_PLANNING = timedelta(days=1)
_THREADS = 16


class Listed(NamedTuple):
    """One run as the listing shows it."""

    manifest_at: datetime | None = None
    finished: bool = False


class RunState:
    """Reads and writes the state through an S3 client."""

    def __init__(self, s3: S3Client, curated_bucket: str) -> None:
        self._s3 = s3
        self._bucket = curated_bucket
        self._read: dict[str, Manifest] = {}
        self._seen: frozenset[str] = frozenset()
        self._etags: dict[str, str] = {}

    def runs(self) -> dict[str, Listed]:
        """Every run by id. One listing call returns about 300 runs."""
        found: dict[str, Listed] = {}
        for entry in s3_objects.entries(self._s3, self._bucket, RUNS_PREFIX):
            run_id, name = run_of(entry["Key"])
            if name == "manifest.json":
                found[run_id] = found.get(run_id, Listed())._replace(manifest_at=entry["LastModified"])
            elif name == "result.json":
                found[run_id] = found.get(run_id, Listed())._replace(finished=True)
        runs = {run_id: listed for run_id, listed in found.items() if listed.manifest_at}
        self._seen = frozenset(runs)
        return runs

    def open_manifests(self, runs: dict[str, Listed]) -> list[Manifest]:
        """Manifests of runs that did not finish, oldest first.

        An object belongs to one run. If a writer was killed before it could withdraw its manifest (write_manifest), it
        is withdrawn here.
        """
        times = [listed.manifest_at for listed in runs.values() if not listed.finished and listed.manifest_at]
        if not times:
            return []
        manifests = self._manifests_since(runs, min(times) - _LONGEST_PLANNING)
        taken: set[str] = set()
        found = []
        for manifest in sorted(manifests, key=lambda each: self._precedence(each.run_id, runs[each.run_id])):
            keys = {raw.key for raw in manifest.objects}
            if runs[manifest.run_id].finished:
                taken |= keys
            elif keys & taken:
                self._withdraw(manifest.run_id)
            else:
                taken |= keys
                found.append(manifest)
        return sorted(found, key=lambda manifest: (manifest.created_at, manifest.run_id))

    def _precedence(self, run_id: str, listed: Listed) -> tuple[Any, ...]:
        """Decides which manifest keeps a shared object: finished runs, then those with a publish list, then the
        oldest."""
        is_open = not listed.finished
        return is_open, is_open and self.publication(run_id) is None, listed.manifest_at, run_id

    def recent_manifests(self, runs: dict[str, Listed], retention: timedelta) -> list[Manifest]:
        """At least the manifests of all objects that a listing of pending objects may show."""
        times = [listed.manifest_at for listed in runs.values() if listed.manifest_at]
        if not times:
            return []
        since = max(times) - retention - _READ_SLACK
        manifests = self._manifests_since(runs, since)
        floor = list_from(manifests, retention)
        if floor is None:
            return self._manifests_since(runs, min(times))
        # An object lands on its arrival date or later, and a manifest takes it after that.
        begun = datetime(floor.year, floor.month, floor.day, tzinfo=UTC) - _READ_SLACK
        return manifests if begun >= since else self._manifests_since(runs, begun)

    def _manifests_since(self, runs: dict[str, Listed], since: datetime) -> list[Manifest]:
        wanted = [run_id for run_id, listed in runs.items() if listed.manifest_at and listed.manifest_at >= since]
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(self.manifest, wanted))

    def manifest(self, run_id: str) -> Manifest:
        """A run's manifest."""
        if run_id not in self._read:
            self._read[run_id] = Manifest.from_json(self._get(run_id, "manifest.json"))
        return self._read[run_id]

    def write_manifest(self, manifest: Manifest) -> None:
        """Fix a run's input. Raises PlatformError, and fixes nothing, if another process fixed one at the same time.

        Two jobs that planned the same objects write the same key, and one of them is refused. If they planned different
        objects, at least one of them sees a run that it did not plan with, because S3 lists everything put before, and
        withdraws.
        """
        planned_with = self._seen
        if not put_if_absent(self._s3, self._bucket, run_key(manifest.run_id, "manifest.json"), manifest.to_json()):
            raise _two_jobs(manifest.run_id, "was begun at the same time by another job")
        others = [
            run
            for run, listed in self.runs().items()
            if run != manifest.run_id and not (listed.finished and run in planned_with)
        ]
        if others:
            self._withdraw(manifest.run_id)
            raise _two_jobs(manifest.run_id, f"run {others[0]} was begun at the same time")

    def _withdraw(self, run_id: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=run_key(run_id, "manifest.json"))

    def publication(self, run_id: str) -> dict[str, Any] | None:
        """The run's write-ahead list; None if it has none yet."""
        body = self._body(run_id, "publish.json")
        return json.loads(body) if body is not None else None

    def write_publication(self, run_id: str, publication: dict[str, Any]) -> None:
        """Fix what the run publishes, in place of the list that publication() read.

        Raises PlatformError if another process has fixed one since.
        """
        body = json.dumps(publication, indent=0).encode()
        etag = self._etags.get(run_key(run_id, "publish.json"))
        if not put_if_absent(self._s3, self._bucket, run_key(run_id, "publish.json"), body, etag):
            raise _two_jobs(run_id, "was computed at the same time by another job")

    def result(self, run_id: str) -> RunResult | None:
        """The run's result; None while it is open."""
        body = self._body(run_id, "result.json")
        return RunResult.from_json(body, f"run {run_id}") if body is not None else None

    def write_result(self, result: RunResult) -> None:
        """Commit the run."""
        key = run_key(result.run_id, "result.json")
        self._s3.put_object(Bucket=self._bucket, Key=key, Body=result.to_json(), ContentType="application/json")

    def _body(self, run_id: str, name: str) -> bytes | None:
        try:
            return self._get(run_id, name)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise

    def _get(self, run_id: str, name: str) -> bytes:
        found = self._s3.get_object(Bucket=self._bucket, Key=run_key(run_id, name))
        self._etags[run_key(run_id, name)] = found["ETag"]
        body: bytes = found["Body"].read()
        return body


def _two_jobs(run_id: str, what: str) -> PlatformError:
    return PlatformError(
        f"run {run_id}",
        what,
        "Run one job at a time (the Glue job's MaxConcurrentRuns is 1), then run it again",
    )
