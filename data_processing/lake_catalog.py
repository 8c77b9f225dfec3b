"""The lake's tables in the Glue Data Catalog, as the job uses them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from data_catalog.lake_layout import arrival_day
from data_catalog.lake_tables import BY_ARRIVAL_DATE, LAKE_TABLES
from infrastructure.aws.iceberg import tables_of
from infrastructure.aws.iceberg_tags import tag_months
from infrastructure.errors import PlatformError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table

_AT_ONCE = 100  # partitions that BatchCreatePartition takes


class LakeCatalog:
    """One database of the Data Catalog."""

    def __init__(self, glue: Any, s3: S3Client, database: str) -> None:
        self._glue = glue
        self._database = database
        self._open = tables_of(glue, s3, database)

    def table(self, name: str) -> Table:
        """An Iceberg table as it is now. Raises PlatformError if there is none."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return self._open(name)
        except NoSuchTableError:
            raise PlatformError(
                f"table {self._database}.{name}",
                "is not in the Glue Data Catalog",
                "Apply data_catalog: scripts/orchestrate_pipeline.py apply --only data_catalog",
            ) from None

    def tag_months(self, now: datetime) -> None:
        """Tag what each table said at the ends of past months. If another commit comes first, the next run does it."""
        from pyiceberg.exceptions import CommitFailedException

        for table in LAKE_TABLES:
            with suppress(CommitFailedException):
                tag_months(self.table(table.name), now)

    def add_arrival_dates(self, dates: Iterable[str]) -> None:
        """Make raw and control objects of these arrival dates visible to queries. Dates that are there already stay."""
        wanted = sorted(set(dates) - {""})
        for name in BY_ARRIVAL_DATE:
            storage = self._glue.get_table(DatabaseName=self._database, Name=name)["Table"]["StorageDescriptor"]
            partitions = [
                {"Values": [day], "StorageDescriptor": storage | {"Location": arrival_day(storage["Location"], day)}}
                for day in wanted
            ]
            for start in range(0, len(partitions), _AT_ONCE):
                answer = self._glue.batch_create_partition(
                    DatabaseName=self._database, TableName=name, PartitionInputList=partitions[start : start + _AT_ONCE]
                )
                self._refuse_errors(name, answer.get("Errors", []))

    def _refuse_errors(self, name: str, errors: Iterable[dict[str, Any]]) -> None:
        for error in errors:
            if error["ErrorDetail"]["ErrorCode"] != "AlreadyExistsException":
                raise PlatformError(
                    f"table {self._database}.{name}",
                    f"took no partition {error['PartitionValues'][0]}: {error['ErrorDetail'].get('ErrorMessage', '')}",
                    "See the message; the job goes on where it was when it runs again",
                )
