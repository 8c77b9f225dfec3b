"""Controls on the roles: what they may do, and who assumes them."""

from __future__ import annotations

from collections.abc import Iterator

from data_governance.controls.control import ROLE, ROLE_POLICY, Control, Severity, Subject
from data_governance.controls.policy_meaning import (
    actions,
    allows,
    listed,
    principals,
    statements,
    strangers,
    title,
)
from infrastructure.references import webhook_secret_name

# The services that may assume the role of each purpose; a test holds it equal to security/iam_roles.py.
ASSUMED_BY: dict[str, tuple[str, ...]] = {
    "lambda": ("lambda.amazonaws.com",),
    "fraud": ("lambda.amazonaws.com",),
    "webhook": ("lambda.amazonaws.com",),
    "glue": ("glue.amazonaws.com",),
    "optimizer": ("glue.amazonaws.com",),
    "redshift": ("redshift.amazonaws.com", "redshift-serverless.amazonaws.com"),
    "cloudtrail": ("cloudtrail.amazonaws.com",),
}
# Actions that IAM knows for no single resource.
_WITHOUT_RESOURCE = (
    "cloudwatch:PutMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "redshift-data:DescribeStatement",
    "redshift-data:GetStatementResult",
    "redshift-data:ListStatements",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
)
# What shows clear card numbers, or the keys by which tokens are made.
_CLEAR = ("kinesis:GetRecords", "kinesis:SubscribeToShard", "secretsmanager:GetSecretValue")


def _named_actions(role: Subject) -> Iterator[str]:
    found = statements(role["PolicyDocument"])
    if not found:
        yield "has no policy of its own"
    for statement in found:
        wide = [action for action in actions(statement) if "*" in action]
        if statement.get("Effect") == "Allow" and wide:
            yield f"{title(statement)} allows {', '.join(wide)}"


def _named_resources(role: Subject) -> Iterator[str]:
    for statement in statements(role["PolicyDocument"]):
        everything = "NotResource" in statement or "*" in listed(statement.get("Resource"))
        wide = [action for action in actions(statement) if action not in _WITHOUT_RESOURCE]
        if statement.get("Effect") == "Allow" and everything and wide:
            yield f"{title(statement)} allows {', '.join(wide)} on everything"


def _readers_of_clear_numbers(role: Subject) -> Iterator[str]:
    settings = role.settings
    if role.name == settings.role_name("lambda"):
        return
    signing = settings.arn("secretsmanager", f"secret:{webhook_secret_name(settings)}-??????")
    others = [each for each in statements(role["PolicyDocument"]) if listed(each.get("Resource")) != [signing]]
    yield from allows({"Statement": others}, *_CLEAR)


def _trust(role: Subject) -> Iterator[str]:
    for statement in statements(role["AssumeRolePolicyDocument"]):
        if statement.get("Effect") != "Allow":
            continue
        for who in strangers(statement, role.account):
            yield f"{title(statement)} lets {who} assume it"
        for kind, name in principals(statement):
            if (kind == "AWS" and "*" not in name) or (kind == "Service" and name not in _services(role)):
                yield f"{title(statement)} lets {name} assume it"


def _services(role: Subject) -> tuple[str, ...]:
    purposes = (purpose for purpose in ASSUMED_BY if role.name == role.settings.role_name(purpose))
    return ASSUMED_BY[next(purposes)]


_POLICY = "aws iam get-role-policy --role-name ROLE --policy-name ROLE"

ACCESS: tuple[Control, ...] = (
    Control(
        "role-actions",
        "7.2.5",
        ("IAM.21",),
        "roles name each action that they may",
        (ROLE, ROLE_POLICY),
        Severity.HIGH,
        "",
        _POLICY,
        _named_actions,
    ),
    Control(
        "role-resources",
        "7.2.5",
        ("IAM_POLICY_NO_STATEMENTS_WITH_FULL_ACCESS",),
        "roles name each resource that they may touch, where IAM knows one",
        (ROLE, ROLE_POLICY),
        Severity.HIGH,
        "",
        _POLICY,
        _named_resources,
    ),
    Control(
        "role-other-policies",
        "7.2.5",
        ("IAM.1",),
        "roles have no policies but the platform's",
        (ROLE,),
        Severity.HIGH,
        "Look in the trail for what the role did with it.",
        "aws iam list-attached-role-policies --role-name ROLE",
        lambda role: [f"{name} is on it too" for name in role["OtherPolicies"]],
    ),
    Control(
        "role-trust",
        "7.2.5",
        (),
        "roles are assumed by the service that they are for, on behalf of this account",
        (ROLE,),
        Severity.CRITICAL,
        "Look in the trail for who assumed it.",
        "aws iam get-role --role-name ROLE",
        _trust,
    ),
    Control(
        "clear-numbers",
        "7.2.1",
        (),
        "no role but the function's may read the stream or the tokenisation keys",
        (ROLE, ROLE_POLICY),
        Severity.CRITICAL,
        "Treat what was read as known to whoever could act as the role.",
        _POLICY,
        _readers_of_clear_numbers,
    ),
)
