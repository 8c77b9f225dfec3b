"""A run's commits broken off between any two calls, or met by another's: each table has the run once in the end."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest

from data_catalog.lake_tables import LAKE_TABLES
from data_processing.run_commit import commit_run
from infrastructure.aws import iceberg
from infrastructure.aws.iceberg import files_on, sequence_number, snapshot_of
from infrastructure.errors import PlatformError
from infrastructure.local.emulator import emulated_aws
from tests.faults.test_etl_kill import Kill, KilledError
from tests.pipeline.curated_runs import parquet
from tests.pipeline.etl_lake import BUCKETS, make_buckets, make_tables

DAY = date(2026, 3, 2)


class Lake:
    """Buckets and tables without a job."""

    def __init__(self) -> None:
        self.s3, self.glue = make_buckets(), boto3.client("glue", region_name="us-east-1")
        self.catalog = make_tables(self.s3, glue=self.glue)

    def published(self, run_id: str) -> dict[str, Any]:
        """A write-ahead list of one file a table, whose files lie where it says."""
        files = []
        for table in LAKE_TABLES:
            day = "2026-03" if table.partition_transform == "month" else "2026-03-02"
            key, body = table.file_key(day, run_id), parquet([{"run_id": run_id}], table.fields)
            self.s3.put_object(Bucket=BUCKETS.of(table.bucket), Key=key, Body=body)
            files.append({"kind": table.kind, "key": key, "partition": day, "records": 1, "size": len(body)})
        base = {t.name: {"sequence_number": sequence_number(self.catalog.table(t.name))} for t in LAKE_TABLES}
        return {"files": files, "base_snapshots": base}

    def commit(self, run_id: str, publication: dict[str, Any]) -> dict[str, int]:
        return commit_run(run_id, publication, self.catalog.table, BUCKETS.of, lambda *_: self.asked(run_id))

    def asked(self, run_id: str) -> bool:
        """Stands for the job's look into the files."""
        return self.rows_say == run_id

    rows_say = ""

    def files(self) -> dict[str, list[str]]:
        """The runs whose files each table names, once for every file."""
        return {
            table.name: sorted(
                file.file_path.rsplit("/", 1)[1].removesuffix(".parquet")
                for file in files_on(self.catalog.table(table.name))
            )
            for table in LAKE_TABLES
        }


@pytest.fixture
def lake():
    with emulated_aws():
        yield Lake()


def each(*runs: str) -> dict[str, list[str]]:
    return {table.name: sorted(runs) for table in LAKE_TABLES}


@pytest.mark.slow
def test_killed_at_every_call_and_done_again(lake):
    with Kill(lake, 10**9, after=False) as counted:
        lake.commit("run-0", lake.published("run-0"))
    done = ["run-0"]
    # published() writes its files in the first calls; what follows are the commits.
    for call in range(len(LAKE_TABLES) + 1, counted.calls + 1):
        for after in (False, True):
            run = f"run-{call}-{after}"
            publication = None
            with Kill(lake, call, after):
                try:
                    publication = lake.published(run)
                    lake.commit(run, publication)
                except KilledError:
                    pass
            assert publication is not None
            snapshots = lake.commit(run, publication)
            done.append(run)
            assert lake.files() == each(*done), f"call {call}, {'after' if after else 'before'} it"
            assert snapshots == {t.name: snapshot_of(lake.catalog.table(t.name), run) for t in LAKE_TABLES}


def test_runs_that_commit_at_the_same_time_are_all_there(lake):
    publications = {f"run-{number}": lake.published(f"run-{number}") for number in range(4)}
    threads = [threading.Thread(target=lake.commit, args=each_) for each_ in publications.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.files() == each(*publications)


def test_a_commit_that_is_refused_again_and_again_is_an_error_that_says_what_to_do(lake, monkeypatch):
    monkeypatch.setattr("infrastructure.aws.iceberg.time.sleep", lambda seconds: None)
    publication = lake.published("late")
    others = iter(range(100))

    def another_comes_first(params, model, **_):
        lake.glue.meta.events.unregister("before-parameter-build.glue.UpdateTable", another_comes_first)
        table = lake.catalog.table(params["TableInput"]["Name"])
        with table.transaction() as change:
            change.set_properties({"touched": str(next(others))})
        lake.glue.meta.events.register("before-parameter-build.glue.UpdateTable", another_comes_first)

    lake.glue.meta.events.register("before-parameter-build.glue.UpdateTable", another_comes_first)
    with pytest.raises(PlatformError, match="refused 8 commits of run late"):
        lake.commit("late", publication)
    lake.glue.meta.events.unregister("before-parameter-build.glue.UpdateTable", another_comes_first)
    lake.commit("late", publication)
    assert lake.files() == each("late")


@pytest.mark.parametrize("compacted", [False, True], ids=["its files still there", "its files merged into others"])
def test_a_run_whose_snapshot_was_expired_is_not_committed_again(lake, compacted):
    publication = lake.published("old")
    lake.commit("old", publication)
    lake.commit("new", lake.published("new"))
    later = datetime.now(UTC) + timedelta(days=1)
    for table in map(lake.catalog.table, lake.files()):
        if compacted:
            with table.transaction() as change, change.update_snapshot().overwrite() as merged:
                for file in list(files_on(table)):
                    merged.delete_data_file(file)
                    renamed = iceberg.NewFile(file.file_path + "-merged", file.file_size_in_bytes, 1, DAY)
                    merged.append_data_file(iceberg.data_file(table, renamed))
        table.maintenance.expire_snapshots().older_than(later).commit()
        assert snapshot_of(lake.catalog.table(table.name()[1]), "old") is None
    before = lake.files()
    lake.rows_say = "old" if compacted else ""
    lake.commit("old", publication)
    assert lake.files() == before


def test_a_run_that_never_committed_does_so_though_snapshots_were_expired(lake):
    publication = lake.published("slow")
    for number in range(2):
        lake.commit(f"run-{number}", lake.published(f"run-{number}"))
    for table in map(lake.catalog.table, lake.files()):
        table.maintenance.expire_snapshots().older_than(datetime.now(UTC) + timedelta(days=1)).commit()
    lake.commit("slow", publication)
    assert lake.files() == each("run-0", "run-1", "slow")
