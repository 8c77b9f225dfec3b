"""The ETL job killed anywhere: run again, it leaves what a fault-free run leaves, and nothing twice."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from typing import Any, ClassVar

import boto3
import pytest

from data_processing import etl_run
from infrastructure.errors import PlatformError
from infrastructure.local import glue_job
from infrastructure.local.emulator import emulated_aws, emulator_server
from infrastructure.local.java import find_java
from tests.pipeline.etl_lake import BUCKETS, DATABASE, EmulatedLake
from tests.pipeline.etl_landed import batches, records
from tests.pipeline.etl_rows import row

pytestmark = pytest.mark.slow

BASE = 49600000000000000000
_MUTATING = (
    "PutObject", "DeleteObject", "DeleteObjects", "CreateMultipartUpload", "BatchCreatePartition", "UpdateTable",
)  # fmt: skip


class KilledError(Exception):
    """Stands for SIGKILL. No BaseException, which boto3's transfer threads would swallow; the job catches neither."""


class Kill:
    """Ends the process at the n-th mutating call to S3 or Glue: before it is sent, or after it was carried out."""

    def __init__(self, lake, number, after):
        self.calls, self._number = 0, number
        self._clients, self._event = (lake.s3, lake.glue), "after-call" if after else "before-call"

    def __enter__(self):
        for client in self._clients:
            client.meta.events.register(self._event, self._call)
        return self

    def __exit__(self, *_):
        for client in self._clients:
            client.meta.events.unregister(self._event, self._call)

    def _call(self, model, **_):
        if model.name in _MUTATING:
            self.calls += 1
            if self.calls >= self._number:  # its other threads end too
                raise KilledError


def land(lake):
    """The lake of a first run and the pending objects of a second: duplicates, conflicts, redelivered and bad rows."""
    lake.land([row(1), row(2), row(3, event_time="2026-03-01T00:00:00Z")], BASE + 1, BASE + 3)
    lake.run()
    lake.land([row(2), row(3, event_time="2026-03-01T00:00:00Z"), row(4), row(5, amount="x")], BASE + 2, BASE + 5)
    more = [row(1, sequence_number=str(BASE + 6)), row(4, sequence_number=str(BASE + 7), amount="1.00")]
    big = [row(n, amount="20000.00", event_time=f"2026-02-2{n % 8}T00:00:00Z") for n in range(8, 16)]
    lake.land([*more, *big], BASE + 6, BASE + 15)


@pytest.fixture(scope="module")
def fault_free(spark, tmp_path_factory):
    """What is left without a fault, and how many mutating calls the second run makes."""
    with emulated_aws():
        lake = EmulatedLake(spark, tmp_path_factory.mktemp("fault-free"))
        land(lake)
        with Kill(lake, 10**9, after=False) as counted:
            lake.run()
        return lake.state(), counted.calls


# The first and the last call put the manifest and the result; files, write-ahead list and commits are between.
# Before a call is behind the one before it, but for the first.
@pytest.mark.parametrize(
    ("share", "after"),
    [(0.0, False), (0.0, True), (0.1, True), (0.5, True), (0.9, True), (1.0, True)],
    ids=["before the first", "the first", "a tenth", "half", "nine tenths", "the last"],
)
def test_killed_at_a_call_and_run_again(lake, fault_free, share, after):
    state, calls = fault_free
    land(lake)
    with pytest.raises(KilledError), Kill(lake, 1 + round(share * (calls - 1)), after):
        lake.run()
    lake.run()
    assert lake.state() == state


def test_killed_twice_with_its_scratch_lost_in_between(lake, fault_free, tmp_path):
    state, calls = fault_free
    land(lake)
    for call in (6, calls - 10):  # while it copies its files; while it commits
        with pytest.raises(KilledError), Kill(lake, call, after=True):
            lake.run()
        shutil.rmtree(tmp_path / "staging", ignore_errors=True)
    lake.run()
    assert lake.state() == state


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_killed_in_a_run_whose_files_the_driver_cuts(lake, fault_free, monkeypatch, share):
    state, calls = fault_free
    monkeypatch.setattr(etl_run, "_DATES_WORTH_GATHERING", 3)
    land(lake)
    with pytest.raises(KilledError), Kill(lake, round(share * calls), after=True):
        lake.run()
    lake.run()
    assert lake.state() == state


@pytest.fixture
def server():
    """An emulated account that a process of its own can reach; its environment."""
    keys = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
    with emulated_aws(), emulator_server() as endpoint:
        yield {"AWS_ENDPOINT_URL": endpoint} | keys


class SeenProcess(subprocess.Popen[str]):
    """Lets the test know the job's process."""

    last: ClassVar[SeenProcess]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        SeenProcess.last = self


