"""The state of ETL runs in the curated bucket: manifest, publication, result.

runs/month=M/{run_id}/manifest.json   what the run processes; written first
runs/month=M/{run_id}/publish.json    the write-ahead list: staged file -> final key
runs/month=M/{run_id}/result.json     what became of it; written last: the run's commit
runs/taken.json                       the summary of the manifests (data_processing/taken.py)

Only the months are listed that the summary does not call finished. Without it, all runs are listed and all manifests
read once, so restore an earlier version of it if it is lost.

The Glue job runs once at a time. If two run all the same, the worst that may happen is an error in one of them:
manifest and write-ahead list are put on the condition that nobody else has put one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from data_catalog.lake_layout import TAKEN_KEY, run_key, run_of
from data_governance.run_folders import months_from
from data_governance.run_result import RunResult
from data_processing.manifest import Manifest
from data_processing.taken import LONGEST_PLANNING, Taken
from infrastructure.aws import s3_objects
from infrastructure.aws.s3_objects import put_if_absent
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_MANIFEST = "manifest.json"


class Listed(NamedTuple):
    """One run as the listing shows it."""

    manifest_at: datetime | None = None
    finished: bool = False


class RunState:
    """Reads and writes the state through an S3 client."""

    def __init__(self, s3: S3Client, curated_bucket: str) -> None:
        self._s3 = s3
        self._bucket = curated_bucket
        self._listed: dict[str, Listed] = {}
        self._etags: dict[str, str] = {}

    def runs(self) -> dict[str, Listed]:
        """Every run by id of the months that may have open ones."""
        return self._runs_from(self._stored_taken().month)

    def _runs_from(self, month: str) -> dict[str, Listed]:
        found: dict[str, Listed] = {}
        for prefix in months_from(self._s3, self._bucket, month):
            for page in s3_objects.pages(self._s3, self._bucket, prefix):
                for entry in page.summaries():
                    run_id, name = run_of(entry.key)
                    if name == _MANIFEST:
                        put_at = datetime.fromisoformat(entry.modified).replace(tzinfo=UTC)
                        found[run_id] = found.get(run_id, Listed())._replace(manifest_at=put_at)
                    elif name == "result.json":
                        found[run_id] = found.get(run_id, Listed())._replace(finished=True)
        self._listed = {run_id: listed for run_id, listed in found.items() if listed.manifest_at}
        return self._listed

    def taken(self) -> Taken:
        """What is taken: the summary, brought up to the runs that there are now."""
        taken = self._stored_taken()
        runs = self._runs_from(taken.month)  # listed later, so that a run that it lacks is gone
        for run_id in taken.runs - runs.keys():
            taken.forget(run_id)
        for manifest in self._manifests(sorted(runs.keys() - taken.runs)):
            taken.add(manifest)
        return taken

    def _stored_taken(self) -> Taken:
        body = self._object(TAKEN_KEY)
        return Taken.from_json(body) if body is not None else Taken()

    def keep_taken(self, taken: Taken, retention: timedelta, now: datetime) -> None:
        """Write the summary for the next plan."""
        taken.settle(retention, now, [run_id for run_id, listed in self._listed.items() if not listed.finished])
        self._s3.put_object(Bucket=self._bucket, Key=TAKEN_KEY, Body=taken.to_json(), ContentType="application/json")

    def keys_of(self, run_ids: Iterable[str], hour: str) -> set[str]:
        """The keys that these runs have taken of an arrival hour."""
        manifests = self._manifests(sorted(run_ids))
        return {raw.key for manifest in manifests for raw in manifest.taken if raw.key.startswith(hour)}

    def open_manifests(self, runs: dict[str, Listed]) -> list[Manifest]:
        """Manifests of runs that did not finish, oldest first.

        An object belongs to one run. If a writer was killed before it could withdraw its manifest (write_manifest), it
        is withdrawn here.
        """
        unfinished = {manifest.run_id: manifest for manifest in self._manifests(self._unfinished(runs))}
        if not unfinished:
            return []
        keys = {raw.key for manifest in unfinished.values() for raw in manifest.taken}
        since = min(listed.manifest_at for listed in map(runs.__getitem__, unfinished) if listed.manifest_at)
        finished = [
            run_id
            for run_id, listed in runs.items()
            if listed.finished and listed.manifest_at and listed.manifest_at >= since - LONGEST_PLANNING
        ]
        taken = {raw.key for manifest in self._manifests(finished) for raw in manifest.taken if raw.key in keys}
        found = []
        for run_id in sorted(unfinished, key=lambda run_id: self._precedence(run_id, runs[run_id])):
            own = {raw.key for raw in unfinished[run_id].taken}
            if own & taken:
                self._withdraw(run_id)
            else:
                taken |= own
                found.append(unfinished[run_id])
        return sorted(found, key=lambda manifest: (manifest.created_at, manifest.run_id))

    def _unfinished(self, runs: dict[str, Listed]) -> list[str]:
        return [run_id for run_id, listed in runs.items() if not listed.finished]

    def _precedence(self, run_id: str, listed: Listed) -> tuple[Any, ...]:
        """Decides which open manifest keeps a shared object: that with a publish list, then the oldest."""
        return self.publication(run_id) is None, listed.manifest_at, run_id

    def _manifests(self, run_ids: Iterable[str]) -> Iterator[Manifest]:
        """The manifests of these runs, each read once, several at a time."""
        keys = (run_key(run_id, _MANIFEST) for run_id in run_ids)
        return (Manifest.from_json(body) for _, body in s3_objects.bodies(self._s3, self._bucket, keys))

    def manifest(self, run_id: str) -> Manifest:
        """A run's manifest."""
        return Manifest.from_json(s3_objects.body(self._s3, self._bucket, run_key(run_id, _MANIFEST)))

    def write_manifest(self, manifest: Manifest) -> None:
        """Fix a run's input. Raises PlatformError, and fixes nothing, if another process fixed one at the same time.

        Two jobs that planned the same objects write the same key, and one of them is refused. If they planned different
        objects, at least one of them sees a run that it did not plan with, because S3 lists everything put before, and
        withdraws.
        """
        planned_with = self._listed.keys()
        if not put_if_absent(self._s3, self._bucket, run_key(manifest.run_id, _MANIFEST), manifest.to_json()):
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
        self._s3.delete_object(Bucket=self._bucket, Key=run_key(run_id, _MANIFEST))

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
        return self._object(run_key(run_id, name))

    def _object(self, key: str) -> bytes | None:
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        self._etags[key] = found["ETag"]
        return found["Body"].read()


def _two_jobs(run_id: str, what: str) -> PlatformError:
    return PlatformError(
        f"run {run_id}",
        what,
        "Run one job at a time (the Glue job's MaxConcurrentRuns is 1), then run it again",
    )
