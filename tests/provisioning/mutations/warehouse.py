"""The warehouse and its way to S3, broken one setting at a time, in the service that stands in for Redshift."""

from __future__ import annotations

from tests.provisioning.mutations.mutation import OTHER, ByHand, Mutation, Rows, WholeAccount

NAMESPACE, WORKGROUP, LIMIT, SCHEMA = (
    "AWS::RedshiftServerless::Namespace",
    "AWS::RedshiftServerless::Workgroup",
    "AWS::RedshiftServerless::UsageLimit",
    "Warehouse::Schema",
)
ENDPOINT = "AWS::EC2::VPCEndpoint"


def workgroup(**values: object) -> ByHand:
    return lambda a: a.redshift.workgroups[a.settings.prefix].update(values)


def namespace(**values: object) -> ByHand:
    return lambda a: a.redshift.namespaces[a.settings.prefix].update(values)


def parameter(name: str, value: str) -> ByHand:
    return lambda a: a.redshift._UpdateWorkgroup(
        a.settings.prefix, configParameters=[{"parameterKey": name, "parameterValue": value}]
    )


def limit(**values: object) -> ByHand:
    return lambda a: [each.update(values) for each in a.redshift.usage_limits.values()]


def warehouse_tag(name: str, value: str) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        arn = a.redshift.workgroups[a.settings.prefix]["workgroupArn"]
        a.redshift.tags[arn][name.format(prefix=a.settings.prefix)] = value

    return by_hand


def endpoint(**changed: object) -> ByHand:
    def by_hand(a: WholeAccount) -> None:
        (found,) = a.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
        tables = {"RemoveRouteTableIds": found["RouteTableIds"]} if changed.pop("cut_off", False) else {}
        a.client("ec2").modify_vpc_endpoint(VpcEndpointId=found["VpcEndpointId"], **tables, **changed)

    return by_hand


_OTHER_ROLE = f"IamRole(applyStatus=in-sync, iamRoleArn=arn:aws:iam::{OTHER}:role/other)"

WAREHOUSE: Rows = {
    "the warehouse made public": Mutation(
        WORKGROUP, "publiclyAccessible", workgroup(publiclyAccessible=True), "warehouse-public", True, False
    ),
    "the warehouse routed outside the VPC": Mutation(
        WORKGROUP, "enhancedVpcRouting", workgroup(enhancedVpcRouting=False), "warehouse-routing", False, True
    ),
    "the warehouse's TLS optional": Mutation(
        WORKGROUP,
        "ConfigParameters.require_ssl",
        parameter("require_ssl", "false"),
        "warehouse-tls",
        "false",
        "true",
    ),
    "the warehouse's statements logged no more": Mutation(
        WORKGROUP,
        "ConfigParameters.enable_user_activity_logging",
        parameter("enable_user_activity_logging", "false"),
        "warehouse-statements-logged",
        "false",
        "true",
    ),
    "the warehouse's capacity raised": Mutation(WORKGROUP, "maxCapacity", workgroup(maxCapacity=512), old=512, new=64),
    "the warehouse's base capacity raised": Mutation(
        WORKGROUP, "baseCapacity", workgroup(baseCapacity=32), old=32, new=8
    ),
    "the warehouse on another port": Mutation(WORKGROUP, "port", workgroup(port=5431), old=5431, new=5439),
    "the warehouse in other subnets": Mutation(
        WORKGROUP, "subnetIds", workgroup(subnetIds=["subnet-1"]), old=["subnet-1"]
    ),
    "a tag of the warehouse changed": Mutation(
        WORKGROUP, "Tags.Environment", warehouse_tag("Environment", "prod"), old="prod", new="dev"
    ),
    "the day's limit raised": Mutation(LIMIT, "amount", limit(amount=100_000), old=100_000, new=200),
    "the day's limit only logged": Mutation(
        LIMIT, "breachAction", limit(breachAction="log"), old="log", new="deactivate"
    ),
    "the warehouse's audit log off": Mutation(
        NAMESPACE, "logExports", namespace(logExports=["userlog"]), "warehouse-logs", ["userlog"]
    ),
    "another role associated with the warehouse": Mutation(
        NAMESPACE, "iamRoles", namespace(iamRoles=[_OTHER_ROLE]), "warehouse-roles"
    ),
    "the warehouse acts as another role by default": Mutation(
        NAMESPACE, "defaultIamRoleArn", namespace(defaultIamRoleArn="arn:aws:iam::1:role/other")
    ),
    "the warehouse with AWS's own key": Mutation(
        NAMESPACE, "kmsKeyId", namespace(kmsKeyId="AWS_OWNED_KMS_KEY"), "warehouse-encryption", "AWS_OWNED_KMS_KEY"
    ),
    "the administrator's password under another key": Mutation(
        NAMESPACE, "adminPasswordSecretKmsKeyId", namespace(adminPasswordSecretKmsKeyId="alias/aws/secretsmanager")
    ),
    "the administrator's password taken over by hand": Mutation(
        NAMESPACE,
        "manageAdminPassword",
        lambda a: a.redshift.namespaces[a.settings.prefix].pop("adminPasswordSecretArn"),
        "warehouse-password",
        False,
        True,
    ),
    "a tag of the warehouse's namespace changed": Mutation(
        NAMESPACE,
        "Tags.Environment",
        lambda a: a.redshift.tags[a.redshift.namespaces[a.settings.prefix]["namespaceArn"]].update(Environment="prod"),
        old="prod",
        new="dev",
    ),
    "other scripts inside the warehouse": Mutation(
        SCHEMA, "Version", warehouse_tag("{prefix}-schema", "0" * 64), old="0" * 64
    ),
    "the warehouse's snapshots copied to another region": Mutation(
        NAMESPACE,
        "",
        lambda a: a.redshift.copied_to.update({a.settings.prefix: ("eu-west-1",)}),
        foreign="a copy of its snapshots to eu-west-1",
        undo=lambda a: a.redshift.copied_to.clear(),
    ),
    "a further way into the warehouse": Mutation(
        WORKGROUP,
        "",
        lambda a: a.redshift.endpoints.update({a.settings.prefix: ("analytics",)}),
        foreign="an endpoint analytics",
        undo=lambda a: a.redshift.endpoints.clear(),
    ),
    "the warehouse's way to S3 closed": Mutation(
        ENDPOINT, "PolicyDocument", endpoint(PolicyDocument='{"Version": "2012-10-17", "Statement": []}')
    ),
    "the warehouse's subnets cut off from S3": Mutation(ENDPOINT, "ServedSubnets", endpoint(cut_off=True), old=[]),
}
