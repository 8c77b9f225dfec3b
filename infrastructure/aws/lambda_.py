"""A Lambda function, as the planner sees it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.errors import PlatformError
from infrastructure.planning.aws_errors import error_code
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while, wait_until

SETTLE_SECONDS = 600  # the network interfaces of a function in a VPC take minutes
_ALWAYS_UNRESERVED = 100
_LATEST = "$LATEST"
_SCRATCH_MB = 512  # Lambda's default, without extra cost
# What sets a part of the configuration back to what it is if nobody has set it.
_AS_IF_UNSET: dict[str, Any] = {
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "DeadLetterConfig": {"TargetArn": ""},
    "Layers": [],
    "FileSystemConfigs": [],
    "EphemeralStorage": {"Size": _SCRATCH_MB},
    "SnapStart": {"ApplyOn": "None"},
}
_NEW_ROLE_MESSAGES = (
    "cannot be assumed",
    "ensure the role can perform",
    "does not have permission",
    "KMS key is invalid",
)
_CONFIGURATION = (
    "Runtime",
    "Handler",
    "Role",
    "Description",
    "MemorySize",
    "Timeout",
    "Environment",
    "KMSKeyArn",
    "TracingConfig",
)


def code_sha256(zip_bytes: bytes) -> str:
    """A zip's hash in Lambda's own form."""
    return base64.b64encode(hashlib.sha256(zip_bytes).digest()).decode("ascii")


def is_new_role(error: Exception) -> bool:
    return error_code(error) == "InvalidParameterValueException" and any(
        message in str(error) for message in _NEW_ROLE_MESSAGES
    )


@dataclass(kw_only=True, eq=False)
class Function(Resource):
    """A Lambda function made from a zip. The zip's hash is a property, so a new build is a change.

    zip_bytes: returns the code; called only to make the function or to change its code.
    """

    type: ClassVar[str] = "AWS::Lambda::Function"
    permissions: ClassVar[str] = (
        "lambda:CreateFunction lambda:DeleteFunction lambda:DeleteFunctionConcurrency "
        "lambda:DeleteFunctionUrlConfig lambda:GetAccountSettings lambda:GetFunction "
        "lambda:GetFunctionConfiguration lambda:GetPolicy lambda:ListFunctionUrlConfigs "
        "lambda:PutFunctionConcurrency lambda:RemovePermission lambda:TagResource lambda:UpdateFunctionCode "
        "lambda:UpdateFunctionConfiguration"
    )
    implied: ClassVar[str] = (
        "ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs iam:PassRole kms:CreateGrant kms:Decrypt "
        "kms:Encrypt"
    )
    unordered: ClassVar[frozenset[str]] = frozenset({"Architectures", "VpcConfig"})
    immutable: ClassVar[frozenset[str]] = frozenset(
        {"AcceleratorConfig", "CapacityProviderConfig", "DurableConfig", "RuntimeConfig", "TenancyConfig"}
    )
    policies: ClassVar[frozenset[str]] = frozenset({"ResourcePolicy"})

    zip_bytes: Callable[[], bytes]

    @property
    def unset(self) -> Properties:
        return {
            **dict.fromkeys(self.immutable),
            "VpcConfig": None,
            "DeadLetterConfig": None,
            "Layers": [],
            "FileSystemConfigs": [],
            "EphemeralStorage": _SCRATCH_MB,
            "SnapStart": "None",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{self.name}"},
            "ResourcePolicy": None,
            "FunctionUrls": [],
        }

    def read(self) -> Properties | None:
        try:
            found = self._lambda.get_function(FunctionName=self.name)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        configuration = found["Configuration"]
        return {name: configuration.get(name) for name in _CONFIGURATION if name != "TracingConfig"} | {
            "Environment": configuration.get("Environment", {}).get("Variables", {}),
            "TracingConfig": configuration.get("TracingConfig", {}).get("Mode"),
            "Architectures": configuration.get("Architectures"),
            "CodeSha256": configuration["CodeSha256"],
            "ReservedConcurrentExecutions": found.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
            "Tags": found.get("Tags", {}),
            "Arn": configuration["FunctionArn"],
            **{name: configuration.get(name) or None for name in self.immutable},
            "VpcConfig": _vpc(configuration.get("VpcConfig")),
            "DeadLetterConfig": configuration.get("DeadLetterConfig") or None,
            "Layers": [layer["Arn"] for layer in configuration.get("Layers") or []],
            "FileSystemConfigs": configuration.get("FileSystemConfigs") or [],
            "EphemeralStorage": (configuration.get("EphemeralStorage") or {}).get("Size", _SCRATCH_MB),
            "SnapStart": (configuration.get("SnapStart") or {}).get("ApplyOn", "None"),
            "LoggingConfig": configuration.get("LoggingConfig") or self.unset["LoggingConfig"],
            "ResourcePolicy": self.readable(self._resource_policy),
            "FunctionUrls": self.readable(self._urls),
        }

    def create(self, properties: Properties) -> None:
        retry_while(
            is_new_role,
            lambda: self._lambda.create_function(
                FunctionName=self.name,
                PackageType="Zip",
                Code={"ZipFile": self.zip_bytes()},
                Architectures=properties["Architectures"],
                Tags=properties["Tags"],
                **_configuration(properties),
                **({"VpcConfig": properties["VpcConfig"]} if properties.get("VpcConfig") else {}),
            ),
            PROPAGATION_SECONDS,
        )
        self._wait("State", "Active")

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        others = {name: value for name, value in _AS_IF_UNSET.items() if name in changed}
        if properties.get("VpcConfig") and "VpcConfig" in changed:
            others["VpcConfig"] = properties["VpcConfig"]
        if "LoggingConfig" in changed:
            others["LoggingConfig"] = properties["LoggingConfig"]
        if changed & set(_CONFIGURATION) or others:
            retry_while(
                is_new_role,
                lambda: self._lambda.update_function_configuration(
                    FunctionName=self.name, **_configuration(properties), **others
                ),
                PROPAGATION_SECONDS,
            )
            self._wait("LastUpdateStatus", "Successful")
        if "ResourcePolicy" in changed:
            self._take_statements_off()
        if "FunctionUrls" in changed:
            for qualifier in self._urls():
                named = {} if qualifier == _LATEST else {"Qualifier": qualifier}
                self._lambda.delete_function_url_config(FunctionName=self.name, **named)
        if changed & {"CodeSha256", "Architectures"}:
            self._lambda.update_function_code(
                FunctionName=self.name, ZipFile=self.zip_bytes(), Architectures=properties["Architectures"]
            )
            self._wait("LastUpdateStatus", "Successful")
        if "ReservedConcurrentExecutions" in changed:
            self._reserve(properties["ReservedConcurrentExecutions"])
        if "Tags" in changed:
            arn = self._lambda.get_function_configuration(FunctionName=self.name)["FunctionArn"]
            self._lambda.tag_resource(Resource=arn, Tags=properties["Tags"])

    def delete(self) -> DeletionPending | None:
        try:
            self._lambda.delete_function(FunctionName=self.name)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        return None

    def refusal(self, properties: Properties, actual: Properties | None) -> PlatformError | None:
        """Lambda keeps a number of concurrent executions unreserved; new accounts have no more than that."""
        held = (actual or {}).get("ReservedConcurrentExecutions") or 0
        wanted = properties["ReservedConcurrentExecutions"] or 0
        if wanted <= held:
            return None
        try:
            limit = self._lambda.get_account_settings()["AccountLimit"]
        except Exception:  # an emulator, or an identity that may not look: then AWS has to say it
            return None
        free = max(0, limit["UnreservedConcurrentExecutions"] - _ALWAYS_UNRESERVED) + held
        if wanted <= free:
            return None
        return PlatformError(
            f"{self.type} {self.name}",
            f"reserves {wanted} concurrent executions, but only {free} of the account's "
            f"{limit['ConcurrentExecutions']} can be reserved: Lambda keeps {_ALWAYS_UNRESERVED} for all functions",
            f"Raise Lambda's quota of concurrent executions, or set LAMBDA_RESERVED_CONCURRENCY to {free} or less.",
        )

    @property
    def _lambda(self) -> Any:
        return self.clients("lambda")

    def _resource_policy(self) -> Any:
        """Who else may call or change the function, by a statement on itself."""
        try:
            policy = self._lambda.get_policy(FunctionName=self.name)["Policy"]
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        return policy if json.loads(policy).get("Statement") else None

    def _take_statements_off(self) -> None:
        for statement in json.loads(self._resource_policy() or "{}").get("Statement", []):
            self._lambda.remove_permission(FunctionName=self.name, StatementId=statement["Sid"])

    def _urls(self) -> list[str]:
        """The aliases under which the function can be called over HTTP; $LATEST for itself."""
        pages = self._lambda.get_paginator("list_function_url_configs").paginate(FunctionName=self.name)
        arns = [url["FunctionArn"] for page in pages for url in page["FunctionUrlConfigs"]]
        return [arn.rpartition(f":function:{self.name}")[2].lstrip(":") or _LATEST for arn in arns]

    def _reserve(self, executions: int | None) -> None:
        if executions is None:
            self._lambda.delete_function_concurrency(FunctionName=self.name)
        else:
            self._lambda.put_function_concurrency(FunctionName=self.name, ReservedConcurrentExecutions=executions)

    def _wait(self, field_name: str, value: str) -> None:
        def settled() -> bool:
            found = self._lambda.get_function_configuration(FunctionName=self.name)
            if found.get(field_name) == "Failed":
                reason = str(found.get(f"{field_name}Reason") or "no reason given").rstrip(".")
                raise PlatformError(
                    f"function {self.name}", f"has failed: {reason}", "Mend that, delete the function and apply again."
                )
            return bool(found.get(field_name) == value)

        wait_until(settled, f"function {self.name}", SETTLE_SECONDS)


def _vpc(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The function's network; Lambda answers empty lists if it has none."""
    set_ = {name: value for name, value in (found or {}).items() if value and name != "VpcId"}
    return set_ or None


def _configuration(properties: Properties) -> dict[str, Any]:
    plain = {name: properties[name] for name in _CONFIGURATION}
    return plain | {
        "Environment": {"Variables": properties["Environment"]},
        "TracingConfig": {"Mode": properties["TracingConfig"]},
    }
