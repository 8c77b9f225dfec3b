"""Two jobs at once, which the Glue job's MaxConcurrentRuns shall prevent: one of them fails, and nothing is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError
from py4j.protocol import Py4JJavaError

from data_catalog.lake_layout import run_key
from data_governance.run_result import RunResult
from data_processing.manifest import Manifest, RawObject, run_id
from data_processing.run_state import RunState
from infrastructure.errors import PlatformError
from tests.pipeline.etl_lake import BUCKETS
from tests.pipeline.etl_rows import row

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BASE = 49600000000000000000


@pytest.fixture
def jobs(s3):
    """Two jobs' views of an empty lake's runs, both taken before either writes."""
    states = RunState(s3, BUCKETS.curated), RunState(s3, BUCKETS.curated)
    for state in states:
        assert state.runs() == {}
    return states


def planned(*numbers: int, seconds: int = 0) -> Manifest:
    keys = [f"raw/transactions/arrival_date=2026-11-24/arrival_hour=09/i-s-{n}-{n}.ndjson.gz" for n in numbers]
    objects = tuple(RawObject(key, 9, "etag") for key in keys)
    return Manifest(run_id(objects, NOW), NOW + timedelta(seconds=seconds), objects)


def ended(manifest: Manifest) -> RunResult:
    return RunResult(manifest.run_id, manifest.created_at, (), (), {})


def stored(s3):
    return [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKETS.curated).get("Contents", [])]


def put_without_looking(state, manifest):
    """As a process that is killed right after its put."""
    state._s3.put_object(Bucket=BUCKETS.curated, Key=run_key(manifest.run_id, "manifest.json"), Body=manifest.to_json())


def test_of_two_that_planned_the_same_objects_one_is_refused(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1, 2))
    with pytest.raises(PlatformError, match="begun at the same time by another job"):
        other.write_manifest(planned(1, 2, seconds=1))
    assert other.manifest(planned(1, 2).run_id) == planned(1, 2), "the first one's, and still there"


def test_of_two_that_planned_other_objects_one_withdraws(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1))
    with pytest.raises(PlatformError, match=f"run {planned(1).run_id} was begun"):
        other.write_manifest(planned(1, 2))
    assert stored(s3) == [run_key(planned(1).run_id, "manifest.json")]


def test_a_run_that_began_and_ended_since_the_planning_is_seen_too(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1))
    one.write_result(ended(planned(1)))
    with pytest.raises(PlatformError, match="was begun"):
        other.write_manifest(planned(1, 2))


def test_finished_runs_that_were_planned_with_are_no_rivals(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1))
    one.write_result(ended(planned(1)))
    other.runs()
    other.write_manifest(planned(2))
    assert list(other.open_manifests(other.runs())) == [planned(2)]


def test_an_own_put_whose_answer_was_lost_is_no_rival(s3, jobs):
    answers = []

    def lose_the_first_answer(**_):
        answers.append("lost")
        if len(answers) == 1:
            raise ConnectionClosedError(endpoint_url="s3")

    s3.meta.events.register("before-parse.s3.PutObject", lose_the_first_answer)
    with pytest.raises(ConnectionClosedError):
        jobs[0].write_manifest(planned(1))
    jobs[0].write_manifest(planned(1))
    assert len(answers) == 2


def test_a_manifest_that_nobody_lived_to_withdraw_is_withdrawn_by_the_next_job(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1))
    put_without_looking(other, planned(1, 2))
    third = RunState(s3, BUCKETS.curated)
    (kept,) = third.open_manifests(third.runs())
    assert kept in (planned(1), planned(1, 2)), "S3's times have whole seconds"
    assert stored(s3) == [run_key(kept.run_id, "manifest.json")]


def test_it_is_withdrawn_even_where_the_other_run_has_ended(s3, jobs):
    one, other = jobs
    one.write_manifest(planned(1))
    put_without_looking(other, planned(1, 2))
    one.write_result(ended(planned(1)))
    third = RunState(s3, BUCKETS.curated)
    assert third.open_manifests(third.runs()) == []


def test_a_run_that_publishes_already_keeps_its_objects(s3, jobs):
    later = planned(2, 3)
    put_without_looking(jobs[0], planned(1, 2))
    put_without_looking(jobs[1], later)
    jobs[1].write_publication(later.run_id, {"attempt": "a"})
    third = RunState(s3, BUCKETS.curated)
    assert third.open_manifests(third.runs()) == [later]


def test_the_first_write_ahead_list_counts(s3, jobs):
    one, other = jobs
    assert one.publication("r") is None
    assert other.publication("r") is None
    one.write_publication("r", {"attempt": "a"})
    with pytest.raises(PlatformError, match="computed at the same time by another job"):
        other.write_publication("r", {"attempt": "b"})
    assert other.publication("r") == {"attempt": "a"}
    other.write_publication("r", {"attempt": "c"})  # whoever has read it may replace it: its files are lost
    with pytest.raises(PlatformError, match="computed at the same time by another job"):
        one.write_publication("r", {"attempt": "d"})


def test_two_jobs_that_commit_the_same_run_commit_it_once(lake, monkeypatch):
    """Both are past the write-ahead list: whoever is second finds each table committed."""
    from data_processing import etl_run, run_commit

    land(lake)
    commit = run_commit.commit_run
    overtaken: list[Any] = []

    def overtake(*arguments):
        if not overtaken:
            overtaken.append(True)
            assert len(lake.run()) == 1
            overtaken.append(lake.state())
        return commit(*arguments)

    monkeypatch.setattr(etl_run, "commit_run", overtake)
    (result,) = lake.run()
    assert lake.state() == overtaken[1]
    assert {len(lake.catalog.table(name).metadata.snapshots) for name in result.snapshots} == {1}


def land(lake):
    lake.land([row(1), row(2), row(3, currency="XXX"), row(1, sequence_number=str(BASE + 4))], BASE + 1, BASE + 4)


@pytest.mark.parametrize(
    ("moment", "error"),
    [("_transformed", PlatformError), ("_counted", Py4JJavaError), ("_publish", FileNotFoundError)],
    ids=["before it computes", "while it computes", "while it publishes"],
)
def test_a_job_that_another_one_took_for_dead_does_no_harm(lake, monkeypatch, moment, error):
    """The second job finds the first one's open manifest and finishes the run, while the first is at work."""
    from data_processing.etl_run import EtlRun

    land(lake)
    step = getattr(EtlRun, moment)
    overtaken: list[Any] = []

    def overtake(self, *arguments):
        if not overtaken:
            overtaken.append(True)
            assert len(lake.run()) == 1
            overtaken.append(lake.state())
        return step(self, *arguments)

    monkeypatch.setattr(EtlRun, moment, overtake)
    with pytest.raises(error):  # it is told, or its files are gone
        lake.run()
    monkeypatch.undo()
    assert lake.run() == []
    assert lake.state() == overtaken[1]
    totals = lake.totals()
    assert totals["landed"].records == 4
    assert totals["landed"] == totals["curated"] + totals["duplicate"] + totals["quarantined"]
