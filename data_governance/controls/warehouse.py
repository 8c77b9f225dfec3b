"""Controls on the platform's own warehouse."""

from __future__ import annotations

from data_governance.controls.control import NAMESPACE, WORKGROUP, Control, Severity, Subject, own_key, unless
from infrastructure.settings import Settings

_LOGS = {"connectionlog", "useractivitylog", "userlog"}


def _logs(namespace: Subject) -> list[str]:
    return [f"{name} is off" for name in sorted(_LOGS - set(namespace["logExports"]))]


def _tls(workgroup: Subject) -> list[str]:
    return unless(workgroup["ConfigParameters"].get("require_ssl") == "true", "takes connections without TLS")


def _roles(namespace: Subject) -> list[str]:
    own = namespace.settings.role_arn("redshift")
    return [f"may act as {arn}" for arn in namespace["iamRoles"] if arn != own]


def _makes_one(settings: Settings) -> bool:
    return settings.creates_warehouse


_GROUP = "aws redshift-serverless get-workgroup --workgroup-name WORKGROUP"
_NAMESPACE = "aws redshift-serverless get-namespace --namespace-name NAMESPACE"

WAREHOUSE: tuple[Control, ...] = (
    Control(
        "warehouse-public",
        "1.4.4",
        ("RedshiftServerless.3",),
        "the warehouse has no public address",
        (WORKGROUP,),
        Severity.CRITICAL,
        "Look in the connection log for who came.",
        _GROUP,
        lambda workgroup: unless(not workgroup["publiclyAccessible"], "has a public address"),
        asked=_makes_one,
    ),
    Control(
        "warehouse-routing",
        "1.3.2",
        ("RedshiftServerless.1",),
        "the warehouse reads and writes through the bank's network",
        (WORKGROUP,),
        Severity.HIGH,
        "",
        _GROUP,
        lambda workgroup: unless(workgroup["enhancedVpcRouting"], "goes around the VPC"),
        asked=_makes_one,
    ),
    Control(
        "warehouse-tls",
        "4.2.1",
        ("RedshiftServerless.2",),
        "the warehouse takes connections with TLS only",
        (WORKGROUP,),
        Severity.MEDIUM,
        "",
        _GROUP,
        _tls,
        asked=_makes_one,
    ),
    Control(
        "warehouse-statements-logged",
        "10.2.1.1",
        (),
        "the warehouse logs what each user asks",
        (WORKGROUP,),
        Severity.MEDIUM,
        "",
        _GROUP,
        lambda workgroup: unless(
            workgroup["ConfigParameters"].get("enable_user_activity_logging") == "true", "logs no statements"
        ),
        asked=_makes_one,
    ),
    Control(
        "warehouse-encryption",
        "3.5.1",
        ("RedshiftServerless.4",),
        "the warehouse is encrypted with a customer key",
        (NAMESPACE,),
        Severity.MEDIUM,
        "",
        _NAMESPACE,
        own_key("kmsKeyId"),
        asked=_makes_one,
    ),
    Control(
        "warehouse-password",
        "8.3.9",
        ("RedshiftServerless.5",),
        "the administrator's password is made and rotated by Secrets Manager",
        (NAMESPACE,),
        Severity.MEDIUM,
        "",
        _NAMESPACE,
        lambda namespace: unless(namespace["manageAdminPassword"], "has a password that somebody set"),
        asked=_makes_one,
    ),
    Control(
        "warehouse-roles",
        "7.2.5",
        (),
        "the warehouse acts as no role but its own",
        (NAMESPACE,),
        Severity.HIGH,
        "",
        _NAMESPACE,
        _roles,
        asked=_makes_one,
    ),
    Control(
        "warehouse-logs",
        "10.2.1.1",
        ("RedshiftServerless.6",),
        "the warehouse's logs of connections, users and statements are kept",
        (NAMESPACE,),
        Severity.MEDIUM,
        "",
        _NAMESPACE,
        _logs,
        asked=_makes_one,
    ),
)
