"""Opens what a run kept in a workdir, the buckets and the warehouse, for the commands that read or change data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from infrastructure.errors import PlatformError
from infrastructure.local.redshift.postgresql import Warehouse
from infrastructure.local.stack import EmbeddedStack
from infrastructure.local.warehouse import EmbeddedWarehouse, embedded_settings, open_warehouse
from infrastructure.local.workdir import Workdir
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table


_PARTS = ("security", "data_storage")


@dataclass(frozen=True, slots=True)
class KeptState:
    """The clients of an embedded stack over kept state."""

    settings: Settings
    workdir: Workdir
    s3: S3Client
    tables: Callable[[str], Table]
    warehouse: EmbeddedWarehouse


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
                yield KeptState(settings, workdir, s3, stack.tables, open_warehouse(server, s3, settings))
    finally:
        workdir.close()
