"""The warehouse: Redshift Serverless, private and encrypted, and what stands inside it.

    python data_storage/redshift_setup.py        # make or mend the warehouse alone

If REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER names a warehouse that the bank already has, only its inside is made: schema,
tables, roles, grants. Its owner must associate the role redshift with it, because this platform changes nothing else of
a warehouse that is not its own.

Secrets Manager makes and rotates the admin's password; nobody sees it here. People log in through the bank's identity
provider or IAM, the job by its IAM role.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from data_storage.warehouse_schema import WarehouseContents
from data_storage.warehouse_subnets import Subnets, require_subnets, warehouse_subnets
from infrastructure.aws.ec2 import S3GatewayEndpoint
from infrastructure.aws.iam import RolePolicy
from infrastructure.aws.policy_template import policy_from
from infrastructure.aws.redshift import WarehouseSchema
from infrastructure.aws.redshift_serverless import ExistingWorkgroup, Namespace, UsageLimit, Workgroup
from infrastructure.log_groups import log_group
from infrastructure.planning.resource import Clients, Properties, Ref, Resource
from infrastructure.references import (
    key_arn,
    role_id,
    warehouse_load_policy_name,
    warehouse_name,
    warehouse_schema_name,
    warehouse_target,
)
from infrastructure.settings import Settings

# The configuration beyond settings, as plain data.
ADMIN_USER = "warehouse_admin"
PORT = 5439
LOG_EXPORTS = ("connectionlog", "useractivitylog", "userlog")
CONFIG_PARAMETERS = {"require_ssl": "true", "enable_user_activity_logging": "true"}
LOAD_POLICY_TEMPLATE = Path(__file__).resolve().parents[1] / "security" / "glue_warehouse_load.json"

_PART = "redshift"
_KEEP = "it holds the warehouse's data"


def contents(settings: Settings) -> WarehouseContents:
    """What stands inside an environment's warehouse."""
    return WarehouseContents(
        schema=settings.warehouse_schema,
        copy_role_arn=settings.role_arn("redshift"),
        job_role=settings.role_name("glue"),
        glue_database=settings.glue_database,
        shared=not settings.creates_warehouse,
        pending_expiry_days=settings.pending_expiry_days,
        auditor_roles=settings.warehouse_auditors,
    )


def resources(settings: Settings, clients: Clients) -> list[Resource]:
    """The warehouse, what stands inside it, and the job's right to load it."""
    if not settings.redshift_enabled:
        return []
    found: list[Resource] = []
    if settings.creates_warehouse:
        found = _own_warehouse(settings, clients)
    elif settings.redshift_workgroup:
        found = [ExistingWorkgroup(part=_PART, name=settings.redshift_workgroup, clients=clients)]
    target = warehouse_target(settings)
    inside = contents(settings)
    schema = WarehouseSchema(
        part=_PART,
        name=warehouse_schema_name(settings),
        clients=clients,
        depends_on=(*(resource.id for resource in found), role_id(settings, "redshift")),
        keep=_KEEP,
        target=target,
        make=inside.make,
        shared=inside.shared,
        cluster_arn=settings.arn("redshift", f"cluster:{target.cluster}"),
        tag=f"{settings.prefix}-schema",
        properties={"Version": inside.version},
    )
    lake = WarehouseSchema(
        part=_PART,
        name=f"{target.workgroup or target.cluster}/{inside.lake_schema}",
        clients=clients,
        depends_on=(schema.id,),  # the grant names a role that it makes
        keep=_KEEP,
        target=replace(target, schema=inside.lake_schema),
        make=inside.make_lake,
        shared=inside.shared,
        cluster_arn=schema.cluster_arn,
        tag=f"{settings.prefix}-lake-schema",
        properties={"Version": inside.lake_version},
    )
    workgroup_arn = next((Ref(each.id, "Arn") for each in found if each.type == Workgroup.type), None)
    return [*found, schema, lake, _load_policy(settings, clients, workgroup_arn, settings.redshift_cluster)]


