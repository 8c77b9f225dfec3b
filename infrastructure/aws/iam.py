"""An IAM role, and a further policy on one, as the planner sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from infrastructure.aws.tags import tag_dict, tag_list
from infrastructure.planning.aws_errors import is_not_found
from infrastructure.planning.resource import DeletionPending, Properties, Resource
from infrastructure.planning.waiting import PROPAGATION_SECONDS, retry_while


def _is_new(role: str) -> Callable[[Exception], bool]:
    """Whether an error is a new role that a write does not find yet, although a read has shown it: IAM answers from
    several places.
    """
    return lambda error: is_not_found(error) and role in str(error)


@dataclass(kw_only=True, eq=False)
class Role(Resource):
    """An IAM role with one inline policy of the same name.

    added_policies: names of inline policies that other resources (RolePolicy) put on it. Every other policy on the role
    is drift: the plan shows it under OtherPolicies, and apply removes it.
    """

    type: ClassVar[str] = "AWS::IAM::Role"
    permissions: ClassVar[str] = (
        "iam:CreateRole iam:DeleteRole iam:DeleteRolePermissionsBoundary iam:DeleteRolePolicy iam:DetachRolePolicy "
        "iam:GetRole iam:GetRolePolicy iam:ListAttachedRolePolicies iam:ListRolePolicies "
        "iam:PutRolePermissionsBoundary iam:PutRolePolicy iam:TagRole iam:UpdateAssumeRolePolicy iam:UpdateRole"
    )
    policies: ClassVar[frozenset[str]] = frozenset({"AssumeRolePolicyDocument", "PolicyDocument"})
    unordered: ClassVar[frozenset[str]] = frozenset({"OtherPolicies"})

    added_policies: tuple[str, ...] = ()

    def read(self) -> Properties | None:
        try:
            role = self._iam.get_role(RoleName=self.name)["Role"]
        except self._iam.exceptions.NoSuchEntityException:
            return None
        return {
            "Description": role.get("Description"),
            "AssumeRolePolicyDocument": role["AssumeRolePolicyDocument"],
            "PolicyDocument": self._own_policy(),
            "OtherPolicies": [*self._attached(), *self._foreign_inline()],
            "PermissionsBoundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "MaxSessionDuration": role.get("MaxSessionDuration"),
            "Tags": tag_dict(role.get("Tags", [])),
            "Arn": role["Arn"],
            "RoleId": role["RoleId"],
        }

    def create(self, properties: Properties) -> None:
        boundary = properties["PermissionsBoundary"]
        self._iam.create_role(
            RoleName=self.name,
            AssumeRolePolicyDocument=json.dumps(properties["AssumeRolePolicyDocument"]),
            Description=properties["Description"],
            MaxSessionDuration=properties["MaxSessionDuration"],
            Tags=tag_list(properties["Tags"]),
            **({"PermissionsBoundary": boundary} if boundary else {}),
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        retry_while(_is_new(self.name), lambda: self._change(changed, properties), PROPAGATION_SECONDS)

    def _change(self, changed: frozenset[str], properties: Properties) -> None:
        """Write what changed; each of the writes may be repeated."""
        iam, name = self._iam, self.name
        # Writers that limit or remove rights come before those that grant them.
        self.write_each(
            changed,
            properties,
            {
                "PermissionsBoundary": self._bound,
                "OtherPolicies": lambda _: self._take_off_others(),
                "AssumeRolePolicyDocument": lambda value: iam.update_assume_role_policy(
                    RoleName=name, PolicyDocument=json.dumps(value)
                ),
                "PolicyDocument": lambda value: iam.put_role_policy(
                    RoleName=name, PolicyName=name, PolicyDocument=json.dumps(value)
                ),
                "Description": lambda _: self._describe(properties),
                "MaxSessionDuration": lambda _: self._describe(properties),
                "Tags": lambda value: iam.tag_role(RoleName=name, Tags=tag_list(value)),
            },
        )

    def delete(self) -> DeletionPending | None:
        try:
            self._take_off_others()
            for policy in self._inline():
                self._iam.delete_role_policy(RoleName=self.name, PolicyName=policy)
            self._iam.delete_role(RoleName=self.name)
        except self._iam.exceptions.NoSuchEntityException:
            return None
        return None

    @property
    def _iam(self) -> Any:
        return self.clients("iam")

    def _own_policy(self) -> Any:
        try:
            return self._iam.get_role_policy(RoleName=self.name, PolicyName=self.name)["PolicyDocument"]
        except self._iam.exceptions.NoSuchEntityException:
            return None

    def _inline(self) -> list[str]:
        pages = self._iam.get_paginator("list_role_policies").paginate(RoleName=self.name)
        return [name for page in pages for name in page["PolicyNames"]]

    def _foreign_inline(self) -> list[str]:
        return [name for name in self._inline() if name not in (self.name, *self.added_policies)]

    def _attached(self) -> list[str]:
        pages = self._iam.get_paginator("list_attached_role_policies").paginate(RoleName=self.name)
        return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]

    def _take_off_others(self) -> None:
        for arn in self._attached():
            self._iam.detach_role_policy(RoleName=self.name, PolicyArn=arn)
        for name in self._foreign_inline():
            self._iam.delete_role_policy(RoleName=self.name, PolicyName=name)

    def _bound(self, arn: str | None) -> None:
        if arn:
            self._iam.put_role_permissions_boundary(RoleName=self.name, PermissionsBoundary=arn)
        else:
            self._iam.delete_role_permissions_boundary(RoleName=self.name)

    def _describe(self, properties: Properties) -> None:
        self._iam.update_role(
            RoleName=self.name,
            Description=properties["Description"],
            MaxSessionDuration=properties["MaxSessionDuration"],
        )


@dataclass(kw_only=True, eq=False)
class RolePolicy(Resource):
    """A further inline policy on a role, for rights that only some environments need. name: "role/policy"."""

    type: ClassVar[str] = "AWS::IAM::RolePolicy"
    permissions: ClassVar[str] = "iam:DeleteRolePolicy iam:GetRolePolicy iam:PutRolePolicy"
    policies: ClassVar[frozenset[str]] = frozenset({"PolicyDocument"})

    def read(self) -> Properties | None:
        role, policy = self._names
        try:
            found = self.clients("iam").get_role_policy(RoleName=role, PolicyName=policy)
        except self.clients("iam").exceptions.NoSuchEntityException:
            return None
        return {"PolicyDocument": found["PolicyDocument"]}

    def create(self, properties: Properties) -> None:
        role, policy = self._names
        retry_while(
            _is_new(role),
            lambda: self.clients("iam").put_role_policy(
                RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(properties["PolicyDocument"])
            ),
            PROPAGATION_SECONDS,
        )

    def update(self, changed: frozenset[str], properties: Properties) -> None:
        self.create(properties)

    def delete(self) -> DeletionPending | None:
        role, policy = self._names
        try:
            self.clients("iam").delete_role_policy(RoleName=role, PolicyName=policy)
        except self.clients("iam").exceptions.ClientError as error:
            if not is_not_found(error):
                raise
        return None

    @property
    def _names(self) -> tuple[str, str]:
        role, _, policy = self.name.partition("/")
        return role, policy
