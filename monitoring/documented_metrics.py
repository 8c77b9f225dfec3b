"""The metrics that AWS itself emits, by its own documentation: names, units and sets of dimensions, as data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("documented_metrics.json")


@dataclass(frozen=True, slots=True)
class Documented:
    """A metric of AWS's. dimensions: the sets of names that it is kept under; source: where AWS says so."""

    unit: str
    dimensions: frozenset[frozenset[str]]
    source: str


@cache
def documented_metrics() -> dict[tuple[str, str], Documented]:
    """By namespace and name."""
    namespaces = json.loads(TABLE.read_text(encoding="utf-8"))["namespaces"]
    return {
        (namespace, name): Documented(unit, frozenset(map(frozenset, found["dimensions"])), found["source"])
        for namespace, found in namespaces.items()
        for name, unit in found["metrics"].items()
    }
