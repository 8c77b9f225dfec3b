"""Updates that moto lacks: of a Glue job and trigger, of an Athena workgroup, of a log group's key; composite alarms.

Without them an emulated account could be made and removed, but what is changed in it could not be mended.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from moto.athena.responses import AthenaResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult
from moto.glue.responses import GlueResponse
from moto.glue.utils import Action
from moto.logs.responses import LogsResponse


@contextlib.contextmanager
def filled() -> Iterator[None]:
    """moto with these gaps filled."""
    with contextlib.ExitStack() as patches:
        for owner, name, method in (
            (GlueResponse, "update_job", _update_job),
            (GlueResponse, "update_trigger", _update_trigger),
            (AthenaResponse, "update_work_group", _update_work_group),
            (LogsResponse, "associate_kms_key", _associate_kms_key),
            # It keeps an alarm's rule, but has no call to put one.
            (CloudWatchResponse, "put_composite_alarm", CloudWatchResponse.put_metric_alarm),
        ):
            patches.enter_context(patch.object(owner, name, method, create=True))
        yield


# The parameters of UpdateJob that moto keeps, with the value of one that is not given.
_JOB: dict[str, Any] = {
    "Description": None,
    "LogUri": None,
    "Role": None,
    "ExecutionProperty": {},
    "Command": None,
    "DefaultArguments": {},
    "NonOverridableArguments": None,
    "Connections": None,
    "MaxRetries": 0,
    "Timeout": None,
    "SecurityConfiguration": None,
    "NotificationProperty": None,
    "GlueVersion": None,
    "NumberOfWorkers": None,
    "WorkerType": None,
    "ExecutionClass": "STANDARD",
    "SourceControlDetails": None,
}


def _update_job(self: Any) -> Any:
    """The job becomes what is given; what is not given is reset, as Glue does."""
    job, update = self.glue_backend.get_job(self.parameters["JobName"]), self.parameters["JobUpdate"]
    for name, unset in _JOB.items():
        setattr(job, _snake(name), update.get(name, unset))
    return ActionResult({"JobName": job.name})


def _update_trigger(self: Any) -> Any:
    trigger, update = self.glue_backend.get_trigger(self.parameters["Name"]), self.parameters["TriggerUpdate"]
    trigger.schedule = update.get("Schedule", trigger.schedule)
    trigger.description = update.get("Description", trigger.description)
    if "Actions" in update:
        trigger.actions = [Action(each) for each in update["Actions"]]
    return ActionResult({"Trigger": trigger.as_dict()})


def _update_work_group(self: Any) -> str:
    group = self.athena_backend.work_groups[self._get_param("WorkGroup")]
    group.description = self._get_param("Description") or group.description
    group.state = self._get_param("State") or group.state
    updates = dict(self._get_param("ConfigurationUpdates") or {})
    results = dict(group.configuration.get("ResultConfiguration") or {})
    given = updates.pop("ResultConfigurationUpdates", {})
    if given.pop("RemoveEncryptionConfiguration", False):
        results.pop("EncryptionConfiguration", None)
    if updates.pop("RemoveBytesScannedCutoffPerQuery", False):
        group.configuration.pop("BytesScannedCutoffPerQuery", None)
    group.configuration |= {**updates, "ResultConfiguration": results | given}
    return "{}"


def _associate_kms_key(self: Any) -> Any:
    group = self.logs_backend._find_log_group(log_group_name=self._get_param("logGroupName"))
    group.kms_key_id = self._get_param("kmsKeyId")
    return EmptyResult()


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
