"""Who may do what, row by row: every policy of the platform, allowed and denied, with the context that AWS sends.

A row is tried with the policies as they are declared. Where a bucket, key, queue or topic decides, the caller's own
policy allows everything, so that nothing but the resource's policy can refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from data_ingestion.deploy_transaction_lambda import resources as ingestion
from data_processing.deploy_deliver_alerts import resources as webhook
from data_processing.deploy_detect_fraud import resources as fraud
from data_storage.redshift_setup import load_policy
from data_storage.s3_bucket_setup import BUCKETS, bucket_policy
from infrastructure.function_network import network_policy
from infrastructure.references import (
    fraud_queue_name,
    fraud_topic_name,
    trail_log_group,
    webhook_queue_name,
    webhook_secret_name,
)
from infrastructure.settings import KEY_PURPOSES, Settings
from monitoring.setup_cloudwatch_alarms import topic_arn, topic_policy
from scripts.acceptance.in_account import denied_and_allowed
from security.iam_roles import ROLES, role_policy, trust_policy
from security.kms_keys import key_policy
from security.tokenization_secret import secret_policy
from security.webhook_secret import secret_policy as webhook_secret_policy
from tests.unit.test_role_policies import NoClients, plain

SETTINGS = Settings(region="eu-central-1")
ACCOUNT, OTHER = SETTINGS.account_id, "210987654321"
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
WORKGROUP = SETTINGS.arn("redshift-serverless", "workgroup/0a1b2c3d-0000-0000-0000-000000000000")
Context = Mapping[str, str]
_TLS = {"aws:SecureTransport": "true", "s3:TlsVersion": "1.3"}
_OWN = {"aws:PrincipalAccount": ACCOUNT, "aws:PrincipalIsAWSService": "false"}
_ALGORITHM, _KEY = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"


@dataclass(frozen=True)
class Row:
    """What is tried. policies: the caller's own; resource_policy: that of what is called upon."""

    name: str
    allowed: bool
    principal: str
    action: str
    resource: str
    context: Context = field(default_factory=dict)
    policies: tuple[Any, ...] = ()
    resource_policy: Any = None

    def simulation(self) -> dict[str, Any]:
        return {
            "request": {
                "principal": self.principal,
                "action": self.action,
                "resource": {"resource": self.resource, "accountId": ACCOUNT},
                "contextVariables": dict(self.context),
            },
            "identityPolicies": [{"name": f"p{place}", "policy": each} for place, each in enumerate(self.policies)],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
            **({"resourcePolicy": self.resource_policy} if self.resource_policy else {}),
        }


def rows() -> list[Row]:
    of_identities = (*_roles(), *_network(), *_trusts())
    return [
        *of_identities,
        *_buckets(),
        *_keys(),
        *_secret(),
        *_webhook_secret(),
        *_queue(),
        *_fraud_queue(),
        *_webhook_queue(),
        *_topic(),
    ]


def admin(account: str = ACCOUNT) -> str:
    return f"arn:aws:iam::{account}:role/admin"


def key(purpose: str) -> str:
    return SETTINGS.arn("kms", f"key/{purpose}")


def _roles() -> Iterator[Row]:
    for purpose, (denied, held) in denied_and_allowed(SETTINGS).items():
        yield _role(purpose, *held, allowed=True)
        for action, resource in denied:
            yield _role(purpose, action, resource, allowed=False)
    through = {service: {"kms:ViaService": f"{service}.{SETTINGS.region}.amazonaws.com"} for service in _VIA}
    for purpose, action, which, service, allowed in _KEY_USES:
        row = _role(purpose, action, key(which), through[service], allowed=allowed)
        yield replace(row, resource_policy=key_policy(SETTINGS, which))  # which hands the decision to the role's own
    for action, resource, context, allowed in _LOADS:
        yield Row(
            f"the job may {action} on {resource.rpartition(':')[2]}: {allowed}",
            allowed,
            SETTINGS.role_arn("glue"),
            action,
            resource,
            context,
            (plain(load_policy(SETTINGS, WORKGROUP)),),
        )
    for purpose, namespace, allowed in (("glue", "Glue", True), ("glue", "AWS/Lambda", False)):
        yield _role(purpose, "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": namespace}, allowed=allowed)


