"""Where a Lambda function stands: in the bank's network, if the settings name one, with the rights that this takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infrastructure.aws.iam import RolePolicy
from infrastructure.aws.lambda_ import Function
from infrastructure.aws.policy_template import policy_from
from infrastructure.planning.resource import Clients, Properties
from infrastructure.references import NETWORK_POLICY, role_id
from infrastructure.settings import Settings

_TEMPLATE = Path(__file__).resolve().parents[1] / "security" / "lambda_network.json"


def network(settings: Settings) -> Properties:
    """The function's property VpcConfig; empty if it stands in Lambda's own network."""
    if not settings.lambda_subnet_ids:
        return {}
    subnets, groups = settings.lambda_subnet_ids, settings.lambda_security_group_ids
    return {"VpcConfig": {"SubnetIds": list(subnets), "SecurityGroupIds": list(groups)}}


def network_rights(settings: Settings, clients: Clients, function: Function, purpose: str) -> RolePolicy:
    """The right of the role of a purpose to network interfaces, which Lambda makes and removes with it.

    The function's code has none. It comes before the function, and goes after it: Lambda removes the function's
    interfaces with its role's rights.
    """
    rights = RolePolicy(
        part=function.part,
        name=f"{settings.role_name(purpose)}/{NETWORK_POLICY}",
        clients=clients,
        depends_on=(role_id(settings, purpose),),
        wanted=bool(settings.lambda_subnet_ids) and function.wanted,
        properties={"PolicyDocument": network_policy(settings, function.name)},
    )
    if rights.wanted:
        function.depends_on = (*function.depends_on, rights.id)
    else:
        rights.after = (function.id,)
    return rights


def network_policy(settings: Settings, function_name: str) -> dict[str, Any]:
    """What the role of a function in a network may do beside."""
    return policy_from(_TEMPLATE, {"function_arn": settings.arn("lambda", f"function:{function_name}")})
