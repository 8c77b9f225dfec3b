"""When two property values mean the same, and where they differ. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ABSENT = "(absent)"
# If a list's objects have one of these keys, it names them: the list is compared element by element, in any order.
_ELEMENT_NAMES = ("Sid", "ID", "Id", "Key", "Name", "Column")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a resource differs. path: e.g. "Policy.Statement[DenyInsecureTransport].Effect"."""

    path: str
    old: Any
    new: Any


def canonical(value: Any, *, unordered: bool = False, policy: bool = False) -> Any:
    """One form for all values that mean the same: plain lists and dicts, sets and policies sorted.

    A key whose value is None is the same as no key.
    """
    if policy:
        return canonical_policy(value)
    if isinstance(value, Mapping):
        present = {str(key): item for key, item in sorted(value.items()) if item is not None}
        return {key: canonical(item, unordered=unordered) for key, item in present.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [canonical(item, unordered=unordered) for item in value]
        return sorted(items, key=_sort_key) if unordered or isinstance(value, set | frozenset) else items
    return value


def _sort_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def canonical_policy(document: Any) -> Any:
    """One form for all policies that mean the same: the order of statements and list items, "a" or ["a"], true or
    "true" do not matter.

    Source: IAM JSON policy grammar (a single element of a block may stand without its list).
    """
    if isinstance(document, str | bytes):
        if not document:
            return None
        try:
            document = json.loads(document)
        except ValueError:
            return document  # no policy of ours; compared as it is
    if not isinstance(document, Mapping):
        return document
    statements = document.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    result = {key: value for key, value in document.items() if key != "Id"}
    if not isinstance(statements, list | tuple):
        return result
    result["Statement"] = sorted((_canonical_statement(statement) for statement in statements), key=_statement_key)
    return result


def _statement_key(statement: Any) -> tuple[str, str]:
    return str(statement.get("Sid", "")) if isinstance(statement, Mapping) else "", _sort_key(statement)


def _canonical_statement(statement: Any) -> Any:
    """A form that we do not write is compared as it is: others' policies must not end a plan."""
    if not isinstance(statement, Mapping):
        return statement
    result: dict[str, Any] = {}
    for key, value in statement.items():
        if key in ("Action", "NotAction", "Resource", "NotResource"):
            result[key] = _text_set(value)
        elif key in ("Principal", "NotPrincipal"):
            result[key] = _canonical_principal(value)
        elif key == "Condition" and isinstance(value, Mapping):
            result[key] = {operator: _canonical_block(block) for operator, block in sorted(value.items())}
        else:
            result[key] = value
    return dict(sorted(result.items()))


def _canonical_block(block: Any) -> Any:
    return {name: _text_set(block[name]) for name in sorted(block)} if isinstance(block, Mapping) else block


def _canonical_principal(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return {"AWS": sorted({_principal(str(name)) for name in _text_set(value)})}
    return {kind: sorted({_principal(str(name)) for name in _text_set(names)}) for kind, names in sorted(value.items())}


def _principal(name: str) -> str:
    # AWS stores the short form of an account as the ARN of its root.
    return f"arn:aws:iam::{name}:root" if name.isdecimal() and len(name) == 12 else name


def _text_set(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return sorted({_text(item) if isinstance(item, str | bool | int) else _sort_key(item) for item in values})


def _text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def differences(path: str, old: Any, new: Any) -> Iterator[Difference]:
    """Where two canonical values differ, as deep as their shapes agree; ABSENT stands for a missing value."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from differences(f"{path}.{key}", old.get(key, ABSENT), new.get(key, ABSENT))
        return
    name = element_name(old, new)
    if name:
        yield from _element_differences(path, name, old, new)
    else:
        yield Difference(path, ABSENT if old is None else old, ABSENT if new is None else new)


def element_name(*lists: Any) -> str | None:
    """The key that names the elements of all these lists; None unless each has it and no list repeats a name."""
    for name in _ELEMENT_NAMES:
        if all(isinstance(items, list) and _named_uniquely(items, name) for items in lists):
            return name
    return None


def _named_uniquely(items: list[Any], name: str) -> bool:
    if not all(isinstance(item, dict) and isinstance(item.get(name), str) for item in items):
        return False
    return len({item[name] for item in items}) == len(items)


def _element_differences(path: str, name: str, old: list[Any], new: list[Any]) -> Iterator[Difference]:
    before = {item[name]: item for item in old}
    after = {item[name]: item for item in new}
    for key in [*after, *(key for key in before if key not in after)]:
        yield from differences(f"{path}[{key}]", before.get(key, ABSENT), after.get(key, ABSENT))