def _network() -> Iterator[Row]:
    """Lambda makes the function's network interfaces with the role's rights; the function's code may not."""
    by_code = {"lambda:SourceFunctionArn": SETTINGS.function_arn}
    tried: tuple[tuple[str, str, Context, bool], ...] = (
        ("Lambda", "ec2:CreateNetworkInterface", {}, True),
        ("Lambda", "ec2:DeleteNetworkInterface", {}, True),
        ("Lambda", "ec2:RunInstances", {}, False),
        ("the function's code", "ec2:CreateNetworkInterface", by_code, False),
        ("the function's code", "ec2:DescribeSubnets", by_code, False),
    )
    for who, action, context, allowed in tried:
        yield Row(
            f"{who} may {action} in the network: {allowed}",
            allowed,
            SETTINGS.role_arn("lambda"),
            action,
            "*" if "Describe" in action else SETTINGS.arn("ec2", "network-interface/eni-0"),
            context,
            (plain(network_policy(SETTINGS, SETTINGS.function_name)),),
        )


_VIA = ("s3", "kinesis", "secretsmanager", "lambda", "sqs", "sns", "dynamodb")
_KEY_USES = (
    ("lambda", "kms:Decrypt", "data", "kinesis", True),
    ("lambda", "kms:Decrypt", "tokens", "secretsmanager", True),
    ("lambda", "kms:Decrypt", "tokens", "s3", False),
    ("lambda", "kms:Decrypt", "data", "secretsmanager", False),
    ("glue", "kms:Decrypt", "tokens", "secretsmanager", False),
    ("lambda", "kms:Decrypt", "data", "s3", False),
    ("lambda", "kms:GenerateDataKey", "data", "s3", True),
    ("lambda", "kms:GenerateDataKey", "messaging", "sqs", True),
    ("lambda", "kms:Decrypt", "audit", "s3", False),
    ("fraud", "kms:Decrypt", "data", "s3", True),
    ("fraud", "kms:Decrypt", "data", "dynamodb", True),
    ("fraud", "kms:GenerateDataKey", "data", "s3", False),
    ("fraud", "kms:Decrypt", "data", "kinesis", False),
    ("fraud", "kms:Decrypt", "tokens", "secretsmanager", False),
    ("fraud", "kms:Decrypt", "messaging", "sqs", True),
    ("fraud", "kms:GenerateDataKey", "messaging", "sns", True),
    ("webhook", "kms:Decrypt", "messaging", "sqs", True),
    ("webhook", "kms:Decrypt", "messaging", "secretsmanager", True),
    ("webhook", "kms:Decrypt", "tokens", "secretsmanager", False),
    ("webhook", "kms:Decrypt", "data", "lambda", True),
    ("webhook", "kms:Decrypt", "data", "s3", False),
    ("webhook", "kms:GenerateDataKey", "messaging", "sqs", False),
    ("glue", "kms:Decrypt", "data", "s3", True),
    ("glue", "kms:Decrypt", "data", "kinesis", False),
    ("glue", "kms:Decrypt", "data", "secretsmanager", False),
    ("glue", "kms:Decrypt", "audit", "s3", False),
    ("redshift", "kms:Decrypt", "data", "s3", True),
    ("redshift", "kms:GenerateDataKey", "data", "s3", False),
    ("redshift", "kms:Decrypt", "data", "secretsmanager", False),
    ("optimizer", "kms:Decrypt", "data", "s3", True),
    ("optimizer", "kms:Decrypt", "data", "kinesis", False),
)
_LOADS: tuple[tuple[str, str, Context, bool], ...] = (
    ("redshift-serverless:GetCredentials", WORKGROUP, {}, True),
    ("redshift-serverless:GetCredentials", SETTINGS.arn("redshift-serverless", "workgroup/other"), {}, False),
    ("redshift-data:ExecuteStatement", WORKGROUP, {}, True),
    ("redshift-serverless:DeleteWorkgroup", WORKGROUP, {}, False),
)


def _role(purpose: str, action: str, resource: str, context: Context | None = None, *, allowed: bool) -> Row:
    told = ", ".join((context or {}).values())
    return Row(
        f"the {purpose} role may {action} on {resource.rpartition(':')[2]} {told}: {allowed}",
        allowed,
        SETTINGS.role_arn(purpose),
        action,
        resource,
        context or {},
        (plain(role_policy(SETTINGS, purpose)),),
    )


