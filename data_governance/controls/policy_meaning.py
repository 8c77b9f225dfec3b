"""What an IAM policy means, as far as a control asks: whom it lets in, and what it refuses to everybody. Pure.

It judges effect, not wording: a deny that names one user or one action does not protect, whatever its Sid says. What it
cannot read counts against the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

Statement = Mapping[str, Any]
# Condition keys that tell on whose behalf a request is made, and the operators that demand their value.
_ORIGINS = (
    "aws:principalaccount",
    "aws:principalarn",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceowner",
    "kms:calleraccount",
)
_ORIGIN_PREFIX = "kms:encryptioncontext:"  # CloudWatch Logs names the log group so
_DEMANDS = ("stringequals", "stringlike", "arnequals", "arnlike")
_IF_EXISTS = "ifexists"


def statements(policy: Any) -> list[Statement]:
    """The statements of a policy document, given as text or parsed; none if there is no policy."""
    document = json.loads(policy) if isinstance(policy, str | bytes) else policy
    found = listed((document or {}).get("Statement", []))
    if not all(isinstance(each, Mapping) for each in found):
        raise ValueError("a statement that is no object")
    return found


def listed(value: Any) -> list[Any]:
    """A value of a policy as a list: a single one may stand without."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def title(statement: Statement) -> str:
    """How a statement is called in a finding."""
    return f"statement {statement['Sid']}" if statement.get("Sid") else "a statement without a Sid"


def let_in(policy: Any, account: str) -> Iterator[str]:
    """Whom a resource's policy lets in beside this account and the services that act for it: a finding for each."""
    for statement in statements(policy):
        if statement.get("Effect") == "Allow":
            for who in strangers(statement, account):
                yield f"{title(statement)} allows {', '.join(map(str, actions(statement)))} to {who}"


def strangers(statement: Statement, account: str) -> Iterator[str]:
    """The principals of a statement that are neither of this account nor services that act for it."""
    if "NotPrincipal" in statement:
        yield "all but some (NotPrincipal)"
        return
    for kind, name in principals(statement):
        if kind == "Service":
            if not _acts_for(statement, account, if_exists=True):
                yield f"{name} on behalf of any account"
        elif kind != "AWS":
            yield f"{name} ({kind})"
        elif "*" in name:
            if not _acts_for(statement, account, if_exists=False):
                yield "everybody" if name == "*" else name
        elif account_of(name) != account:
            yield name


def principals(statement: Statement) -> Iterator[tuple[str, str]]:
    """(kind, name) of each principal."""
    named = statement.get("Principal")
    if named is None:
        return
    if not isinstance(named, Mapping):
        named = {"AWS": named}
    for kind, names in named.items():
        for name in listed(names):
            yield str(kind), str(name)


def account_of(principal: str) -> str:
    """The account of a principal: the twelve digits, or the fifth part of an ARN."""
    parts = principal.split(":")
    return parts[4] if len(parts) > 5 else principal


def actions(statement: Statement) -> list[str]:
    """The actions that a statement names; NotAction stands for every action."""
    return ["*"] if "NotAction" in statement else [str(each) for each in listed(statement.get("Action"))]


def allows(policy: Any, *wanted: str) -> Iterator[str]:
    """The statements that allow one of these actions, by name or by wildcard: a finding for each."""
    for statement in statements(policy):
        if statement.get("Effect") == "Allow":
            reached = [action for action in wanted if _covers(actions(statement), action)]
            if reached:
                yield f"{title(statement)} allows {', '.join(reached)}"


def _acts_for(statement: Statement, account: str, *, if_exists: bool) -> bool:
    """Whether a condition binds the statement to this account. if_exists: a key that is not sent may count as bound,
    which is so for services, whose conditions AWS does not document.
    """
    return any(
        _demands(operator, if_exists) and _is_origin(str(key)) and _is_ours(values, account)
        for operator, block in conditions(statement)
        for key, values in block.items()
    )


def conditions(statement: Statement) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(operator in lower case, block) of each condition."""
    for operator, block in (statement.get("Condition") or {}).items():
        yield str(operator).lower(), block


def _demands(operator: str, if_exists: bool) -> bool:
    plain = operator.removesuffix(_IF_EXISTS) if if_exists else operator
    return plain in _DEMANDS


def _is_origin(key: str) -> bool:
    return key.lower() in _ORIGINS or key.lower().startswith(_ORIGIN_PREFIX)


def _is_ours(values: Any, account: str) -> bool:
    return bool(listed(values)) and all(account_of(str(value)) == account for value in listed(values))


def denies(policy: Any, action: str, resources: Sequence[str], condition: Mapping[str, Any]) -> bool:
    """Whether one statement refuses an action on all these resources to everybody, under this condition and no other.

    action: e.g. "s3:*", which only a wildcard covers. A second condition in the statement would narrow it.
    """
    return any(_denies(each, action, resources, _plain_conditions(condition)) for each in statements(policy))


def _denies(statement: Statement, action: str, resources: Sequence[str], condition: Any) -> bool:
    if statement.get("Effect") != "Deny" or "NotPrincipal" in statement or "NotAction" in statement:
        return False
    everybody = ("AWS", "*") in principals(statement)
    patterns = [str(each) for each in listed(statement.get("Resource"))]
    return (
        everybody
        and _covers(actions(statement), action)
        and all(_covers(patterns, resource) for resource in resources)
        and _plain_conditions(statement.get("Condition") or {}) == condition
    )


def _covers(patterns: Sequence[str], wanted: str) -> bool:
    return any(fnmatchcase(wanted.lower(), pattern.lower().replace("[", "[[]")) for pattern in patterns)


def _plain_conditions(condition: Mapping[str, Any]) -> dict[str, dict[str, list[str]]]:
    """A condition in one form: operators and keys in lower case, values as sorted text."""
    return {
        str(operator).lower(): {
            str(key).lower(): sorted(_text(value) for value in listed(values)) for key, values in block.items()
        }
        for operator, block in condition.items()
    }


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
