"""A contract may gain optional fields; everything else that readers or producers would notice is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from data_catalog import transaction_contract
from data_catalog.contract_compatibility import PROMISED, Contract, changes, is_new_major
from data_catalog.transaction_contract import Field, Type
from scripts.commands.command_line import run

FIELDS = (
    Field(1, "transaction_id", max_length=64, ascii=True),
    Field(2, "amount", Type.DECIMAL),
    Field(3, "status", max_length=8, values=("PENDING", "BOOKED")),
    Field(4, "description", required=False, max_length=500, free_text=True),
)
UNITS = {"EUR": 2, "JPY": 0}
ROOT = Path(__file__).parents[2]


def contract(fields: Sequence[Field] = FIELDS, version: str = "1.1", units: dict[str, int] = UNITS) -> Contract:
    return Contract(version, dict.fromkeys(PROMISED, fields), units)


def changed(name: str, /, **values: object) -> tuple[Field, ...]:
    return tuple(replace(field, **values) if field.name == name else field for field in FIELDS)  # type: ignore[arg-type]


def breaks(present: Contract) -> bool:
    return any(change.breaks for change in changes(contract(), present))


def test_the_same_contract_has_no_changes() -> None:
    assert changes(contract(), contract()) == []


def test_an_optional_field_in_a_new_minor_version_is_compatible_wherever_it_stands() -> None:
    new = Field(5, "purpose", required=False, max_length=4, since="1.2")
    found = changes(contract(), contract((FIELDS[0], new, *FIELDS[1:]), "1.2"))
    assert [(change.where, change.breaks) for change in found] == [(f"{table}.purpose", False) for table in PROMISED]


@pytest.mark.parametrize(
    ("new", "version"),
    [
        (Field(5, "purpose", max_length=4, since="1.2"), "1.2"),
        (Field(5, "purpose", required=False, max_length=4, since="1.2"), "1.1"),
        (Field(5, "purpose", required=False, max_length=4, since="1.1"), "1.1"),
        (Field(4, "purpose", required=False, max_length=4, since="1.2"), "1.2"),
    ],
    ids=["required", "version not raised", "since a version that is out already", "id of another field"],
)
def test_another_new_field_is_refused(new: Field, version: str) -> None:
    assert breaks(contract((*FIELDS, new), version))


@pytest.mark.parametrize(
    "fields",
    [
        FIELDS[1:],
        (FIELDS[1], FIELDS[0], *FIELDS[2:]),
        changed("amount", type=Type.STRING),
        changed("description", required=True),
        changed("transaction_id", required=False),
        changed("transaction_id", max_length=128),
        changed("status", values=("PENDING", "BOOKED", "REJECTED")),
        changed("transaction_id", ascii=False),
        changed("amount", id=9),
        changed("amount", name="value"),
    ],
    ids=[
        "gone", "order", "type", "required now", "optional now", "length", "values", "characters", "id", "name",
    ],
)  # fmt: skip
def test_a_changed_field_is_refused(fields: tuple[Field, ...]) -> None:
    assert breaks(contract(fields, "1.2"))


def test_a_comment_is_no_change() -> None:
    assert changes(contract(), contract(changed("amount", comment="Said better"))) == []


def test_a_currency_may_come_and_none_may_go_or_change_its_digits() -> None:
    assert not breaks(contract(units=UNITS | {"BHD": 3}))
    assert breaks(contract(units={"EUR": 2}))
    assert breaks(contract(units={"EUR": 2, "JPY": 2}))


def test_a_version_does_not_go_back_and_a_new_major_one_says_so_itself() -> None:
    assert breaks(contract(version="1.0"))
    assert is_new_major(contract(), contract(FIELDS[1:], "2.0"))
    assert not is_new_major(contract(), contract(version="1.2"))


@pytest.fixture
def in_history() -> None:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", "HEAD"], check=False)
    if done.returncode:
        pytest.skip("no checkout of git")


@pytest.mark.usefixtures("in_history")
def test_this_checkout_is_compatible_with_its_last_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "check", "--against", "HEAD"], None, "") == 0
    assert capsys.readouterr().out.endswith("Compatible.\n")


@pytest.mark.usefixtures("in_history")
def test_a_breaking_change_is_named_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tuple(field for field in transaction_contract.TRANSACTION_FIELDS if field.name != "amount")
    monkeypatch.setattr(transaction_contract, "TRANSACTION_FIELDS", kept)
    assert run(["schema", "check", "--against", "HEAD"], None, "") == 1
    assert "breaks TRANSACTION_FIELDS.amount: is gone" in capsys.readouterr().out


@pytest.mark.usefixtures("in_history")
def test_a_commit_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "check", "--against", "no-such-branch"], None, "") == 1
    assert "commit no-such-branch: is not in this checkout's history" in capsys.readouterr().err
