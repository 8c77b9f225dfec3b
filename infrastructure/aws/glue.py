"""A Glue job, its security configuration and its trigger, as the planner sees them."""

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
    permissions: ClassVar[str] = (
        "glue:CreateSecurityConfiguration glue:DeleteSecurityConfiguration glue:GetSecurityConfiguration"
    )

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_security_configuration(Name=self.name)["SecurityConfiguration"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        encryption = found["EncryptionConfiguration"]
        return {"EncryptionConfiguration": {name: each for name, each in encryption.items() if not _is_off(each)}}

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


def _is_off(encryption: Any) -> bool:
    """Glue answers what is not encrypted, too."""
    modes = [each for each in (encryption if isinstance(encryption, list) else [encryption]) if each]
    return all(set(each.values()) == {"DISABLED"} for each in modes)


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
# Its other parameters: networks, accounts, other arguments. UpdateJob takes off what it is not given.
_JOB_LEFT_UNSET = (
    "Connections",
    "LogUri",
    "MaintenanceWindow",
    "NonOverridableArguments",
    "NotificationProperty",
    "ProfileName",
    "SourceControlDetails",
)


@dataclass(kw_only=True, eq=False)
class Job(Resource):
    """A Glue job. arn: derived from account, region and name."""

    type: ClassVar[str] = "AWS::Glue::Job"
    permissions: ClassVar[str] = (
        "glue:CreateJob glue:DeleteJob glue:GetJob glue:GetTags glue:TagResource glue:UpdateJob"
    )
    implied: ClassVar[str] = "iam:PassRole"

    arn: str

    @property
    def unset(self) -> Properties:
        return dict.fromkeys(_JOB_LEFT_UNSET)

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
            **{name: _without_empty(found.get(name)) for name in _JOB_LEFT_UNSET},
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
    permissions: ClassVar[str] = (
        "glue:CreateTrigger glue:DeleteTrigger glue:GetTags glue:GetTrigger glue:StartTrigger glue:TagResource "
        "glue:UpdateTrigger"
    )

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
            "Actions": [_without_empty(action) for action in found.get("Actions", [])],
            "Description": found.get("Description"),
            "Active": found["State"] in ("ACTIVATED", "ACTIVATING", "CREATING", "UPDATING"),
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
        }

    def create(self, properties: Properties) -> None:
        self._glue.create_trigger(
            Name=self.name,
            Type="SCHEDULED",
            Schedule=properties["Schedule"],
            Actions=properties["Actions"],
            Description=properties["Description"],
            StartOnCreation=True,
            Tags=properties["Tags"],
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed & {"Schedule", "Actions", "Description"}:
            self._glue.update_trigger(
                Name=self.name,
                TriggerUpdate={
                    "Schedule": properties["Schedule"],
                    "Actions": properties["Actions"],
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


def _without_empty(value: Any) -> Any:
    """A setting without its empty parts; None if nothing is left."""
    if isinstance(value, dict):
        return {name: part for name, item in value.items() if (part := _without_empty(item)) is not None} or None
    return value or None