def run_job(environment, staging, kill_at=None, wait=0.0, seen=None):
    """Run the job as a process, killed (SIGKILL, its JVM too) so long after its n-th event; whether it ended.

    seen: gets the events, each with the time at which it came.
    """
    arguments = {"raw_bucket": BUCKETS.raw, "curated_bucket": BUCKETS.curated, "quarantine_bucket": BUCKETS.quarantine}
    arguments["glue_database"] = DATABASE
    seen = [] if seen is None else seen
    timers = []

    def on_progress(event):
        seen.append((event, time.monotonic()))
        if len(seen) != kill_at:
            return
        if wait:
            timers.append(threading.Timer(wait, os.killpg, (SeenProcess.last.pid, signal.SIGKILL)))
            timers[-1].start()
        else:
            os.killpg(SeenProcess.last.pid, signal.SIGKILL)

    try:
        glue_job.run_glue_job(arguments, environment, find_java(), staging, on_progress)
        return True
    except PlatformError:
        return False
    finally:
        for timer in timers:
            timer.cancel()


def land_generated(lake):
    """Generated transactions of two shards as the Lambda lands them, one batch twice with other boundaries."""
    for shard in (0, 1):
        event_records = records(600, seed=shard, shard=shard)
        for batch in [*batches(event_records, 100), *batches(event_records[50:250], 200)]:
            lake.put(batch.raw_key, batch.landed)


def begin_generated(lake):
    """Land them, and fix the run's manifest by the tests' clock: the process that takes it up has the machine's."""
    land_generated(lake)
    with pytest.raises(KilledError), Kill(lake, 1, after=True):
        lake.run()


def killed_and_completed(environment, lake, staging, points):
    """Kill the job at each point in turn, run it to its end, and check that the outcome is the same."""
    begin_generated(lake)
    ended = [run_job(environment, staging, *point) for point in points]
    assert run_job(environment, staging)
    state = lake.state()
    totals = lake.totals()
    assert totals["landed"] == totals["curated"] + totals["duplicate"] + totals["quarantined"]
    return ended, state


@pytest.fixture
def undisturbed(spark, tmp_path, monkeypatch):
    """The outcome of the same input in one run."""
    with emulated_aws():
        lake = EmulatedLake(spark, tmp_path / "undisturbed")
        land_generated(lake)
        lake.run()
        return lake.state()


def test_the_process_killed_while_spark_writes_and_while_it_publishes(
    undisturbed,
    server,
    spark,
    tmp_path,
    monkeypatch,
):
    monkeypatch.setattr(subprocess, "Popen", SeenProcess)
    lake = EmulatedLake(spark, tmp_path)
    ended, state = killed_and_completed(server, lake, tmp_path / "staging", [(3, 1.5), (9, 0.0)])
    assert ended[0] is False
    assert state == undisturbed


@pytest.mark.soak
def test_the_process_killed_at_twenty_points(undisturbed, server, spark, tmp_path, monkeypatch):
    """At each of its events, which always kills it, and at random moments while Spark writes, which mostly does."""
    monkeypatch.setattr(subprocess, "Popen", SeenProcess)
    lake = EmulatedLake(spark, tmp_path)
    seen: list[tuple[dict[str, Any], float]] = []
    begin_generated(lake)
    assert run_job(server, tmp_path / "measured", seen=seen)
    at_events = [(number, 0.0) for number in range(1, len(seen))]  # after the last one it may have ended
    writing = next(number for number, (event, _) in enumerate(seen, 1) if event["stage"] == "transform")
    lasts = seen[writing][1] - seen[writing - 1][1]
    seeded = random.Random(20261123)
    at_random = [(writing, seeded.uniform(0.05, 0.9) * lasts) for _ in range(20 - len(at_events))]
    assert at_random, "some moments are between events"

    killed = 0
    for number, point in enumerate(at_events + at_random):
        for bucket in (BUCKETS.raw, BUCKETS.curated, BUCKETS.quarantine):
            _empty(bucket)
        lake.glue.delete_database(Name=DATABASE)
        lake = EmulatedLake(spark, tmp_path)
        ended, state = killed_and_completed(server, lake, tmp_path / f"staging-{number}", [point])
        assert state == undisturbed, point
        assert not (ended[0] and point in at_events), f"event {point[0]} did not kill"
        killed += ended.count(False)
    assert killed > len(at_events), "nothing was killed while Spark wrote"


def _empty(bucket):
    resource = boto3.resource("s3", region_name="us-east-1").Bucket(bucket)
    if resource.creation_date:
        resource.objects.all().delete()
        resource.delete()
