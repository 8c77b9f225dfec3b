"""A Glue job, its security configuration and trigger, databases and tables, as the planner sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while


@dataclass(kw_only=True, eq=False)
class SecurityConfiguration(Resource):
    """Glue's encryption settings. Glue cannot change them, so an update deletes them and makes them again."""

    type: ClassVar[str] = "AWS::Glue::SecurityConfiguration"

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_security_configuration(Name=self.name)["SecurityConfiguration"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return {"EncryptionConfiguration": found["EncryptionConfiguration"]}

    def create(self, properties: Properties) -> None:
        self._glue.create_security_configuration(Name=self.name, **properties)

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.delete()
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        try:
            self._glue.delete_security_configuration(Name=self.name)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")


# The parameters of CreateJob and UpdateJob.
_JOB = (
    "Description",
    "Role",
    "Command",
    "DefaultArguments",
    "ExecutionProperty",
    "JobRunQueuingEnabled",
    "MaxRetries",
    "Timeout",
    "GlueVersion",
    "WorkerType",
    "NumberOfWorkers",
    "SecurityConfiguration",
    "ExecutionClass",
)


@dataclass(kw_only=True, eq=False)
class Job(Resource):
    """A Glue job. arn: derived from account, region and name."""

    type: ClassVar[str] = "AWS::Glue::Job"

    arn: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_job(JobName=self.name)["Job"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        command = found.get("Command", {})
        queued = found.get("JobRunQueuingEnabled", self.clients.emulated)  # emulators do not keep it
        return {name: found.get(name) for name in _JOB} | {
            "JobRunQueuingEnabled": queued,
            "Command": {name: command.get(name) for name in ("Name", "ScriptLocation", "PythonVersion")},
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
            "Arn": self.arn,
        }

    def create(self, properties: Properties) -> None:
        parameters = {name: properties[name] for name in _JOB}
        self._patiently(lambda: self._glue.create_job(Name=self.name, Tags=properties["Tags"], **parameters))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            # UpdateJob resets every parameter that is not given to Glue's default, so all are given.
            parameters = {name: properties[name] for name in _JOB}
            self._patiently(lambda: self._glue.update_job(JobName=self.name, JobUpdate=parameters))
        if "Tags" in changed:
            self._glue.tag_resource(ResourceArn=self.arn, TagsToAdd=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        self._glue.delete_job(JobName=self.name)  # one that is gone is no error
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    def _patiently(self, call: Callable[[], object]) -> None:
        retry_while(
            lambda error: error_code(error) == "InvalidInputException" and "role" in str(error).lower(),
            call,
            PROPAGATION_SECONDS,
        )


@dataclass(kw_only=True, eq=False)
class Trigger(Resource):
    """A trigger that starts a job on a schedule. arn: derived as a job's."""

    type: ClassVar[str] = "AWS::Glue::Trigger"

    arn: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_trigger(Name=self.name)["Trigger"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        if found["State"] == "DELETING":
            return None
        return {
            "Schedule": found.get("Schedule"),
            "JobNames": [action["JobName"] for action in found.get("Actions", [])],
            "Description": found.get("Description"),
            "Active": found["State"] in ("ACTIVATED", "ACTIVATING", "CREATING", "UPDATING"),
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
        }

    def create(self, properties: Properties) -> None:
        self._glue.create_trigger(
            Name=self.name,
            Type="SCHEDULED",
            Schedule=properties["Schedule"],
            Actions=_actions(properties),
            Description=properties["Description"],
            StartOnCreation=True,
            Tags=properties["Tags"],
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed & {"Schedule", "JobNames", "Description"}:
            self._glue.update_trigger(
                Name=self.name,
                TriggerUpdate={
                    "Schedule": properties["Schedule"],
                    "Actions": _actions(properties),
                    "Description": properties["Description"],
                },
            )
        if "Active" in changed:
            self._glue.start_trigger(Name=self.name)
        if "Tags" in changed:
            self._glue.tag_resource(ResourceArn=self.arn, TagsToAdd=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        self._glue.delete_trigger(Name=self.name)  # one that is gone is no error
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")


def _actions(properties: Properties) -> list[dict[str, str]]:
    return [{"JobName": name} for name in properties["JobNames"]]


_STORAGE = ("Columns", "Location", "InputFormat", "OutputFormat", "SerdeInfo")


@dataclass(kw_only=True, eq=False)
class Database(Resource):
    """A Glue database. arn: derived from account, region and name."""

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

    Parameters that others set on it (statistics, the console's) are left alone and not compared.
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
        return {"Name": self._names[1], **properties}


def _as_put(value: Any) -> Any:
    """A part of a storage descriptor without the empty values that the catalog may add."""
    if isinstance(value, dict):
        return {name: _as_put(item) for name, item in value.items() if item not in (None, "", {}, [])}
    return [_as_put(item) for item in value] if isinstance(value, list) else value
