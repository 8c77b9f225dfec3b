"""IAM policy documents from JSON templates with ${name} placeholders, which Terraform's templatefile reads too."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Template
from typing import Any


def policy_from(template: Path, values: Mapping[str, Any], sids: Collection[str] | None = None) -> dict[str, Any]:
    """The policy of a template file: parsed, filled in, reduced to the statements with these Sids (all by default).

    A value need not be text: if a string is nothing but a placeholder, the value replaces it as it is (a Ref, for
    instance). Raises KeyError on a placeholder without a value or a Sid without a statement, so that neither goes
    unnoticed.
    """
    document: dict[str, Any] = json.loads(template.read_text(encoding="utf-8"))
    statements = document["Statement"]
    if sids is not None:
        by_sid = {statement["Sid"]: statement for statement in statements}
        statements = [by_sid[sid] for sid in sids]
    filled: dict[str, Any] = _fill(document | {"Statement": statements}, values)
    return filled


def _fill(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {_fill(key, values): _fill(item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, values) for item in value]
    if not isinstance(value, str):
        return value
    whole = value[2:-1] if value.startswith("${") and value.endswith("}") else ""
    if whole.isidentifier():
        return values[whole]
    return Template(value).substitute(values)
