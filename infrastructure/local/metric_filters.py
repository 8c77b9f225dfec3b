"""CloudWatch Logs' filter patterns for JSON, as far as the audit trail's metric filters use them. Pure.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

_CONDITION = re.compile(r'\(?\$\.(\S+) (=|!=) "([^"]*)"\)?')


def matches(pattern: str, event: Mapping[str, Any]) -> bool:
    """Whether the filter takes the event: terms with && between, a term being conditions with || between.

    Raises ValueError for a condition that is not known here.
    """
    terms = pattern.removeprefix("{ ").removesuffix(" }").split(" && ")
    return all(any(_holds(each, event) for each in term.split(" || ")) for term in terms)


def _holds(text: str, event: Mapping[str, Any]) -> bool:
    """A selector of something that is not there holds neither way."""
    condition = _CONDITION.fullmatch(text.strip("()"))
    if condition is None:
        raise ValueError(f"a filter pattern has here no condition {text}")
    path, sign, wanted = condition.groups()
    value: Any = event
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part) if part.isdigit() else part]
        except (KeyError, IndexError, TypeError):
            return False
    return fnmatchcase(str(value), wanted) is (sign == "=")
