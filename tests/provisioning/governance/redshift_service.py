"""Redshift Serverless and its Data API in memory, behind boto3's real clients, because moto has neither.

botocore validates and serialises the parameters of each call; then this module answers instead of the network. It keeps
the service's strictness: it settles after each change and refuses another one meanwhile, accepts one kind of change of
a workgroup per call, returns a namespace's roles as text, and may return a key as its bare id. SQL is recorded, not
run; that is tested on the warehouse's stand-in (tests/pipeline).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "arn:aws:redshift-serverless:eu-central-1:123456789012"


class Refused(Exception):
    """An error of the service."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


class _Answer:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


@dataclass
class RedshiftService:
    """What exists: namespaces and workgroups by name, tags by ARN, usage limits by id, and the SQL that was run.

    failing: text of a statement -> the error that it ends with.
    """

    namespaces: dict[str, dict[str, Any]] = field(default_factory=dict)
    workgroups: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    usage_limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    statements: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    changing: dict[int, int] = field(default_factory=dict)
    copied_to: dict[str, tuple[str, ...]] = field(default_factory=dict)  # namespace -> regions
    endpoints: dict[str, tuple[str, ...]] = field(default_factory=dict)  # workgroup -> names

    def answer_for(self, clients: Any) -> None:
        """Stand in for both services at these clients."""
        for service in ("redshift-serverless", "redshift-data"):
            # registered after the handlers that record
            clients(service).meta.events.register_last("before-call", self._answer)

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[_Answer, dict[str, Any]]:
        request = json.loads(params["body"] or "{}")
        try:
            parsed = getattr(self, f"_{model.name}")(**request)
        except Refused as refused:
            error = {"Code": refused.code, "Message": refused.message}
            return _Answer(400), {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}
        return _Answer(200), parsed | {"ResponseMetadata": {"HTTPStatusCode": 200}}

    # --- Namespaces ---

    def _CreateNamespace(self, namespaceName: str, tags: list[dict[str, str]], **wanted: Any) -> dict[str, Any]:
        arn = f"{ACCOUNT}:namespace/{namespaceName}-id"
        managed = wanted.pop("manageAdminPassword")
        self.namespaces[namespaceName] = {
            **wanted,
            "namespaceName": namespaceName,
            "namespaceArn": arn,
            "namespaceId": f"{namespaceName}-id",
            "iamRoles": [_role_text(role) for role in wanted["iamRoles"]],
            "adminPasswordSecretKmsKeyId": wanted["adminPasswordSecretKmsKeyId"].rsplit("/", 1)[1],
        } | ({"adminPasswordSecretArn": "arn:aws:secretsmanager:eu-central-1:1:secret:admin"} if managed else {})
        self.tags[arn] = _plain(tags)
        self._settle_later(self.namespaces[namespaceName])
        return {"namespace": self.namespaces[namespaceName]}

    def _GetNamespace(self, namespaceName: str) -> dict[str, Any]:
        return {"namespace": self._seen(self._found(self.namespaces, namespaceName))}

    def _UpdateNamespace(self, namespaceName: str, **changes: Any) -> dict[str, Any]:
        namespace = self._settled(self.namespaces, namespaceName)
        if changes.pop("manageAdminPassword", False):
            changes["adminPasswordSecretArn"] = "arn:aws:secretsmanager:eu-central-1:1:secret:admin"
        if "iamRoles" in changes:
            changes["iamRoles"] = [_role_text(role) for role in changes["iamRoles"]]
        namespace |= changes
        self._settle_later(namespace)
        return {"namespace": namespace}

    def _DeleteNamespace(self, namespaceName: str) -> dict[str, Any]:
        namespace = self._settled(self.namespaces, namespaceName)
        if any(workgroup["namespaceName"] == namespaceName for workgroup in self.workgroups.values()):
            raise Refused("ConflictException", "a workgroup is associated with the namespace")
        return {"namespace": self.namespaces.pop(namespaceName) | namespace}

    def _ListSnapshotCopyConfigurations(self, namespaceName: str) -> dict[str, Any]:
        self._found(self.namespaces, namespaceName)
        regions = self.copied_to.get(namespaceName, ())
        return {"snapshotCopyConfigurations": [{"destinationRegion": region} for region in regions]}

    # --- Workgroups ---

    def _CreateWorkgroup(self, workgroupName: str, tags: list[dict[str, str]], **wanted: Any) -> dict[str, Any]:
        self._found(self.namespaces, wanted["namespaceName"])
        arn = f"{ACCOUNT}:workgroup/{workgroupName}-id"
        defaults = [{"parameterKey": "datestyle", "parameterValue": "ISO, MDY"}]
        self.workgroups[workgroupName] = {
            **wanted,
            "workgroupName": workgroupName,
            "workgroupArn": arn,
            "configParameters": [*wanted["configParameters"], *defaults],
        }
        self.tags[arn] = _plain(tags)
        self._settle_later(self.workgroups[workgroupName])
        return {"workgroup": self.workgroups[workgroupName]}

    def _GetWorkgroup(self, workgroupName: str) -> dict[str, Any]:
        return {"workgroup": self._seen(self._found(self.workgroups, workgroupName))}

    def _UpdateWorkgroup(self, workgroupName: str, **changes: Any) -> dict[str, Any]:
        workgroup = self._settled(self.workgroups, workgroupName)
        if len(changes) > 1:
            raise Refused("ValidationException", "one kind of change at a time")
        for parameter in changes.pop("configParameters", []):
            others = [p for p in workgroup["configParameters"] if p["parameterKey"] != parameter["parameterKey"]]
            workgroup["configParameters"] = [*others, parameter]
        workgroup |= changes
        self._settle_later(workgroup)
        return {"workgroup": workgroup}

    def _DeleteWorkgroup(self, workgroupName: str) -> dict[str, Any]:
        self._settled(self.workgroups, workgroupName)
        return {"workgroup": self.workgroups.pop(workgroupName)}

    def _ListEndpointAccess(self, workgroupName: str) -> dict[str, Any]:
        self._found(self.workgroups, workgroupName)
        return {"endpoints": [{"endpointName": name} for name in self.endpoints.get(workgroupName, ())]}

    # --- Usage limits ---

    def _CreateUsageLimit(self, resourceArn: str, **wanted: Any) -> dict[str, Any]:
        if any(limit["resourceArn"] == resourceArn for limit in self.usage_limits.values()):
            raise Refused("ConflictException", "there is one of this period already")
        id_ = f"limit-{len(self.usage_limits)}"
        self.usage_limits[id_] = {**wanted, "resourceArn": resourceArn, "usageLimitId": id_}
        return {"usageLimit": self.usage_limits[id_]}

    def _ListUsageLimits(self, resourceArn: str, usageType: str) -> dict[str, Any]:
        asked, limits = (resourceArn, usageType), self.usage_limits.values()
        return {"usageLimits": [each for each in limits if (each["resourceArn"], each["usageType"]) == asked]}

    def _UpdateUsageLimit(self, usageLimitId: str, **changes: Any) -> dict[str, Any]:
        self.usage_limits[usageLimitId] |= changes
        return {"usageLimit": self.usage_limits[usageLimitId]}

    def _DeleteUsageLimit(self, usageLimitId: str) -> dict[str, Any]:
        return {"usageLimit": self.usage_limits.pop(usageLimitId)}

    # --- Tags ---

    def _ListTagsForResource(self, resourceArn: str) -> dict[str, Any]:
        return {"tags": [{"key": key, "value": value} for key, value in self.tags[resourceArn].items()]}

    def _TagResource(self, resourceArn: str, tags: list[dict[str, str]]) -> dict[str, Any]:
        self.tags[resourceArn] |= _plain(tags)
        return {}

    # --- Data API ---

    def _ExecuteStatement(self, Sql: str, **where: Any) -> dict[str, Any]:
        self.statements.append((Sql, where))
        return {"Id": str(len(self.statements) - 1)}

    def _BatchExecuteStatement(self, Sqls: list[str], **where: Any) -> dict[str, Any]:
        self.statements.extend((sql, where) for sql in Sqls)
        return {"Id": str(len(self.statements) - 1)}

    def _DescribeStatement(self, Id: str) -> dict[str, Any]:
        sql = self.statements[int(Id)][0]
        error = next((text for part, text in self.failing.items() if part in sql), None)
        if error:
            return {"Id": Id, "Status": "FAILED", "Error": error, "QueryString": sql}
        return {"Id": Id, "Status": "FINISHED", "QueryString": sql}

    def _GetStatementResult(self, Id: str) -> dict[str, Any]:
        sql = self.statements[int(Id)][0]
        asked = re.search(r"FROM svv_columns .*table_name = '(\w+)'", sql)
        names = self._columns(asked[1]) if asked else []
        return {"Records": [[{"stringValue": name}] for name in names]}

    def _columns(self, table: str) -> list[str]:
        """The columns of the CREATE TABLE statement that made the table; none where it was not made."""
        creates = re.compile(rf"CREATE TABLE IF NOT EXISTS \S*\.?{table}\b").match
        made = next((sql for sql, _ in self.statements if creates(sql)), "()")
        body = made[made.index("(") + 1 :]
        return [found[1] for line in body.splitlines() if (found := re.match(r"\s+(\w+) +[A-Z]", line))]

    # --- How the service is ---

    def _found(self, things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        if name not in things:
            raise Refused("ResourceNotFoundException", f"{name} does not exist")
        return things[name]

    def _settle_later(self, thing: dict[str, Any]) -> None:
        thing["status"] = "MODIFYING"
        self.changing[id(thing)] = 2  # reads until it has settled

    def _seen(self, thing: dict[str, Any]) -> dict[str, Any]:
        left = self.changing.get(id(thing), 0)
        self.changing[id(thing)] = max(0, left - 1)
        if left <= 1:
            thing["status"] = "AVAILABLE"
        return dict(thing)

    def _settled(self, things: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
        thing = self._found(things, name)
        if thing["status"] != "AVAILABLE":
            raise Refused("ConflictException", f"{name} is being changed")
        return thing


def _role_text(role: str) -> str:
    return f"IamRole(applyStatus=in-sync, iamRoleArn={role})"


def _plain(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in tags}
