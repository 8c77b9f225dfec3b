"""What the Glue job, its files, its security configuration and its trigger are to the planner."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.remedies import error_code, is_not_found
from infrastructure.resource import Properties, Remains, Resource, Unsupported
from infrastructure.waiting import retry_while

_ROLE_SECONDS = 60
# An upload would be refused there, as soon as the bucket's policy stands.
_DENY_WITHOUT_CONDITION = "emulators enforce the bucket's Deny statements without their conditions"


def content_sha256(content: bytes) -> str:
    """The hash in the form in which S3 keeps it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode("ascii")


@dataclass(kw_only=True, eq=False)
class JobFile(Resource):
    """An object that the job is run from. name: "bucket/key"; the key names the content, so a change is a new key.

    S3 keeps the content's hash: an object that somebody overwrote is drift.
    """

    type: ClassVar[str] = "AWS::S3::Object"

    content: Callable[[], bytes]

    def read(self) -> Properties | None:
        if self.clients.emulated:
            raise Unsupported(_DENY_WITHOUT_CONDITION)
        bucket, key = self._place
        try:
            found = self._s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except self._s3.exceptions.ClientError as error:
            if is_not_found(error):
                return None
            raise
        return {"Sha256": found.get("ChecksumSHA256")}

    def create(self, properties: Properties) -> None:
        bucket, key = self._place
        self._s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=self.content(),
            ChecksumAlgorithm="SHA256",
            ChecksumSHA256=properties["Sha256"],
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> Remains | None:
        bucket, key = self._place
        try:
            self._s3.delete_object(Bucket=bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        return None

    @property
    def _s3(self) -> Any:
        return self.clients("s3")

    @property
    def _place(self) -> tuple[str, str]:
        bucket, _, key = self.name.partition("/")
        return bucket, key


@dataclass(kw_only=True, eq=False)
class SecurityConfiguration(Resource):
    """Glue's encryption settings. They cannot be changed in place: an update makes them anew under the same name."""

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

    def delete(self) -> Remains | None:
        try:
            self._glue.delete_security_configuration(Name=self.name)
        except self._glue.exceptions.EntityNotFoundException:
            return None
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")


# CreateJob's and UpdateJob's own parameters.
_JOB = (
    "Description",
    "Role",
    "Command",
    "DefaultArguments",
    "ExecutionProperty",
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
    """A Glue job. arn: made of account, region and name, as every job's is."""

    type: ClassVar[str] = "AWS::Glue::Job"

    arn: str

    def read(self) -> Properties | None:
        try:
            found = self._glue.get_job(JobName=self.name)["Job"]
        except self._glue.exceptions.EntityNotFoundException:
            return None
        command = found.get("Command", {})
        return {name: found.get(name) for name in _JOB} | {
            "Command": {name: command.get(name) for name in ("Name", "ScriptLocation", "PythonVersion")},
            "Tags": self._glue.get_tags(ResourceArn=self.arn)["Tags"],
            "Arn": self.arn,
        }

    def create(self, properties: Properties) -> None:
        parameters = {name: properties[name] for name in _JOB}
        self._patiently(lambda: self._glue.create_job(Name=self.name, Tags=properties["Tags"], **parameters))

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        if changed - {"Tags"}:
            # UpdateJob sets what is not given back to Glue's own defaults: everything is given.
            parameters = {name: properties[name] for name in _JOB}
            self._patiently(lambda: self._glue.update_job(JobName=self.name, JobUpdate=parameters))
        if "Tags" in changed:
            self._glue.tag_resource(ResourceArn=self.arn, TagsToAdd=properties["Tags"])

    def delete(self) -> Remains | None:
        self._glue.delete_job(JobName=self.name)  # one that is gone is no error
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")

    def _patiently(self, call: Callable[[], object]) -> None:
        retry_while(
            lambda error: error_code(error) == "InvalidInputException" and "role" in str(error).lower(),
            call,
            _ROLE_SECONDS,
        )


@dataclass(kw_only=True, eq=False)
class Trigger(Resource):
    """A trigger that starts a job on a schedule. arn: as of a job."""

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

    def delete(self) -> Remains | None:
        self._glue.delete_trigger(Name=self.name)  # one that is gone is no error
        return None

    @property
    def _glue(self) -> Any:
        return self.clients("glue")


def _actions(properties: Properties) -> list[dict[str, str]]:
    return [{"JobName": name} for name in properties["JobNames"]]
