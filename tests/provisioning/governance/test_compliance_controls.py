"""The PCI DSS controls: met by what apply makes, and failed by what breaks them, as read from the account."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from data_governance.compliance_controls import CONTROLS, ELSEWHERE, Control, Verdict, judge, verdicts
from infrastructure.planning.plan import Reading
from infrastructure.planning.resource import UNSUPPORTED, Properties, Resource, Unsupported
from scripts.commands.compliance import show
from tests.provisioning.account import EmulatedAccount

SECURITY_DOC = Path(__file__).resolve().parents[3] / "docs" / "security.md"
NOT_EMULATED = {"AWS::RedshiftServerless::Namespace", "AWS::RedshiftServerless::Workgroup"}


@pytest.fixture(scope="module")
def found(governed: EmulatedAccount) -> list[Verdict]:
    return verdicts(governed.resources())


def test_what_apply_makes_meets_every_control(found: list[Verdict]) -> None:
    assert [(verdict.control.what, verdict.failed) for verdict in found if verdict.failed] == []
    unseen = {verdict.control.type for verdict in found if not verdict.met}
    assert unseen == NOT_EMULATED


def test_what_cannot_be_looked_at_is_not_called_met(found: list[Verdict]) -> None:
    public = next(verdict for verdict in found if "public address" in verdict.control.what)
    assert (public.met, public.unknown) == ((), ("banking-data-dev",))


def test_a_property_that_the_endpoint_does_not_tell_is_not_judged() -> None:
    verdict = judged(named("all four ways"), {"PublicAccessBlock": UNSUPPORTED})
    assert (verdict.met, verdict.failed) == ((), ())
    assert verdict.unknown


class Declared(Resource):
    """A resource of the account that reads something else than it declares."""

    def read(self) -> Properties | None:
        raise Unsupported("not asked")

    def create(self, properties: Properties) -> None: ...

    def update(self, changed: frozenset[str], properties: Properties) -> None: ...

    def delete(self) -> None: ...


def judged(control: Control, properties: Properties | None) -> Verdict:
    class One(Declared):
        type = control.type

    resource = One(part="security", name=f"x{control.only}x", clients=None)  # type: ignore[arg-type]
    return judge(control, [resource], {resource.id: Reading(properties)})


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.what)
def test_a_resource_that_does_not_exist_fails_its_control(control: Control) -> None:
    verdict = judged(control, None)
    assert verdict.failed and not verdict.met


def named(text: str) -> Control:
    (control,) = [control for control in CONTROLS if text in control.what]
    return control


ALLOW_ALL = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
OPEN_KEY = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:user/a"}, "Action": "kms:*"}]}


def recorded(*purposes: str, reads_only: bool = False) -> Properties:
    """A trail that records the objects of these buckets."""
    fields: list[dict[str, Any]] = [
        {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::bank-{purpose}-1/" for purpose in purposes]}
    ]
    if reads_only:
        fields.append({"Field": "readOnly", "Equals": ["true"]})
    return {"AdvancedEventSelectors": [{"Name": "Objects", "FieldSelectors": fields}]}


BROKEN: list[tuple[str, Properties]] = [
    ("all four ways", {"PublicAccessBlock": {"BlockPublicAcls": True, "BlockPublicPolicy": False}}),
    ("all four ways", {"PublicAccessBlock": None}),
    ("no public address", {"publiclyAccessible": True}),
    ("buckets are encrypted", {"Encryption": {"SSEAlgorithm": "AES256"}}),
    ("stream is encrypted", {"EncryptionKeyId": None}),
    ("log groups are encrypted", {"KmsKeyId": None}),
    ("topic is encrypted", {"KmsMasterKeyId": None}),
    ("queue is encrypted", {"KmsMasterKeyId": None}),
    ("query results", {"EnforceWorkGroupConfiguration": False, "ResultConfiguration": {}}),
    ("query results", {"EnforceWorkGroupConfiguration": True, "ResultConfiguration": None}),
    ("warehouse is encrypted", {"kmsKeyId": "AWS_OWNED_KMS_KEY"}),
    ("tokenisation keys are encrypted", {"KmsKeyId": None}),
    ("keys rotate", {"Rotation": {"Enabled": False}}),
    ("about to go", {"KeyState": "PendingDeletion"}),
    ("grants everything", {"KeyPolicy": OPEN_KEY}),
    ("buckets refuse requests without TLS", {"PolicyDocument": ALLOW_ALL}),
    ("queue refuses", {"Policy": None}),
    ("topic refuses", {"Policy": ALLOW_ALL}),
    ("with TLS only", {"ConfigParameters": {"require_ssl": "false"}}),
    ("name each action", {"PolicyDocument": ALLOW_ALL, "OtherPolicies": []}),
    ("name each action", {"PolicyDocument": {"Statement": []}, "OtherPolicies": []}),
    (
        "name each action",
        {
            "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "x"}]},
            "OtherPolicies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
        },
    ),
    ("for this account only", {"AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow"}]}}),
    ("no access lists", {"ObjectOwnership": "ObjectWriter"}),
    ("password", {"manageAdminPassword": False}),
    ("log access", {"Logging": None}),
    ("in all regions", {"IsLogging": False, "IsMultiRegionTrail": True}),
    ("in all regions", {"IsLogging": True, "IsMultiRegionTrail": False}),
    ("records reads and writes", recorded("curated", "quarantine")),
    ("records reads and writes", recorded("raw", "curated", "quarantine", reads_only=True)),
    ("logs connections", {"logExports": ["userlog"]}),
    ("trail is encrypted", {"KmsKeyId": None}),
    ("files are validated", {"EnableLogFileValidation": False}),
    ("every version", {"Versioning": "Enabled", "ObjectLock": None}),
    ("every version", {"Versioning": "Suspended", "ObjectLock": {"Years": 1}}),
    ("twelve months", {"RetentionInDays": 30}),
    ("alarms act", {"ActionsEnabled": False, "AlarmActions": ["arn:aws:sns:x"]}),
    ("alarms act", {"ActionsEnabled": True, "AlarmActions": []}),
]


@pytest.mark.parametrize(("text", "properties"), BROKEN)
def test_what_breaks_a_control_fails_it(text: str, properties: Properties) -> None:
    assert judged(named(text), properties).failed


def test_every_control_has_something_that_breaks_it() -> None:
    assert {named(text).what for text, _ in BROKEN} == {control.what for control in CONTROLS}


def test_a_control_that_fails_is_printed_with_the_resource(governed: EmulatedAccount, tmp_path: Path) -> None:
    rotation: dict[bool, Callable[..., Any]] = {
        False: governed.client("kms").disable_key_rotation,
        True: governed.client("kms").enable_key_rotation,
    }
    key = governed.client("kms").describe_key(KeyId=governed.settings.key_alias("audit"))["KeyMetadata"]["KeyId"]
    rotation[False](KeyId=key)
    console = Console(record=True, width=200, file=(tmp_path / "out").open("w"))
    show(console, verdicts(governed.resources()))
    rotation[True](KeyId=key)
    text = console.export_text()
    assert "✗ 3.7.4    customer keys rotate (KMS.4): 2 of 3" in text
    assert "not met by banking-data-dev-audit" in text
    assert "GuardDuty: left to the account" in text


def test_the_documentation_lists_every_control() -> None:
    text = SECURITY_DOC.read_text(encoding="utf-8")
    assert [control.what for control in CONTROLS if control.what not in text] == []
    assert [what for what in ELSEWHERE.values() if what not in text] == []
