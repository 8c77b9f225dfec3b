"""The roles of the services: one each, with the fewest rights that its work needs.

    python security/iam_roles.py        # make or mend the roles alone

A role's rights are in the JSON file that its entry in ROLES names; this file fills in names and ARNs. A statement has
Resource "*" only if its action has no other form (X-Ray, PutMetricData, and the Data API's view of one's own
statements); the latter two have a condition instead.

security/trust_policy.json says who may assume a role: the service, acting for this account (aws:SourceAccount) and for
the resources named (aws:SourceArn). A service that names another account or resource is refused. AWS documents for none
of these services that it names them on every AssumeRole, and CloudTrail seems not to: both conditions end in IfExists,
or CreateTrail, a COPY or a start of the job would fail. A role can only be passed within its own account.

Clear card numbers exist in the stream only; only the lambda role has kinesis:GetRecords.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infrastructure.aws.iam import Role
from infrastructure.aws.policy_template import policy_from
from infrastructure.planning.resource import Clients, Resource
from infrastructure.references import (
    GLUE_LOG_GROUPS,
    NETWORK_POLICY,
    WAREHOUSE_LOAD_POLICY,
    fraud_function_name,
    fraud_queue_name,
    fraud_table_name,
    fraud_topic_name,
    key_arn,
    secret_arn,
    trail_log_group,
    webhook_function_name,
    webhook_queue_name,
    webhook_secret_name,
)
from infrastructure.settings import Settings

_FOLDER = Path(__file__).parent
TRUST_POLICY = _FOLDER / "trust_policy.json"
_SESSION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """One role. services: who assumes it; sources: the ARNs they act for; part: as in Resource."""

    policy: str
    services: tuple[str, ...]
    sources: Callable[[Settings], list[str]]
    description: str
    part: str = "security"
    added_policies: tuple[str, ...] = ()


ROLES: dict[str, RoleSpec] = {
    "lambda": RoleSpec(
        policy="lambda_execution_role.json",
        services=("lambda.amazonaws.com",),
        sources=lambda settings: [settings.arn("lambda", "*")],
        description="Lands transactions from the stream",
        added_policies=(NETWORK_POLICY,),
    ),
    "fraud": RoleSpec(
        policy="fraud_execution_role.json",
        services=("lambda.amazonaws.com",),
        sources=lambda settings: [settings.arn("lambda", "*")],
        description="Raises fraud alerts from landed transactions",
        added_policies=(NETWORK_POLICY,),
    ),
    "webhook": RoleSpec(
        policy="webhook_execution_role.json",
        services=("lambda.amazonaws.com",),
        sources=lambda settings: [settings.arn("lambda", "*")],
        description="Delivers fraud alerts to a webhook",
        added_policies=(NETWORK_POLICY,),
    ),
    "glue": RoleSpec(
        policy="glue_execution_role.json",
        services=("glue.amazonaws.com",),
        sources=lambda settings: [settings.arn("glue", "*")],
        description="Curates landed transactions",
        added_policies=(WAREHOUSE_LOAD_POLICY,),
    ),
    "optimizer": RoleSpec(
        policy="optimizer_role.json",
        services=("glue.amazonaws.com",),
        sources=lambda settings: [settings.arn("glue", "*")],
        description="Keeps the lake's tables in order: compaction, retention, removal of orphans",
    ),
    "redshift": RoleSpec(
        policy="redshift_role.json",
        services=("redshift.amazonaws.com", "redshift-serverless.amazonaws.com"),
        sources=lambda settings: [settings.arn("redshift", "*"), settings.arn("redshift-serverless", "*")],
        description="Copies curated files into the warehouse and scans the lake",
        part="redshift",
    ),
    "cloudtrail": RoleSpec(
        policy="cloudtrail_role.json",
        services=("cloudtrail.amazonaws.com",),
        sources=lambda settings: [settings.arn("cloudtrail", f"trail/{settings.trail_name}")],
        description="Writes the audit trail to its log group",
        part="cloudtrail",
    ),
}


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The roles."""
    return [
        Role(
            part=spec.part,
            name=settings.role_name(purpose),
            clients=clients,
            wanted={"fraud": settings.stream_alerts, "webhook": settings.delivers_alerts}.get(purpose, True),
            added_policies=tuple(each for each in spec.added_policies if each != WAREHOUSE_LOAD_POLICY)
            if not settings.redshift_enabled
            else spec.added_policies,
            properties={
                "Description": spec.description,
                "AssumeRolePolicyDocument": trust_policy(settings, purpose),
                "PolicyDocument": role_policy(settings, purpose),
                "OtherPolicies": [],
                "PermissionsBoundary": settings.permissions_boundary_arn or None,
                "MaxSessionDuration": _SESSION_SECONDS,
                "Tags": settings.all_tags,
            },
        )
        for purpose, spec in ROLES.items()
        if settings.redshift_enabled or purpose != "redshift"
    ]


