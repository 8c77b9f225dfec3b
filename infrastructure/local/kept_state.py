"""Opens what a run kept in a workdir, for the commands that read or change data: the buckets and the warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_storage.data_api import WarehouseTarget
from data_storage.warehouse_tables import create_tables
from infrastructure.errors import PlatformError
from infrastructure.local.postgresql import Warehouse
from infrastructure.local.redshift_data import LocalRedshiftData
from infrastructure.local.stack import EmbeddedStack, warehouse_target
from infrastructure.local.workdir import Workdir
from infrastructure.settings import Settings

_PARTS = ("security", "data_storage")


@dataclass(frozen=True, slots=True)
class KeptState:
    """The clients of an embedded stack over kept state."""

    settings: Settings
    workdir: Workdir
    s3: Any
    data_api: LocalRedshiftData
    target: WarehouseTarget


@contextmanager
def open_kept_state(directory: str) -> Iterator[KeptState]:
    """Raises PlatformError where no run has kept anything there."""
    if not (Path(directory) / "state.json").exists():
        raise PlatformError(directory, "is no workdir of a run", "Name the --workdir that `local` was run with")
    settings = Settings()
    workdir = Workdir(directory)
    try:
        with EmbeddedStack(settings, workdir) as stack:
            stack.provision(only=_PARTS)
            stack.open_for_data()
            s3 = stack.client("s3")
            with Warehouse(workdir.warehouse) as warehouse:
                data_api, target = LocalRedshiftData(warehouse, s3), warehouse_target(settings)
                create_tables(data_api, target)  # a run that was killed before its load made none
                yield KeptState(settings, workdir, s3, data_api, target)
    finally:
        workdir.close()