def _own_warehouse(settings: Settings, clients: Clients) -> list[Resource]:
    name = warehouse_name(settings)
    groups = [log_group(settings, clients, _PART, f"/aws/redshift/{name}/{export}") for export in LOG_EXPORTS]
    for group in groups:
        group.keep = "the warehouse that logs to it stays"
    namespace = Namespace(
        part=_PART,
        name=name,
        clients=clients,
        depends_on=(role_id(settings, "redshift"), *(group.id for group in groups)),
        keep=_KEEP,
        properties={
            "dbName": settings.warehouse_database,
            "adminUsername": ADMIN_USER,
            "manageAdminPassword": True,
            "adminPasswordSecretKmsKeyId": key_arn(settings, "data"),
            "kmsKeyId": key_arn(settings, "data"),
            "iamRoles": [settings.role_arn("redshift")],
            "defaultIamRoleArn": settings.role_arn("redshift"),
            "logExports": list(LOG_EXPORTS),
            "Tags": settings.all_tags,
        },
    )
    subnets = warehouse_subnets(clients, settings.redshift_subnet_ids)
    endpoint = _endpoint(settings, clients, subnets)
    workgroup = Workgroup(
        part=_PART,
        name=name,
        clients=clients,
        depends_on=(namespace.id, endpoint.id),
        keep=_KEEP,
        properties=_workgroup_properties(settings, subnets, namespace.name),
    )
    limit = UsageLimit(
        part=_PART,
        name=name,
        clients=clients,
        depends_on=(workgroup.id,),
        keep="it bounds what the workgroup that stays may cost",
        wanted=settings.redshift_daily_rpu_hours > 0,
        properties={"amount": settings.redshift_daily_rpu_hours, "breachAction": "deactivate"},
    )
    return [*groups, namespace, endpoint, workgroup, limit]


def _workgroup_properties(settings: Settings, subnets: Subnets, namespace: str) -> Properties:
    properties: Properties = {
        "namespaceName": namespace,
        "baseCapacity": settings.redshift_base_capacity,
        "maxCapacity": settings.redshift_max_capacity,
        "publiclyAccessible": False,
        "enhancedVpcRouting": True,
        "subnetIds": lambda: require_subnets(subnets),
        "port": PORT,
        "ConfigParameters": CONFIG_PARAMETERS,
        "Tags": settings.all_tags,
    }
    if settings.redshift_security_group_ids:
        properties["securityGroupIds"] = list(settings.redshift_security_group_ids)
    return properties


def _endpoint(settings: Settings, clients: Clients, subnets: Subnets) -> S3GatewayEndpoint:
    """COPY's route to S3. The warehouse has no public address, so it cannot use an internet gateway."""
    return S3GatewayEndpoint(
        part=_PART,
        name=f"{settings.prefix}-s3",
        clients=clients,
        region=settings.region,
        subnet_ids=subnets,
        tags=settings.all_tags,
        keep="the warehouse's way to S3",
        properties={"ServedSubnets": lambda: require_subnets(subnets)},
    )


def _load_policy(settings: Settings, clients: Clients, workgroup_arn: Ref | None, cluster: str) -> RolePolicy:
    """What the job's role may do with the warehouse: log in as itself, run statements, follow its own statements."""
    return RolePolicy(
        part=_PART,
        name=warehouse_load_policy_name(settings),
        clients=clients,
        depends_on=(role_id(settings, "glue"),),
        properties={"PolicyDocument": load_policy(settings, workgroup_arn, cluster)},
    )


def load_policy(settings: Settings, workgroup_arn: Any, cluster: str = "") -> dict[str, Any]:
    """The policy, for a workgroup's ARN (text or a Ref) or for the name of a cluster."""
    login = "LogInToCluster" if cluster else "LogInToWorkgroup"
    values = {
        "warehouse_arn": settings.arn("redshift", f"cluster:{cluster}") if cluster else workgroup_arn,
        "login_arn": settings.arn("redshift", f"dbname:{cluster}/{settings.warehouse_database}"),
        "job_sessions": Ref(role_id(settings, "glue"), "RoleId", "{}:*"),
    }
    return policy_from(LOAD_POLICY_TEMPLATE, values, (login, "RunStatements", "FollowOwnStatements"))


if __name__ == "__main__":
    from infrastructure.run_alone import run_alone

    run_alone("apply-file", __file__)