def _trusts() -> Iterator[Row]:
    for purpose, spec in ROLES.items():
        own = spec.sources(SETTINGS)[0].replace("*", "x")
        tried: tuple[tuple[str, str, Context, bool], ...] = (
            ("its service", spec.services[0], {}, True),
            ("its service for this account", spec.services[0], {"aws:SourceAccount": ACCOUNT}, True),
            ("its service for a resource of its own", spec.services[0], {"aws:SourceArn": own}, True),
            ("its service for another account", spec.services[0], {"aws:SourceAccount": OTHER}, False),
            ("its service for another resource", spec.services[0], {"aws:SourceArn": "arn:aws:s3:::x"}, False),
            ("another service", "ec2.amazonaws.com", {}, False),
            ("an administrator of the account", admin(), {}, False),
            ("another account", admin(OTHER), {}, False),
        )
        for who, principal, context, allowed in tried:
            yield Row(
                f"{who} may assume the {purpose} role: {allowed}",
                allowed,
                principal,
                "sts:AssumeRole",
                SETTINGS.role_arn(purpose),
                context,
                (EVERYTHING,) if principal.startswith("arn:") else (),
                trust_policy(SETTINGS, purpose),
            )


def _buckets() -> Iterator[Row]:
    for purpose, spec in BUCKETS.items():
        right, wrong = {_ALGORITHM: "aws:kms", _KEY: key(spec.key)}, {_ALGORITHM: "aws:kms", _KEY: key("other")}
        with_key, digests = bool(spec.key), purpose == "audit"
        reads: tuple[tuple[str, Context, bool], ...] = (
            ("over TLS", {}, True),
            ("without TLS", {"aws:SecureTransport": "false"}, False),
            ("over TLS 1.1", {"s3:TlsVersion": "1.1"}, False),
            ("from another account", {"aws:PrincipalAccount": OTHER}, False),
        )
        for how, context, allowed in reads:
            yield _bucket(purpose, "s3:GetObject", "x", how, context, allowed)
        puts: tuple[tuple[str, str, Context, bool], ...] = (
            ("x", "with the bucket's default", {}, True),
            ("x", "with SSE-S3", {_ALGORITHM: "AES256"}, not with_key),
            ("x", "with the bucket's key", right, True),
            ("x", "with another key", wrong, not with_key),
            ("x", "with KMS and no key", {_ALGORITHM: "aws:kms"}, not with_key),
            (
                "x",
                "with a key of the caller's",
                {"s3:x-amz-server-side-encryption-customer-algorithm": "AES256"},
                False,
            ),
            (f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/x", "with SSE-S3", {_ALGORITHM: "AES256"}, digests or not with_key),
        )
        for name, how, context, allowed in puts:
            yield _bucket(purpose, "s3:PutObject", name, how, context, allowed)
    delivery = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": SETTINGS.bucket_arn("raw")}
    foreign = {"aws:SourceAccount": OTHER, "aws:SourceArn": "arn:aws:s3:::theirs"}
    for who, context, allowed in (("ours", delivery, True), ("another account's", foreign, False)):
        yield _delivery("access-logs", "logging.s3.amazonaws.com", "raw/x", who, context, allowed)
    acl = {"s3:x-amz-acl": "bucket-owner-full-control"}
    trail = {"aws:SourceArn": SETTINGS.arn("cloudtrail", f"trail/{SETTINGS.trail_name}")}
    other = {"aws:SourceArn": f"arn:aws:cloudtrail:{SETTINGS.region}:{OTHER}:trail/theirs"}
    for who, context, allowed in (("our trail", acl | trail, True), ("another trail", acl | other, False)):
        yield _delivery("audit", "cloudtrail.amazonaws.com", f"AWSLogs/{ACCOUNT}/x", who, context, allowed)


def _bucket(purpose: str, action: str, name: str, how: str, context: Context, allowed: bool) -> Row:
    return Row(
        f"{action} of {purpose} {name} {how}: {allowed}",
        allowed,
        admin(context.get("aws:PrincipalAccount", ACCOUNT)),
        action,
        f"{SETTINGS.bucket_arn(purpose)}/{name}",
        _TLS | _OWN | dict(context),
        (EVERYTHING,),
        plain(bucket_policy(SETTINGS, purpose)),
    )


def _delivery(purpose: str, service: str, name: str, who: str, context: Context, allowed: bool) -> Row:
    by_service = {"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service}
    return Row(
        f"{service} delivers to {purpose} for {who}: {allowed}",
        allowed,
        service,
        "s3:PutObject",
        f"{SETTINGS.bucket_arn(purpose)}/{name}",
        _TLS | by_service | dict(context),
        (),
        plain(bucket_policy(SETTINGS, purpose)),
    )


def _keys() -> Iterator[Row]:
    group = {"kms:EncryptionContext:aws:logs:arn": SETTINGS.arn("logs", f"log-group:{trail_log_group(SETTINGS)}")}
    foreign = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{SETTINGS.region}:{OTHER}:log-group:x"}
    trail = {"aws:SourceArn": SETTINGS.arn("cloudtrail", f"trail/{SETTINGS.trail_name}")}
    logs, cloudtrail = f"logs.{SETTINGS.region}.amazonaws.com", "cloudtrail.amazonaws.com"
    ours, theirs = {"aws:SourceAccount": ACCOUNT}, {"aws:SourceAccount": OTHER}
    raw = {"aws:SourceArn": SETTINGS.bucket_arn("raw")}
    through_s3, through_secrets = (
        {"kms:ViaService": f"{service}.{SETTINGS.region}.amazonaws.com"} for service in ("s3", "secretsmanager")
    )
    tried: tuple[tuple[str, str, str, Context, bool], ...] = (
        # That ours is allowed cannot be tried: the simulator drops context keys whose name has colons of its own.
        ("audit", logs, "kms:GenerateDataKey", foreign, False),
        ("data", logs, "kms:GenerateDataKey", group, False),
        ("audit", cloudtrail, "kms:GenerateDataKey", trail, True),
        ("audit", cloudtrail, "kms:GenerateDataKey", {"aws:SourceArn": "arn:aws:cloudtrail:x:1:trail/y"}, False),
        ("data", cloudtrail, "kms:Decrypt", trail, False),
        ("messaging", "cloudwatch.amazonaws.com", "kms:GenerateDataKey", ours, True),
        ("messaging", "cloudwatch.amazonaws.com", "kms:GenerateDataKey", theirs, False),
        ("messaging", "sns.amazonaws.com", "kms:Decrypt", ours, True),
        ("messaging", "s3.amazonaws.com", "kms:GenerateDataKey", ours | raw, True),
        ("messaging", "s3.amazonaws.com", "kms:GenerateDataKey", ours | {"aws:SourceArn": "arn:aws:s3:::x"}, False),
        ("messaging", "s3.amazonaws.com", "kms:GenerateDataKey", theirs | raw, False),
        ("data", "s3.amazonaws.com", "kms:GenerateDataKey", ours | raw, False),
        ("messaging", "events.amazonaws.com", "kms:GenerateDataKey", ours, False),
        *(("tokens", admin(), action, direct, False) for action in _WITH_A_KEY for direct in ({}, through_s3)),
        *(("tokens", admin(), action, through_secrets, True) for action in ("kms:Decrypt", "kms:GenerateDataKey")),
        ("tokens", admin(), "kms:PutKeyPolicy", {}, True),
    )
    for purpose, principal, action, context, allowed in tried:
        yield _use_of_key(purpose, principal, action, context, allowed)
    for purpose in KEY_PURPOSES:
        yield _use_of_key(purpose, admin(), "kms:DescribeKey", {}, True)
        yield _use_of_key(purpose, admin(OTHER), "kms:Decrypt", {}, False)


_WITH_A_KEY = ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant")


def _secret() -> Iterator[Row]:
    """The tokenisation secret, with and without a break-glass role; everybody's own policy allows everything."""
    with_role = replace(SETTINGS, token_key_break_glass_role="custody/rotate")
    keeper, function = SETTINGS.global_arn("iam", "role/custody/rotate"), SETTINGS.role_arn("lambda")
    reads, puts = "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"
    tried: tuple[tuple[str, str, Settings, bool], ...] = (
        (function, reads, SETTINGS, True),
        (function, reads, with_role, True),
        (function, puts, with_role, False),
        (keeper, reads, SETTINGS, False),
        (keeper, reads, with_role, True),
        (keeper, puts, SETTINGS, False),
        (keeper, puts, with_role, True),
        (keeper, "secretsmanager:UpdateSecretVersionStage", with_role, True),
        (keeper, "secretsmanager:RotateSecret", with_role, False),
        (admin(), reads, SETTINGS, False),
        (admin(), reads, with_role, False),
        (admin(), puts, with_role, False),
        (admin(), "secretsmanager:ReplicateSecretToRegions", with_role, False),
        (admin(), "secretsmanager:DescribeSecret", with_role, True),
        (admin(), "secretsmanager:UpdateSecret", with_role, True),
        (admin(), "secretsmanager:PutResourcePolicy", with_role, True),
        (SETTINGS.role_arn("glue"), reads, with_role, False),
        (admin(OTHER), reads, with_role, False),
        (f"arn:aws:iam::{ACCOUNT}:root", reads, with_role, False),
    )
    for principal, action, settings, allowed in tried:
        role = settings.token_key_break_glass_role or "no break-glass role"
        yield Row(
            f"{principal.rpartition('::')[2]} may {action} with {role}: {allowed}",
            allowed,
            principal,
            action,
            SETTINGS.arn("secretsmanager", f"secret:{SETTINGS.tokenization_secret_name}-AbCdEf"),
            {"aws:PrincipalArn": principal},
            (EVERYTHING,),
            secret_policy(settings),
        )


def _webhook_secret() -> Iterator[Row]:
    """Everybody's own policy allows everything; an administrator puts a value, and reads none."""
    settings = replace(SETTINGS, token_key_break_glass_role="custody/rotate")
    reads, puts = "secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"
    for principal, action, allowed in (
        (SETTINGS.role_arn("webhook"), reads, True),
        (SETTINGS.role_arn("fraud"), reads, False),
        (SETTINGS.role_arn("lambda"), reads, False),
        (SETTINGS.global_arn("iam", "role/custody/rotate"), reads, False),
        (admin(), reads, False),
        (admin(), puts, True),
        (admin(), "secretsmanager:RotateSecret", False),
        (admin(), "secretsmanager:ReplicateSecretToRegions", False),
        (admin(OTHER), reads, False),
    ):
        yield Row(
            f"{principal.rpartition('::')[2]} may {action} on the webhook's secret: {allowed}",
            allowed,
            principal,
            action,
            SETTINGS.arn("secretsmanager", f"secret:{webhook_secret_name(SETTINGS)}-AbCdEf"),
            {"aws:PrincipalArn": principal},
            (EVERYTHING,),
            webhook_secret_policy(settings),
        )


def _use_of_key(purpose: str, principal: str, action: str, context: Context, allowed: bool) -> Row:
    told = ", ".join(context.values())
    return Row(
        f"{principal.rpartition('::')[2]} may {action} with the {purpose} key {told}: {allowed}",
        allowed,
        principal,
        action,
        key(purpose),
        context,
        (EVERYTHING,) if principal.startswith("arn:") else (),
        key_policy(SETTINGS, purpose),
    )


def _queue() -> Iterator[Row]:
    queue = next(each for each in ingestion(SETTINGS, cast(Any, NoClients())) if each.type == "AWS::SQS::Queue")
    tried: tuple[tuple[str, str, Context, bool], ...] = (
        (admin(), "sqs:SendMessage", {"aws:SecureTransport": "true"}, True),
        (admin(), "sqs:SendMessage", {"aws:SecureTransport": "false"}, False),
        (admin(), "sqs:ReceiveMessage", {"aws:SecureTransport": "false"}, False),
        (admin(OTHER), "sqs:ReceiveMessage", {"aws:SecureTransport": "true"}, False),
    )
    for principal, action, context, allowed in tried:
        yield Row(
            f"{principal.rpartition('::')[2]} may {action}, TLS {context['aws:SecureTransport']}: {allowed}",
            allowed,
            principal,
            action,
            SETTINGS.on_failure_queue_arn,
            context,
            (EVERYTHING,),
            queue.properties["Policy"],
        )


def _fraud_queue() -> Iterator[Row]:
    name, tls = fraud_queue_name(SETTINGS), "aws:SecureTransport"
    queue = next(each for each in fraud(SETTINGS, cast(Any, NoClients())) if each.name == name)
    s3, raw = (
        "s3.amazonaws.com",
        {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": SETTINGS.bucket_arn("raw"), tls: "true"},
    )
    tried: tuple[tuple[str, str, str, Context, bool], ...] = (
        ("the raw bucket", s3, "sqs:SendMessage", raw, True),
        ("the raw bucket without TLS", s3, "sqs:SendMessage", raw | {tls: "false"}, False),
        ("another bucket", s3, "sqs:SendMessage", raw | {"aws:SourceArn": "arn:aws:s3:::x"}, False),
        ("another account's", s3, "sqs:SendMessage", raw | {"aws:SourceAccount": OTHER}, False),
        ("S3", s3, "sqs:ReceiveMessage", raw, False),
        ("SNS", "sns.amazonaws.com", "sqs:SendMessage", raw, False),
        ("another account", admin(OTHER), "sqs:SendMessage", {tls: "true"}, False),
    )
    for who, principal, action, context, allowed in tried:
        yield Row(
            f"{who} may {action} on the fraud queue: {allowed}",
            allowed,
            principal,
            action,
            SETTINGS.arn("sqs", name),
            context,
            (EVERYTHING,) if principal.startswith("arn:") else (),
            queue.properties["Policy"],
        )


def _webhook_queue() -> Iterator[Row]:
    name, tls, sns = webhook_queue_name(SETTINGS), "aws:SecureTransport", "sns.amazonaws.com"
    settings = replace(SETTINGS, fraud_webhook_url="https://fraud.bank.example")
    queue = next(each for each in webhook(settings, cast(Any, NoClients())) if each.name == name)
    topic = {"aws:SourceArn": SETTINGS.arn("sns", fraud_topic_name(SETTINGS)), tls: "true"}
    for who, principal, action, context, allowed in (
        ("the fraud topic", sns, "sqs:SendMessage", topic, True),
        ("the fraud topic without TLS", sns, "sqs:SendMessage", topic | {tls: "false"}, False),
        ("another topic", sns, "sqs:SendMessage", topic | {"aws:SourceArn": f"{topic['aws:SourceArn']}-x"}, False),
        ("the fraud topic", sns, "sqs:ReceiveMessage", topic, False),
        ("another account", admin(OTHER), "sqs:SendMessage", {tls: "true"}, False),
    ):
        yield Row(
            f"{who} may {action} on the webhook's queue: {allowed}",
            allowed,
            principal,
            action,
            SETTINGS.arn("sqs", name),
            context,
            (EVERYTHING,) if principal.startswith("arn:") else (),
            queue.properties["Policy"],
        )


def _topic() -> Iterator[Row]:
    alarm = SETTINGS.arn("cloudwatch", f"alarm:{SETTINGS.prefix}-iterator-age")
    ours = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": alarm, "aws:SecureTransport": "true"}
    tried: tuple[tuple[str, str, Context, bool], ...] = (
        ("an alarm of ours", "cloudwatch.amazonaws.com", ours, True),
        ("an alarm of another account", "cloudwatch.amazonaws.com", ours | {"aws:SourceAccount": OTHER}, False),
        ("something else of ours", "cloudwatch.amazonaws.com", ours | {"aws:SourceArn": "arn:aws:s3:::x"}, False),
        ("an alarm without TLS", "cloudwatch.amazonaws.com", ours | {"aws:SecureTransport": "false"}, False),
        ("a rule of EventBridge", "events.amazonaws.com", ours, False),
        ("another account", admin(OTHER), {"aws:SecureTransport": "true"}, False),
    )
    for who, principal, context, allowed in tried:
        yield Row(
            f"{who} publishes to the topic: {allowed}",
            allowed,
            principal,
            "sns:Publish",
            topic_arn(SETTINGS),
            context,
            (EVERYTHING,) if principal.startswith("arn:") else (),
            topic_policy(SETTINGS),
        )
