"""The controls as data, and how each is judged: nothing passes that was not seen to hold."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_governance.controls import CONTROLS, ELSEWHERE, UNCONTROLLED
from data_governance.controls.access import ASSUMED_BY
from data_governance.controls.control import GOOD_PRACTICE, Control, Severity
from data_governance.controls.verdicts import Status, Verdict, judge
from infrastructure.planning.plan import Reading
from infrastructure.planning.resource import UNSUPPORTED, Properties, Ref, Resource
from infrastructure.settings import Settings
from scripts.commands.verify import exit_status
from scripts.compliance_page import PAGE, page
from security.iam_roles import ROLES
from security.tokenization_secret import secret_policy

SETTINGS = Settings(region="eu-central-1")
BY_ID = {control.id: control for control in CONTROLS}


class Declared(Resource):
    """A resource that is declared and never asked."""

    def read(self) -> Properties | None:
        raise AssertionError("judged on what was read before")

    def create(self, properties: Properties) -> None: ...

    def update(self, changed: frozenset[str], properties: Properties) -> None: ...

    def delete(self) -> None: ...


def judged(
    control: Control,
    reading: Reading,
    settings: Settings = SETTINGS,
    others: dict[str, Reading] | None = None,
    **parts: Any,
) -> Verdict:
    class One(Declared):
        type = control.types[0]

    resource = One(part="security", name=f"x{control.only[0] if control.only else ''}x", clients=None, **parts)  # type: ignore[arg-type]
    return judge(control, settings, [resource], {resource.id: reading} | (others or {}))


def test_each_control_is_whole_and_its_id_its_own() -> None:
    assert len(BY_ID) == len(CONTROLS)
    for control in CONTROLS:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", control.id)
        assert control.requirement == GOOD_PRACTICE or re.fullmatch(r"\d+(\.\d+){1,3}", control.requirement)
        assert all(re.fullmatch(r"[A-Za-z0-9]+\.\d+|[A-Z_]+", standard) for standard in control.standards)
        assert control.what and control.types and control.evidence.startswith("aws ")
        assert isinstance(control.severity, Severity)
        assert control.remedy or not control.by_hand
        assert all(control.exempt.values())


def test_what_has_no_control_says_why_and_has_none() -> None:
    assert all(UNCONTROLLED.values())
    assert not {type_ for control in CONTROLS for type_ in control.types} & UNCONTROLLED.keys()


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_resource_that_does_not_exist_fails_its_control(control: Control) -> None:
    asking = replace(control, asked=lambda settings: True)
    (finding,) = judged(asking, Reading(None)).findings
    assert (finding.status, finding.faults) == (Status.FAILED, ("does not exist",))


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.id)
def test_a_resource_of_which_the_endpoint_tells_nothing_is_not_evaluated(control: Control) -> None:
    asking = replace(control, asked=lambda settings: True)
    assert judged(asking, Reading(None, "GetIt is not implemented")).status is Status.UNKNOWN
    assert judged(asking, Reading({})).status is Status.UNKNOWN


def test_a_property_that_the_endpoint_does_not_tell_is_not_evaluated() -> None:
    verdict = judged(BY_ID["function-url"], Reading({"FunctionUrls": UNSUPPORTED}))
    assert verdict.status is Status.UNKNOWN
    assert verdict.findings[0].faults == ("FunctionUrls is not told by this endpoint",)


def test_a_form_that_nobody_expects_neither_passes_nor_ends_the_command() -> None:
    verdict = judged(BY_ID["bucket-strangers"], Reading({"PolicyDocument": '{"Statement": ["x"]}'}))
    assert verdict.status is Status.UNKNOWN
    assert "in a form that this control does not know" in verdict.findings[0].faults[0]


def test_a_resource_that_cannot_exist_here_is_not_evaluated() -> None:
    lacking = {"AWS::X/workgroup": Reading(None, "not implemented")}
    refers = {"PolicyDocument": {"Resource": Ref("AWS::X/workgroup", "Arn")}}
    verdict = judged(BY_ID["role-actions"], Reading(None), others=lacking, properties=refers)
    assert verdict.status is Status.UNKNOWN
    assert "needs AWS::X/workgroup" in verdict.findings[0].faults[0]


def test_what_the_settings_do_not_ask_for_is_not_called_met() -> None:
    without = Settings(region="eu-central-1", redshift_enabled=False)
    verdict = judged(BY_ID["warehouse-public"], Reading({"publiclyAccessible": True}), without)
    assert (verdict.status, verdict.findings) == (Status.NOT_ASKED, ())


def test_what_nobody_wants_is_judged_if_it_is_there() -> None:
    everything = {"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}}
    assert judged(BY_ID["role-actions"], Reading(everything), wanted=False).status is Status.FAILED
    assert judged(BY_ID["role-actions"], Reading(None), wanted=False).findings == ()


def test_evidence_is_what_the_check_has_looked_at() -> None:
    (finding,) = judged(BY_ID["key-state"], Reading({"KeyState": "Enabled", "Description": "x"})).findings
    assert finding.looked_at == {"KeyState": "Enabled"}


@pytest.mark.parametrize(
    ("id_", "answered", "fault"),
    [
        ("function-url", {"FunctionUrls": ["$LATEST"]}, "$LATEST has a URL"),
        ("key-rotation", {"Rotation": {"Enabled": True, "PeriodInDays": 2560}}, "rotates every 2560 days only"),
        ("secret-age", {"ValueTags": {}, "CreatedAt": datetime(2020, 1, 1, tzinfo=UTC)}, "days old"),
        ("mapping-readers", {"OtherFunctions": ["arn:aws:lambda:eu-central-1:1:function:spy"]}, "of 1 reads"),
        ("trail-stream-readers", {"AdvancedEventSelectors": []}, "does not record who starts to read"),
    ],
)
def test_what_no_emulator_can_break_fails_too(id_: str, answered: Properties, fault: str) -> None:
    (finding,) = judged(BY_ID[id_], Reading(answered)).findings
    assert finding.status is Status.FAILED
    assert fault in finding.faults[0]


def test_a_tokenisation_key_within_its_cryptoperiod_is_met() -> None:
    young = {"ValueTags": {}, "CreatedAt": datetime.now(UTC)}
    assert judged(BY_ID["secret-age"], Reading(young)).status is Status.MET


def test_the_policy_of_a_secret_that_is_about_to_be_deleted_is_not_known() -> None:
    going = {"State": "PendingDeletion", "ResourcePolicy": None}
    assert judged(BY_ID["secret-readers"], Reading(going)).status is Status.UNKNOWN


def test_the_break_glass_role_may_read_the_secret_and_nobody_beside() -> None:
    settings = Settings(region="eu-central-1", token_key_break_glass_role="security/break-glass")
    for extra, status in ((), Status.MET), (("arn:aws:iam::123456789012:role/x",), Status.FAILED):
        policy = secret_policy(settings)
        policy["Statement"][0]["Condition"]["ArnNotEquals"]["aws:PrincipalArn"].extend(extra)
        answered = {"State": "Active", "ResourcePolicy": policy}
        assert judged(BY_ID["secret-readers"], Reading(answered), settings).status is status


def test_a_recovery_through_a_version_of_the_function_is_no_stranger() -> None:
    ours = {"OtherFunctions": [f"{SETTINGS.function_arn}:7"]}
    assert judged(BY_ID["mapping-readers"], Reading(ours)).status is Status.MET


def test_the_services_that_assume_a_role_are_those_that_it_is_made_for() -> None:
    assert {purpose: spec.services for purpose, spec in ROLES.items()} == ASSUMED_BY


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        (["Enabled"], 0),
        (["Enabled", "Disabled"], 1),
        (["Enabled", UNSUPPORTED], 2),
        (["Disabled", UNSUPPORTED], 1),
    ],
)
def test_the_exit_status_tells_failed_from_not_evaluated(readings: list[Any], expected: int) -> None:
    found = [judged(BY_ID["key-state"], Reading({"KeyState": state})) for state in readings]
    assert exit_status(found) == expected


def test_what_is_left_to_the_account_is_named_by_requirement() -> None:
    assert all(re.fullmatch(r"\d+(\.\d+){1,3}", requirement) for requirement in ELSEWHERE)


def test_the_page_is_made_of_the_controls() -> None:
    assert Path(PAGE).read_text(encoding="utf-8") == page(), "python -m scripts.compliance_page"
