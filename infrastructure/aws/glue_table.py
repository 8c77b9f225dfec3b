"""A database of the Glue Data Catalog and an external table in it, as the planner sees them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.resource import DeletionPending, Properties, Resource

# Parameters of a table that change no result: statistics, and remarks of crawlers and engines.
_REMARKS = re.compile(
    r"(num|total|raw|avg|average)[A-Za-z]*|recordCount|objectCount|sizeKey|transient_lastDdlTime|COLUMN_STATS_ACCURATE|"
    r"last_modified_(by|time)|CrawlerSchema\w*|UPDATED_BY_CRAWLER|typeOfData|compressionType|comment"
)
# How Glue answers what nobody has set in a storage descriptor.
_EMPTY: tuple[Any, ...] = (None, "", {}, [], False, 0, -1)
_LEFT_UNSET = ("TargetTable", "ViewOriginalText", "ViewExpandedText", "FederatedTable")


@dataclass(kw_only=True, eq=False)
class Database(Resource):
    """A Glue database. arn: derived from account, region and name."""

    type: ClassVar[str] = "AWS::Glue::Database"
    permissions: ClassVar[str] = (
        "glue:CreateDatabase glue:DeleteDatabase glue:GetDatabase glue:GetTags glue:TagResource glue:UpdateDatabase"
    )

    arn: str

    @property
    def unset(self) -> Properties:
        # A place for tables without one, or a link to a database of somebody else's.
        return {"LocationUri": None, "TargetDatabase": None, "FederatedDatabase": None}

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_database(Name=self.name)["Database"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {
            "Description": found.get("Description"),
            **{name: found.get(name) or None for name in self.unset},
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
            "Arn": self.arn,
        }

    def create(self, properties: Properties) -> None:
        self._glue.create_database(DatabaseInput=self._input(properties), Tags=properties["Tags"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:  # UpdateDatabase takes off what it is not given
            self._glue.update_database(Name=self.name, DatabaseInput=self._input(properties))
        if "Tags" in changed:
            self._glue.tag_resource(ResourceArn=self.arn, TagsToAdd=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        try:
            self._glue.delete_database(Name=self.name)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    def _input(self, properties: Properties) -> dict[str, Any]:
        return {"Name": self.name, "Description": properties["Description"]}


@dataclass(kw_only=True, eq=False)
class Table(Resource):
    """An external table. name: "database.table".

    Statistics and remarks among its parameters are left alone. Any other parameter that is not ours is drift: a few of
    them change what is read (projection, a template of locations, lines to skip).
    """

    type: ClassVar[str] = "AWS::Glue::Table"
    permissions: ClassVar[str] = "glue:CreateTable glue:DeleteTable glue:GetTable glue:UpdateTable"

    @property
    def unset(self) -> Properties:
        return dict.fromkeys(_LEFT_UNSET)

    def read(self) -> Properties | None:
        database, table = self._names
        try:
            found = self._glue.get_table(DatabaseName=database, Name=table)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {
            "Description": found.get("Description"),
            "TableType": found.get("TableType"),
            "PartitionKeys": found.get("PartitionKeys", []),
            "Parameters": {name: value for name, value in _parameters(found).items() if not self._is_remark(name)},
            "StorageDescriptor": _as_put(_without_remarks(found.get("StorageDescriptor", {}))),
            **{name: found.get(name) or None for name in _LEFT_UNSET},
        }

    def create(self, properties: Properties) -> None:
        database, _ = self._names
        self._glue.create_table(DatabaseName=database, TableInput=self._input(properties))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        database, table = self._names
        found = _parameters(self._glue.get_table(DatabaseName=database, Name=table)["Table"])
        remarks = {name: value for name, value in found.items() if self._is_remark(name)}
        merged = properties | {"Parameters": remarks | properties["Parameters"]}
        self._glue.update_table(DatabaseName=database, TableInput=self._input(merged))

    def delete(self) -> DeletionPending | None:
        database, table = self._names
        try:
            self._glue.delete_table(DatabaseName=database, Name=table)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    @property
    def _names(self) -> tuple[str, str]:
        database, _, table = self.name.partition(".")
        return database, table

    def _input(self, properties: Properties) -> dict[str, Any]:
        return {"Name": self._names[1], **{name: value for name, value in properties.items() if value is not None}}

    def _is_remark(self, name: str) -> bool:
        return name not in self.properties["Parameters"] and bool(_REMARKS.fullmatch(name))


def _parameters(found: dict[str, Any]) -> dict[str, str]:
    parameters: dict[str, str] = found.get("Parameters") or {}
    return parameters


def _without_remarks(storage: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in _parameters(storage).items() if not _REMARKS.fullmatch(name)}
    return storage | {"Parameters": kept}


def _as_put(value: Any) -> Any:
    """A part of a storage descriptor without the empty values that the catalog may add."""
    if isinstance(value, dict):
        parts = {name: _as_put(item) for name, item in value.items()}
        return {name: part for name, part in parts.items() if part not in _EMPTY}
    return [_as_put(item) for item in value] if isinstance(value, list) else value
