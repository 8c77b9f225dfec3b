"""The acceptance run: its claims and their page, what proves a claim and what disproves it in an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from data_governance.control_totals import ControlKey, ControlTotals
from data_governance.reconciliation import Measured
from infrastructure.errors import PlatformError
from infrastructure.planning import waiting
from infrastructure.settings import Settings
from monitoring.setup_cloudwatch_alarms import topic_arn
from scripts.acceptance import flow, in_account
from scripts.acceptance.claims import CLAIMS
from scripts.acceptance.fidelity import PAGE, page
from scripts.acceptance.in_account import denied_and_allowed
from scripts.acceptance.verdicts import Disproven, Prover
from scripts.orchestrate_pipeline import main
from security.iam_roles import ROLES
from tests.unit.test_role_policies import who_may

SETTINGS = Settings(region="eu-central-1", environment="acceptance", object_lock_days=1)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Clients of one service that answer as AWS does; waiting takes no time."""
    monkeypatch.setattr(waiting, "pause", lambda seconds: None)

    def answering(service: str, *answers: tuple[str, dict[str, Any]]) -> Any:
        client = boto3.client(service, "eu-central-1")
        stubber = Stubber(client)
        for operation, answer in answers:
            stubber.add_response(operation, answer)
        stubber.activate()
        return lambda _: client

    return answering


def test_the_page_is_made_from_the_claims() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m scripts.acceptance.fidelity"


def test_each_claim_has_a_name_of_its_own_and_says_how_it_is_proven() -> None:
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS)
    assert all(claim.text and claim.how and claim.in_account for claim in CLAIMS)


def test_a_proof_keeps_what_it_saw_and_a_failed_one_stops_no_other() -> None:
    prover = Prover()

    def false() -> str:
        raise Disproven("there are two mappings now")

    def broken() -> str:
        raise PlatformError("stream", "is gone", "Apply.")

    assert prover.prove("apply-converges", lambda: "62 resources made")
    assert not prover.prove("second-mapping-refused", false)
    assert not prover.prove("landing", broken)
    found = {verdict.claim: (verdict.proven, verdict.detail) for verdict in prover.in_order()}
    assert found["apply-converges"] == (True, "62 resources made")
    assert found["second-mapping-refused"] == (False, "there are two mappings now")
    assert found["landing"] == (False, "stream: is gone. Apply.")
    assert found["reconciled"] == (None, "not tried")
    assert len(found) == len(CLAIMS)


def test_the_ids_of_the_requests_are_those_of_the_proof() -> None:
    client = boto3.client("sts", "eu-central-1")
    prover = Prover()
    prover.watch(client)
    with Stubber(client) as stubber:
        for id_ in ("first", "second"):
            answer = {"Account": "123456789012", "ResponseMetadata": {"RequestId": id_}}
            stubber.add_response("get_caller_identity", answer)
        prover.prove("apply-converges", lambda: str(client.get_caller_identity()["Account"]))
        prover.prove("lock-excludes", lambda: str(client.get_caller_identity()["Account"]))
    requests = {verdict.claim: verdict.requests for verdict in prover.verdicts}
    assert requests == {
        "apply-converges": ("sts.GetCallerIdentity first",),
        "lock-excludes": ("sts.GetCallerIdentity second",),
    }


def test_what_is_lost_on_the_way_disproves() -> None:
    three, two = (totals(number) for number in (3, 2))
    assert "3 records landed" in flow.landed(Measured(streamed=three, landed=three), 3)
    with pytest.raises(Disproven, match="landed is off by -1 records"):
        flow.landed(Measured(streamed=three, landed=two), 3)
    with pytest.raises(Disproven, match="2 records are accounted for, 3 were put"):
        flow.landed(Measured(streamed=two, landed=two), 3)
    with pytest.raises(Disproven, match="nothing was curated"):
        flow.curated(Measured())
    with pytest.raises(Disproven, match="nothing was loaded"):
        flow.loaded(Measured())


def totals(records: int) -> ControlTotals:
    found = ControlTotals()
    found.add(ControlKey("EUR", "DBIT"), Decimal(records), records)
    return found


def test_a_card_in_clear_disproves_and_is_not_shown() -> None:
    assert flow.masked(["****"]) == "an analyst sees **** for every card"
    with pytest.raises(Disproven) as clear:
        flow.masked(["****", "4242"])
    assert "4242" not in str(clear.value)
    with pytest.raises(Disproven):
        flow.masked([])


