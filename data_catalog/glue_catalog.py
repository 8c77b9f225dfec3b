"""What a database and a table of the Glue Data Catalog are to the planner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.resource import Properties, Remains, Resource

_STORAGE = ("Columns", "Location", "InputFormat", "OutputFormat", "SerdeInfo")


@dataclass(kw_only=True, eq=False)
class Database(Resource):
    """A Glue database. arn: made of account, region and name, as every database's is."""

    type: ClassVar[str] = "AWS::Glue::Database"

    arn: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_database(Name=self.name)["Database"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {
            "Description": found.get("Description"),
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
            "Arn": self.arn,
        }

    def create(self, properties: Properties) -> None:
        self._glue.create_database(DatabaseInput=self._input(properties), Tags=properties["Tags"])

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.write_each(
            changed,
            properties,
            {
                "Description": lambda _: self._glue.update_database(
                    Name=self.name, DatabaseInput=self._input(properties)
                ),
                "Tags": lambda tags: self._glue.tag_resource(ResourceArn=self.arn, TagsToAdd=tags),
            },
        )

    def delete(self) -> Remains | None:
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

    Parameters that others set on it (statistics, the console's own) are none of ours and are not compared.
    """

    type: ClassVar[str] = "AWS::Glue::Table"

    def read(self) -> Properties | None:
        database, table = self._names
        try:
            found = self._glue.get_table(DatabaseName=database, Name=table)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        storage = found.get("StorageDescriptor", {})
        own = self.properties["Parameters"]
        return {
            "Description": found.get("Description"),
            "TableType": found.get("TableType"),
            "PartitionKeys": found.get("PartitionKeys", []),
            "Parameters": {name: value for name, value in found.get("Parameters", {}).items() if name in own},
            "StorageDescriptor": {name: _as_put(storage.get(name)) for name in _STORAGE},
        }

    def create(self, properties: Properties) -> None:
        database, _ = self._names
        self._glue.create_table(DatabaseName=database, TableInput=self._input(properties))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        database, table = self._names
        kept = self._glue.get_table(DatabaseName=database, Name=table)["Table"].get("Parameters", {})
        merged = properties | {"Parameters": kept | properties["Parameters"]}
        self._glue.update_table(DatabaseName=database, TableInput=self._input(merged))

    def delete(self) -> Remains | None:
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
        return {"Name": self._names[1], **properties}


def _as_put(value: Any) -> Any:
    """A part of a storage descriptor without the empty values that the catalog may add."""
    if isinstance(value, dict):
        return {name: _as_put(item) for name, item in value.items() if item not in (None, "", {}, [])}
    return [_as_put(item) for item in value] if isinstance(value, list) else value