def trust_policy(settings: Settings, purpose: str) -> dict[str, Any]:
    """Who may assume the role of a purpose."""
    spec = ROLES[purpose]
    values = {
        "services": list(spec.services),
        "account_id": settings.account_id,
        "source_arns": spec.sources(settings),
    }
    return policy_from(TRUST_POLICY, values)


def role_policy(settings: Settings, purpose: str) -> dict[str, Any]:
    """What the role of a purpose may do. ARNs that are known only once a resource exists are Refs."""
    return policy_from(_FOLDER / ROLES[purpose].policy, policy_values(settings))


def policy_values(settings: Settings) -> dict[str, Any]:
    """The values of the placeholders in this folder's policies."""
    buckets = {
        f"{purpose}_bucket_arn": settings.bucket_arn(purpose)
        for purpose in ("raw", "curated", "quarantine", "artifacts")
    }
    return buckets | {
        "account_id": settings.account_id,
        "region": settings.region,
        "dns_suffix": settings.dns_suffix,
        "stream_arn": settings.stream_arn,
        "on_failure_queue_arn": settings.on_failure_queue_arn,
        "fraud_queue_arn": settings.arn("sqs", fraud_queue_name(settings)),
        "fraud_table_arn": settings.arn("dynamodb", f"table/{fraud_table_name(settings)}"),
        "fraud_topic_arn": settings.arn("sns", fraud_topic_name(settings)),
        "fraud_log_group_arn": settings.arn("logs", f"log-group:/aws/lambda/{fraud_function_name(settings)}"),
        "webhook_queue_arn": settings.arn("sqs", webhook_queue_name(settings)),
        # Secrets Manager appends a hyphen and six characters to the name.
        "webhook_secret_arns": settings.arn("secretsmanager", f"secret:{webhook_secret_name(settings)}-??????"),
        "webhook_log_group_arn": settings.arn("logs", f"log-group:/aws/lambda/{webhook_function_name(settings)}"),
        "function_log_group_arn": settings.arn("logs", f"log-group:{settings.function_log_group}"),
        "trail_log_group_arn": settings.arn("logs", f"log-group:{trail_log_group(settings)}"),
        "glue_log_groups_arn": settings.arn("logs", f"log-group:{GLUE_LOG_GROUPS}"),
        "security_configuration": settings.prefix,
        "glue_role": settings.role_name("glue"),
        "glue_arn": f"arn:{settings.partition}:glue:{settings.region}:{settings.account_id}",
        "glue_database": settings.glue_database,
        "metrics_namespace": settings.metrics_namespace,
        "data_key_arn": key_arn(settings, "data"),
        "tokens_key_arn": key_arn(settings, "tokens"),
        "messaging_key_arn": key_arn(settings, "messaging"),
        "tokenization_secret_arn": secret_arn(settings),
    }


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
