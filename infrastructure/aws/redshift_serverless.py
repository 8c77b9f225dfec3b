"""A Redshift Serverless namespace (data, users, keys) and workgroup (compute, network), as the planner sees them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while, wait_until

_SETTLE_SECONDS = 1800  # a new workgroup takes minutes, a new key for a large namespace longer
_BUSY_SECONDS = 600
# The service returns a namespace's roles as text: "IamRole(applyStatus=in-sync, iamRoleArn=arn:aws:iam::1:role/x)".
_ROLE_ARN = re.compile(r"arn:[^,)\s]+")
_KEY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}")


def _tags(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


@dataclass(kw_only=True, eq=False)
class _ServerlessResource(Resource):
    """What both have in common: tags by ARN, and one change at a time, each waited for."""

    @property
    def _redshift(self) -> Any:
        return self.clients("redshift-serverless")

    def _get(self) -> dict[str, Any] | None:
        raise NotImplementedError

    def _read_tags(self, arn: str) -> dict[str, str]:
        found = self._redshift.list_tags_for_resource(resourceArn=arn)["tags"]
        return {tag["key"]: tag["value"] for tag in found}

    def _tag(self, arn: str, tags: dict[str, str]) -> None:
        self._redshift.tag_resource(resourceArn=arn, tags=_tags(tags))

    def _changing(self, call: Callable[[], object]) -> None:
        """Make one change. The service refuses the next one with a conflict until the last has settled."""
        retry_while(lambda error: error_code(error) == "ConflictException", call, _BUSY_SECONDS)
        self._wait()

    def _wait(self) -> None:
        wait_until(self._is_available, f"{self.type} {self.name}", _SETTLE_SECONDS)

    def _is_available(self) -> bool:
        """Raises PlatformError if it never will be: somebody is removing it, or the service gave up."""
        status = (self._get() or {}).get("status", "")
        if status == "DELETING" or "FAILED" in status:
            raise PlatformError(
                f"{self.type} {self.name}", f"is {status}", "See its events in the console, then apply again."
            )
        return bool(status == "AVAILABLE")

    def _removing(self, call: Callable[[], object]) -> None:
        try:
            retry_while(lambda error: error_code(error) == "ConflictException", call, _BUSY_SECONDS)
        except self._redshift.exceptions.ResourceNotFoundException:
            return
        wait_until(lambda: self._get() is None, f"{self.type} {self.name}", _SETTLE_SECONDS)


@dataclass(kw_only=True, eq=False)
class Namespace(_ServerlessResource):
    """A namespace. Its outputs: Arn, Id, AdminSecretArn (the admin's password, which Secrets Manager rotates)."""

    type: ClassVar[str] = "AWS::RedshiftServerless::Namespace"
    permissions: ClassVar[str] = (
        "redshift-serverless:CreateNamespace redshift-serverless:DeleteNamespace redshift-serverless:GetNamespace "
        "redshift-serverless:ListSnapshotCopyConfigurations redshift-serverless:ListTagsForResource "
        "redshift-serverless:TagResource redshift-serverless:UpdateNamespace"
    )
    implied: ClassVar[str] = (
        "iam:CreateServiceLinkedRole iam:PassRole kms:CreateGrant kms:Decrypt kms:DescribeKey kms:GenerateDataKey "
        "secretsmanager:CreateSecret secretsmanager:DeleteSecret secretsmanager:DescribeSecret "
        "secretsmanager:RotateSecret secretsmanager:TagResource secretsmanager:UpdateSecret"
    )
    immutable: ClassVar[frozenset[str]] = frozenset({"dbName", "adminUsername"})
    unordered: ClassVar[frozenset[str]] = frozenset({"iamRoles", "logExports"})

    def read(self) -> Properties | None:
        found = self._get()
        if found is None:
            return None
        return {
            "dbName": found.get("dbName"),
            "adminUsername": found.get("adminUsername"),
            "manageAdminPassword": bool(found.get("adminPasswordSecretArn")),
            "adminPasswordSecretKmsKeyId": _key_arn(found, "adminPasswordSecretKmsKeyId"),
            "kmsKeyId": _key_arn(found, "kmsKeyId"),
            "iamRoles": [match.group() for role in found.get("iamRoles", []) for match in _ROLE_ARN.finditer(role)],
            "defaultIamRoleArn": found.get("defaultIamRoleArn"),
            "logExports": found.get("logExports", []),
            "Tags": self._read_tags(found["namespaceArn"]),
            "Arn": found["namespaceArn"],
            "Id": found["namespaceId"],
            "AdminSecretArn": found.get("adminPasswordSecretArn"),
            "Foreign": self.readable(self._copies),
        }

    def create(self, properties: Properties) -> None:
        wanted = {name: value for name, value in properties.items() if name != "Tags"}
        retry_while(
            lambda error: error_code(error) == "ValidationException" and "role" in str(error).lower(),
            lambda: self._redshift.create_namespace(namespaceName=self.name, tags=_tags(properties["Tags"]), **wanted),
            PROPAGATION_SECONDS,
        )
        self._wait()

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        arn = (self._get() or {})["namespaceArn"]

        def change(*names: str) -> Callable[[Any], None]:
            wanted = {name: properties[name] for name in names}
            return lambda _: self._changing(lambda: self._redshift.update_namespace(namespaceName=self.name, **wanted))

        self.write_each(
            changed,
            properties,
            {
                "kmsKeyId": change("kmsKeyId"),
                "manageAdminPassword": change("manageAdminPassword", "adminPasswordSecretKmsKeyId"),
                "adminPasswordSecretKmsKeyId": change("manageAdminPassword", "adminPasswordSecretKmsKeyId"),
                "iamRoles": change("iamRoles", "defaultIamRoleArn"),
                "defaultIamRoleArn": change("iamRoles", "defaultIamRoleArn"),
                "logExports": change("logExports"),
                "Tags": lambda tags: self._tag(arn, tags),
            },
        )

    def delete(self) -> DeletionPending | None:
        self._removing(lambda: self._redshift.delete_namespace(namespaceName=self.name))
        return None

    def _copies(self) -> list[str]:
        """Other regions that get a copy of every snapshot: the bank's own provision, perhaps."""
        pages = self._redshift.get_paginator("list_snapshot_copy_configurations").paginate(namespaceName=self.name)
        found = [copy for page in pages for copy in page["snapshotCopyConfigurations"]]
        return [f"a copy of its snapshots to {copy['destinationRegion']}" for copy in found]

    def _get(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._redshift.get_namespace(namespaceName=self.name)["namespace"]
        except self._redshift.exceptions.ResourceNotFoundException:
            return None
        return found


def _key_arn(namespace: dict[str, Any], name: str) -> str | None:
    """A key's ARN, even if the service returned the bare key id."""
    key: str | None = namespace.get(name)
    if key is None or not _KEY_ID.fullmatch(key):
        return key
    _, partition, _, region, account, _ = namespace["namespaceArn"].split(":", 5)
    return f"arn:{partition}:kms:{region}:{account}:key/{key}"


# The values that the service gives these parameters by itself (Redshift Serverless, "Workgroup parameters").
_DEFAULT_PARAMETERS = {
    "auto_mv": "true",
    "datestyle": "iso,mdy",
    "enable_case_sensitive_identifier": "false",
    "enable_user_activity_logging": "true",
    "query_group": "default",
    "require_ssl": "true",
    "search_path": "$user,public",
    "use_fips_ssl": "false",
    "wlm_json_configuration": "",
}


def _plain(value: str) -> str:
    return value.lower().replace(" ", "").replace('"', "")


@dataclass(kw_only=True, eq=False)
class Workgroup(_ServerlessResource):
    """A workgroup. The service adds ConfigParameters of its own; those that somebody changed are shown."""

    type: ClassVar[str] = "AWS::RedshiftServerless::Workgroup"
    permissions: ClassVar[str] = (
        "redshift-serverless:CreateWorkgroup redshift-serverless:DeleteWorkgroup redshift-serverless:GetWorkgroup "
        "redshift-serverless:ListEndpointAccess redshift-serverless:ListTagsForResource "
        "redshift-serverless:TagResource redshift-serverless:UpdateWorkgroup"
    )
    implied: ClassVar[str] = (
        "ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones ec2:DescribeInternetGateways "
        "ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcAttribute ec2:DescribeVpcs"
    )
    immutable: ClassVar[frozenset[str]] = frozenset({"namespaceName"})
    unordered: ClassVar[frozenset[str]] = frozenset({"subnetIds", "securityGroupIds"})

    def read(self) -> Properties | None:
        found = self._get()
        if found is None:
            return None
        own = self.properties["ConfigParameters"]
        parameters = {each["parameterKey"]: each["parameterValue"] for each in found.get("configParameters", [])}
        return {name: found.get(name) for name in self.properties if name not in ("ConfigParameters", "Tags")} | {
            "ConfigParameters": {name: value for name, value in parameters.items() if name in own},
            "Tags": self._read_tags(found["workgroupArn"]),
            "Arn": found["workgroupArn"],
            "Foreign": self._set_by_others(found, parameters),
        }

    def _set_by_others(self, found: dict[str, Any], parameters: dict[str, str]) -> list[str]:
        vpcs = [f"a way in for the VPC {vpc} of another account" for vpc in found.get("crossAccountVpcs") or []]
        changed = [
            f"the parameter {name} = {value}"
            for name, value in sorted(parameters.items())
            if name not in self.properties["ConfigParameters"] and _plain(value) != _DEFAULT_PARAMETERS.get(name)
        ]
        return vpcs + changed + self._endpoints()

    def _endpoints(self) -> list[str]:
        pages = self._redshift.get_paginator("list_endpoint_access").paginate(workgroupName=self.name)
        return [f"an endpoint {each['endpointName']}" for page in pages for each in page["endpoints"]]

    def create(self, properties: Properties) -> None:
        wanted = {name: value for name, value in properties.items() if name not in ("ConfigParameters", "Tags")}
        self._redshift.create_workgroup(
            workgroupName=self.name,
            configParameters=_parameters(properties["ConfigParameters"]),
            tags=_tags(properties["Tags"]),
            **wanted,
        )
        self._wait()

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        arn = (self._get() or {})["workgroupArn"]

        def change(name: str) -> Callable[[Any], None]:
            # UpdateWorkgroup accepts one kind of change per call.
            return lambda value: self._changing(
                lambda: self._redshift.update_workgroup(workgroupName=self.name, **{name: value})
            )

        writers: dict[str, Callable[[Any], object]] = {
            "publiclyAccessible": change("publiclyAccessible"),
            "ConfigParameters": lambda value: change("configParameters")(_parameters(value)),
            **{
                name: change(name)
                for name in (
                    "enhancedVpcRouting",
                    "subnetIds",
                    "securityGroupIds",
                    "port",
                    "maxCapacity",
                    "baseCapacity",
                )
            },
            "Tags": lambda tags: self._tag(arn, tags),
        }
        self.write_each(changed, properties, writers)

    def delete(self) -> DeletionPending | None:
        self._removing(lambda: self._redshift.delete_workgroup(workgroupName=self.name))
        return None

    def _get(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._redshift.get_workgroup(workgroupName=self.name)["workgroup"]
        except self._redshift.exceptions.ResourceNotFoundException:
            return None
        return found


def _parameters(parameters: dict[str, str]) -> list[dict[str, str]]:
    return [{"parameterKey": key, "parameterValue": value} for key, value in parameters.items()]


@dataclass(kw_only=True, eq=False)
class UsageLimit(Resource):
    """How many RPU hours a day a workgroup may use, and what happens beyond. name: the workgroup's."""

    type: ClassVar[str] = "AWS::RedshiftServerless::UsageLimit"
    permissions: ClassVar[str] = (
        "redshift-serverless:CreateUsageLimit redshift-serverless:DeleteUsageLimit redshift-serverless:GetWorkgroup "
        "redshift-serverless:ListUsageLimits redshift-serverless:UpdateUsageLimit"
    )

    def read(self) -> Properties | None:
        found = self._found()
        return found and {"amount": found["amount"], "breachAction": found.get("breachAction")}

    def create(self, properties: Properties) -> None:
        arn = self._workgroup_arn()
        self._redshift.create_usage_limit(resourceArn=arn, **_COMPUTE_A_DAY, **properties)

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self._redshift.update_usage_limit(usageLimitId=(self._found() or {})["usageLimitId"], **properties)

    def delete(self) -> DeletionPending | None:
        found = self._found()
        if found:
            self._redshift.delete_usage_limit(usageLimitId=found["usageLimitId"])
        return None

    @property
    def _redshift(self) -> Any:
        return self.clients("redshift-serverless")

    def _workgroup_arn(self) -> str | None:
        try:
            found = self._redshift.get_workgroup(workgroupName=self.name)["workgroup"]
        except self._redshift.exceptions.ResourceNotFoundException:
            return None
        return str(found["workgroupArn"])

    def _found(self) -> dict[str, Any] | None:
        arn = self._workgroup_arn()
        if arn is None:
            return None
        usage = {"resourceArn": arn, "usageType": _COMPUTE_A_DAY["usageType"]}
        for page in self._redshift.get_paginator("list_usage_limits").paginate(**usage):
            for limit in page["usageLimits"]:
                if limit["period"] == _COMPUTE_A_DAY["period"]:
                    return dict(limit)
        return None


_COMPUTE_A_DAY = {"usageType": "serverless-compute", "period": "daily"}


@dataclass(kw_only=True, eq=False)
class ExistingWorkgroup(Resource):
    """A workgroup that the bank already has: read for its ARN, never made, changed or removed."""

    type: ClassVar[str] = "AWS::RedshiftServerless::Workgroup"
    permissions: ClassVar[str] = "redshift-serverless:GetWorkgroup"

    def read(self) -> Properties | None:
        serverless = self.clients("redshift-serverless")
        try:
            found = serverless.get_workgroup(workgroupName=self.name)["workgroup"]
        except serverless.exceptions.ResourceNotFoundException:
            return None
        return {"Arn": found["workgroupArn"]}

    def create(self, properties: Properties) -> None:
        raise PlatformError(
            f"workgroup {self.name}",
            "does not exist",
            "Correct REDSHIFT_WORKGROUP, or leave it empty to have a workgroup made.",
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        """There is nothing to change."""

    def delete(self) -> DeletionPending | None:
        """Nothing to do: it does not belong to the platform."""
        return None
