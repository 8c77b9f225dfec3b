"""Terraform's variables have the names, defaults and bounds of infrastructure/settings.py. Needs no terraform."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from typing import Any

import pytest

from infrastructure.errors import PlatformError
from infrastructure.settings import Settings
from tests.terraform.command import FOLDER, SHARED_VARIABLES

_TEXT = (FOLDER / "variables.tf").read_text(encoding="utf-8")
_BLOCKS = dict(re.findall(r'^variable "(\w+)" \{\n(.*?)^\}', _TEXT, re.MULTILINE | re.DOTALL))
_DEFAULTS = {field.name: field.default for field in fields(Settings)}
_RANGES = re.findall(r"var\.(\w+) >= (\d+) && var\.\1 <= (\d+)", _TEXT)
_CHOICES = re.findall(r"contains\((\[.*?\]), (?:coalesce\()?var\.(\w+)", _TEXT)
_FORMS = re.findall(r'regex\("(.*?)", var\.(\w+)\)', _TEXT)


def _is_valid(**values: Any) -> bool:
    try:
        Settings(**values)
    except PlatformError:
        return False
    return True


def test_no_variable_is_without_a_setting_but_for_what_only_terraform_does() -> None:
    assert set(_BLOCKS) - set(SHARED_VARIABLES) == {"region", "force_destroy"}


@pytest.mark.parametrize("name", sorted(set(SHARED_VARIABLES) - {"environment", "tags"}))
def test_the_default_is_that_of_the_setting(name: str) -> None:
    written = re.search(r"^  default\s*=\s*(.*)$", _BLOCKS[name], re.MULTILINE)
    assert written is not None
    assert json.loads(written[1]) == _DEFAULTS[name]


def test_every_number_has_bounds() -> None:
    numbers = {name for name, block in _BLOCKS.items() if re.search(r"type\s*=\s*number", block)}
    assert {name for name, _, _ in _RANGES} == numbers


# Terraform makes no secret, so no waiting period that a key's must not undercut.
_BESIDE = {"key_deletion_window_days": {"secret_recovery_window_days": 7}}


@pytest.mark.parametrize(("name", "low", "high"), _RANGES)
def test_the_bounds_are_those_of_the_setting(name: str, low: str, high: str) -> None:
    beside = _BESIDE.get(name, {})
    assert _is_valid(**{name: int(low)}, **beside)
    assert _is_valid(**{name: int(high)}, **beside)
    assert not _is_valid(**{name: int(low) - 1}, **beside)
    assert not _is_valid(**{name: int(high) + 1}, **beside)


@pytest.mark.parametrize(("choices", "name"), _CHOICES)
def test_the_choices_are_those_of_the_setting(choices: str, name: str) -> None:
    assert all(_is_valid(**{name: choice}) for choice in json.loads(choices))
    other: dict[str, Any] = {name: "NONE_OF_THESE"}
    with pytest.raises(PlatformError) as refused:
        Settings(**other)
    assert refused.value.todo == f"Set it to one of {', '.join(json.loads(choices))}."


_SAMPLES = {
    "region": ("eu-central-1", "us-gov-west-1", "Frankfurt", "eu-central", "eu_central-1", "eu-central-1a", ""),
    "project": (
        "banking-data",
        "ab",
        "a",
        "a" * 22,
        "a" * 23,
        "Bank",
        "bank-",
        "1bank",
        "-bank",
        "bank_data",
        "a-b",
        "a--b",
        "",
    ),
    "expected_account_id": ("", "123456789012", "1234", "12345678901x", "1234567890123"),
}


@pytest.mark.parametrize(("form", "name"), _FORMS)
def test_the_form_is_that_of_the_setting(form: str, name: str) -> None:
    for sample in _SAMPLES[name]:
        assert bool(re.search(form, sample)) == _is_valid(**{name: sample}), sample
