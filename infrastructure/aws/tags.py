"""Tags in the two shapes of AWS's interfaces: a dict, and a list of Key and Value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """[{"Key": ..., "Value": ...}] of a dict."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_dict(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The dict of such a list."""
    return {tag["Key"]: tag["Value"] for tag in tags}
