"""What Glue does by itself for an Iceberg table, as the planner sees it: compaction, retention, removal of orphans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.resource import DeletionPending, Properties, Resource

# What Glue uses, and may answer, where CreateTableOptimizer was not told.
_DEFAULTS = {"runRateInHours": 24, "minInputFiles": 100, "deleteFileThreshold": 1}


@dataclass(kw_only=True, eq=False)
class TableOptimizer(Resource):
    """One optimizer of a table. name: "database.table/type"; properties: Configuration, as CreateTableOptimizer takes
    it."""

    type: ClassVar[str] = "AWS::Glue::TableOptimizer"
    permissions: ClassVar[str] = (
        "glue:CreateTableOptimizer glue:DeleteTableOptimizer glue:GetTableOptimizer glue:UpdateTableOptimizer"
    )
    implied: ClassVar[str] = "iam:PassRole"

    account_id: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_table_optimizer(**self._place)["TableOptimizer"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {"Configuration": {name: _as_put(value) for name, value in found["configuration"].items()}}

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


def _as_put(value: Any) -> Any:
    """A configuration without the defaults that Glue adds."""
    if not isinstance(value, dict):
        return value
    return {
        name: _as_put(item)
        for name, item in value.items()
        if _DEFAULTS.get(name, item) != item or name not in _DEFAULTS
    }
