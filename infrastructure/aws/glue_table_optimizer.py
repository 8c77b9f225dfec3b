"""What Glue does by itself for an Iceberg table, as the planner sees it: compaction, retention, removal of orphans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.resource import DeletionPending, Properties, Resource


@dataclass(kw_only=True, eq=False)
class TableOptimizer(Resource):
    """One optimizer of a table. name: "database.table/type"; properties: Configuration, as CreateTableOptimizer takes
    it."""

    type: ClassVar[str] = "AWS::Glue::TableOptimizer"

    account_id: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_table_optimizer(**self._place)["TableOptimizer"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {"Configuration": found["configuration"]}

    def create(self, properties: Properties) -> None:
        self._glue.create_table_optimizer(**self._place, TableOptimizerConfiguration=properties["Configuration"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self._glue.update_table_optimizer(**self._place, TableOptimizerConfiguration=properties["Configuration"])

    def delete(self) -> DeletionPending | None:
        try:
            self._glue.delete_table_optimizer(**self._place)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    @property
    def _place(self) -> dict[str, str]:
        table, _, kind = self.name.partition("/")
        database, _, name = table.partition(".")
        return {"CatalogId": self.account_id, "DatabaseName": database, "TableName": name, "Type": kind}
