"""The roles' JSON policies, filled in: least privilege, stated as who may do what, and nobody else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import pytest

from data_catalog.lake_layout import (
    ERASURES_PREFIX,
    QUARANTINE_PREFIX,
    RAW_CONTROL_PREFIX,
    RAW_TRANSACTIONS_PREFIX,
    RUNS_PREFIX,
    STAGING_PREFIX,
    TOMBSTONES_KEY,
)
from data_processing.create_glue_job import log_groups
from data_storage.redshift_setup import load_policy
from infrastructure.planning.resource import Ref
from infrastructure.references import (
    fraud_queue_name,
    fraud_table_name,
    fraud_topic_name,
    webhook_queue_name,
    webhook_secret_name,
)
from infrastructure.settings import Settings
from security.iam_roles import ROLES, resources, role_policy, trust_policy
from security.kms_keys import key_policy

SETTINGS = Settings(region="eu-central-1")
WORKGROUP = "arn:aws:redshift-serverless:eu-central-1:123456789012:workgroup/0a1b2c3d-0000-0000-0000-000000000000"
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:keys-AbCdEf"
WEBHOOK_SECRET = SETTINGS.arn("secretsmanager", f"secret:{webhook_secret_name(SETTINGS)}-AbCdEf")
# Actions for which AWS has no narrower resource.
ON_EVERYTHING = {
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
    "cloudwatch:PutMetricData",
    "redshift-data:DescribeStatement",
    "redshift-data:GetStatementResult",
    "redshift-data:ListStatements",
}


class NoClients:
    """For declarations, which call nothing."""

    emulated = False


def plain(value: Any) -> Any:
    """A policy with its Refs as ARNs."""
    if isinstance(value, Ref):
        outputs = {
            "AWS::KMS::Key": f"arn:aws:kms:eu-central-1:123456789012:key/{value.resource.rsplit('-', 1)[1]}",
            "AWS::SecretsManager::Secret": SECRET,
            "AWS::IAM::Role": "AROAEXAMPLE",
        }
        return value.form.format(outputs[value.resource.partition("/")[0]])
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


POLICIES: dict[str, dict[str, Any]] = {
    **{purpose: plain(role_policy(SETTINGS, purpose)) for purpose in ROLES},
    "glue's load of a workgroup": plain(load_policy(SETTINGS, WORKGROUP)),
    "glue's load of a cluster": plain(load_policy(SETTINGS, None, "bank-warehouse")),
}


def listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def permissions(purpose: str) -> Iterator[tuple[str, str]]:
    """Each (action, resource) that a policy allows."""
    for statement in POLICIES[purpose]["Statement"]:
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource


def who_may(action: str, resource: str) -> set[str]:
    return {
        purpose
        for purpose in POLICIES
        if any(action == allowed and fnmatchcase(resource, pattern) for allowed, pattern in permissions(purpose))
    }


def in_bucket(purpose: str, key: str) -> str:
    return f"{SETTINGS.bucket_arn(purpose)}/{key}"


@pytest.mark.parametrize("purpose", POLICIES)
def test_no_policy_names_actions_by_wildcard(purpose: str) -> None:
    assert [action for action, _ in permissions(purpose) if "*" in action or "?" in action] == []


@pytest.mark.parametrize("purpose", POLICIES)
def test_only_actions_without_a_narrower_form_are_allowed_on_everything(purpose: str) -> None:
    assert {action for action, resource in permissions(purpose) if resource == "*"} <= ON_EVERYTHING


@pytest.mark.parametrize("purpose", POLICIES)
def test_what_is_allowed_on_everything_carries_a_condition_where_aws_has_one(purpose: str) -> None:
    for statement in POLICIES[purpose]["Statement"]:
        if statement["Resource"] == "*" and not any(a.startswith("xray:") for a in listed(statement["Action"])):
            assert statement.get("Condition"), statement["Sid"]


@pytest.mark.parametrize("purpose", POLICIES)
def test_every_policy_only_allows_and_names_its_statements(purpose: str) -> None:
    sids = [statement["Sid"] for statement in POLICIES[purpose]["Statement"]]
    assert len(sids) == len(set(sids))
    assert {statement["Effect"] for statement in POLICIES[purpose]["Statement"]} == {"Allow"}
    assert not any("NotAction" in each or "NotResource" in each for each in POLICIES[purpose]["Statement"])


@pytest.mark.parametrize("purpose", POLICIES)
def test_no_role_can_change_roles_keys_or_the_trail(purpose: str) -> None:
    forbidden = ("iam:", "sts:", "cloudtrail:", "kms:Put", "kms:Create", "kms:Schedule", "kms:Disable", "s3:PutBucket")
    assert [action for action, _ in permissions(purpose) if action.startswith(forbidden)] == []


@pytest.mark.parametrize("purpose", POLICIES)
def test_keys_are_used_through_named_services_only(purpose: str) -> None:
    for statement in POLICIES[purpose]["Statement"]:
        if any(action.startswith("kms:") for action in listed(statement["Action"])):
            assert statement["Condition"]["StringEquals"]["kms:ViaService"], statement["Sid"]


@pytest.mark.parametrize(
    ("action", "resource", "purposes"),
    [
        # Only the landing function reads clear card numbers and token keys.
        ("kinesis:GetRecords", SETTINGS.stream_arn, {"lambda"}),
        ("secretsmanager:GetSecretValue", SECRET, {"lambda"}),
        ("s3:PutObject", in_bucket("raw", f"{RAW_TRANSACTIONS_PREFIX}a.ndjson.gz"), {"lambda"}),
        ("s3:PutObject", in_bucket("raw", f"{RAW_CONTROL_PREFIX}a.json"), {"lambda"}),
        ("s3:PutObject", in_bucket("raw", "elsewhere/a"), set()),
        # Raw keeps what was erased (docs/erasure.md), so no engine that people query reads it.
        ("s3:GetObject", in_bucket("raw", f"{RAW_TRANSACTIONS_PREFIX}a.ndjson.gz"), {"fraud", "glue"}),
        ("s3:GetObject", in_bucket("raw", f"{RAW_CONTROL_PREFIX}a.json"), {"glue"}),
        ("s3:PutObject", in_bucket("quarantine", f"{QUARANTINE_PREFIX}stage=landing/a"), {"lambda"}),
        ("s3:PutObject", in_bucket("quarantine", "quarantine_table/data/a"), {"glue", "optimizer"}),
        ("s3:GetObject", in_bucket("quarantine", f"{QUARANTINE_PREFIX}stage=landing/a"), {"glue"}),
        ("s3:GetObject", in_bucket("quarantine", "quarantine_table/data/a"), {"glue", "optimizer", "redshift"}),
        ("s3:PutObject", in_bucket("curated", "curated/transactions/data/a"), {"glue", "optimizer"}),
        ("s3:PutObject", in_bucket("curated", "curated/fraud_alerts/metadata/a"), {"glue", "optimizer"}),
        ("s3:PutObject", in_bucket("curated", f"{RUNS_PREFIX}r/result.json"), {"glue"}),
        ("s3:GetObject", in_bucket("curated", TOMBSTONES_KEY), {"glue"}),
        ("s3:PutObject", in_bucket("curated", TOMBSTONES_KEY), set()),
        ("s3:GetObject", in_bucket("curated", f"{ERASURES_PREFIX}a.json"), set()),
        ("s3:GetObject", in_bucket("curated", f"{RUNS_PREFIX}r/copy_transactions.manifest"), {"glue", "redshift"}),
        ("s3:GetObject", in_bucket("curated", "curated/transactions/data/a"), {"glue", "optimizer", "redshift"}),
        # The job deletes former metadata of its tables, and a manifest that came too late. It never deletes a data
        # file, which a snapshot may name, nor the record of runs. Glue's optimizers delete what no snapshot names.
        ("s3:DeleteObject", in_bucket("curated", f"{STAGING_PREFIX}a"), {"glue"}),
        ("s3:DeleteObject", in_bucket("curated", "curated/transactions/data/a"), {"optimizer"}),
        ("s3:DeleteObject", in_bucket("curated", "curated/transactions/metadata/a"), {"glue", "optimizer"}),
        ("s3:DeleteObject", in_bucket("curated", f"{RUNS_PREFIX}r/manifest.json"), {"glue"}),
        ("s3:DeleteObject", in_bucket("curated", f"{RUNS_PREFIX}r/publish.json"), set()),
        ("s3:DeleteObject", in_bucket("curated", f"{RUNS_PREFIX}r/result.json"), set()),
        ("s3:DeleteObject", in_bucket("quarantine", "quarantine_table/data/a"), {"optimizer"}),
        ("s3:DeleteObject", in_bucket("quarantine", f"{QUARANTINE_PREFIX}stage=landing/a"), set()),
        ("s3:DeleteObject", in_bucket("raw", f"{RAW_TRANSACTIONS_PREFIX}a"), set()),
        ("s3:GetObject", in_bucket("audit", "AWSLogs/a"), set()),
        ("s3:PutObject", in_bucket("artifacts", "glue/x/script.py"), set()),
        ("sqs:SendMessage", SETTINGS.on_failure_queue_arn, {"lambda"}),
        ("sqs:ReceiveMessage", SETTINGS.arn("sqs", fraud_queue_name(SETTINGS)), {"fraud"}),
        ("sqs:DeleteMessage", SETTINGS.arn("sqs", f"{fraud_queue_name(SETTINGS)}-failures"), set()),
        ("dynamodb:UpdateItem", SETTINGS.arn("dynamodb", f"table/{fraud_table_name(SETTINGS)}"), {"fraud"}),
        ("dynamodb:Scan", SETTINGS.arn("dynamodb", f"table/{fraud_table_name(SETTINGS)}"), set()),
        ("sns:Publish", SETTINGS.arn("sns", fraud_topic_name(SETTINGS)), {"fraud"}),
        ("s3:GetObject", in_bucket("raw", f"{RAW_CONTROL_PREFIX}a.json"), {"glue"}),
        ("secretsmanager:GetSecretValue", WEBHOOK_SECRET, {"webhook"}),
        ("sqs:ReceiveMessage", SETTINGS.arn("sqs", webhook_queue_name(SETTINGS)), {"webhook"}),
        ("sqs:SendMessage", SETTINGS.arn("sqs", webhook_queue_name(SETTINGS)), set()),
        ("redshift-data:BatchExecuteStatement", WORKGROUP, {"glue's load of a workgroup"}),
    ],
)  # fmt: skip
def test_who_may_do_what(action: str, resource: str, purposes: set[str]) -> None:
    assert who_may(action, resource) == purposes


def test_the_landing_function_may_do_this_and_nothing_else() -> None:
    logs = SETTINGS.arn("logs", f"log-group:{SETTINGS.function_log_group}:*")
    data, tokens, messaging = (
        f"arn:aws:kms:eu-central-1:123456789012:key/{purpose}" for purpose in ("data", "tokens", "messaging")
    )
    assert set(permissions("lambda")) == {
        ("kinesis:DescribeStream", SETTINGS.stream_arn),
        ("kinesis:DescribeStreamSummary", SETTINGS.stream_arn),
        ("kinesis:GetRecords", SETTINGS.stream_arn),
        ("kinesis:GetShardIterator", SETTINGS.stream_arn),
        ("kinesis:ListShards", SETTINGS.stream_arn),
        ("s3:PutObject", in_bucket("raw", "raw/*")),
        ("s3:PutObject", in_bucket("quarantine", "quarantine/*")),
        ("secretsmanager:GetSecretValue", SECRET),
        ("kms:Decrypt", data),
        ("kms:GenerateDataKey", data),
        ("kms:Decrypt", tokens),
        ("kms:Decrypt", messaging),
        ("kms:GenerateDataKey", messaging),
        ("sqs:SendMessage", SETTINGS.on_failure_queue_arn),
        ("logs:CreateLogStream", logs),
        ("logs:PutLogEvents", logs),
        ("xray:PutTelemetryRecords", "*"),
        ("xray:PutTraceSegments", "*"),
    }


@pytest.mark.parametrize("form", ["/{configuration}-role/{role}/output", "-{role}-{configuration}/output"])
def test_the_job_writes_its_logs_under_either_name_that_glue_documents(form: str) -> None:
    group = "/aws-glue/jobs" + form.format(configuration=SETTINGS.prefix, role=SETTINGS.role_name("glue"))
    assert group in log_groups(SETTINGS), "one that Glue makes itself has no retention"
    stream = f"{SETTINGS.arn('logs', f'log-group:{group}')}:log-stream:jr_1"
    assert who_may("logs:PutLogEvents", stream) == {"glue"}


def test_the_landing_function_can_write_objects_and_read_none_of_them_back() -> None:
    assert not any(action == "s3:GetObject" for action, _ in permissions("lambda"))
    for statement in POLICIES["lambda"]["Statement"]:
        services = statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", [])
        if "kms:Decrypt" in listed(statement["Action"]):
            assert not any(service.startswith("s3.") for service in listed(services))


def trusts(purpose: str, **context: str) -> bool:
    """Whether the role's service may assume it with this context, by IAM's rules for the operators in use."""
    (statement,) = trust_policy(SETTINGS, purpose)["Statement"]
    compared = {
        "StringEquals": lambda value, wanted: value is not None and value in wanted,
        "StringEqualsIfExists": lambda value, wanted: value is None or value in wanted,
        "ArnLikeIfExists": lambda value, wanted: value is None or any(fnmatchcase(value, each) for each in wanted),
    }
    return all(
        compared[operator](context.get(key.removeprefix("aws:")), listed(wanted))
        for operator, block in statement["Condition"].items()
        for key, wanted in block.items()
    )


@pytest.mark.parametrize("purpose", ROLES)
def test_a_role_is_assumed_by_its_service_for_this_account_only(purpose: str) -> None:
    (statement,) = trust_policy(SETTINGS, purpose)["Statement"]
    assert statement["Principal"] == {"Service": list(ROLES[purpose].services)}
    assert trusts(purpose, SourceAccount="123456789012")
    assert not trusts(purpose, SourceAccount="210987654321")
    assert not trusts(purpose, SourceArn="arn:aws:s3:::bucket-of-somebody-else")
    sources = statement["Condition"]["ArnLikeIfExists"]["aws:SourceArn"]
    assert all(":123456789012:" in source for source in sources)


@pytest.mark.parametrize("purpose", ROLES)
def test_a_service_that_does_not_say_for_which_account_it_acts_is_trusted(purpose: str) -> None:
    # AWS promises neither key on AssumeRole, and CloudTrail's CreateTrail is known to come without: github.com/
    # prowler-cloud/prowler/issues/4714.
    assert trusts(purpose)


def test_a_permissions_boundary_is_put_on_every_role() -> None:
    boundary = "arn:aws:iam::123456789012:policy/bank-boundary"

    declared = resources(replace(SETTINGS, permissions_boundary_arn=boundary), NoClients())  # type: ignore[arg-type]
    assert {resource.properties["PermissionsBoundary"] for resource in declared} == {boundary}


def test_policies_hold_in_the_partitions_of_china_too() -> None:
    text = json.dumps(plain(role_policy(Settings(region="cn-north-1"), "lambda")))
    assert "arn:aws:" not in text.replace("arn:aws:secretsmanager", "").replace("arn:aws:kms", "")
    assert "s3.cn-north-1.amazonaws.com.cn" in text


@pytest.mark.parametrize(
    ("region", "principal"),
    [
        ("eu-central-1", "logs.eu-central-1.amazonaws.com"),
        ("us-gov-west-1", "logs.us-gov-west-1.amazonaws.com"),
        ("cn-north-1", "logs.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_cloudwatch_logs_uses_the_audit_key_under_the_name_that_it_has_in_the_partition(
    region: str, principal: str
) -> None:
    statements = {each["Sid"]: each for each in key_policy(Settings(region=region), "audit")["Statement"]}
    assert statements["CloudWatchLogs"]["Principal"] == {"Service": principal}


@pytest.mark.parametrize("purpose", POLICIES)
def test_a_policy_fits_into_a_role(purpose: str) -> None:
    # IAM: 10,240 characters for all inline policies of a role, white space not counted.
    assert len(json.dumps(POLICIES[purpose], separators=(",", ":"))) <= 5_000


@pytest.mark.parametrize("purpose", POLICIES)
def test_parliament_finds_no_unknown_action_and_no_resource_that_does_not_fit(purpose: str) -> None:
    parliament = pytest.importorskip("parliament", reason="parliament is not installed")
    findings = parliament.analyze_policy_string(json.dumps(POLICIES[purpose])).findings
    assert [str(finding) for finding in findings] == []
