"""An Apache Iceberg table in the Glue Data Catalog, as the planner sees it.

Tables are format version 2, with the field ids that they are given: pyiceberg's own creation would number them anew,
and files are matched to columns by id.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import ClientError

from infrastructure.aws import s3_objects
from infrastructure.aws.iceberg import open_catalog
from infrastructure.aws.s3 import DENY_WITHOUT_CONDITION
from infrastructure.aws.s3_objects import split_location
from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource, Unsupported

if TYPE_CHECKING:
    from pyiceberg.catalog.glue import GlueCatalog
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table


_FORMAT_VERSION = 2
_FIXED = frozenset({"Location", "PartitionBy", "FormatVersion"})
# Properties by which engines write, read, commit, or drop snapshots and files. Others are remarks.
_BEHAVIOUR = ("commit.", "compatibility.", "encryption.", "format-version", "gc.", "history.", "read.", "write.")


@dataclass(kw_only=True, eq=False)
class IcebergTable(Resource):
    """An Iceberg table. name: "database.table".

    properties: Description, Location (s3://bucket/prefix/), Fields (Id, Name, Type, Doc), PartitionBy (Column,
    Transform), Properties. A further property is drift if engines act on it, and a remark otherwise. A table that is
    missing in the catalog while its files are there is taken up again as its last commit left it. A table of another
    kind under the name gives way: its files stay where they are.
    """

    type: ClassVar[str] = "AWS::Glue::IcebergTable"
    permissions: ClassVar[str] = (
        "glue:CreateTable glue:DeleteTable glue:GetDatabase glue:GetTable glue:UpdateTable s3:GetObject "
        "s3:ListBucket s3:PutObject"
    )
    implied: ClassVar[str] = "kms:Decrypt kms:GenerateDataKey"

    @property
    def unset(self) -> Properties:
        return {"FormatVersion": _FORMAT_VERSION, "OtherProperties": []}

    def read(self) -> Properties | None:
        found = self._glue_table()
        if found is None:
            return None
        if found.get("Parameters", {}).get("table_type", "").upper() != "ICEBERG":
            return {"Location": f"{found.get('StorageDescriptor', {}).get('Location')} (no Iceberg table)"}
        table = self._catalog.load_table(self.name)
        metadata = table.metadata
        own = self.properties["Properties"]
        partitions = [
            {"Column": table.schema().find_column_name(part.source_id), "Transform": str(part.transform)}
            for part in table.spec().fields
        ]
        return {
            "Description": metadata.properties.get("Description"),
            "Location": metadata.location.rstrip("/") + "/",
            "Fields": [
                {"Id": each.field_id, "Name": each.name, "Type": str(each.field_type), "Doc": each.doc or ""}
                for each in table.schema().fields
            ],
            "PartitionBy": partitions[0] if len(partitions) == 1 else partitions,
            "Properties": {name: value for name, value in metadata.properties.items() if name in own},
            "FormatVersion": metadata.format_version,
            "OtherProperties": _behaviour(metadata.properties, own),
        }

    def create(self, properties: Properties) -> None:
        try:
            location = self._last_metadata(properties) or self._first_metadata(properties)
        except ClientError as error:
            if self.clients.emulated and error_code(error) in ("AccessDenied", "403"):
                raise Unsupported(DENY_WITHOUT_CONDITION) from None
            raise
        self._catalog.register_table(self.name, location)

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        found = self._glue_table() or {}
        if found.get("Parameters", {}).get("table_type", "").upper() != "ICEBERG":
            self.delete()
            self.create(properties)
            return
        table = self._catalog.load_table(self.name)
        if "Fields" in changed:
            _evolve(table, _schema(properties))
        if changed & {"Description", "Properties"}:
            with table.transaction() as change:
                change.set_properties({**properties["Properties"], "Description": properties["Description"]})
        if "OtherProperties" in changed:
            with table.transaction() as change:
                change.remove_properties(*_behaviour(table.metadata.properties, properties["Properties"]))
        if changed & _FIXED:
            raise PlatformError(
                f"table {self.name}",
                f"is otherwise in what can't be changed in place: {', '.join(sorted(changed & _FIXED))}",
                "Drop it in the catalog (its files stay), apply, and make it anew: `rebuild`",
            )

    def delete(self) -> DeletionPending | None:
        database, table = self.name.split(".")
        try:
            self._glue.delete_table(DatabaseName=database, Name=table)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    def _glue_table(self) -> dict[str, Any] | None:
        database, table = self.name.split(".")
        try:
            found: dict[str, Any] = self._glue.get_table(DatabaseName=database, Name=table)["Table"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return found

    def _last_metadata(self, properties: Properties) -> str | None:
        """Where the metadata of the last commit lies; None if there is none yet.

        A refused commit is always followed by another one, so the highest sequence number is that of a commit that
        counts.
        """
        from pyiceberg.serializers import FromInputFile

        from infrastructure.aws.iceberg_files import files_through

        bucket, prefix = split_location(properties["Location"])
        s3 = self.clients("s3")
        try:
            keys = [key for key in s3_objects.keys(s3, bucket, f"{prefix}metadata/") if key.endswith(".metadata.json")]
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                return None
            raise
        files = files_through(s3)
        found = []
        for key in keys:
            metadata = FromInputFile.table_metadata(files.new_input(f"s3://{bucket}/{key}"))
            sequence = getattr(metadata, "last_sequence_number", 0)
            found.append((sequence, metadata.last_updated_ms, f"s3://{bucket}/{key}"))
        return max(found)[2] if found else None

    def _first_metadata(self, properties: Properties) -> str:
        from pyiceberg.partitioning import PartitionField, PartitionSpec
        from pyiceberg.serializers import ToOutputFile
        from pyiceberg.table.locations import load_location_provider
        from pyiceberg.table.metadata import TableMetadataV2
        from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
        from pyiceberg.transforms import parse_transform

        from infrastructure.aws.iceberg_files import files_through

        schema = _schema(properties)
        by = properties["PartitionBy"]
        column = schema.find_field(by["Column"])
        transform = parse_transform(by["Transform"])
        name = by["Column"] if by["Transform"] == "identity" else f"{by['Column']}_{by['Transform']}"
        spec = PartitionSpec(
            PartitionField(source_id=column.field_id, field_id=1000, transform=transform, name=name), spec_id=0
        )
        metadata = TableMetadataV2.model_validate(
            {
                "format-version": _FORMAT_VERSION,
                "location": properties["Location"].rstrip("/"),
                "table-uuid": uuid.uuid4(),
                "schemas": [schema],
                "current-schema-id": schema.schema_id,
                "last-column-id": schema.highest_field_id,
                "partition-specs": [spec],
                "default-spec-id": spec.spec_id,
                "last-partition-id": spec.last_assigned_field_id,
                "sort-orders": [UNSORTED_SORT_ORDER],
                "default-sort-order-id": UNSORTED_SORT_ORDER.order_id,
                "properties": {**properties["Properties"], "Description": properties["Description"]},
            }
        )
        location = load_location_provider(metadata.location, metadata.properties).new_table_metadata_file_location()
        ToOutputFile.table_metadata(metadata, files_through(self.clients("s3")).new_output(location))
        return location

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    @property
    def _catalog(self) -> GlueCatalog:
        return open_catalog(self._glue, self.clients("s3"))


def _schema(properties: Properties, schema_id: int = 0) -> Schema:
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    return Schema(
        *(
            NestedField(
                field_id=each["Id"], name=each["Name"], field_type=each["Type"], required=False, doc=each["Doc"] or None
            )
            for each in properties["Fields"]
        ),
        schema_id=schema_id,
    )


def _behaviour(found: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """Properties of others by which engines act."""
    return sorted(name for name in found if name.startswith(_BEHAVIOUR) and name not in own)


def _evolve(table: Table, wanted: Schema) -> None:
    """Give the table these columns. Ids that it has keep their type; others are new and null in the files before."""
    from pyiceberg.table.update import AddSchemaUpdate, SetCurrentSchemaUpdate

    for now in table.schema().fields:
        later = next((each for each in wanted.fields if each.field_id == now.field_id), None)
        if later is None or str(later.field_type) != str(now.field_type):
            raise PlatformError(
                f"table {'.'.join(table.name())}",
                f"has column {now.name} (id {now.field_id}, {now.field_type}), which the contract no longer has so",
                "Make it a new field with an id of its own; ids are never used again",
            )
    last = max(schema.schema_id for schema in table.metadata.schemas)
    new = wanted.model_copy(update={"schema_id": last + 1})
    current = SetCurrentSchemaUpdate.model_validate(
        {"action": "set-current-schema", "schema-id": -1}
    )  # the one just added
    table._do_commit(updates=(AddSchemaUpdate(schema=new), current), requirements=())
