"""Controls on the fraud stream's table. Its queues, function and topic are held by the controls of those types."""

from __future__ import annotations

from collections.abc import Iterator

from data_governance.controls.control import FRAUD_TABLE, GOOD_PRACTICE, Control, Severity, Subject, own_key
from data_governance.controls.policy_meaning import let_in
from infrastructure.settings import Settings


def _copies(table: Subject) -> Iterator[str]:
    if table["StreamViewType"]:
        yield "hands every item to whoever reads its stream"
    yield from (f"is copied to {region}" for region in table["Replicas"])


def _keeps(table: Subject) -> Iterator[str]:
    if not table["TimeToLiveAttribute"]:
        yield "forgets nothing"
    if table["PointInTimeRecovery"] != "DISABLED":
        yield "keeps in its backups what it has forgotten"


def _is_asked(settings: Settings) -> bool:
    return settings.stream_alerts


_TABLE = "aws dynamodb describe-table --table-name TABLE"

FRAUD: tuple[Control, ...] = (
    Control(
        "table-encryption",
        "3.5.1",
        (),
        "the fraud table is encrypted with a customer key",
        (FRAUD_TABLE,),
        Severity.MEDIUM,
        "",
        _TABLE,
        own_key("KMSMasterKeyId"),
        asked=_is_asked,
    ),
    Control(
        "table-strangers",
        "7.2.1",
        (),
        "nobody of another account may read or write the fraud table",
        (FRAUD_TABLE,),
        Severity.HIGH,
        "",
        "aws dynamodb get-resource-policy --resource-arn TABLE_ARN",
        lambda table: let_in(table["ResourcePolicy"], table.account),
        asked=_is_asked,
    ),
    Control(
        "table-not-copied",
        "7.2.1",
        (),
        "nothing hands on what the fraud table holds",
        (FRAUD_TABLE,),
        Severity.HIGH,
        "A replica has to be removed by hand: aws dynamodb update-table --replica-updates.",
        _TABLE,
        _copies,
        asked=_is_asked,
    ),
    Control(
        "table-forgets",
        GOOD_PRACTICE,
        (),
        "the fraud table forgets, and no backup remembers what it has forgotten",
        (FRAUD_TABLE,),
        Severity.LOW,
        "",
        "aws dynamodb describe-time-to-live --table-name TABLE",
        _keeps,
        asked=_is_asked,
    ),
)
