"""The warehouse: Redshift Serverless, private and encrypted, and what stands inside it.

    python data_storage/redshift_setup.py        # make or mend the warehouse alone

Where REDSHIFT_WORKGROUP or REDSHIFT_CLUSTER names one that the bank has already, only its inside is made: schema,
tables, roles, grants. The role redshift must be associated with it, since this platform changes nothing of a warehouse
that is not its own.

The admin's password is made and rotated by Secrets Manager; nobody sees it here. People log in through the bank's
identity provider or IAM, the job by its IAM role.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from data_catalog.create_glue_catalog_table import spectrum_database
from data_storage.data_api import WarehouseTarget
from data_storage.redshift_serverless import Namespace, Workgroup
from data_storage.s3_gateway_endpoint import S3GatewayEndpoint
from data_storage.warehouse_schema import ExistingWorkgroup, Inside, WarehouseSchema
from data_storage.warehouse_subnets import Subnets, enough, warehouse_subnets
from infrastructure.policy_template import policy_from
from infrastructure.resource import Clients, Properties, Ref, Resource, resource_id
from infrastructure.service_settings import ServiceSettings, service_settings
from infrastructure.settings import Settings
from monitoring.log_group import log_group
from security.iam_role import RolePolicy
from security.iam_roles import WAREHOUSE_LOAD_POLICY, role_id
from security.kms_keys import key_arn

# The configuration beyond settings, as plain data.
ADMIN_USER = "warehouse_admin"
PORT = 5439
LOG_EXPORTS = ("connectionlog", "useractivitylog", "userlog")
CONFIG_PARAMETERS = {"require_ssl": "true", "enable_user_activity_logging": "true"}
LOAD_POLICY_TEMPLATE = Path(__file__).resolve().parents[1] / "security" / "glue_warehouse_load.json"

_PART = "redshift"
_KEEP = "it holds the warehouse's data"


def warehouse_name(settings: Settings) -> str:
    """The name of the platform's own namespace and workgroup."""
    return settings.prefix


def inside(settings: Settings, services: ServiceSettings) -> Inside:
    """What stands in the warehouse of an environment."""
    return Inside(
        database=settings.warehouse_database,
        schema=settings.warehouse_schema,
        copy_role_arn=settings.role_arn("redshift"),
        job_role=settings.role_name("glue"),
        spectrum_database=spectrum_database(settings),
        shared=not services.creates_warehouse,
        auditor_roles=services.warehouse_auditors,
    )


def data_api_target(settings: Settings, services: ServiceSettings | None = None) -> WarehouseTarget:
    """The warehouse for whoever calls: the Data API logs them in as the user of their IAM identity."""
    services = services or service_settings()
    cluster = services.redshift_cluster
    return WarehouseTarget(
        database=settings.warehouse_database,
        schema=settings.warehouse_schema,
        copy_role_arn=settings.role_arn("redshift"),
        workgroup=None if cluster else services.redshift_workgroup or warehouse_name(settings),
        cluster=cluster or None,
    )


def load_ids(settings: Settings, services: ServiceSettings) -> tuple[str, ...]:
    """The resource ids of what a load needs: the warehouse's inside, and the job's right to it. None without one."""
    if not services.redshift_enabled:
        return ()
    schema = resource_id(WarehouseSchema.type, _schema_name(settings, services))
    return schema, resource_id(RolePolicy.type, _load_policy_name(settings))


def _schema_name(settings: Settings, services: ServiceSettings) -> str:
    target = data_api_target(settings, services)
    return f"{target.workgroup or target.cluster}/{settings.warehouse_schema}"


def _load_policy_name(settings: Settings) -> str:
    return f"{settings.role_name('glue')}/{WAREHOUSE_LOAD_POLICY}"


def resources(settings: Settings, clients: Clients, services: ServiceSettings | None = None) -> list[Resource]:
    """The warehouse, its inside, and the job's right to load it."""
    services = services or service_settings()
    if not services.redshift_enabled:
        return []
    found: list[Resource] = []
    if services.creates_warehouse:
        found = _own_warehouse(settings, clients, services)
    elif services.redshift_workgroup:
        found = [ExistingWorkgroup(part=_PART, name=services.redshift_workgroup, clients=clients)]
    target = data_api_target(settings, services)
    schema = WarehouseSchema(
        part=_PART,
        name=_schema_name(settings, services),
        clients=clients,
        depends_on=(*(resource.id for resource in found), role_id(settings, "redshift")),
        keep=_KEEP,
        inside=inside(settings, services),
        workgroup=target.workgroup or "",
        cluster=target.cluster or "",
        cluster_arn=settings.arn("redshift", f"cluster:{target.cluster}"),
        tag=f"{settings.prefix}-schema",
        properties={"Version": inside(settings, services).version},
    )
    workgroup_arn = next((Ref(each.id, "Arn") for each in found if each.type == Workgroup.type), None)
    return [*found, schema, _load_policy(settings, clients, workgroup_arn, services.redshift_cluster)]


def _own_warehouse(settings: Settings, clients: Clients, services: ServiceSettings) -> list[Resource]:
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
    subnets = warehouse_subnets(clients, services.redshift_subnet_ids)
    endpoint = _endpoint(settings, clients, subnets)
    workgroup = Workgroup(
        part=_PART,
        name=name,
        clients=clients,
        depends_on=(namespace.id, endpoint.id),
        keep=_KEEP,
        properties=_workgroup_properties(settings, services, subnets, namespace.name),
    )
    return [*groups, namespace, endpoint, workgroup]


def _workgroup_properties(
    settings: Settings, services: ServiceSettings, subnets: Subnets, namespace: str
) -> Properties:
    properties: Properties = {
        "namespaceName": namespace,
        "baseCapacity": services.redshift_base_capacity,
        "maxCapacity": services.redshift_max_capacity,
        "publiclyAccessible": False,
        "enhancedVpcRouting": True,
        "subnetIds": lambda: enough(subnets),
        "port": PORT,
        "ConfigParameters": CONFIG_PARAMETERS,
        "Tags": settings.all_tags,
    }
    if services.redshift_security_group_ids:
        properties["securityGroupIds"] = list(services.redshift_security_group_ids)
    return properties


def _endpoint(settings: Settings, clients: Clients, subnets: Subnets) -> S3GatewayEndpoint:
    """COPY's way to S3: the warehouse has no public address, so that an internet gateway is none for it."""
    return S3GatewayEndpoint(
        part=_PART,
        name=f"{settings.prefix}-s3",
        clients=clients,
        region=settings.region,
        subnet_ids=subnets,
        tags=settings.all_tags,
        keep="the warehouse's way to S3",
        properties={"ServedSubnets": lambda: enough(subnets)},
    )


def _load_policy(settings: Settings, clients: Clients, workgroup_arn: Ref | None, cluster: str) -> RolePolicy:
    """What the job's role may do with the warehouse: log in as itself, run statements, follow its own."""
    return RolePolicy(
        part=_PART,
        name=_load_policy_name(settings),
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
    from infrastructure.provisioning import run_alone

    raise SystemExit(run_alone(resources, __doc__))