@pytest.mark.parametrize("purpose", denied_and_allowed(SETTINGS))
def test_what_acceptance_tries_is_what_the_policies_say(purpose: str) -> None:
    settings = Settings(region="eu-central-1")  # those whose policies the other tests hold
    denied, allowed = denied_and_allowed(settings)[purpose]
    assert purpose in who_may(*allowed)
    for action, resource in denied:
        assert purpose not in who_may(action, resource)


def test_every_role_is_tried() -> None:
    assert denied_and_allowed(SETTINGS).keys() == ROLES.keys()


@pytest.mark.parametrize(
    ("decisions", "told"),
    [
        (["implicitDeny"], "the lambda role may not even kinesis:GetRecords: the simulation proves nothing"),
        (["allowed", "allowed"], "the lambda role may s3:GetObject"),
    ],
)
def test_a_role_that_may_read_back_disproves(decisions: list[str], told: str, stub: Callable[..., Any]) -> None:
    answers = [
        ("simulate_principal_policy", {"EvaluationResults": [{"EvalActionName": "s3:Any", "EvalDecision": decision}]})
        for decision in decisions
    ]
    with pytest.raises(Disproven, match=told):
        in_account.roles_are_denied(SETTINGS, stub("iam", *answers))


@pytest.mark.parametrize(
    ("summary", "proven"),
    [
        (f"Successfully executed action {topic_arn(SETTINGS)}", True),
        (f"Failed to execute action {topic_arn(SETTINGS)}. Received error: KMS key access denied", False),
        ("Successfully executed action arn:aws:sns:eu-central-1:123456789012:another", False),
    ],
)
def test_an_alarm_whose_action_failed_disproves(summary: str, proven: bool, stub: Callable[..., Any]) -> None:
    clients = stub(
        "cloudwatch",
        ("set_alarm_state", {}),
        (
            "describe_alarm_history",
            {"AlarmHistoryItems": [{"HistorySummary": summary, "Timestamp": datetime.now(UTC)}]},
        ),
        ("set_alarm_state", {}),
    )
    if proven:
        assert in_account.alarm_reaches_topic(SETTINGS, clients) == summary
    else:
        with pytest.raises(Disproven):
            in_account.alarm_reaches_topic(SETTINGS, clients)


def test_a_trail_that_may_not_write_disproves(stub: Callable[..., Any]) -> None:
    fault = {"IsLogging": True, "LatestCloudWatchLogsDeliveryError": "AccessDenied"}
    with pytest.raises(Disproven, match="LatestCloudWatchLogsDeliveryError: AccessDenied"):
        in_account.trail_delivers(SETTINGS, stub("cloudtrail", ("get_trail_status", fault)))
    waits = stub(
        "cloudtrail",
        ("get_trail_status", {"IsLogging": True}),
        (
            "get_trail_status",
            {"IsLogging": True, "LatestCloudWatchLogsDeliveryTime": datetime(2026, 11, 26, tzinfo=UTC)},
        ),
    )
    assert in_account.trail_delivers(SETTINGS, waits) == "delivered at 2026-11-26 00:00:00+00:00"


@pytest.mark.parametrize(
    ("group", "proven"),
    [
        ({"retentionInDays": 365, "kmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/a"}, True),
        ({"kmsKeyId": "arn:aws:kms:eu-central-1:123456789012:key/a"}, False),
        ({"retentionInDays": 365}, False),
    ],
)
def test_a_log_group_of_the_job_without_retention_or_key_disproves(
    group: dict[str, Any], proven: bool, stub: Callable[..., Any]
) -> None:
    name = f"/aws-glue/jobs/{SETTINGS.prefix}-role/{SETTINGS.role_name('glue')}/error"
    clients = stub("logs", ("describe_log_groups", {"logGroups": [{"logGroupName": name, **group}]}))
    if proven:
        assert in_account.job_logs_are_kept(SETTINGS, clients) == name
    else:
        with pytest.raises(Disproven, match=name):
            in_account.job_logs_are_kept(SETTINGS, clients)


def test_an_upload_that_the_bucket_takes_disproves(stub: Callable[..., Any]) -> None:
    with pytest.raises(Disproven, match="was taken"):
        in_account.bucket_refuses(SETTINGS, stub("s3", ("put_object", {})))


def test_another_environment_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acceptance", "--environment", "prod"]) == 1
    assert "has an environment of its own, and leaves prod alone" in capsys.readouterr().err
