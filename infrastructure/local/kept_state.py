"""Opens what a run kept in a workdir, the buckets and the warehouse, for the commands that read or change data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infrastructure.errors import PlatformError
from infrastructure.local.glue_job import run_glue_job
from infrastructure.local.java import find_java
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.warehouse import EmbeddedWarehouse, embedded_settings, open_warehouse
from infrastructure.local.workdir import Workdir
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


def _run_job(stack: EmbeddedStack, workdir: Workdir) -> int:
    return len(run_glue_job(stack.job_arguments, stack.job_environment, find_java(), workdir.path / "staging"))


_PARTS = ("security", "data_storage")


@dataclass(frozen=True, slots=True)
class KeptState:
    """The clients of an embedded stack over kept state. run_job: runs the Glue job; returns how many runs it ended."""

    settings: Settings
    workdir: Workdir
    s3: S3Client
    tables: Callable[[str], Table]
    run_job: Callable[[], int]
    warehouse: EmbeddedWarehouse
    cloudwatch: Any


@contextmanager
def open_kept_state(directory: str) -> Iterator[KeptState]:
    """Raises PlatformError if no run has kept anything there."""
    if not (Path(directory) / "state.json").exists():
        raise PlatformError(directory, "is no workdir of a run", "Name the --workdir that `local` was run with")
    settings = embedded_settings()
    workdir = Workdir(directory)
    try:
        with EmbeddedStack(settings, workdir) as stack:
            stack.provision(only=_PARTS)
            stack.open_for_data()
            stack.provision_tables()
            s3 = stack.client("s3")
            with Warehouse(workdir.warehouse) as server:
                run_job = partial(_run_job, stack, workdir)
                warehouse, cloudwatch = open_warehouse(server, s3, settings), stack.client("cloudwatch")
                yield KeptState(settings, workdir, s3, stack.tables, run_job, warehouse, cloudwatch)
    finally:
        workdir.close()
