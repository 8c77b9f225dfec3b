"""The state of runs: manifests are read several at a time, and old months not at all."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from data_catalog.lake_layout import run_key, run_month
from data_governance.run_result import RunResult
from data_processing.manifest import Manifest, RawObject, run_id
from data_processing.run_state import RunState
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = "raw/transactions/arrival_date=2026-11-24/arrival_hour=09/"
RETENTION = timedelta(days=7)
BUCKET = "curated"
_AT_ONCE = 8


class SideBySide:
    """An S3 whose reads return only when this many are under way; a reader that reads one by one gets an error."""

    def __init__(self) -> None:
        self._under_way = threading.Barrier(_AT_ONCE, timeout=30)
        self.read: list[str] = []

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        self._under_way.wait()
        self.read.append(Key)
        run_id = Key.split("/")[1]
        manifest = Manifest(run_id, NOW, (RawObject(f"{HOUR}{run_id}", 1, "etag"),))
        return {"Body": io.BytesIO(manifest.to_json()), "ETag": "etag"}


def test_manifests_are_read_side_by_side_and_once() -> None:
    s3: Any = SideBySide()
    runs = {f"{number:016}" for number in range(2 * _AT_ONCE)}
    assert RunState(s3, BUCKET).keys_of(runs, HOUR) == {f"{HOUR}{run_id}" for run_id in runs}
    assert sorted(s3.read) == [run_key(run_id, "manifest.json") for run_id in sorted(runs)]


@pytest.fixture(name="s3")
def emulated_s3():
    with emulated_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket=BUCKET)
        yield s3


def put_run(s3: Any, number: int, created_at: datetime, *, finished: bool = True) -> Manifest:
    objects = (RawObject(f"{HOUR}i-shardId-000000000000-{number}-{number}.ndjson.gz", 9, "etag"),)
    manifest = Manifest(run_id(objects, created_at), created_at, objects)
    s3.put_object(Bucket=BUCKET, Key=run_key(manifest.run_id, "manifest.json"), Body=manifest.to_json())
    if finished:
        RunState(s3, BUCKET).write_result(RunResult(manifest.run_id, created_at, (), (), {}))
    return manifest


def keep(s3: Any, now: datetime) -> None:
    state = RunState(s3, BUCKET)
    state.keep_taken(state.taken(), RETENTION, now)


def requests(s3: Any) -> list[str]:
    seen: list[str] = []
    s3.meta.events.register("before-send.s3.*", lambda request, **_: seen.append(request.url))
    return seen


def test_old_months_are_neither_listed_nor_read(s3):
    for number, month in enumerate((3, 9, 10, 11)):
        put_run(s3, number, datetime(2026, month, 20, tzinfo=UTC))
    keep(s3, NOW)
    seen = requests(s3)
    state = RunState(s3, BUCKET)
    assert {run_month(run_id) for run_id in state.runs()} == {"2026-11"}
    assert len(state.taken().runs) == 1
    assert state.open_manifests(state.runs()) == []
    assert not [url for url in seen if "2026-03" in url or "2026-09" in url or "2026-10" in url]
    assert not [url for url in seen if "manifest.json" in url]


def test_an_open_run_keeps_its_month_listed_however_old(s3):
    old = put_run(s3, 1, datetime(2026, 8, 31, tzinfo=UTC), finished=False)
    put_run(s3, 2, NOW)
    keep(s3, NOW)
    state = RunState(s3, BUCKET)
    assert state.open_manifests(state.runs()) == [old]
    state.write_result(RunResult(old.run_id, old.created_at, (), (), {}))
    keep(s3, NOW)
    assert old.run_id not in RunState(s3, BUCKET).runs()


def test_a_run_of_a_former_version_is_found_until_it_is_finished(s3):
    former = Manifest("0123456789abcdef", NOW, (RawObject(f"{HOUR}a", 9, "etag"),))
    s3.put_object(Bucket=BUCKET, Key="runs/0123456789abcdef/manifest.json", Body=former.to_json())
    keep(s3, NOW)
    state = RunState(s3, BUCKET)
    assert state.open_manifests(state.runs()) == [former]
    state.write_result(RunResult(former.run_id, NOW, (), (), {}))
    assert "runs/0123456789abcdef/result.json" in [
        each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    ]
    keep(s3, NOW)
    assert RunState(s3, BUCKET).runs() == {}
    assert RunState(s3, BUCKET).taken().hours[HOUR].runs == {former.run_id}


def test_the_summary_is_brought_up_to_the_runs_that_there_are(s3):
    """Whoever wrote it last, and whatever was planned or withdrawn since."""
    kept, gone = put_run(s3, 1, NOW), put_run(s3, 2, NOW, finished=False)
    keep(s3, NOW)
    s3.delete_object(Bucket=BUCKET, Key=run_key(gone.run_id, "manifest.json"))
    new = put_run(s3, 3, NOW)
    taken = RunState(s3, BUCKET).taken()
    assert taken.runs == taken.hours[HOUR].runs == {kept.run_id, new.run_id}
    assert taken.hours[HOUR].checked_at is None


def test_a_lost_summary_is_made_anew_from_all_manifests(s3):
    runs = {put_run(s3, month, datetime(2026, month, 20, tzinfo=UTC)).run_id for month in (1, 6, 11)}
    keep(s3, NOW)
    s3.delete_object(Bucket=BUCKET, Key="runs/taken.json")
    assert RunState(s3, BUCKET).taken().runs == runs


def test_a_rival_of_last_month_is_seen_on_the_first_day_of_a_month(s3):
    first = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)
    put_run(s3, 1, first)
    keep(s3, first)
    state = RunState(s3, BUCKET)
    state.taken()
    rival = put_run(s3, 2, first - timedelta(minutes=10), finished=False)
    objects = (RawObject(f"{HOUR}b", 9, "etag"),)
    with pytest.raises(PlatformError, match=f"run {rival.run_id} was begun at the same time"):
        state.write_manifest(Manifest(run_id(objects, first), first, objects))
